package proxy

import (
	"fmt"
	"testing"

	"github.com/restante-mail/restante/peertest"
	"github.com/restante-mail/restante/secret"
	"github.com/restante-mail/restante/upstream"
	"github.com/restante-mail/restante/upstream/mailboxtest"
)

func TestCourier(t *testing.T) {
	c := peertest.Courier(t, names(100))
	u, err := New(Options{Addresses: []string{c.POP3Addr()}, Security: Plain})
	if err != nil {
		t.Fatal(err)
	}
	used := 0
	mailboxtest.Run(t, func(t *testing.T) mailboxtest.Fixture {
		user := fmt.Sprintf("user%d", used)
		used++
		return mailboxtest.Fixture{
			Server: u,
			Login:  upstream.Login{User: user, Secret: secret.New("secret")},
			Append: func(_ testing.TB, raw []byte, _ bool) { c.Deliver(user, raw) },
			Contents: func(_ testing.TB, _ string) (stored []mailboxtest.Stored) {
				for _, raw := range c.Messages(user) {
					stored = append(stored, mailboxtest.Stored{Raw: raw})
				}
				return stored
			},
			Lacks: map[mailboxtest.Ability]string{
				mailboxtest.Seen: notPOP3, mailboxtest.Keywords: notPOP3, mailboxtest.Move: notPOP3,
				mailboxtest.Folders: notPOP3, mailboxtest.Marks: notPOP3,
				mailboxtest.Shared: "Courier's sessions do not see what others do",
			},
		}
	})
}
