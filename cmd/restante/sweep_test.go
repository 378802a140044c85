package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/restante-mail/restante/auth"
	"github.com/restante-mail/restante/gateway"
	"github.com/restante-mail/restante/memimap"
	"github.com/restante-mail/restante/secret"
)

// TestSweepOfAccounts: what a client deleted goes when its time is up, although
// the client does not come back; of a login that is passed through, and where a
// route depends on where the client is, it stays.
func TestSweepOfAccounts(t *testing.T) {
	dir := t.TempDir()
	state := filepath.ToSlash(filepath.Join(dir, "state.db"))
	if got := run([]string{"state", "init", "--state", state}); got != 0 {
		t.Fatalf("state init: exit status %d", got)
	}
	sealed, err := auth.NewKeyring(state+".key").Seal("bob", auth.UpstreamPurpose, secret.New("open sesame"))
	if err != nil {
		t.Fatal(err)
	}
	address := mailServer(t, "alice", 5)
	configuration := func(route string) string {
		return fmt.Sprintf("state = %q\n[[listener]]\naddress = \"127.0.0.1:0\"\n[[upstream]]\nname = \"main\"\nurl = \"imap://%s\"\n", state, address) +
			route + "[[route]]\naccounts = \"only\"\npolicy = \"soon\"\n[policy.soon]\npreset = \"keep-days\"\nretain = [{ since = \"deleted\", after = \"1s\", do = \"expunge\" }]\n" +
			"[[account]]\nname = \"bob\"\nmethod = \"password\"\nuser = \"alice\"\npassword = \"" + sealed + "\"\n" +
			"[[account.secret]]\nlabel = \"main\"\nhash = \"" + auth.HashPassword(secret.New("open sesame"), "") + "\"\n"
	}
	r := start(t, configuration(""))
	session(t, r, "bob", 1, 2)
	out, err := command(t, "policy", "approve", "--config", r.file)
	want(t, out, err, "soon")

	r.write(t, configuration("[[route]]\nuser = \"bob\"\nnetwork = [\"192.0.2.0/24\"]\naccounts = \"only\"\npolicy = \"read-only\"\n"))
	if err := r.live.Reload(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if got := r.sweeps.account(ctx, "bob"); got.looked+got.failed > 0 {
		t.Errorf("a route that depends on the client's address: %+v", got)
	}
	r.write(t, configuration(""))
	if err := r.live.Reload(); err != nil {
		t.Fatal(err)
	}
	for ctx.Err() == nil && !strings.Contains(r.log.String(), "changed=2") { // until its time is up
		if next := r.sweeps.sweep(ctx); next != 6*time.Hour {
			t.Fatalf("the next sweep is in %v", next)
		}
	}
	if n := session(t, r, "bob"); n != 3 {
		t.Errorf("%d messages are left; want 3", n)
	}
	if log := r.log.String(); !strings.Contains(log, "removed upstream") || !strings.Contains(log, "session=sweep-") {
		t.Errorf("the log does not say who removed what:\n%s", log)
	}
}

// TestSweepAndReload: a sweep of many accounts takes hours. What is configured
// while it is at one of them counts for those that follow.
func TestSweepAndReload(t *testing.T) {
	dir := t.TempDir()
	state := filepath.ToSlash(filepath.Join(dir, "state.db"))
	if got := run([]string{"state", "init", "--state", state}); got != 0 {
		t.Fatalf("state init: exit status %d", got)
	}
	address := mailServer(t, "alice", 5)
	configuration := func(more string) string {
		text := fmt.Sprintf("state = %q\n[[listener]]\naddress = \"127.0.0.1:0\"\n[[upstream]]\nname = \"main\"\nurl = \"imap://%s\"\n", state, address) +
			"[[route]]\naccounts = \"only\"\npolicy = \"soon\"\n[policy.soon]\npreset = \"keep-days\"\nretain = [{ since = \"deleted\", after = \"1s\", do = \"expunge\" }]\n" + more
		for _, name := range []string{"ann", "bob"} {
			sealed, err := auth.NewKeyring(state+".key").Seal(name, auth.UpstreamPurpose, secret.New("open sesame"))
			if err != nil {
				t.Fatal(err)
			}
			text += "[[account]]\nname = \"" + name + "\"\nmethod = \"password\"\nuser = \"alice\"\npassword = \"" + sealed + "\"\n" +
				"[[account.secret]]\nlabel = \"main\"\nhash = \"" + auth.HashPassword(secret.New("open sesame"), "") + "\"\n"
		}
		return text
	}
	r := start(t, configuration(""))
	session(t, r, "bob", 1, 2)
	out, err := command(t, "policy", "approve", "--config", r.file)
	want(t, out, err, "soon")

	g, c, made := r.sweeps.enter()
	made.visitors.Add(-1)
	reloading, inner := *g, g.Route
	reloading.Now = func() time.Time { return time.Now().Add(time.Hour) } // their time is up
	reloading.Route = func(user string, client netip.Addr, listener string) (gateway.Route, error) {
		if user != "ann" {
			return inner(user, client, listener)
		}
		r.write(t, configuration("dry_run = true\n"))
		return gateway.Route{}, errors.Join(errors.New("she is passed over"), r.live.Reload())
	}
	r.sweeps.use(&reloading, c, made)
	r.sweeps.sweep(t.Context())
	if log := r.log.String(); !strings.Contains(log, "she is passed over") || !strings.Contains(log, "dry_run: nothing is changed") {
		t.Errorf("the log:\n%s", log)
	}
	if n := session(t, r, "bob"); n != 3 { // hidden, and there
		t.Errorf("%d messages are shown; want 3", n)
	}
	if strings.Contains(r.log.String(), "removed upstream") {
		t.Error("a sweep removed mail after a reload that forbids it")
	}
}

// TestUndeleteAtOnce: what was moved to the trash is moved back at once where
// something is kept for the account, and at the next sign-in where not.
func TestUndeleteAtOnce(t *testing.T) {
	dir := t.TempDir()
	state := filepath.ToSlash(filepath.Join(dir, "state.db"))
	if got := run([]string{"state", "init", "--state", state}); got != 0 {
		t.Fatalf("state init: exit status %d", got)
	}
	sealed, err := auth.NewKeyring(state+".key").Seal("bob", auth.UpstreamPurpose, secret.New("open sesame"))
	if err != nil {
		t.Fatal(err)
	}
	server := memimap.New()
	server.InsecureAuth = true
	user := server.AddUser("alice", secret.New("open sesame"))
	inbox, trash := user.Mailbox("INBOX"), user.Mailbox("Trash")
	for i := range 3 {
		inbox.Append(fmt.Appendf(nil, "Subject: %d\r\n\r\n", i), nil, time.Time{})
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(l) }()
	t.Cleanup(func() {
		server.Close()
		<-ended
	})
	r := start(t, fmt.Sprintf("state = %q\n[admin]\nsocket = %q\n[[listener]]\naddress = \"127.0.0.1:0\"\n[[upstream]]\nname = \"main\"\nurl = \"imap://%s\"\n", state, filepath.Join(dir, "s"), l.Addr())+
		"[[route]]\naccounts = \"first\"\npolicy = \"bin\"\n[policy.bin]\non_delete = \"move:Trash\"\nnewest = 100\n"+
		"[[account]]\nname = \"bob\"\nmethod = \"password\"\nuser = \"alice\"\npassword = \""+sealed+"\"\n"+
		"[[account.secret]]\nlabel = \"main\"\nhash = \""+auth.HashPassword(secret.New("open sesame"), "")+"\"\n")
	for _, c := range []struct {
		user, want string
		inbox      int // right after undelete
	}{
		{"bob", "moved back", 3},
		{"alice", "comes back at the next sign-in", 2}, // the same mailbox, passed through
	} {
		session(t, r, c.user, 1)
		if n := len(trash.Messages()); n != 1 {
			t.Fatalf("%s: %d messages in the trash", c.user, n)
		}
		out, err := command(t, "undelete", c.user, "--config", r.file)
		want(t, out, err, c.want)
		if n := len(inbox.Messages()); n != c.inbox {
			t.Errorf("%s: %d messages in the inbox, want %d; %s", c.user, n, c.inbox, r.log)
		}
		if n := session(t, r, c.user); n != 3 {
			t.Errorf("%s: %d messages are shown after the next sign-in", c.user, n)
		}
	}
}
