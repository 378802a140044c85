package config

import (
	"crypto/tls"
	"net"
	"path/filepath"
	"strings"
	"testing"
)

// TestCertificates: a client gets the certificate for the name that it asks
// for, and one whose key it knows.
func TestCertificates(t *testing.T) {
	dir := t.TempDir()
	testPair(t, dir)
	rsaPair(t, dir, "rsa", "mail.example.com")
	writePair(t, filepath.Join(dir, "other.pem"), filepath.Join(dir, "other-key.pem"), "pop.example.org", today, today.AddDate(1, 0, 0))
	writePair(t, filepath.Join(dir, "mail.pem"), filepath.Join(dir, "mail-key.pem"), "mail.example.com", today, today.AddDate(1, 0, 0))
	write(t, dir, "c.toml", `
[tls]
cert = "mail.pem"
key = "mail-key.pem"
[[tls.certificate]]
cert = "rsa.pem"
key = "rsa-key.pem"
[[tls.certificate]]
cert = "other.pem"
key = "other-key.pem"
[[listener]]
address = "127.0.0.1:0"
[[upstream]]
url = "imaps://imap.example.com"
`)
	s, err := loadSnapshot(filepath.Join(dir, "c.toml"))
	if err != nil {
		t.Fatal(err)
	}
	onlyRSA := []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256}
	for _, c := range []struct {
		asks, gets, key string
		suites          []uint16
	}{
		{"mail.example.com", "mail.example.com", "ECDSA", nil},
		{"mail.example.com", "mail.example.com", "RSA", onlyRSA},
		{"pop.example.org", "pop.example.org", "ECDSA", nil},
		{"nobody.example.net", "mail.example.com", "ECDSA", nil},
		{"", "mail.example.com", "ECDSA", nil},
	} {
		got, err := shake(t, s.Listeners[0].TLS, &tls.Config{ServerName: c.asks, CipherSuites: c.suites, MaxVersion: tls.VersionTLS12})
		if err != nil {
			t.Errorf("%+v: %v", c, err)
			continue
		}
		leaf := got.PeerCertificates[0]
		if leaf.Subject.CommonName != c.gets || leaf.PublicKeyAlgorithm.String() != c.key {
			t.Errorf("%+v: got %s, %s", c, leaf.Subject.CommonName, leaf.PublicKeyAlgorithm)
		}
	}
}

func TestProfiles(t *testing.T) {
	dir := t.TempDir()
	rsaPair(t, dir, "rsa", "mail.example.com")
	path := filepath.Join(write(t, dir, "c.toml", `
[tls]
cert = "rsa.pem"
key = "rsa-key.pem"
[[upstream]]
url = "imaps://imap.example.com"
[[listener]]
address = ":1"
tls_profile = "modern"
[[listener]]
address = ":2"
[[listener]]
address = ":3"
tls_profile = "legacy"
client_ca = "rsa.pem"
legacy_networks = ["10.1.0.0/16"]
ciphers = ["TLS_RSA_WITH_3DES_EDE_CBC_SHA"]
`), "c.toml")
	s, err := loadSnapshot(path)
	if err != nil {
		t.Fatal(err)
	}
	if l := s.Listeners[2]; l.LegacyTLS.ClientCAs == nil || l.LegacyTLS.ClientAuth != tls.VerifyClientCertIfGiven {
		t.Error("client_ca does not count for legacy_networks")
	}
	old := []uint16{tls.TLS_RSA_WITH_3DES_EDE_CBC_SHA, tls.TLS_RSA_WITH_AES_128_CBC_SHA}
	for _, c := range []struct {
		name    string
		server  *tls.Config
		version uint16
		works   bool
	}{
		{"modern 1.3", s.Listeners[0].TLS, tls.VersionTLS13, true},
		{"modern 1.2", s.Listeners[0].TLS, tls.VersionTLS12, false},
		{"intermediate 1.2", s.Listeners[1].TLS, tls.VersionTLS12, true},
		{"intermediate 1.1", s.Listeners[1].TLS, tls.VersionTLS11, false},
		{"legacy, from elsewhere, 1.0", s.Listeners[2].TLS, tls.VersionTLS10, false},
		{"legacy, from elsewhere, 1.2", s.Listeners[2].TLS, tls.VersionTLS12, true},
		{"legacy 1.0", s.Listeners[2].LegacyTLS, tls.VersionTLS10, true},
		{"legacy 1.3", s.Listeners[2].LegacyTLS, tls.VersionTLS13, true},
	} {
		suites := old
		if c.version > tls.VersionTLS11 {
			suites = nil
		}
		got, err := shake(t, c.server, &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: c.version, CipherSuites: suites})
		if (err == nil) != c.works {
			t.Errorf("%s: %v", c.name, err)
		}
		if err == nil && got.Version != c.version {
			t.Errorf("%s: version %x", c.name, got.Version)
		}
	}
	if w := problemsText(s.Warnings(today)); !strings.Contains(w, "listener[2]: clients in 10.1.0.0/16 may use TLS 1.0") {
		t.Errorf("warnings: %s", w)
	}
}

