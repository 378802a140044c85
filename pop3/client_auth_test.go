package pop3

import (
	"bufio"
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"io"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-sasl"

	"github.com/restante-mail/restante/secret"
)

func TestClientSASL(t *testing.T) {
	encode := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	token := secret.New("tok")
	xoauth2 := encode("user=a@b\x01auth=Bearer tok\x01\x01")
	bearer := encode("n,a=a=2Cb=3Dc,\x01auth=Bearer tok\x01\x01")
	tests := []struct {
		name      string
		mechanism sasl.Client
		script    string
		refused   string // the text of -ERR, or "" for success
	}{
		{"PLAIN", sasl.NewPlainClient("master", "alice", "s e"), "C: AUTH PLAIN\nS: +\nC: " + encode("master\x00alice\x00s e") + "\nS: +OK", ""},
		{"LOGIN", sasl.NewLoginClient("alice", "pw"), "C: AUTH LOGIN\nS: + " + encode("Username:") + "\nC: " + encode("alice") +
			"\nS: + " + encode("Password:") + "\nC: " + encode("pw") + "\nS: +OK", ""},
		{"XOAUTH2", NewXOAuth2Client("a@b", token), "C: AUTH XOAUTH2\nR: \"+ \\r\\n\"\nC: " + xoauth2 + "\nS: +OK", ""},
		{"XOAUTH2 refused", NewXOAuth2Client("a@b", token), "C: AUTH XOAUTH2\nS: + \nC: " + xoauth2 +
			"\nS: + " + encode(`{"status":"400"}`) + "\nC: \nS: -ERR bad token", "bad token"},
		{"OAUTHBEARER", NewOAuthBearerClient("a,b=c", token), "C: AUTH OAUTHBEARER\nS: +\nC: " + bearer + "\nS: +OK", ""},
		{"OAUTHBEARER refused", NewOAuthBearerClient("a,b=c", token), "C: AUTH OAUTHBEARER\nS: +\nC: " + bearer +
			"\nS: + " + encode(`{"status":"invalid_token"}`) + "\nC: *\nS: -ERR [AUTH] no", "no"},
		{"mechanism refused", NewXOAuth2Client("a@b", token), "C: AUTH XOAUTH2\nS: -ERR unsupported", "unsupported"},
		{"odd challenge cancelled", sasl.NewLoginClient("alice", "pw"), "C: AUTH LOGIN\nS: +\nC: " + encode("alice") +
			"\nS: + " + encode("Shoe size:") + "\nC: *\nS: -ERR cancelled", "cancelled"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := clientSays(test.script + "\nC: NOOP\nS: +OK").client(t)
			err := c.Auth(t.Context(), test.mechanism)
			var refused *ReplyError
			if test.refused == "" && err != nil || test.refused != "" && (!errors.As(err, &refused) || refused.Text != test.refused) {
				t.Errorf("error is %v", err)
			}
			if err := c.Noop(t.Context()); err != nil {
				t.Errorf("the connection is out of step: %v", err)
			}
		})
	}
}

func TestClientSASLMalformed(t *testing.T) {
	plain := base64.StdEncoding.EncodeToString([]byte("\x00a\x00b"))
	for name, script := range map[string]string{
		"not base64":        "C: AUTH PLAIN\nS: + !!!",
		"long challenge":    "C: AUTH PLAIN\nS: + " + strings.Repeat("A", clientMaxChallenge),
		"junk":              "C: AUTH PLAIN\nS: hello",
		"OK to a cancelled": "C: AUTH PLAIN\nS: +\nC: " + plain + "\nS: +\nC: *\nS: +OK",
	} {
		t.Run(name, func(t *testing.T) {
			c := clientSays(script).client(t)
			wantMalformed(t, c, c.Auth(t.Context(), sasl.NewPlainClient("", "a", "b")))
		})
	}
	endless := "C: AUTH XOAUTH2\nS: +\nC: " + base64.StdEncoding.EncodeToString([]byte("user=a\x01auth=Bearer b\x01\x01")) +
		strings.Repeat("\nS: +\nC: ", clientMaxRounds-1)
	c := clientSays(endless).client(t)
	wantMalformed(t, c, c.Auth(t.Context(), NewXOAuth2Client("a", secret.New("b"))))
}

func TestClientBearerArguments(t *testing.T) {
	for _, pair := range [][2]string{{"a\x01auth=Bearer x", "tok"}, {"a", "tok\x01"}, {"a", ""}, {"a\r\n", "tok"}} {
		for _, mechanism := range []sasl.Client{NewXOAuth2Client(pair[0], secret.New(pair[1])), NewOAuthBearerClient(pair[0], secret.New(pair[1]))} {
			if _, _, err := mechanism.Start(); !errors.Is(err, ErrArgument) {
				t.Errorf("%q: %v", pair, err)
			}
		}
	}
}

