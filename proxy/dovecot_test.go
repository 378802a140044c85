package proxy

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/restante-mail/restante/peertest"
	"github.com/restante-mail/restante/secret"
	"github.com/restante-mail/restante/upstream"
	"github.com/restante-mail/restante/upstream/mailboxtest"
)

// names are the users of one Dovecot: a fresh one for each case.
func names(n int) map[string]string {
	users := map[string]string{}
	for i := range n {
		users[fmt.Sprintf("user%d", i)] = "secret"
	}
	return users
}

func TestDovecot(t *testing.T) {
	d := peertest.Dovecot(t, peertest.WithPOP3(), peertest.WithUsers(names(100)))
	u, err := New(Options{Addresses: []string{d.POP3Addr()}, Security: Plain})
	if err != nil {
		t.Fatal(err)
	}
	used := 0
	mailboxtest.Run(t, func(t *testing.T) mailboxtest.Fixture {
		used++
		return dovecotFixture(d, u, fmt.Sprintf("user%d", used-1))
	})
}

func TestDovecotOverTLS(t *testing.T) {
	d := peertest.Dovecot(t, peertest.WithPOP3())
	for i, security := range []Security{STLS, ImplicitTLS} {
		text := fmt.Sprintf("Subject: %d\r\n\r\nbody\r\n", i)
		d.Deliver("alice", "INBOX", []byte(text))
		u, err := New(Options{Addresses: []string{dovecotAddress(d, security)}, Security: security, TLS: trust(t, d)})
		if err != nil {
			t.Fatal(err)
		}
		mailbox, err := u.Open(t.Context(), alice)
		if err != nil {
			t.Fatal(err)
		}
		m := mailbox.(*Mailbox)
		messages := m.listed(t)
		if len(messages) != 1 {
			t.Fatalf("listed %v", messages)
		}
		if got, err := m.text(t.Context(), messages[0].ID); got != text || err != nil {
			t.Errorf("read %q, %v", got, err)
		}
		if results := m.Apply(t.Context(), expunge(messages[0].ID.UID)); results[0].Err != nil {
			t.Error(results[0].Err)
		}
		u.options.TLS = nil
		if _, err := u.Open(t.Context(), alice); err == nil {
			t.Error("a certificate that nobody vouches for was accepted")
		}
	}
	if left := d.Messages("alice", "INBOX"); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

// A lock is not a wrong password.
func TestDovecotLocked(t *testing.T) {
	d := peertest.Dovecot(t, peertest.WithPOP3(), peertest.WithConfig("pop3_lock_session = yes"))
	d.Deliver("alice", "INBOX", []byte("Subject: a\r\n\r\n"))
	u, err := New(Options{Addresses: []string{d.POP3Addr()}, Security: Plain})
	if err != nil {
		t.Fatal(err)
	}
	first, err := u.Open(t.Context(), alice)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = first.Close() }()
	if _, err := u.Open(t.Context(), alice); upstream.KindOf(err) != upstream.InUse {
		t.Errorf("second sign-in: %v", err)
	}
}

// Masters sign in by SASL PLAIN with an authorization identity.
func TestDovecotMaster(t *testing.T) {
	d := peertest.Dovecot(t, peertest.WithPOP3(), peertest.WithMaster("boss", "master"))
	d.Deliver("alice", "INBOX", []byte("Subject: a\r\n\r\n"))
	u, err := New(Options{Addresses: []string{d.POP3Addr()}, Security: Plain})
	if err != nil {
		t.Fatal(err)
	}
	m, err := u.Open(t.Context(), upstream.Login{User: "boss", Identity: "alice", Secret: secret.New("master")})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = m.Close() }()
	if messages, err := m.Messages(t.Context()); len(messages) != 1 || err != nil {
		t.Errorf("%v, %v", messages, err)
	}
}

func dovecotAddress(d *peertest.DovecotServer, security Security) string {
	if security == ImplicitTLS {
		return d.POP3SAddr()
	}
	return d.POP3Addr()
}

func trust(t *testing.T, d *peertest.DovecotServer) *tls.Config {
	t.Helper()
	pem, err := os.ReadFile(d.Certificate.CA)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	return &tls.Config{RootCAs: roots}
}

const notPOP3 = "POP3 has no such thing"

func dovecotFixture(d *peertest.DovecotServer, u *Upstream, user string) mailboxtest.Fixture {
	return mailboxtest.Fixture{
		Server: u,
		Login:  upstream.Login{User: user, Secret: secret.New("secret")},
		Append: func(_ testing.TB, raw []byte, _ bool) { d.Deliver(user, "INBOX", raw) },
		Contents: func(_ testing.TB, folder string) (stored []mailboxtest.Stored) {
			for _, m := range d.Messages(user, folder) {
				// Dovecot sets \Seen by itself when a message was retrieved.
				stored = append(stored, mailboxtest.Stored{Raw: m.Octets, Deleted: strings.Contains(m.Flags, `\Deleted`)})
			}
			return stored
		},
		Lacks: map[mailboxtest.Ability]string{
			mailboxtest.Seen: notPOP3, mailboxtest.Keywords: notPOP3, mailboxtest.Move: notPOP3,
			mailboxtest.Folders: notPOP3, mailboxtest.Marks: notPOP3,
		},
		Remove: func(t testing.TB, index int) {
			uid := d.Messages(user, "INBOX")[index].UID
			imap := peertest.DialIMAP(t, d.IMAPAddr())
			defer imap.Close()
			imap.Login(user, "secret")
			imap.Do("SELECT INBOX")
			imap.Do(fmt.Sprintf(`UID STORE %d +FLAGS.SILENT (\Deleted)`, uid))
			imap.Do(fmt.Sprintf("UID EXPUNGE %d", uid))
		},
	}
}
