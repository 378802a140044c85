package gateway_test

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"github.com/restante-mail/restante/peertest"
	"github.com/restante-mail/restante/pop3"
	"github.com/restante-mail/restante/pop3/pop3test"
)

// TestUpstreamLostAtEveryCommand: a real POP3 server is lost as each command is
// sent, before or after it was heard. The client deletes two of four messages.
func TestUpstreamLostAtEveryCommand(t *testing.T) {
	commands := []string{"CAPA", "USER", "PASS", "STAT", "LIST", "UIDL", "RETR 1", "RETR 3", "DELE 1", "DELE 2", "QUIT"}
	users := map[string]string{}
	for i := range 4 * len(commands) {
		users[fmt.Sprint("user", i)] = "secret"
	}
	d := peertest.Dovecot(t, peertest.WithPOP3(), peertest.WithUsers(users))
	used := 0
	for _, command := range commands {
		for _, heard := range []bool{false, true} {
			for _, last := range []bool{false, true} {
				user := fmt.Sprint("user", used)
				used++
				t.Run(fmt.Sprintf("%s heard %v last %v", command, heard, last), func(t *testing.T) {
					loseUpstream(t, d, user, peertest.Fault{Seen: command, Do: map[bool]peertest.Action{true: peertest.CutAnswer}[heard], Last: last})
				})
			}
		}
	}
}

func loseUpstream(t *testing.T, d *peertest.DovecotServer, user string, fault peertest.Fault) {
	mail := pop3test.Mail(4)
	d.Deliver(user, "INBOX", mail...)
	relay := peertest.NewRelay(t, d.POP3Addr())
	relay.Break(fault)
	front := pop3test.Start(t, &pop3.Server{Backend: over(proxyTo(t, relay.Addr()), nil)})
	c, err := peertest.DialPOP3(front.Address, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	deleted, done := downloadAndDelete(t, c, user, mail)
	left := d.Files(user, "INBOX")
	for i, m := range mail {
		there := slices.ContainsFunc(left, func(l []byte) bool { return bytes.Equal(l, m) })
		switch {
		case !there && !slices.Contains(deleted, i):
			t.Errorf("message %d is lost", i+1)
		case there && done && slices.Contains(deleted, i):
			t.Errorf("message %d is there, and QUIT said that it is not", i+1)
		case !there && !done && fault.Do == peertest.Cut:
			t.Errorf("message %d is gone, and QUIT was never heard", i+1)
		}
	}
}

// downloadAndDelete returns what was deleted, by index, and whether QUIT was
// answered by +OK.
func downloadAndDelete(t *testing.T, c *peertest.POP3Conn, user string, mail [][]byte) (deleted []int, done bool) {
	if c.Login(user, "secret") != nil {
		return nil, false
	}
	_, _ = c.Do("STAT")
	_, _ = c.Get("UIDL")
	for i, want := range mail {
		raw, err := c.Do(fmt.Sprintf("RETR %d", i+1))
		if err != nil {
			continue
		}
		text, err := c.Text(nil)
		if err == nil && !bytes.Equal(peertest.Unstuff(text), want) {
			t.Errorf("RETR %d gives %d other octets after %q", i+1, len(text), raw)
		}
	}
	for i := range 2 {
		if _, err := c.Do(fmt.Sprintf("DELE %d", i+1)); err == nil {
			deleted = append(deleted, i)
		}
	}
	_, err := c.Do("QUIT")
	return deleted, err == nil
}