func problemsText(all []Problem) string {
	var b strings.Builder
	for _, p := range all {
		b.WriteString(p.Path + ": " + p.Text + "\n")
	}
	return b.String()
}

// shake is a handshake; certificates are not checked.
func shake(t *testing.T, server, client *tls.Config) (tls.ConnectionState, error) {
	t.Helper()
	near, far := net.Pipe()
	defer near.Close()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer far.Close()
		_ = tls.Server(far, server).HandshakeContext(t.Context()) // the client says what went wrong
	}()
	client.InsecureSkipVerify = true
	c := tls.Client(near, client)
	err := c.HandshakeContext(t.Context())
	near.Close()
	<-ended
	return c.ConnectionState(), err
}

func TestProfileMistakes(t *testing.T) {
	dir := t.TempDir()
	testPair(t, dir)
	_, err := loadSnapshot(filepath.Join(write(t, dir, "c.toml", `[tls]
cert = "cert.pem"
key = "key.pem"
[[tls.certificate]]
[[upstream]]
url = "imaps://imap.example.com"
[[listener]]
address = ":1"
tls_profile = "old"
[[listener]]
address = ":2"
ciphers = ["TLS_RSA_WITH_3DES_EDE_CBC_SHA"]
legacy_networks = ["10.0.0.0/8"]
[[listener]]
address = ":3"
tls_profile = "legacy"
[[listener]]
address = ":4"
tls_profile = "legacy"
legacy_networks = ["0.0.0.0/0"]
ciphers = ["RC4", "TLS_AES_128_GCM_SHA256"]
`), "c.toml"))
	if err == nil {
		t.Fatal("no mistakes found")
	}
	for _, want := range []string{
		`c.toml:4: tls.certificate[0]: names no cert and no key`,
		`c.toml:9: listener[0].tls_profile: "old" is not known; write one of modern, intermediate, legacy`,
		`c.toml:12: listener[1].ciphers: is for tls_profile = "legacy" only; leave it out`,
		`c.toml:13: listener[1].legacy_networks: is for tls_profile = "legacy" only; leave it out`,
		`listener[2].legacy_networks: is missing`,
		`listener[2].ciphers: is missing`,
		`listener[2].tls_profile: "legacy" needs a certificate with an RSA key`,
		`c.toml:20: listener[3].legacy_networks[0]: 0.0.0.0/0 is everybody`,
		`c.toml:21: listener[3].ciphers[0]: "RC4" is no cipher`,
		`c.toml:21: listener[3].ciphers[1]: "TLS_AES_128_GCM_SHA256" is no cipher`,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("not said: %s\nin\n%v", want, err)
		}
	}
}
