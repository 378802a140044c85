package peertest

import "testing"

// Before the clients judge anything else they are tried on Dovecot's own pop3d.
func TestClientsOnDovecot(t *testing.T) {
	TestClients(t, func(t *testing.T) Front {
		d := Dovecot(t, WithPOP3())
		return Front{POP3: d.POP3Addr(), POP3S: d.POP3SAddr(), CA: d.Certificate.CA, Upstream: d}
	})
}
