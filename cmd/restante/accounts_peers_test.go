package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/restante-mail/restante/peertest"
)

// A household is Restante with accounts before a Dovecot with a master user, and
// the command line beside it.
type household struct {
	t            *testing.T
	binary, conf string
	restante     *peertest.RestanteServer
}

const masterPassword = "pa55 chief"

// accountsBefore starts Restante with a state file, before d.
func accountsBefore(t *testing.T, d *peertest.DovecotServer) *household {
	t.Helper()
	h := &household{t: t, binary: peertest.BuildRestante(t, false)}
	home := t.TempDir()
	c := peertest.NewCertificate(t, home)
	h.conf = filepath.Join(home, "restante.toml")
	makeClientCertificate(t, home)
	base := fmt.Sprintf("state = %q\n[tls]\ncert = %q\nkey = %q\n[log]\nformat = \"json\"\n", filepath.Join(home, "restante.db"), c.Cert, c.Key) +
		"[[listener]]\nname = \"plain\"\naddress = \"127.0.0.1:0\"\napop = true\nclient_ca = \"client-ca.pem\"\n" +
		"[[listener]]\nname = \"implicit\"\naddress = \"localhost:0\"\ntls = \"implicit\"\nclient_ca = \"client-ca.pem\"\n"
	h.write(base + peertest.For("imap://"+d.IMAPAddr()))
	h.must("", "state", "init")
	sealed := strings.TrimSpace(h.must(masterPassword+"\n", "account", "seal", "--upstream", "main"))
	h.write(base + peertest.For("imap://"+d.IMAPAddr(), `master_user = "chief"`, fmt.Sprintf("master_password = %q", sealed)) +
		"[[route]]\naccounts = \"only\"\nviews = [\"printer\"]\n[[account]]\nname = \"file\"\nuser = \"alice\"\nmethod = \"password\"\npassword = \"" +
		strings.TrimSpace(h.must(password+"\n", "account", "seal", "file")) + "\"\n[[account.secret]]\nlabel = \"main\"\nhash = \"" +
		strings.TrimSpace(h.must("in the file\n", "account", "hash")) + "\"\n")
	h.restante = peertest.RestanteWith(t, h.binary, "serve", "--config", h.conf)
	h.restante.CA = c.CA
	noSecrets(t, h.restante)
	return h
}

func (h *household) write(text string) {
	h.t.Helper()
	if err := os.WriteFile(h.conf, []byte(text), 0o600); err != nil {
		h.t.Fatal(err)
	}
}

// run runs a command of the program.
func (h *household) run(stdin string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if args[1] != "hash" {
		args = append(args, "--config", h.conf)
	}
	c := exec.CommandContext(ctx, h.binary, args...)
	c.Stdin = strings.NewReader(stdin)
	out, err := c.CombinedOutput()
	return string(out), err
}

