package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/restante-mail/restante/gateway"
	"github.com/restante-mail/restante/peertest"
	"github.com/restante-mail/restante/store"
)

// An importing is a configuration that leads to a new server, and a state file.
type importing struct {
	t      *testing.T
	dir    string
	config string
	state  string
}

func newImporting(t *testing.T, d *peertest.DovecotServer) *importing {
	t.Helper()
	dir := t.TempDir()
	i := &importing{t: t, dir: dir, config: filepath.Join(dir, "new.toml"), state: filepath.Join(dir, "restante.db")}
	i.write("new.toml", fmt.Sprintf("state = \"restante.db\"\n[[listener]]\naddress = \"127.0.0.1:0\"\n[[upstream]]\nname = \"main\"\nurl = \"imap://%s\"\n"+
		"[[route]]\nuser_regex = \"[a-z]+\"\n", d.IMAPAddr()))
	s, err := store.Open(i.state, true)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return i
}

func (i *importing) write(name, text string) string {
	i.t.Helper()
	path := filepath.Join(i.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		i.t.Fatal(err)
	}
	return path
}

// run imports from a POP3 server, and returns what came of each user.
func (i *importing) run(o uidlImportOptions, stdin string) (map[string]importResult, error) {
	i.t.Helper()
	var out, status bytes.Buffer
	o.config, o.json = i.config, true
	if o.parallel == 0 {
		o.parallel = 4
	}
	err := o.run(i.t.Context(), strings.NewReader(stdin), &out, &status)
	var all []importResult
	if out.Len() > 0 {
		if err := json.Unmarshal(out.Bytes(), &all); err != nil {
			i.t.Fatalf("%v: %s", err, out.String())
		}
	}
	results := map[string]importResult{}
	for _, r := range all {
		results[r.User] = r
	}
	return results, err
}

func (i *importing) entries(user string, validity uint32) []store.Entry {
	i.t.Helper()
	l, leave, err := store.LookLedger(i.t.Context(), i.state)
	if err != nil {
		i.t.Fatal(err)
	}
	defer func() { _ = leave() }()
	entries, err := l.Entries(i.t.Context(), store.FolderKey{Maildrop: gateway.Maildrop("main", user), Folder: "INBOX", UIDValidity: validity})
	if err != nil {
		i.t.Fatal(err)
	}
	return entries
}

// TestImport: what becomes of messages that are there, of some that are there
// twice, of one that was not copied, of one that was changed, and of new mail.
func TestImport(t *testing.T) {
	users := peertest.WithUsers(map[string]string{"alice": plainPassword, "bob": plainPassword, "carol": plainPassword, "dora": plainPassword})
	old := peertest.Dovecot(t, users, peertest.WithPOP3())
	next := peertest.Dovecot(t, users)
	printer := []byte("From: printer\r\nSubject: no Message-ID\r\n\r\nscan\r\n")
	old.Deliver("alice", "INBOX", append(append(moved(0, 8), moved(7, 8)...), printer, []byte("\r\nno header\r\n"))...)
	changed := append(moved(1, 2)[0], "a line more\r\n"...)
	next.Deliver("alice", "INBOX", append(append(moved(2, 8), moved(7, 8)...), changed, printer, moved(20, 21)[0])...)
	old.Deliver("bob", "INBOX", moved(0, 3)...)
	next.Deliver("bob", "INBOX", moved(0, 3)...)
	old.Deliver("dora", "INBOX", moved(0, 1)...)
	i := newImporting(t, next)
	from := uidlImportOptions{from: "pop3://" + old.POP3Addr(), users: i.write("users.tsv",
		"alice\t"+plainPassword+"\nbob\t"+plainPassword+"\ncarol\twrong\ndora\t"+plainPassword+"\twrong\n")}

	results, err := i.run(from, "")
	if err == nil || !strings.Contains(err.Error(), "2 of 4 user(s)") {
		t.Errorf("two of the users have wrong passwords: %v", err)
	}
	for user, want := range map[string]string{"carol": "sign in", "dora": "--from: "} {
		if got := results[user].Error; !strings.Contains(got, want) || strings.Contains(got, "wrong") && strings.Contains(got, plainPassword) {
			t.Errorf("%s: %q; want a word of %q", user, got, want)
		}
	}
	a := results["alice"].Adoption
	if a == nil || a.Known != 11 || a.Matched != 6 || a.Ambiguous != 2 || a.Missing != 1 || a.Resized != 1 || a.Unreadable != 1 || a.Listed != 10 {
		t.Errorf("alice: %+v", a)
	}
	if b := results["bob"].Adoption; b == nil || b.Known != 3 || b.Matched != 3 || b.New != 0 || b.Unmatched != nil {
		t.Errorf("bob: %+v", b)
	}

	// Again: nothing is read anew, and everything is as it was.
	before := i.entries("alice", 0)
	again, err := i.run(uidlImportOptions{from: from.from, user: "alice"}, plainPassword+"\n")
	if err != nil || again["alice"].Adoption == nil || again["alice"].Matched != 6 || again["alice"].Ambiguous != 2 {
		t.Errorf("again: %+v, %v", again["alice"].Adoption, err)
	}
	if after := i.entries("alice", 0); fmt.Sprint(after) != fmt.Sprint(before) || len(after) != 11 {
		t.Errorf("another import has changed what was learned")
	}
	wantSameNames(t, i, old, next)
}

