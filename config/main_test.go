package config

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// write writes files, name and content in turns, and returns their folder.
func write(t *testing.T, dir string, nameAndContent ...string) string {
	t.Helper()
	for i := 0; i < len(nameAndContent); i += 2 {
		if err := os.WriteFile(filepath.Join(dir, nameAndContent[i]), []byte(nameAndContent[i+1]), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// writePair writes a self-signed certificate and its key.
func writePair(t *testing.T, cert, key, name string, notBefore, notAfter time.Time) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	writePairOf(t, private, cert, key, name, notBefore, notAfter)
}

// rsaPair writes NAME.pem and NAME-key.pem with an RSA key.
func rsaPair(t *testing.T, dir, file, name string) {
	t.Helper()
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, file)
	writePairOf(t, private, path+".pem", path+"-key.pem", name, today, today.AddDate(1, 0, 0))
}

func writePairOf(t *testing.T, private crypto.Signer, cert, key, name string, notBefore, notAfter time.Time) {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: notBefore, NotAfter: notAfter, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	writePEM(t, cert, "CERTIFICATE", der)
	writePEM(t, key, "PRIVATE KEY", keyDER)
}

func writePEM(t *testing.T, file, kind string, der []byte) {
	t.Helper()
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
}

// loadSnapshot loads and compiles.
func loadSnapshot(path string) (*Snapshot, error) {
	c, err := Load(path)
	if err != nil {
		return nil, err
	}
	return c.Compile()
}

// today is when the certificates of testPair are good.
var today = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

// testPair writes cert.pem, key.pem and ca.pem (the same as cert.pem).
func testPair(t *testing.T, dir string) {
	t.Helper()
	cert := filepath.Join(dir, "cert.pem")
	writePair(t, cert, filepath.Join(dir, "key.pem"), "pop.example.com", today.AddDate(0, -1, 0), today.AddDate(0, 1, 0))
	data, err := os.ReadFile(cert)
	if err != nil {
		t.Fatal(err)
	}
	write(t, dir, "ca.pem", string(data))
}
