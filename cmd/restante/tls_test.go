package main

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/pires/go-proxyproto"
)

// TestLegacyTLS: TLS 1.0 is for the networks that are named, and where a client
// is its PROXY header says.
func TestLegacyTLS(t *testing.T) {
	dir := t.TempDir()
	makeRSACertificate(t, dir)
	r := start(t, `[[listener]]
address = "127.0.0.1:0"
tls = "implicit"
tls_profile = "legacy"
legacy_networks = ["10.1.2.0/24"]
ciphers = ["TLS_RSA_WITH_3DES_EDE_CBC_SHA"]
proxy_protocol = ["127.0.0.1"]
cert = "`+dir+`/rsa.pem"
key = "`+dir+`/rsa-key.pem"
[[upstream]]
url = "imap://`+mailServer(t, "alice", 3)+`"
`)
	old := &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS10,
		CipherSuites: []uint16{tls.TLS_RSA_WITH_3DES_EDE_CBC_SHA}}
	for _, c := range []struct {
		from   string
		client *tls.Config
		ok     bool
	}{
		{"10.1.2.3", old, true},
		{"10.1.3.3", old, false},
		{"10.1.3.3", &tls.Config{InsecureSkipVerify: true}, true},
	} {
		conn, err := net.Dial("tcp", r.at("127.0.0.1:0"))
		if err != nil {
			t.Fatal(err)
		}
		header := proxyproto.HeaderProxyFromAddrs(1, &net.TCPAddr{IP: net.ParseIP(c.from), Port: 4711}, &net.TCPAddr{IP: net.IPv4(10, 1, 2, 1), Port: 995})
		if _, err := header.WriteTo(conn); err != nil {
			t.Fatal(err)
		}
		n, err := countOver(t, tls.Client(conn, c.client), "alice")
		if (err == nil) != c.ok || err == nil && n != 3 {
			t.Errorf("from %s: %d messages, %v", c.from, n, err)
		}
	}
}

// makeRSACertificate writes rsa.pem and rsa-key.pem for localhost.
func makeRSACertificate(t *testing.T, dir string) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{
		"rsa.pem": {Type: "CERTIFICATE", Bytes: der}, "rsa-key.pem": {Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)},
	} {
		if err := os.WriteFile(filepath.Join(dir, file), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