func (h *household) must(stdin string, args ...string) string {
	h.t.Helper()
	out, err := h.run(stdin, args...)
	if err != nil {
		h.t.Fatalf("restante %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

// curl lists the maildrop and returns how many messages it has, or the failure.
func (h *household) curl(user, password string, args ...string) string {
	h.t.Helper()
	url := "pop3://" + h.restante.POP3
	if len(args) > 0 && args[0] == "pop3s" {
		url, args = "pop3s://localhost:"+h.restante.POP3S[strings.LastIndex(h.restante.POP3S, ":")+1:], args[1:]
	}
	out, err := exec.Command("curl", append([]string{"-sS", "--max-time", "30", "--cacert", h.restante.CA, "-u", user + ":" + password, url}, args...)...).CombinedOutput()
	if err != nil {
		return "refused: " + string(out)
	}
	return fmt.Sprint(len(strings.Fields(string(out))) / 2) // a number and a size
}

func (h *household) wants(what, got, want string) {
	h.t.Helper()
	if !strings.HasPrefix(got, want) {
		h.t.Errorf("%s: %s; want %s", what, got, want)
	}
}

var shownOnce = regexp.MustCompile(`shown this once: (\S+)`)

// TestAccountsWithDovecot: what the command line adds counts at once, for every
// way to sign in, and opens the mailbox through the upstream's master user.
func TestAccountsWithDovecot(t *testing.T) {
	peertest.Need(t, "dovecot")
	peertest.Need(t, "curl")
	d := peertest.Dovecot(t, alice(), peertest.WithMaster("chief", masterPassword))
	for i := range 3 {
		d.Deliver("alice", "INBOX", fmt.Appendf(nil, "Subject: %d\r\n\r\nhello\r\n", i))
	}
	h := accountsBefore(t, d)
	h.wants("the upstream's own password", h.curl("alice", password), "refused")
	h.wants("an account of the file", h.curl("file", "in the file"), "3")

	made := shownOnce.FindStringSubmatch(h.must("", "account", "add", "alice", "--generate", "--recoverable", "--label", "apop"))
	if made == nil {
		t.Fatal("the generated secret was not shown")
	}
	h.must("typed\n", "account", "add", "alice", "--label", "pc", "--network", "127.0.0.0/8", "--view", "printer")
	h.must("", "account", "add", "alice", "--label", "card", "--certificate", "email:alice@example.com")
	h.wants("APOP", h.curl("alice", made[1], "--login-options", "AUTH=+APOP"), "3")
	h.wants("APOP with a wrong secret", h.curl("alice", made[1]+"x", "--login-options", "AUTH=+APOP"), "refused")
	c := connect(t, h.restante)
	if err := c.Login("alice", made[1]); err != nil {
		t.Errorf("USER: %v", err)
	}
	say(t, c, "QUIT")
	h.wants("PLAIN", h.curl("alice", "typed", "--login-options", "AUTH=PLAIN", "--ssl-reqd"), "3")
	h.wants("LOGIN", h.curl("alice", "typed", "--login-options", "AUTH=LOGIN"), "3")
	h.wants("another view than the secret's", h.curl("alice+other", "typed"), "refused")
	card := []string{"--cert", filepath.Join(filepath.Dir(h.conf), "client.pem"), "--key", filepath.Join(filepath.Dir(h.conf), "client-key.pem"),
		"--login-options", "AUTH=EXTERNAL"}
	h.wants("EXTERNAL", h.curl("alice", "", append([]string{"pop3s"}, card...)...), "3")
	h.wants("EXTERNAL for another", h.curl("file", "", append([]string{"pop3s"}, card...)...), "refused")
	h.wants("EXTERNAL without a certificate", h.curl("alice", "", "pop3s", "--login-options", "AUTH=EXTERNAL"), "refused")

	h.must("", "hold", "file", "on")
	if out := h.must("in the file\n", "policy", "explain", "file"); !strings.Contains(out, "held") {
		t.Errorf("hold is of another mailbox than the account's:\n%s", out)
	}
	h.must("", "account", "set", "alice", "--disabled")
	h.wants("disabled", h.curl("alice", made[1]), "refused")
	h.must("", "account", "set", "alice", "--disabled=false")
	h.wants("enabled again", h.curl("alice", made[1]), "3")
	h.must("", "account", "remove", "alice", "--label", "apop")
	h.wants("a removed secret", h.curl("alice", made[1]), "refused")
	h.wants("the other", h.curl("alice", "typed"), "3")
	list := h.must("", "account", "list") + h.must("", "account", "show", "alice")
	for _, part := range []string{"file", "alice", "pc, card", "view printer", "127.0.0.0/8", "last used 20"} {
		if !strings.Contains(list, part) {
			t.Errorf("account list and show have no %q:\n%s", part, list)
		}
	}
	h.wants("test", h.must("typed\n", "account", "test", "alice"), "here: the secret \"pc\" opens the account\nupstream: main, as chief for the mailbox of alice")
	h.wants("test without a secret", h.must("", "account", "test", "alice", "--upstream-only"), "upstream: main, as chief")
	if out, err := h.run("wrong\n", "account", "test", "alice"); err == nil {
		t.Errorf("a wrong secret passes the test:\n%s", out)
	}
}

// TestKeysRotate: what is sealed goes on to be read while the key changes.
func TestKeysRotate(t *testing.T) {
	peertest.Need(t, "dovecot")
	peertest.Need(t, "curl")
	d := peertest.Dovecot(t, alice(), peertest.WithMaster("chief", masterPassword))
	h := accountsBefore(t, d)
	h.must("code\n"+password+"\n", "account", "add", "own", "--recoverable", "--method", "password", "--user", "alice")
	h.wants("before", h.curl("own", "code"), "0")
	out := h.must("", "account", "keygen", "--rotate")
	if !strings.Contains(out, "2 value(s)") || !strings.Contains(out, "master_password of upstream main") || !strings.Contains(out, "password upstream of file") {
		t.Errorf("rotate says:\n%s", out)
	}
	h.wants("after", h.curl("own", "code"), "0")
	h.wants("of the file", h.curl("file", "in the file"), "0")
	if out, err := h.run("", "account", "keygen", "--retire"); err == nil || !strings.Contains(out, "still needed") {
		t.Errorf("an old key that is needed was retired: %v\n%s", err, out)
	}
	h.must("", "account", "remove", "own")
	h.wants("removed", h.curl("own", "code"), "refused")
}

// TestExternalUpstream: a server that trusts our certificate lets us in as the
// account, without any password being kept.
func TestExternalUpstream(t *testing.T) {
	peertest.Need(t, "dovecot")
	peertest.Need(t, "curl")
	home := t.TempDir()
	makeClientCertificate(t, home)
	authority, err := os.ReadFile(filepath.Join(home, "client-ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	theirs := t.TempDir()
	for _, dir := range []string{filepath.Dir(theirs), theirs} { // Dovecot reads it as another user
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(theirs, "ca.pem"), authority, 0o644); err != nil {
		t.Fatal(err)
	}
	d := peertest.Dovecot(t, alice(), peertest.WithConfig("auth_mechanisms = plain external\nssl_ca = <"+filepath.Join(theirs, "ca.pem")+
		"\nssl_verify_client_cert = yes\nssl_require_crl = no\nauth_ssl_username_from_cert = yes\nauth_username_format = %Lu\npassdb {\n  driver = static\n  args = nopassword=y\n  mechanisms = external\n}\n"))
	d.Deliver("alice", "INBOX", []byte("Subject: x\r\n\r\nhello\r\n"))
	h := &household{t: t, binary: peertest.BuildRestante(t, false), conf: filepath.Join(home, "restante.toml")}
	h.write(fmt.Sprintf("state = %q\n[log]\nformat = \"json\"\n[[listener]]\naddress = \"127.0.0.1:0\"\n", filepath.Join(home, "restante.db")) +
		peertest.For("imaps://"+d.IMAPSAddr(), fmt.Sprintf("ca = %q\ncert = \"client.pem\"\nkey = \"client-key.pem\"", d.Certificate.CA)) +
		"[[route]]\naccounts = \"first\"\n")
	h.must("", "state", "init")
	h.restante = peertest.RestanteWith(t, h.binary, "serve", "--config", h.conf)
	noSecrets(t, h.restante)
	h.must("code\n", "account", "add", "printer", "--method", "external", "--user", "alice")
	h.wants("EXTERNAL upstream", h.curl("printer", "code"), "1")
	h.wants("a wrong secret", h.curl("printer", "x"), "refused")
	h.wants("no account", h.curl("alice", password), "1")
}

// makeClientCertificate writes an authority, and the certificate of
// alice@example.com.
func makeClientCertificate(t *testing.T, dir string) {
	t.Helper()
	authority := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	client := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "Alice"}, EmailAddresses: []string{"alice@example.com"},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}, NotBefore: authority.NotBefore, NotAfter: authority.NotAfter}
	signer, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	own, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, made := range map[string]func() (string, []byte, error){
		"client-ca.pem": func() (string, []byte, error) {
			der, err := x509.CreateCertificate(rand.Reader, authority, authority, signer.Public(), signer)
			return "CERTIFICATE", der, err
		},
		"client.pem": func() (string, []byte, error) {
			der, err := x509.CreateCertificate(rand.Reader, client, authority, own.Public(), signer)
			return "CERTIFICATE", der, err
		},
		"client-key.pem": func() (string, []byte, error) {
			der, err := x509.MarshalPKCS8PrivateKey(own)
			return "PRIVATE KEY", der, err
		},
	} {
		kind, der, err := made()
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}
