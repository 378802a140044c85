package main

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/restante-mail/restante/peertest"
)

// patience is how long an answer may take where the upstream is given four
// seconds, on a busy machine.
const patience = 40 * time.Second

// Another IMAP client removes, adds and flags during the session: numbers stay,
// and only what this session deleted goes.
func otherClient(t *testing.T, binary string) {
	d := peertest.Dovecot(t, alice())
	m := mail(6)
	d.Deliver("alice", "INBOX", m[:5]...)
	r := inFront(t, binary, d)
	c := signIn(t, r)
	list := get(t, c, "LIST")

	other := peertest.DialIMAP(t, d.IMAPAddr())
	defer other.Close()
	other.Login("alice", password)
	other.Do("SELECT INBOX")
	other.Do(`UID STORE 2 +FLAGS (\Deleted)`)
	other.Do("UID EXPUNGE 2")
	other.Do(`UID STORE 3 +FLAGS (\Flagged)`)
	other.Do(`UID STORE 4 +FLAGS (\Deleted)`)
	d.Deliver("alice", "INBOX", m[5])
	other.Do("NOOP")

	if again := get(t, c, "LIST"); !bytes.Equal(list, again) {
		t.Errorf("the list changed from %q to %q", list, again)
	}
	refused(t, c, "RETR 2", "")
	for _, n := range []int{1, 3, 5} {
		if got := get(t, c, fmt.Sprintf("RETR %d", n)); !bytes.Equal(got, m[n-1]) {
			t.Errorf("message %d is another one", n)
		}
	}
	say(t, c, "DELE 1")
	say(t, c, "DELE 2")
	say(t, c, "QUIT")
	holds(t, d, m[2], m[3], m[4], m[5])
	want := []string{`\Flagged \Seen`, `\Deleted`, `\Seen`, ""}
	if got := flags(d); !slices.Equal(got, want) {
		t.Errorf("flags %q, want %q", got, want)
	}
}

// A connection that ends without QUIT deletes nothing; nor does a QUIT that
// did not come whole, or one after RSET.
func hangUp(t *testing.T, binary string) {
	for name, last := range map[string]string{
		"at once": "", "half a QUIT": "QUI", "QUIT without line end": "QUIT", "reset": "RSET\r\nQUIT\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			d := peertest.Dovecot(t, alice())
			d.Deliver("alice", "INBOX", mail(3)...)
			r := inFront(t, binary, d)
			c := signIn(t, r)
			say(t, c, "DELE 1")
			say(t, c, "DELE 2")
			if err := c.Send(last); err != nil {
				t.Fatal(err)
			}
			if strings.HasPrefix(last, "RSET") {
				_, _ = c.Answer()
				_, _ = c.Answer()
			}
			c.Close()
			c = signIn(t, r) // not before the first session has ended, for it holds the lock
			if got := say(t, c, "STAT"); !strings.HasPrefix(got, "+OK 3 ") {
				t.Errorf("STAT: %q", got)
			}
			holds(t, d, mail(3)...)
		})
	}
}

// behindRelay starts a Dovecot with messages, a relay before it, and Restante
// before that, with an upstream timeout of four seconds.
func behindRelay(t *testing.T, binary string, messages ...[]byte) (*peertest.DovecotServer, *peertest.Relay, *peertest.RestanteServer) {
	t.Helper()
	d := peertest.Dovecot(t, alice())
	d.Deliver("alice", "INBOX", messages...)
	relay := peertest.NewRelay(t, d.IMAPAddr())
	r := peertest.Restante(t, binary, peertest.For("imap://"+relay.Addr(), `timeout = "4s"`, `list_timeout = "4s"`))
	noSecrets(t, r)
	return d, relay, r
}

// A body whose source dies is never ended as if it were whole.
func cutInBody(t *testing.T, binary string) {
	big := peertest.Text(1, 8<<20)
	for name, fault := range map[string]peertest.Fault{
		"in the middle":     {Dir: peertest.ToClient, After: 4 << 20},
		"at the start":      {Dir: peertest.ToClient, Seen: "BODY[]"},
		"at the last octet": {Dir: peertest.ToClient, After: 8 << 20},
		"at the request":    {Dir: peertest.ToServer, Seen: "FETCH"},
	} {
		t.Run(name, func(t *testing.T) {
			d, relay, r := behindRelay(t, binary, big)
			c := signIn(t, r)
			say(t, c, "STAT")
			happened := relay.Break(fault)
			if got, err := c.Get("RETR 1"); err == nil && !bytes.Equal(got, big) {
				t.Errorf("%d octets of %d were ended as if they were whole", len(got), len(big))
			}
			wait(t, happened, "the fault did not happen")
			c.Close()
			if got := get(t, signIn(t, r), "RETR 1"); !bytes.Equal(got, big) {
				t.Error("the next session got something else")
			}
			holds(t, d, big)
		})
	}
}

