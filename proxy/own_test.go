package proxy

import (
	"testing"

	"github.com/restante-mail/restante/pop3"
	"github.com/restante-mail/restante/pop3/pop3test"
	"github.com/restante-mail/restante/secret"
	"github.com/restante-mail/restante/upstream"
	"github.com/restante-mail/restante/upstream/mailboxtest"
)

// Our own server as the upstream: what we say, we understand.
func TestOwnServer(t *testing.T) {
	mailboxtest.Run(t, func(t *testing.T) mailboxtest.Fixture {
		backend := pop3test.NewMemory()
		u, err := New(Options{
			Addresses: []string{pop3test.Start(t, &pop3.Server{Backend: backend}).Address},
			Security:  Plain,
		})
		if err != nil {
			t.Fatal(err)
		}
		return mailboxtest.Fixture{
			Server: u,
			Login:  upstream.Login{User: backend.User, Secret: secret.New(backend.Password)},
			Append: func(_ testing.TB, raw []byte, _ bool) { backend.Add(raw) },
			Contents: func(_ testing.TB, _ string) (stored []mailboxtest.Stored) {
				for _, raw := range backend.Mail() {
					stored = append(stored, mailboxtest.Stored{Raw: raw})
				}
				return stored
			},
			Lacks: map[mailboxtest.Ability]string{
				mailboxtest.Seen: notPOP3, mailboxtest.Keywords: notPOP3, mailboxtest.Move: notPOP3,
				mailboxtest.Folders: notPOP3, mailboxtest.Marks: notPOP3,
				mailboxtest.Shared: "each session of the backend has the messages to itself",
			},
		}
	})
}