// wantSameNames: what was matched has its name for clients, and no name is of
// another message.
func wantSameNames(t *testing.T, i *importing, old, next *peertest.DovecotServer) {
	t.Helper()
	r := peertest.Restante(t, peertest.BuildRestante(t, false), fmt.Sprintf(moveConfig, i.state)+peertest.For("imap://"+next.IMAPAddr()))
	before, after := byText(t, old.POP3Addr()), byText(t, r.POP3)
	same := 0
	for name, text := range after {
		was, known := before[name]
		switch {
		case known && was != text:
			t.Errorf("UIDL %s is of another message", name)
		case known:
			same++
		}
	}
	if same != 6 || len(after) != 10 {
		t.Errorf("%d of %d messages have their names; want 6 of 10", same, len(after))
	}
}

func byText(t *testing.T, addr string) map[string]string {
	t.Helper()
	all := map[string]string{}
	c, err := peertest.DialPOP3(addr, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Login("alice", plainPassword); err != nil {
		t.Fatal(err)
	}
	list, err := c.Get("UIDL")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(list)) {
		number, name, _ := strings.Cut(strings.TrimSpace(line), " ")
		text, err := c.Get("RETR " + number)
		if err != nil {
			t.Fatal(err)
		}
		all[name] = string(text)
	}
	return all
}

// TestImportRefuses what cannot be meant, before anything is done.
func TestImportRefuses(t *testing.T) {
	d := peertest.Dovecot(t, plainAlice(), peertest.WithPOP3())
	i := newImporting(t, d)
	for _, test := range []struct {
		o    uidlImportOptions
		want string
	}{
		{uidlImportOptions{user: "alice"}, "either --from URL, or --file TSV"},
		{uidlImportOptions{from: "pop3://x"}, "either --user USER, or --users FILE"},
		{uidlImportOptions{file: "x", users: "y"}, "--file is of one user"},
		{uidlImportOptions{from: "pop3://x", user: "alice", parallel: 65}, "from 1 to 64"},
		{uidlImportOptions{from: "imap://" + d.IMAPAddr(), user: "alice"}, "speaks IMAP"},
		{uidlImportOptions{from: "main", user: "alice"}, "speaks IMAP"},
		{uidlImportOptions{from: "nowhere", user: "alice"}, "neither a URL nor the name"},
		{uidlImportOptions{from: "pop3://user:pw@x", user: "alice"}, "must not hold a user name"},
		{uidlImportOptions{from: "pop3://" + d.POP3Addr(), user: "alice42"}, "no route matches"},
		{uidlImportOptions{from: "pop3://" + d.POP3Addr(), users: i.write("u", "alice\tx\nalice42\tx\n")}, "u:2: no route matches"},
		{uidlImportOptions{file: i.write("names", "x\n"), user: "alice"}, "names:1: "},
	} {
		results, err := i.run(test.o, plainPassword)
		if err == nil || !strings.Contains(err.Error(), test.want) || len(results) != 0 || len(i.entries("alice", 0)) != 0 {
			t.Errorf("%+v: %v, %v; want %q", test.o, results, err, test.want)
		}
	}
}

// TestExportAndImport carries names to another state file.
func TestExportAndImport(t *testing.T) {
	old := peertest.Dovecot(t, plainAlice(), peertest.WithPOP3())
	next := peertest.Dovecot(t, plainAlice())
	old.Deliver("alice", "INBOX", moved(0, 8)...)
	next.Deliver("alice", "INBOX", moved(3, 9)...)
	one, two := newImporting(t, next), newImporting(t, next)
	if _, err := one.run(uidlImportOptions{from: "pop3://" + old.POP3Addr(), user: "alice"}, plainPassword); err != nil {
		t.Fatal(err)
	}
	export := func(i *importing) string {
		o := accountOptions{config: i.config}
		target, err := o.openTarget()
		if err != nil {
			t.Fatal(err)
		}
		defer target.close()
		var out bytes.Buffer
		if err := exportNames(t.Context(), &out, target.gateway.Shared.Store, gateway.Maildrop("main", "alice")); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	text := export(one)
	if n := strings.Count(text, "\n"); n != 1+8+6 {
		t.Errorf("%d lines: %s", n, text)
	}
	if _, err := two.run(uidlImportOptions{file: two.write("names.tsv", text), user: "alice"}, ""); err != nil {
		t.Fatal(err)
	}
	if again := export(two); again != text {
		t.Errorf("exported again:\n%s\nit was\n%s", again, text)
	}
	wantSix := byText(t, old.POP3Addr())
	r := peertest.Restante(t, peertest.BuildRestante(t, false), fmt.Sprintf(moveConfig, two.state)+peertest.For("imap://"+next.IMAPAddr()))
	same := 0
	for name, text := range byText(t, r.POP3) {
		if wantSix[name] == text {
			same++
		}
	}
	if same != 5 {
		t.Errorf("%d messages have the names of the file; want 5", same)
	}
}