// When the upstream dies during QUIT, for a moment or for good, the answer is
// +OK only if the work was done, and nothing but the deleted message is ever
// touched.
func cutInQuit(t *testing.T, binary string) {
	for name, fault := range map[string]peertest.Fault{
		"before STORE":   {Dir: peertest.ToServer, Seen: "STORE", Do: peertest.Cut},
		"after STORE":    {Dir: peertest.ToServer, Seen: "STORE", Do: peertest.CutAnswer},
		"before EXPUNGE": {Dir: peertest.ToServer, Seen: "EXPUNGE", Do: peertest.Cut},
		"after EXPUNGE":  {Dir: peertest.ToServer, Seen: "EXPUNGE", Do: peertest.CutAnswer},
		"stall at STORE": {Dir: peertest.ToServer, Seen: "STORE", Do: peertest.Stall},
	} {
		for _, last := range []bool{false, true} {
			fault.Last = last
			t.Run(fmt.Sprintf("%s, for good %v", name, last), func(t *testing.T) { brokenQuit(t, binary, fault) })
		}
	}
}

func brokenQuit(t *testing.T, binary string, fault peertest.Fault) {
	m := mail(3)
	d, relay, r := behindRelay(t, binary, m...)
	c := signIn(t, r)
	c.Patience = patience
	say(t, c, "DELE 2")
	happened := relay.Break(fault)
	answer, err := c.Do("QUIT")
	wait(t, happened, "the fault did not happen")
	left := len(d.Messages("alice", "INBOX"))
	if err == nil && left != 2 {
		t.Errorf("%q, but %d messages are left", answer, left)
	}
	if err != nil && !strings.HasPrefix(answer, "-ERR [SYS/TEMP]") {
		t.Errorf("QUIT: %q, %v", answer, err)
	}
	if fault.Last && err == nil {
		t.Errorf("QUIT: %q, but no server can have said that the work is done", answer)
	}
	if left == 2 {
		holds(t, d, m[0], m[2])
	} else {
		holds(t, d, m...)
	}
}

// An upstream that falls silent costs the client its patience, not for ever.
func stall(t *testing.T, binary string) {
	big := peertest.Text(1, 8<<20)
	t.Run("in a body", func(t *testing.T) {
		d, relay, r := behindRelay(t, binary, big)
		c := signIn(t, r)
		relay.Break(peertest.Fault{Dir: peertest.ToClient, After: 4 << 20, Do: peertest.Stall})
		c.Patience = patience
		if got, err := c.Get("RETR 1"); err == nil && !bytes.Equal(got, big) {
			t.Errorf("%d octets of %d were ended as if they were whole", len(got), len(big))
		}
		holds(t, d, big)
	})
	t.Run("at sign-in", func(t *testing.T) {
		_, relay, r := behindRelay(t, binary, big)
		relay.Break(peertest.Fault{Dir: peertest.ToServer, Seen: "INBOX", Do: peertest.Stall})
		c := connect(t, r)
		c.Patience = patience
		say(t, c, "USER alice")
		refused(t, c, "PASS "+password, "[SYS/TEMP]")
	})
}

// An administrator upstream ends the connection between two commands.
func kick(t *testing.T, binary string) {
	d := peertest.Dovecot(t, alice())
	m := mail(2)
	d.Deliver("alice", "INBOX", m...)
	r := inFront(t, binary, d)
	c := signIn(t, r)
	get(t, c, "RETR 1")
	say(t, c, "DELE 1")
	d.Kick("alice")
	answer, err := c.Do("QUIT")
	if err == nil {
		holds(t, d, m[1])
		return
	}
	if !strings.HasPrefix(answer, "-ERR [SYS/TEMP]") {
		t.Errorf("QUIT: %q, %v", answer, err)
	}
	holds(t, d, m...)
}

// The upstream ends altogether.
func upstreamGone(t *testing.T, binary string) {
	d := peertest.Dovecot(t, alice())
	d.Deliver("alice", "INBOX", mail(1)...)
	r := inFront(t, binary, d)
	c := signIn(t, r)
	say(t, c, "DELE 1")
	d.Stop()
	refused(t, c, "QUIT", "[SYS/TEMP]")
	c = connect(t, r)
	say(t, c, "USER alice")
	refused(t, c, "PASS "+password, "[SYS/TEMP]")
}

