package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/restante-mail/restante/peertest"
)

// TestRollback: a move is taken back, and made again. Each message is fetched
// once, wherever it came to; but a client forgets the name of one that is not
// there, as mail that only the new server got is not meanwhile.
func TestRollback(t *testing.T) {
	peertest.Need(t, "dovecot")
	binary := peertest.BuildRestante(t, false)
	for name, start := range standingServers() {
		t.Run(name, func(t *testing.T) { rollBack(t, binary, start(t)) })
	}
}

func rollBack(t *testing.T, binary string, old standing) {
	next := peertest.Dovecot(t, plainAlice())
	m := startMove(t, binary, old.url)
	account := peertest.Account{Addr: m.restante.POP3, User: "alice", Password: plainPassword, Keep: true, Home: t.TempDir()}
	fetches := func(when string, want ...[]byte) {
		t.Helper()
		var got []string
		for _, message := range clientNamed(t, "mpop").Fetch(t, account) {
			got = append(got, subjectOf([]byte(strings.ReplaceAll(strings.ReplaceAll(string(message), "\r\n", "\n"), "\n", "\r\n"))))
		}
		var wanted []string
		for _, w := range want {
			wanted = append(wanted, subjectOf(w))
		}
		if strings.Join(got, ", ") != strings.Join(wanted, ", ") {
			t.Errorf("%s: fetched %q; want %q", when, got, wanted)
		}
	}
	old.deliver(moved(0, 5)...)
	fetches("before", moved(0, 5)...)
	m.awaitLedger(0, 5)

	if old.validity != nil { // as some programs copy: with UIDs and UIDVALIDITY
		next.Doveadm("mailbox", "update", "-u", "alice", "--uid-validity", fmt.Sprint(old.validity()), "INBOX")
	}
	copyTo(t, next, moved(0, 5))
	copyTo(t, next, moved(10, 11))
	m.reload("imap://" + next.IMAPAddr())
	fetches("moved", moved(10, 11)...)
	m.awaitLedger(next.UIDValidity("alice", "INBOX"), 6)

	m.reload(old.url)
	fetches("taken back")
	old.deliver(moved(20, 21)...)
	fetches("taken back, and new mail there", moved(20, 21)...)
	m.awaitLedger(0, 6)

	copyTo(t, next, moved(20, 21))
	copyTo(t, next, moved(11, 12))
	m.reload("imap://" + next.IMAPAddr())
	fetches("moved again", moved(10, 12)...)
	fetches("in the end")
}
