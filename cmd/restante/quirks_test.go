package main

import (
	"strings"
	"testing"
	"time"

	"github.com/restante-mail/restante/memimap"
	"github.com/restante-mail/restante/pop3/pop3test"
	"github.com/restante-mail/restante/secret"
)

// TestProfiles: a client gets what its listener's profile for its network says,
// and another the mail as it is.
func TestProfiles(t *testing.T) {
	server := memimap.New()
	inbox := server.AddUser("alice", secret.New("open sesame")).Mailbox("INBOX")
	inbox.Append([]byte("Subject: \x00\r\n"), nil, time.Time{})
	r := start(t, `
[[upstream]]
url = "imap://`+imapServer(t, server)+`"
[[listener]]
name = "old"
address = "127.0.0.1:0"
[[listener.client]]
network = ["192.0.2.0/24"]
profile = "c-client"
[[listener.client]]
network = ["127.0.0.0/8"]
profile = "outlook"
[[listener]]
name = "new"
address = "localhost:0"
[[listener.client]]
network = ["192.0.2.0/24"]
profile = "outlook"
`)
	for listener, want := range map[string]string{"old": "Subject: \x80\r\n\r\n", "new": "Subject: \x00\r\n"} {
		for _, f := range r.fronts {
			if f.attendant().settings.Name != listener {
				continue
			}
			c := pop3test.Dial(t, f.listener.Addr().String())
			c.SignIn("alice", "open sesame")
			if _, capa := c.Multi("CAPA"); !strings.Contains(string(capa), "SASL") {
				t.Errorf("%s: no SASL, and nobody is a c-client", listener)
			}
			for _, command := range []string{"RETR 1", "TOP 1 0"} {
				if _, got := c.Multi("%s", command); string(got) != want {
					t.Errorf("%s: %s sends %q, want %q", listener, command, got, want)
				}
			}
			c.Quit()
		}
	}
}
