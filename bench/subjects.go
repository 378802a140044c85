package main

import (
	"fmt"
	"time"

	"github.com/restante-mail/restante/peertest"
)

// A subject is a POP3 server to be measured.
type subject struct {
	name string
	addr string
	// gateway is the process between the client and Dovecot; 0: Dovecot
	// itself serves.
	gateway int
}

// cpu is what the gateway, and Dovecot in all, have used so far.
func (s subject) cpu(d *peertest.DovecotServer) (gateway, upstream time.Duration) {
	if s.gateway != 0 {
		gateway = peertest.CPU(s.gateway)
	}
	return gateway, peertest.CPU(d.PID())
}

const password = "secret"

// build starts the servers and fills the mailboxes. The first subject is the
// one that the others are compared with.
func build(s *stage) ([]subject, []*row) {
	users := map[string]string{}
	for i := range pollClients {
		users[pollUser(i)] = password
	}
	for _, m := range retrievals {
		users[m.user] = password
	}
	d := peertest.Dovecot(s, peertest.WithPOP3(), peertest.WithUsers(users))
	for i := range pollClients {
		for n := range pollMessages {
			d.Deliver(pollUser(i), "INBOX", peertest.Text(n, 4<<10))
		}
	}
	for _, m := range retrievals {
		for n := range m.count {
			d.Deliver(m.user, "INBOX", peertest.Text(n, m.size))
		}
	}
	r := peertest.Restante(s, peertest.BuildRestante(s, false), peertest.For("imap://"+d.IMAPAddr()))
	subjects := []subject{
		{name: "Dovecot pop3d", addr: d.POP3Addr()},
		{name: "Restante", addr: r.POP3, gateway: r.PID()},
	}
	return subjects, rows(d)
}

func pollUser(i int) string { return fmt.Sprintf("poll%d", i) }
