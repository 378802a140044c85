package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"time"

	"github.com/restante-mail/restante/peertest"
)

// A subject is a POP3 server to be measured.
type subject struct {
	name string
	// plain and tls are where it serves, without and with TLS towards the
	// client.
	plain, tls place
	// far is the same with the delay line: before it for Dovecot's own pop3d,
	// behind it for a gateway.
	far place
	// gateway is the process between the client and Dovecot; 0: Dovecot
	// itself serves.
	gateway int
	// secure is gateway for TLS, of what has a process of its own for that.
	secure int
	// server is the process above all that serve here.
	server int
	// forget has it forget what it knows of a user's mailbox.
	forget func(user string)
	// start starts another one that has served nobody; nil for others than
	// Restante as a proxy.
	start func() started
	// restante is nil for all others.
	restante *restante
}

// A place is an address, with or without TLS.
type place struct {
	addr   string
	config *tls.Config
}

func (p place) dial() (*peertest.POP3Conn, error) { return peertest.DialPOP3(p.addr, p.config) }

// login connects and signs in.
func (p place) login(user string) (*peertest.POP3Conn, error) {
	c, err := p.dial()
	if err != nil {
		return nil, err
	}
	if err := c.Login(user, password); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// restante has what only Restante is measured for.
type restante struct {
	// Here every poll needs a new connection to Dovecot: nearby; at the far
	// end of the line; there with TLS.
	cold, farCold, farColdTLS place
	// start starts another one that knows nothing yet.
	start func(upstream string) started
	// The upstreams that start takes.
	near, nearTLS, far string
}

// started is a Restante for one measurement.
type started struct {
	*peertest.RestanteServer
	plain, tls place
}

func (r started) stop() { _, _ = r.Process().Stop() }

// cpu is what the gateway, and Dovecot in all, have used so far.
func (s subject) cpu(d *peertest.DovecotServer) (gateway, upstream time.Duration) {
	if s.gateway != 0 {
		gateway = peertest.CPU(s.gateway)
	}
	return gateway, peertest.CPU(d.PID())
}

const password = "secret"

// A line is the delay lines to Dovecot's services.
type line struct{ imap, imaps, pop3 *peertest.Relay }

// delay sets the round-trip time.
func (l line) delay(roundTrip time.Duration) {
	for _, r := range []*peertest.Relay{l.imap, l.imaps, l.pop3} {
		r.Delay(roundTrip)
	}
}

// upstream is the Dovecot with the mailboxes, and the lines to it.
type upstream struct {
	*peertest.DovecotServer
	line line
}

func startUpstream(s *stage, users map[string]string) upstream {
	d := peertest.Dovecot(s, peertest.WithPOP3(), peertest.WithUsers(users))
	return upstream{d, line{
		imap:  peertest.NewRelay(s, d.IMAPAddr()),
		imaps: peertest.NewRelay(s, d.IMAPSAddr()),
		pop3:  peertest.NewRelay(s, d.POP3Addr()),
	}}
}

// subjects starts all servers. Ratios are Restante's, the last.
func subjects(s *stage, u upstream) []subject {
	return []subject{native(s, u), imapc(s, u), ours(s, u)}
}

const (
	nativeName = "Dovecot pop3d"
	imapcName  = "Dovecot imapc"
	oursName   = "Restante"
)

func native(s *stage, u upstream) subject {
	return subject{
		name:   nativeName,
		plain:  place{addr: u.POP3Addr()},
		tls:    place{u.POP3SAddr(), trusting(s, u.Certificate.CA)},
		far:    place{addr: u.line.pop3.Addr()},
		server: u.PID(),
		forget: func(string) {},
	}
}

// imapc is two Dovecots, nearby and at the end of the line.
func imapc(s *stage, u upstream) subject {
	start := func(addr string) *peertest.DovecotServer {
		return peertest.Dovecot(s, peertest.WithPOP3(), peertest.WithIMAPC(addr))
	}
	near, far := start(u.IMAPAddr()), start(u.line.imap.Addr())
	return subject{
		name:    imapcName,
		plain:   place{addr: near.POP3Addr()},
		tls:     place{near.POP3SAddr(), trusting(s, near.Certificate.CA)},
		far:     place{addr: far.POP3Addr()},
		gateway: near.PID(),
		server:  near.PID(),
		forget:  func(user string) { near.Forget(user); far.Forget(user) },
	}
}

func ours(s *stage, u upstream) subject {
	binary := peertest.BuildRestante(s, false)
	start := func(config string) started {
		r := peertest.Restante(s, binary, config)
		return started{r, place{addr: r.POP3}, place{r.POP3S, trusting(s, r.CA)}}
	}
	const cold = `warm_idle = "0s"`
	secure := fmt.Sprintf("ca = %q", u.Certificate.CA)
	at := func(scheme, addr string, lines ...string) string {
		return peertest.For(scheme+"://"+addr, lines...)
	}
	main := start(at("imap", u.IMAPAddr()))
	return subject{
		name:    oursName,
		plain:   main.plain,
		tls:     main.tls,
		far:     start(at("imap", u.line.imap.Addr())).plain,
		gateway: main.PID(),
		server:  main.PID(),
		forget:  func(string) {},
		restante: &restante{
			cold:       start(at("imap", u.IMAPAddr(), cold)).plain,
			farCold:    start(at("imap", u.line.imap.Addr(), cold)).plain,
			farColdTLS: start(at("imaps", u.line.imaps.Addr(), cold, secure)).plain,
			start:      start,
			near:       at("imap", u.IMAPAddr()),
			nearTLS:    at("imaps", u.IMAPSAddr(), secure),
			far:        at("imap", u.line.imap.Addr()),
		},
	}
}

// trusting is the TLS of a client of servers with peertest's certificates. All
// shake hands alike: X25519, which the peers' OpenSSL prefers too (perdition, with
// TLS 1.2, wants to hear of the certificate's curve), and every time in full, as mail programs that run for one poll do.
func trusting(s *stage, ca string) *tls.Config {
	text, err := os.ReadFile(ca)
	pool := x509.NewCertPool()
	if err != nil || !pool.AppendCertsFromPEM(text) {
		s.Fatalf("the authority %s can not be read: %v", ca, err)
	}
	return &tls.Config{RootCAs: pool, ServerName: "localhost", CurvePreferences: []tls.CurveID{tls.X25519, tls.CurveP256}}
}
