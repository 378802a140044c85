package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/restante-mail/restante/gateway"
	"github.com/restante-mail/restante/peertest"
	"github.com/restante-mail/restante/store"
)

// moved are messages that real programs tell apart.
func moved(from, to int) (all [][]byte) {
	for i := from; i < to; i++ {
		all = append(all, fmt.Appendf(nil, "From: test@example.com\r\nTo: alice@example.com\r\nMessage-ID: <%d@example.com>\r\n"+
			"Date: Sun, 22 Nov 2026 10:00:%02d +0000\r\nSubject: number %d\r\n\r\n.dot %s\r\n", i, i%60, i, strings.Repeat("y", i%70)))
	}
	return all
}

// copyTo puts messages into a user's inbox over IMAP, as a migration program
// does: they get new UIDs.
func copyTo(t *testing.T, d *peertest.DovecotServer, messages [][]byte) {
	t.Helper()
	c := peertest.DialIMAP(t, d.IMAPAddr())
	defer c.Close()
	c.Login("alice", d.Password("alice"))
	for _, m := range messages {
		c.Do(fmt.Sprintf("APPEND INBOX {%d+}\r\n%s", len(m), m))
	}
}

// plainPassword is one that every client's configuration can hold.
const plainPassword = "pa55-of-alice"

func plainAlice() peertest.Option {
	return peertest.WithUsers(map[string]string{"alice": plainPassword})
}

// An standing is one whose POP3 clients are to be moved.
type standing struct {
	url     string
	deliver func(...[]byte)
	// validity is the inbox's, if its UIDLs have it in them.
	validity func() uint32
}

func standingServers() map[string]func(t *testing.T) standing {
	dovecot := func(format string) func(t *testing.T) standing {
		return func(t *testing.T) standing {
			d := peertest.Dovecot(t, plainAlice(), peertest.WithPOP3(), peertest.WithConfig("protocol pop3 {\npop3_uidl_format = "+format+"\n}"))
			return standing{"pop3://" + d.POP3Addr(), func(m ...[]byte) { d.Deliver("alice", "INBOX", m...) },
				func() uint32 { return d.UIDValidity("alice", "INBOX") }}
		}
	}
	return map[string]func(t *testing.T) standing{
		"Dovecot": dovecot("%08Xu%08Xv"), "Dovecot by file": dovecot("%f"),
		"Courier": func(t *testing.T) standing {
			c := peertest.Courier(t, map[string]string{"alice": plainPassword})
			return standing{"pop3://" + c.POP3Addr(), func(m ...[]byte) { c.Deliver("alice", m...) }, nil}
		},
	}
}

// TestRehearsal moves a POP3 server's mail to an IMAP server while real clients
// keep it on the server, and then changes that server's UIDVALIDITY: in the end
// each client has every message once.
func TestRehearsal(t *testing.T) {
	peertest.Need(t, "dovecot")
	binary := peertest.BuildRestante(t, false)
	for name, start := range standingServers() {
		t.Run(name, func(t *testing.T) {
			for _, client := range peertest.Clients() {
				if client.Remembers {
					t.Run(client.Name, func(t *testing.T) { rehearse(t, binary, client, start(t)) })
				}
			}
		})
	}
}

func rehearse(t *testing.T, binary string, client peertest.Client, old standing) {
	m := startMove(t, binary, old.url)
	account := peertest.Account{Addr: m.restante.POP3, User: "alice", Password: plainPassword, Keep: true, Home: t.TempDir()}
	fetches := func(want ...[]byte) {
		t.Helper()
		got := client.Fetch(t, account)
		if len(got) != len(want) {
			t.Fatalf("%s fetched %d messages; want %d", client.Name, len(got), len(want))
		}
		for _, w := range want {
			if !slices.ContainsFunc(got, func(g []byte) bool { return strings.Contains(string(g), subjectOf(w)) }) {
				t.Fatalf("%s did not fetch %q", client.Name, subjectOf(w))
			}
		}
	}
	messages := moved(0, 12)
	old.deliver(messages...)
	fetches(messages...)
	fetches()
	m.awaitLedger(0, 12)

	next := peertest.Dovecot(t, plainAlice())
	reversed := slices.Clone(messages)
	slices.Reverse(reversed)
	copyTo(t, next, reversed)
	copyTo(t, next, moved(12, 13))
	m.reload("imap://" + next.IMAPAddr())
	fetches(moved(12, 13)...)
	fetches()
	m.awaitLedger(next.UIDValidity("alice", "INBOX"), 13)

	next.Doveadm("mailbox", "update", "-u", "alice", "--uid-validity", "123456789", "INBOX")
	copyTo(t, next, moved(13, 14))
	fetches(moved(13, 14)...)
	fetches()
}

func subjectOf(m []byte) string {
	_, after, _ := strings.Cut(string(m), "Subject: ")
	subject, _, _ := strings.Cut(after, "\r\n")
	return "Subject: " + subject
}

// A move is a Restante whose upstream is going to be another.
type move struct {
	t        *testing.T
	restante *peertest.RestanteServer
	state    string
}

const moveConfig = "state = %q\n"

func startMove(t *testing.T, binary, url string) *move {
	state := filepath.Join(t.TempDir(), "restante.db")
	m := &move{t: t, state: state, restante: peertest.Restante(t, binary, fmt.Sprintf(moveConfig, state)+peertest.For(url))}
	noSecrets(t, m.restante)
	return m
}

// reload changes the upstream's URL.
func (m *move) reload(url string) {
	m.t.Helper()
	path := filepath.Join(m.restante.Home, "restante.toml")
	text, err := os.ReadFile(path)
	if err != nil {
		m.t.Fatal(err)
	}
	var lines []string
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "url = ") {
			line = fmt.Sprintf("url = %q\n", url)
		}
		lines = append(lines, line)
	}
	if err := os.WriteFile(path, []byte(strings.Join(lines, "")), 0o600); err != nil {
		m.t.Fatal(err)
	}
	if err := syscall.Kill(m.restante.PID(), syscall.SIGHUP); err != nil {
		m.t.Fatal(err)
	}
	m.restante.Await("configuration reloaded")
}

// awaitLedger waits until so many messages of a life are known: they are learned
// when the client has left.
func (m *move) awaitLedger(validity uint32, want int) {
	m.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	l, leave, err := store.LookLedger(ctx, m.state)
	if err != nil {
		m.t.Fatal(err)
	}
	defer func() { _ = leave() }()
	for {
		entries, err := l.Entries(ctx, store.FolderKey{Maildrop: gateway.Maildrop("main", "alice"), Folder: "INBOX", UIDValidity: validity})
		if err != nil {
			m.t.Fatalf("%d of %d messages are known: %v", len(entries), want, err)
		}
		if len(entries) == want {
			return
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			m.t.Fatalf("%d of %d messages are known", len(entries), want)
		}
	}
}