// Without UIDPLUS nothing of another client's is ever removed.
func noUIDPLUS(t *testing.T, binary string) {
	for name, test := range map[string]struct {
		capability string
		left       int // in INBOX, after two messages were deleted of three
		trash      int
	}{
		"neither": {"IMAP4rev1", 3, 0},
		"MOVE":    {"IMAP4rev1 MOVE SPECIAL-USE", 1, 2},
	} {
		t.Run(name, func(t *testing.T) {
			d := peertest.Dovecot(t, alice(), peertest.WithCapability(test.capability))
			d.Deliver("alice", "INBOX", mail(3)...)
			r := inFront(t, binary, d)
			c := signIn(t, r)
			other := peertest.DialIMAP(t, d.IMAPAddr())
			defer other.Close()
			other.Login("alice", password)
			other.Do("SELECT INBOX")
			other.Do(`UID STORE 3 +FLAGS (\Deleted)`)
			say(t, c, "DELE 1")
			say(t, c, "DELE 2")
			say(t, c, "QUIT")
			if got := flags(d); len(got) != test.left || got[len(got)-1] != `\Deleted` {
				t.Errorf("left in INBOX: %q", got)
			}
			if got := d.Messages("alice", "Trash"); len(got) != test.trash {
				t.Errorf("%d messages in Trash, want %d", len(got), test.trash)
			}
			if got := say(t, signIn(t, r), "STAT"); !strings.HasPrefix(got, "+OK 0 ") {
				t.Errorf("the next session sees %q", got)
			}
		})
	}
}

// SIGTERM lets a running session finish, and nobody in.
func terminate(t *testing.T, binary string) {
	m := mail(2)
	t.Run("session finishes", func(t *testing.T) {
		d := peertest.Dovecot(t, alice())
		d.Deliver("alice", "INBOX", m...)
		r := inFront(t, binary, d)
		c := signIn(t, r)
		say(t, c, "DELE 1")
		sendSignal(t, r, syscall.SIGTERM)
		refusesConnections(t, r)
		say(t, c, "RETR 2")
		if _, err := c.Text(nil); err != nil {
			t.Error(err)
		}
		say(t, c, "QUIT")
		ends(t, r)
		holds(t, d, m[1])
	})
	t.Run("session is idle", func(t *testing.T) {
		d := peertest.Dovecot(t, alice())
		d.Deliver("alice", "INBOX", m...)
		r := peertest.Restante(t, binary, "shutdown_time = \"1s\"\n"+peertest.For("imap://"+d.IMAPAddr()))
		c := signIn(t, r)
		say(t, c, "DELE 1")
		sendSignal(t, r, syscall.SIGTERM)
		ends(t, r)
		holds(t, d, m...)
	})
}

func sendSignal(t *testing.T, r *peertest.RestanteServer, s syscall.Signal) {
	t.Helper()
	if err := syscall.Kill(r.PID(), s); err != nil {
		t.Fatal(err)
	}
}

// refusesConnections waits until nobody is let in any more.
func refusesConnections(t *testing.T, r *peertest.RestanteServer) {
	t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		c, err := peertest.DialPOP3(r.POP3, nil)
		if err != nil {
			return
		}
		c.Close()
	}
	t.Error("still lets clients in")
}

// ends waits for the end of a process that was told to end.
func ends(t *testing.T, r *peertest.RestanteServer) {
	t.Helper()
	wait(t, r.Process().Ended(), "restante does not end")
	if status := r.Process().ExitStatus(); status != 0 {
		t.Errorf("exit status %d", status)
	}
}

// wait waits for an event, but not for ever.
func wait(t *testing.T, event <-chan struct{}, otherwise string) {
	t.Helper()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-event:
	case <-timer.C:
		t.Fatal(otherwise)
	}
}

// A crash in the middle of a session leaves the upstream untouched.
func kill(t *testing.T, binary string) {
	d := peertest.Dovecot(t, alice())
	m := mail(3)
	d.Deliver("alice", "INBOX", m...)
	r := inFront(t, binary, d)
	c := signIn(t, r)
	get(t, c, "RETR 1")
	say(t, c, "DELE 1")
	say(t, c, "DELE 2")
	r.Process().Kill()
	holds(t, d, m...)
	if got, want := flags(d), []string{"", "", ""}; !slices.Equal(got, want) {
		t.Errorf("flags %q", got)
	}
}
