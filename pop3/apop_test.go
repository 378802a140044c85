package pop3_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/md5"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/hex"
	mathbig "math/big"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/restante-mail/restante/pop3"
)

// TestAPOP: the digest and the greeting's timestamp reach the backend, the
// latter is another one for each connection, and no TLS is needed.
func TestAPOP(t *testing.T) {
	m := mrose(t)
	var got pop3.Credentials
	m.OnLogin = func(_ context.Context, _ pop3.Peer, cred pop3.Credentials) error {
		got = cred
		sum := md5.Sum([]byte(cred.Challenge + "tanstaaf"))
		if cred.Secret.Reveal() != hex.EncodeToString(sum[:]) {
			return &pop3.Error{Code: pop3.CodeAuth, Text: "no"}
		}
		m.User, m.Password = cred.User, cred.Secret.Reveal()
		return nil
	}
	seen := map[string]bool{}
	var traced []string
	running := start(t, m, func(s *pop3.Server) {
		s.APOP, s.AllowPlain = true, func(net.Conn) bool { return false }
		s.Hooks.Command = func(_ pop3.Peer, line string) { traced = append(traced, line) }
	})
	for _, user := range []string{"mrose", "name with  spaces"} {
		c := running.Dial(t)
		greeting := c.Greeting
		at := strings.IndexByte(greeting, '<')
		if at < 0 || !strings.HasSuffix(greeting, "@restante>") || seen[greeting] {
			t.Fatalf("greeting %q", greeting)
		}
		seen[greeting] = true
		sum := md5.Sum([]byte(greeting[at:] + "tanstaaf"))
		digest := hex.EncodeToString(sum[:])
		for _, wrong := range []string{"APOP", "APOP mrose", "APOP mrose " + digest[1:], "APOP  " + digest, "APOP mrose x" + digest[1:]} {
			c.Err("%s", wrong)
		}
		if text := c.Err("APOP %s %s", user, strings.Repeat("0", 32)); !strings.Contains(text, "[AUTH]") {
			t.Errorf("a wrong digest: %s", text)
		}
		c.Err("USER mrose") // there is no TLS
		c.OK("APOP %s %s", user, digest)
		if got.Mechanism != "APOP" || got.User != user || got.Challenge != greeting[at:] {
			t.Errorf("the backend is told %+v", got)
		}
		c.Quit()
		running.WaitIdle()
		if slices.ContainsFunc(traced, func(line string) bool { return strings.Contains(line, digest) }) {
			t.Error("the digest was traced")
		}
	}
	c := start(t, m).Dial(t)
	if strings.Contains(c.Greeting, "<") {
		t.Errorf("greeting without APOP: %q", c.Greeting)
	}
	c.Err("APOP mrose %s", strings.Repeat("0", 32))
}

// clientCertificate makes a certificate that signs itself, with the names.
func clientCertificate(t *testing.T, commonName string, mail ...string) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := x509.Certificate{SerialNumber: mathbig.NewInt(1), Subject: pkix.Name{CommonName: commonName}, EmailAddresses: mail,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

// TestEXTERNAL: it is offered to whoever has shown a certificate, and the name
// is the client's, or else the certificate's.
func TestEXTERNAL(t *testing.T) {
	for _, test := range []struct {
		name, commonName string
		mail             []string
		response, user   string
	}{
		{"the client's name", "Alice", []string{"alice@example.com"}, "bob", "bob"},
		{"the e-mail address", "Alice", []string{"alice@example.com", "other@example.com"}, "", "alice@example.com"},
		{"the common name", "alice", nil, "", "alice"},
		{"no name", "", nil, "", ""},
		{"a line break", "alice", nil, "a\r\nb", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			m := mrose(t)
			var got pop3.Credentials
			m.OnLogin = func(_ context.Context, _ pop3.Peer, cred pop3.Credentials) error {
				got = cred
				m.User, m.Password = cred.User, cred.Secret.Reveal()
				return nil
			}
			own, pool := clientCertificate(t, test.commonName, test.mail...)
			r := start(t, m, func(s *pop3.Server) {
				withTLS(s)
				s.TLS = s.TLS.Clone()
				s.TLS.ClientCAs, s.TLS.ClientAuth = pool, tls.VerifyClientCertIfGiven
			})
			_, config := certificate()
			without := r.Dial(t)
			without.OK("STLS")
			without.StartTLS(config)
			if slices.ContainsFunc(capa(without), func(line string) bool { return strings.Contains(line, "EXTERNAL") }) {
				t.Error("EXTERNAL is offered without a certificate")
			}
			without.Err("AUTH EXTERNAL =")
			config = config.Clone()
			config.Certificates = []tls.Certificate{own}
			c := r.Dial(t)
			c.OK("STLS")
			c.StartTLS(config)
			if !slices.Contains(capa(c), "SASL PLAIN LOGIN XOAUTH2 OAUTHBEARER EXTERNAL") {
				t.Errorf("CAPA: %q", capa(c))
			}
			response := base64.StdEncoding.EncodeToString([]byte(test.response))
			if response == "" {
				response = "="
			}
			if test.user == "" {
				c.Err("AUTH EXTERNAL %s", response)
				return
			}
			c.OK("AUTH EXTERNAL %s", response)
			if got.Mechanism != "EXTERNAL" || got.User != test.user || !got.Secret.Empty() {
				t.Errorf("the backend is told %+v", got)
			}
			c.Quit()
		})
	}
}

// What cannot work is not offered, and not taken either.
func TestOffers(t *testing.T) {
	r := start(t, mrose(t), func(s *pop3.Server) {
		s.Offers = func(mechanism string) bool { return mechanism != "XOAUTH2" && mechanism != "OAUTHBEARER" }
	})
	c := r.Dial(t)
	if lines := capa(c); !slices.Contains(lines, "SASL PLAIN LOGIN") {
		t.Errorf("CAPA: %q", lines)
	}
	if text := c.Err("AUTH XOAUTH2 dXNlcj1zb21ldXNlckBleGFtcGxlLmNvbQFhdXRoPUJlYXJlciB4AQE="); !strings.Contains(text, "not offered") {
		t.Errorf("XOAUTH2: %s", text)
	}
}
