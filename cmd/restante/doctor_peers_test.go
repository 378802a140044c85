package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/restante-mail/restante/peertest"
)

// sick is a real server that is looked at.
func sick(t *testing.T, options ...peertest.Option) *peertest.DovecotServer {
	t.Helper()
	options = append([]peertest.Option{peertest.WithUsers(map[string]string{"alice": "open sesame"})}, options...)
	d := peertest.Dovecot(t, options...)
	d.Deliver("alice", "INBOX", []byte(letter), []byte(strings.Repeat("A: b\r\n", 100)+"\r\ntext\r\n"))
	return d
}

// TestDoctorDovecot looks at a real Dovecot, well and in several illnesses.
func TestDoctorDovecot(t *testing.T) {
	d := sick(t)
	ca := fmt.Sprintf("ca = %q\n", d.Certificate.CA)
	for _, test := range []struct {
		name, upstream string
		want           []string
		notes          []string
	}{
		{"plain", "url = \"imap://" + d.IMAPAddr() + "\"\n", nil, []string{"no QUOTA"}},
		{"STARTTLS", "insecure = false\nurl = \"imap://" + d.IMAPAddr() + "\"\n" + ca, nil, nil},
		{"TLS", "url = \"imaps://" + d.IMAPSAddr() + "\"\n" + ca, nil, nil},
		{"wrong name", "server_name = \"imap.example.com\"\nurl = \"imaps://" + d.IMAPSAddr() + "\"\n" + ca,
			[]string{`the certificate is not for "imap.example.com", but for localhost, 127.0.0.1`}, nil},
		{"wrong name by STARTTLS", "insecure = false\nserver_name = \"imap.example.com\"\nurl = \"imap://" + d.IMAPAddr() + "\"\n" + ca,
			[]string{`the certificate is not for "imap.example.com"`}, nil},
		{"unknown authority", "url = \"imaps://" + d.IMAPSAddr() + "\"\n", []string{`signed by "peertest authority", whom this machine does not trust`}, nil},
		{"TLS to a plain port", "timeout = \"2s\"\ndial_timeout = \"2s\"\nurl = \"imaps://" + d.IMAPAddr() + "\"\n", []string{"no TLS is spoken at this port"}, nil},
		{"nobody there, and another", "url = \"imap://" + nobody(t) + "\"\naddresses = [\"" + d.IMAPAddr() + "\"]\ninsecure = true\n", []string{"nobody answers at this port"}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			found, words := examined(t, written(t, "[[upstream]]\nname = \"main\"\n"+test.upstream), "alice")
			wantFindings(t, &found, test.want...)
			for _, note := range test.notes {
				if !hasNote(&found, note) {
					t.Errorf("no note of %q in %q", note, found.Notes)
				}
			}
			if test.want == nil && (len(found.Sampled) != 2 || !strings.Contains(words, `Trash  \Trash`)) {
				t.Errorf("measured %v\n%s", found.Sampled, words)
			}
			if strings.Contains(test.upstream, "ca =") && (len(found.Addresses[0].Chain) == 0 || test.want == nil && found.Addresses[0].TLS != "TLS 1.3") {
				t.Errorf("chain and TLS: %+v", found.Addresses)
			}
		})
	}
	t.Run("wrong password", func(t *testing.T) {
		found, _ := examined(t, written(t, "[[upstream]]\nname = \"main\"\nurl = \"imap://"+d.IMAPAddr()+"\"\n"), "bob")
		wantFindings(t, &found, "the server refuses the name or the password")
	})
}

// nobody is an address where nobody listens.
func nobody(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// TestDoctorDovecotWithout: what the server does not announce is missed.
func TestDoctorDovecotWithout(t *testing.T) {
	d := sick(t, peertest.WithCapability("IMAP4rev1 SASL-IR ID ENABLE IDLE MOVE"))
	found, _ := examined(t, written(t, "[[upstream]]\nname = \"main\"\nurl = \"imap://"+d.IMAPAddr()+"\"\n"), "alice")
	wantFindings(t, &found, "cannot remove single messages for good (no UIDPLUS)")
}

// TestDoctorExpired: a certificate that has expired is told from others.
func TestDoctorExpired(t *testing.T) {
	dir, err := os.MkdirTemp("", "expired") // not t.TempDir, which Dovecot could not read
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	ca := expired(t, dir)
	d := sick(t, peertest.WithConfig(fmt.Sprintf("ssl_cert = <%s\nssl_key = <%s", filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"))))
	for _, url := range []string{"imaps://" + d.IMAPSAddr(), "imap://" + d.IMAPAddr()} {
		found, _ := examined(t, written(t, fmt.Sprintf("[[upstream]]\nname = \"main\"\ninsecure = false\nurl = %q\nca = %q\n", url, ca)), "alice")
		wantFindings(t, &found, "the certificate of localhost has expired on")
	}
}

// expired writes a certificate that was good until yesterday, and is its own authority.
func expired(t *testing.T, dir string) (ca string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "old"}, DNSNames: []string{"localhost"},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: time.Now().Add(-24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	_ = os.Chmod(dir, 0o755)
	for file, block := range map[string]*pem.Block{
		"cert.pem": {Type: "CERTIFICATE", Bytes: cert}, "key.pem": {Type: "PRIVATE KEY", Bytes: der},
	} {
		if err := os.WriteFile(filepath.Join(dir, file), pem.EncodeToMemory(block), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "cert.pem")
}

// TestDoctorPOP3 looks at Dovecot's pop3d.
func TestDoctorPOP3(t *testing.T) {
	d := sick(t, peertest.WithPOP3())
	for _, test := range []struct {
		name, more string
		measured   int
	}{
		{"as it is", "", 0}, {"neutral", "neutral = true\n", 2},
	} {
		t.Run(test.name, func(t *testing.T) {
			found, words := examined(t, written(t, "[[upstream]]\nname = \"main\"\nurl = \"pop3://"+d.POP3Addr()+"\"\n"+test.more), "alice")
			wantFindings(t, &found)
			if len(found.Sampled) != test.measured || found.Maildrop[0].Messages != 2 || !strings.Contains(strings.Join(found.Capabilities, " "), "UIDL") {
				t.Errorf("measured %v of %v; %v", found.Sampled, found.Maildrop, found.Capabilities)
			}
			if hasNote(&found, "no message was read") == (test.measured > 0) || hasNote(&found, "nothing is read ahead") == (test.measured > 0) {
				t.Errorf("notes: %q\n%s", found.Notes, words)
			}
		})
	}
}

// TestDoctorHeld: what is kept for an account signs in, and nobody is asked for a password.
func TestDoctorHeld(t *testing.T) {
	d := peertest.Dovecot(t, alice(), peertest.WithMaster("chief", masterPassword))
	d.Deliver("alice", "INBOX", []byte(letter))
	h := accountsBefore(t, d)
	out := h.must("", "doctor", "file", "--upstream-only")
	if !strings.Contains(out, "signed in as alice") || !strings.Contains(out, "nothing is wrong") || strings.Contains(out, password) {
		t.Errorf("doctor says\n%s", out)
	}
	if out, err := h.run("wrong\n", "doctor", "file"); err == nil || !strings.Contains(out, "WRONG") {
		t.Errorf("with a wrong secret: %v\n%s", err, out)
	}
}
