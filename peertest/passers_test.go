package peertest

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"os"
	"testing"
)

// Each of them passes mail through, without and with TLS.
func TestPassers(t *testing.T) {
	d := Dovecot(t, WithPOP3())
	message := Text(1, 5000)
	d.Deliver("alice", "INBOX", message)
	for name, start := range map[string]func() *Passer{
		"nginx":     func() *Passer { return Nginx(t, d.POP3Addr()) },
		"perdition": func() *Passer { return Perdition(t, d.POP3Addr()) },
		"Dovecot": func() *Passer {
			p := Dovecot(t, WithPOP3Proxy(d.POP3Addr()))
			return &Passer{POP3: p.POP3Addr(), POP3S: p.POP3SAddr(), CA: p.Certificate.CA}
		},
	} {
		p := start()
		pem, err := os.ReadFile(p.CA)
		if err != nil {
			t.Fatal(err)
		}
		roots := x509.NewCertPool()
		roots.AppendCertsFromPEM(pem)
		for address, config := range map[string]*tls.Config{p.POP3: nil, p.POP3S: {RootCAs: roots, ServerName: "localhost"}} {
			c, err := DialPOP3(address, config)
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			if err := c.Login("alice", "secret"); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			raw, err := c.Get("RETR 1")
			if !bytes.Equal(Unstuff(raw), message) || err != nil {
				t.Errorf("%s: %d octets, %v", name, len(raw), err)
			}
			c.Close()
		}
	}
}
