package pop3_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	mathbig "math/big"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/restante-mail/restante/pop3"
	"github.com/restante-mail/restante/pop3/pop3test"
)

// certificate is made once for all tests; the client trusts it alone.
var certificate = sync.OnceValues(func() (server, client *tls.Config) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := x509.Certificate{
		SerialNumber: mathbig.NewInt(1), DNSNames: []string{"pop.example.org"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, &key.PublicKey, key)
	if err != nil {
		panic(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	server = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	return server, &tls.Config{RootCAs: roots, ServerName: "pop.example.org"}
})

func withTLS(s *pop3.Server) {
	s.TLS, _ = certificate()
	s.AllowPlain = func(net.Conn) bool { return false }
}

func capa(c *pop3test.Conn) []string {
	_, body := c.Multi("CAPA")
	return strings.Split(strings.TrimSuffix(string(body), "\r\n"), "\r\n")
}

// Before TLS nobody may sign in, and nothing pretends that they may (rule 12);
// afterwards everything works.
func TestSTLS(t *testing.T) {
	m := pop3test.NewMemory(pop3test.Mail(3)...)
	var peer pop3.Peer
	m.OnLogin = func(_ context.Context, p pop3.Peer, _ pop3.Credentials) error { peer = p; return nil }
	r := start(t, m, withTLS)
	c := r.Dial(t)
	before := capa(c)
	if !slices.Contains(before, "STLS") || slices.Contains(before, "USER") || strings.Contains(strings.Join(before, "\n"), "SASL") {
		t.Errorf("CAPA before TLS: %q", before)
	}
	for _, command := range []string{"USER alice", "AUTH", "AUTH PLAIN", "AUTH PLAIN AGEAYg=="} {
		if text := c.Err("%s", command); !strings.Contains(text, "TLS") {
			t.Errorf("%s: %q", command, text)
		}
	}
	c.Err("PASS wonder land")
	c.OK("STLS")
	_, config := certificate()
	c.StartTLS(config)
	after := capa(c)
	if slices.Contains(after, "STLS") || !slices.Contains(after, "USER") || !slices.Contains(after, "SASL PLAIN LOGIN XOAUTH2 OAUTHBEARER") {
		t.Errorf("CAPA after STLS: %q", after)
	}
	c.Err("STLS")
	c.SignIn(m.User, m.Password)
	c.Multi("RETR 3")
	c.Err("STLS")
	c.Quit()
	if peer.TLS == nil || !peer.TLS.HandshakeComplete {
		t.Errorf("the backend was told %+v", peer)
	}
}

// What came before the handshake is discarded, and USER forgotten (rule 10).
func TestSTLSForgets(t *testing.T) {
	m := pop3test.NewMemory(pop3test.Mail(1)...)
	r := start(t, m, func(s *pop3.Server) { s.TLS, _ = certificate() })
	_, config := certificate()

	c := r.Dial(t)
	c.OK("USER alice")
	c.OK("STLS")
	c.StartTLS(config)
	c.Err("PASS wonder land") // there is no USER any more
	c.SignIn(m.User, m.Password)
	c.Quit()

	c = r.Dial(t)
	c.Send("STLS\r\nUSER mallory\r\nPASS wonder land\r\nDELE 1\r\n") // injected in one packet
	if line := c.Line(); !strings.HasPrefix(line, "+OK") {
		t.Fatal(line)
	}
	c.StartTLS(config)
	if text := c.Err("STAT"); !strings.Contains(text, "not valid") {
		t.Errorf("the first answer under TLS is %q", text)
	}
	c.SignIn(m.User, m.Password)
	c.Quit()
}

// A handshake that fails ends the connection: nothing goes on in plain text.
func TestFailedHandshake(t *testing.T) {
	for _, implicit := range []bool{false, true} {
		r := start(t, pop3test.NewMemory(), withTLS, func(s *pop3.Server) { s.Implicit = implicit })
		nc, err := net.Dial("tcp", r.Address)
		if err != nil {
			t.Fatal(err)
		}
		if !implicit {
			c := pop3test.Talk(t, nc)
			c.OK("STLS")
		}
		_, _ = io.WriteString(nc, "CAPA\r\nUSER alice\r\nPASS wonder land\r\nSTAT\r\n")
		rest, _ := io.ReadAll(nc)
		if bytes.Contains(rest, []byte("+OK")) || bytes.Contains(rest, []byte("-ERR")) {
			t.Errorf("implicit %v: the server went on in plain text: %q", implicit, rest)
		}
		_ = nc.Close()
		if sum := r.Ends(1)[0]; sum.End != pop3.EndTLS || sum.Err == nil {
			t.Errorf("implicit %v: ended with %q, %v", implicit, sum.End, sum.Err)
		}
	}
}

func TestImplicitTLS(t *testing.T) {
	m := pop3test.NewMemory(pop3test.Mail(2)...)
	r := start(t, m, withTLS, func(s *pop3.Server) { s.Implicit = true })
	_, config := certificate()
	nc, err := tls.Dial("tcp", r.Address, config)
	if err != nil {
		t.Fatal(err)
	}
	c := pop3test.Talk(t, nc)
	if lines := capa(c); slices.Contains(lines, "STLS") || !slices.Contains(lines, "USER") {
		t.Errorf("CAPA: %q", lines)
	}
	c.Err("STLS")
	c.SignIn(m.User, m.Password)
	c.OK("DELE 1")
	c.Multi("RETR 2")
	c.Quit() // ends with close_notify, else reading would fail
	if d := m.Deliveries(); len(d) != 1 || !d[0].Proven {
		t.Errorf("deliveries: %+v", d)
	}
	if sum := r.Ends(1)[0]; sum.End != pop3.EndQuit || sum.In < 500 || sum.Out < 500 {
		t.Errorf("%+v", sum)
	}
}

// Without TLS there is no STLS; without AllowPlain only this machine may sign
// in without TLS.
func TestWithoutTLS(t *testing.T) {
	m := pop3test.NewMemory()
	for address, allowed := range map[string]bool{
		"127.0.0.1:1": true, "[::1]:1": true, "[::ffff:127.0.0.1]:1": true, "127.9.9.9:1": true,
		"192.0.2.1:1": false, "[2001:db8::1]:1": false, "10.0.0.1:1": false, "@": false,
	} {
		server, client := socketPair(t)
		s := &pop3.Server{Backend: m}
		ended := make(chan struct{})
		go func() { defer close(ended); s.ServeConn(from(server, address)) }()
		c := pop3test.Talk(t, client)
		c.Err("STLS")
		lines := capa(c)
		if slices.Contains(lines, "STLS") || slices.Contains(lines, "USER") != allowed {
			t.Errorf("%s: CAPA lists %q", address, lines)
		}
		if allowed {
			c.SignIn(m.User, m.Password)
		} else {
			c.Err("USER alice")
		}
		c.Quit()
		<-ended
	}
}

// elsewhere is a connection that claims to come from somewhere else.
type elsewhere struct {
	*net.TCPConn
	remote net.Addr
}

func (e elsewhere) RemoteAddr() net.Addr { return e.remote }

type strangeAddr string

func (s strangeAddr) Network() string { return "strange" }
func (s strangeAddr) String() string  { return string(s) }

func from(c *net.TCPConn, address string) net.Conn {
	if a, err := net.ResolveTCPAddr("tcp", address); err == nil {
		return elsewhere{c, a}
	}
	return elsewhere{c, strangeAddr(address)}
}