// The pipelined USER and PASS: what is reported is what was refused first.
func TestClientLoginAtOnce(t *testing.T) {
	for _, test := range []struct{ answers, want string }{
		{"S: +OK\nS: +OK", ""},
		{"S: +OK\nS: -ERR [AUTH] no", "PASS"},
		{"S: -ERR who?\nS: -ERR USER first", "USER"},
		{"S: -ERR who?\nS: +OK", "malformed"},
		{"S: +OK", "unexpected EOF"},
		{"S: +OK\nS: x", "malformed"},
	} {
		c := clientSays("C: USER u\nC: PASS p\n" + test.answers).client(t)
		c.options.Pipelining = true
		err := c.Login(t.Context(), "u", secret.New("p"))
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%q: %v", test.answers, err)
		}
		var refused *ReplyError
		if errors.As(err, &refused) != (len(test.want) == 4) {
			t.Errorf("%q: %v", test.answers, err)
		}
	}
}

func TestClientAPOPWithoutTimestamp(t *testing.T) {
	c := clientSays("").client(t)
	if err := c.APOP(t.Context(), "u", secret.New("p")); !errors.Is(err, ErrArgument) {
		t.Error(err)
	}
}

func TestClientStartTLS(t *testing.T) {
	client, server := net.Pipe()
	config, roots := clientTestTLS(t)
	done := make(chan error, 1)
	go func() { done <- serveSTLS(server, config) }()
	t.Cleanup(func() { _ = client.Close() })
	c, err := NewClient(t.Context(), client, ClientOptions{})
	if err != nil {
		t.Fatal(err)
	}
	c.Assume(ServerCaps{"PIPELINING": nil})
	if err := c.StartTLS(t.Context(), &tls.Config{RootCAs: roots, ServerName: "pop.test"}); err != nil {
		t.Fatal(err)
	}
	if c.Pipelining() {
		t.Error("capabilities from before TLS are still believed")
	}
	if err := c.Noop(t.Context()); err != nil {
		t.Error(err)
	}
	// The server ends TLS as it should, in the middle of an answer.
	if err := c.Noop(t.Context()); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Error(err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func serveSTLS(server net.Conn, config *tls.Config) error {
	defer func() { _ = server.Close() }()
	if _, err := io.WriteString(server, "+OK\r\n"); err != nil {
		return err
	}
	if _, err := bufio.NewReader(server).ReadString('\n'); err != nil {
		return err
	}
	if _, err := io.WriteString(server, "+OK\r\n"); err != nil {
		return err
	}
	conn := tls.Server(server, config)
	in := bufio.NewReader(conn)
	for _, answer := range []string{"+OK\r\n", "+O"} {
		if _, err := in.ReadString('\n'); err != nil {
			return err
		}
		if _, err := io.WriteString(conn, answer); err != nil {
			return err
		}
	}
	return conn.CloseWrite()
}

func TestClientSTLSRefusals(t *testing.T) {
	c := clientSays("C: STLS\nR: \"+OK\\r\\n+OK injected\\r\\n\"").client(t)
	wantMalformed(t, c, c.StartTLS(t.Context(), &tls.Config{ServerName: "x"}))
	c = clientSays("C: STLS\nS: -ERR no TLS\nC: NOOP\nS: +OK").client(t)
	var refused *ReplyError
	if err := c.StartTLS(t.Context(), &tls.Config{ServerName: "x"}); !errors.As(err, &refused) {
		t.Error(err)
	}
	if err := c.Noop(t.Context()); err != nil {
		t.Error(err)
	}
	c = clientSays("C: STLS\nS: +OK").client(t)
	if err := c.StartTLS(t.Context(), &tls.Config{ServerName: "x"}); err == nil || c.Err() == nil {
		t.Errorf("failed handshake: %v, connection's %v", err, c.Err())
	}
}

func TestClientSTLSChecksTheName(t *testing.T) {
	client, server := net.Pipe()
	config, roots := clientTestTLS(t)
	done := make(chan error, 1)
	go func() { done <- serveSTLS(server, config) }()
	t.Cleanup(func() { _, _ = client.Close(), <-done })
	c, err := NewClient(t.Context(), client, ClientOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var wrong x509.HostnameError
	if err := c.StartTLS(t.Context(), &tls.Config{RootCAs: roots, ServerName: "other.test"}); !errors.As(err, &wrong) || c.Err() == nil {
		t.Errorf("error is %v, connection's %v", err, c.Err())
	}
}

func clientTestTLS(t *testing.T) (*tls.Config, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"pop.test"},
		NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	leaf, err := x509.ParseCertificate(bytes.Clone(der))
	if err != nil {
		t.Fatal(err)
	}
	roots.AddCert(leaf)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}, roots
}

var clientTestToken = secret.New("token")
