package main

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/restante-mail/restante/peertest"
	"github.com/restante-mail/restante/uidl"
)

// uidlsOf is what a server calls alice's messages.
func uidlsOf(t *testing.T, addr, password string) (all []string) {
	t.Helper()
	c, err := peertest.DialPOP3(addr, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Login("alice", password); err != nil {
		t.Fatal(err)
	}
	text, err := c.Get("UIDL")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		_, name, _ := strings.Cut(strings.TrimSpace(line), " ")
		all = append(all, name)
	}
	if _, err := c.Do("QUIT"); err != nil {
		t.Fatal(err)
	}
	return all
}

// TestFormatsLikeDovecot: Restante before a Dovecot's IMAP calls messages what
// that Dovecot's own POP3 server calls them.
func TestFormatsLikeDovecot(t *testing.T) {
	formats := map[string]string{ // ours, by Dovecot's
		"%08Xu%08Xv": "dovecot", "%v.%u": "cyrus", "%u": "%u", "%08Xv%08Xu": "%08Xv%08Xu", "%v-%u": "%v-%u",
		"%Xu-%Xv": "%Xu-%Xv", "%010u.%v": "%010u.%v", "a%%%u": "a%%%u", "UID%u-%v": "courier",
	}
	binary := peertest.BuildRestante(t, false)
	for _, theirs := range slices.Sorted(maps.Keys(formats)) {
		t.Run(strings.ReplaceAll(theirs, "%", "_"), func(t *testing.T) {
			d := peertest.Dovecot(t, plainAlice(), peertest.WithPOP3(), peertest.WithConfig("protocol pop3 {\npop3_uidl_format = "+theirs+"\n}"))
			d.Deliver("alice", "INBOX", moved(0, 12)...)
			state := fmt.Sprintf(moveConfig, filepath.Join(t.TempDir(), "restante.db"))
			r := peertest.Restante(t, binary, state+peertest.For("imap://"+d.IMAPAddr(), fmt.Sprintf("uidl = %q", formats[theirs])))
			want, got := uidlsOf(t, d.POP3Addr(), plainPassword), uidlsOf(t, r.POP3, plainPassword)
			if len(got) != 12 || !slices.Equal(got, want) {
				t.Errorf("%q; Dovecot says %q", got, want)
			}
		})
	}
}

// TestFormatLikeCourier: the format is that of Courier, of the UIDs that Courier
// has written down.
func TestFormatLikeCourier(t *testing.T) {
	c := peertest.Courier(t, map[string]string{"alice": plainPassword})
	c.Deliver("alice", moved(0, 12)...)
	got := uidlsOf(t, c.POP3Addr(), plainPassword)
	text, err := os.ReadFile(c.SizeList("alice"))
	if err != nil {
		t.Fatal(err)
	}
	format, err := uidl.Parse("courier")
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for i, line := range strings.Split(strings.TrimSpace(string(text)), "\n") {
		var name string
		var size, uid, validity uint32
		if i == 0 {
			continue // the version, the next UID, the UIDVALIDITY
		}
		if _, err := fmt.Sscanf(strings.ReplaceAll(line, ":", " "), "%s 2, %d %d %d", &name, &size, &uid, &validity); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		want = append(want, format.Of(uidl.Message{UID: uid, UIDValidity: validity}))
	}
	if len(got) != 12 || !slices.Equal(got, want) {
		t.Errorf("Courier says %q; the format makes %q", got, want)
	}
}
