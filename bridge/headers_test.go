package bridge

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/restante-mail/restante/peertest"
	"github.com/restante-mail/restante/upstream"
)

// letters are headers of all kinds, and which of them must be given whole.
var letters = []struct {
	raw   string
	whole bool
}{
	{"Message-ID: <1@x>\r\nDate: Sun, 22 Nov 2026 10:00:00 +0000\r\n\r\none\r\n", false},
	{"From: printer\r\nDate: Sun, 22 Nov 2026 10:00:00 +0000\r\n\r\ntwo\r\n", true},
	{"Message-ID: <3@x>\r\nSubject: no date\r\n\r\nthree\r\n", true},
	{"DATE:\r\n Sun, 22 Nov 2026 10:00:00 +0000\r\nmessage-id: <4@x>\r\nSubject: a\r\n\r\nMessage-ID: <5@x>\r\n", false},
	{"Subject: neither\r\n\r\nDate: x\r\nMessage-ID: <6@x>\r\n", true},
}

func wantHeaders(t *testing.T, m upstream.Mailbox, want int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	listed, err := m.Messages(ctx)
	if err != nil {
		t.Fatal(err)
	}
	var ids []upstream.ID
	for _, m := range listed {
		ids = append(ids, m.ID)
	}
	got := map[uint32]string{}
	err = m.(upstream.HeaderReader).Headers(ctx, ids, func(id upstream.ID, header []byte, whole bool) {
		if _, twice := got[id.UID]; twice {
			t.Errorf("UID %d came twice", id.UID)
		}
		got[id.UID] = fmt.Sprint(whole, " ", string(header))
	})
	if err != nil || len(got) != want {
		t.Fatalf("%d headers, %v; want %d", len(got), err, want)
	}
	for i, m := range listed {
		letter := letters[i%len(letters)]
		header, _, _ := strings.Cut(letter.raw, "\r\n\r\n")
		said := got[m.ID.UID]
		if !strings.HasPrefix(said, fmt.Sprint(letter.whole, " ")) || letter.whole && !strings.Contains(said, header) {
			t.Errorf("message %d: %q", i, said)
		}
		for _, line := range strings.Split(header, "\r\n") {
			if name := strings.ToLower(line); (strings.HasPrefix(name, "date:") || strings.HasPrefix(name, "message-id:")) &&
				!strings.Contains(strings.ToLower(said), name) {
				t.Errorf("message %d: %q lacks %q", i, said, line)
			}
		}
	}
}

func TestHeadersMemory(t *testing.T) {
	_, user, o := memory(t)
	inbox := user.Mailbox("INBOX")
	for i := range 1203 { // more than go into one command, with gaps
		inbox.Append([]byte(letters[i%len(letters)].raw), nil, time.Time{})
	}
	m, err := open(t, o).Open(context.Background(), alice)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	wantHeaders(t, m, 1203)
	m.Apply(context.Background(), nil)
	wantHeaders(t, m, 1203) // over a connection taken again
}

func TestHeadersDovecot(t *testing.T) {
	d := peertest.Dovecot(t)
	for _, letter := range letters {
		d.Deliver("alice", "INBOX", []byte(letter.raw))
	}
	m, err := open(t, dovecotOptions(t, d, Plain)).Open(context.Background(), alice)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	wantHeaders(t, m, len(letters))
	m.Apply(context.Background(), nil)
	wantHeaders(t, m, len(letters))
}
