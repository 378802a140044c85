package bridge

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

// oddAccounts are those that the suite asks for; Dovecot must know them from
// the beginning.
var oddAccounts = []string{`quo"te`, `back\slash`, `{5}`, `a%b*`, `two words`, "caf\xc3\xa9", `"`}

func accounts(n int) map[string]string {
	users := map[string]string{}
	for i := range n {
		users[fmt.Sprintf("user%d", i)] = "secret"
	}
	for _, name := range oddAccounts {
		users[name] = name + " password"
	}
	return users
}

// TestDovecot puts the bridge through the suite over a real server. Dovecot
// takes a second for every wrong password, so the variants run side by side.
func TestDovecot(t *testing.T) {
	for _, v := range []struct {
		name     string
		security Security
		options  []peertest.Option
	}{
		{"plain", Plain, nil},
		{"STARTTLS", StartTLS, nil},
		{"TLS", ImplicitTLS, nil},
		{"no UIDPLUS", Plain, []peertest.Option{peertest.WithCapability("IMAP4rev1 LITERAL+ SPECIAL-USE LIST-EXTENDED MOVE")}},
		{"no MOVE", Plain, []peertest.Option{peertest.WithCapability("IMAP4rev1 SPECIAL-USE LIST-EXTENDED UIDPLUS")}},
	} {
		t.Run(v.name, func(t *testing.T) {
			t.Parallel()
			dovecotSuite(t, v.security, v.options...)
		})
	}
}

func dovecotSuite(t *testing.T, security Security, options ...peertest.Option) {
	d := peertest.Dovecot(t, append(options, peertest.WithUsers(accounts(100)),
		peertest.WithConfig("auth_master_user_separator ="))...) // a star is in a name
	u := open(t, dovecotOptions(t, d, security))
	used := 0
	mailboxtest.Run(t, func(t *testing.T) mailboxtest.Fixture {
		used++
		return dovecotFixture(t, d, u, fmt.Sprintf("user%d", used-1))
	})
}

func dovecotOptions(t testing.TB, d *peertest.DovecotServer, security Security) Options {
	t.Helper()
	pem, err := os.ReadFile(d.Certificate.CA)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	o := Options{Addresses: []string{d.IMAPAddr()}, Security: security, TLS: &tls.Config{RootCAs: roots}}
	if security == ImplicitTLS {
		o.Addresses = []string{d.IMAPSAddr()}
	}
	return o
}

func dovecotFixture(t *testing.T, d *peertest.DovecotServer, u *Upstream, user string) mailboxtest.Fixture {
	// mark changes the message at index i of INBOX.
	mark := func(t testing.TB, i int, flag string, then string) {
		c := peertest.DialIMAP(t, d.IMAPAddr())
		defer c.Close()
		c.Login(user, "secret")
		c.Do("SELECT INBOX")
		m := c.Fetch()[i]
		c.Do(fmt.Sprintf("UID STORE %d +FLAGS.SILENT (%s)", m.UID, flag))
		if then != "" {
			c.Do(fmt.Sprintf(then, m.UID))
		}
	}
	return mailboxtest.Fixture{
		Server:  u,
		Login:   upstream.Login{User: user, Secret: secret.New("secret"), Session: t.Name()},
		Archive: "Archive", Trash: "Trash",
		Append: func(t testing.TB, raw []byte, seen bool) {
			d.Deliver(user, "INBOX", raw)
			if seen {
				mark(t, len(d.Messages(user, "INBOX"))-1, `\Seen`, "")
			}
		},
		Contents: func(_ testing.TB, folder string) (list []mailboxtest.Stored) {
			for _, m := range d.Messages(user, folder) {
				list = append(list, dovecotStored(m))
			}
			return list
		},
		Remove:      func(t testing.TB, i int) { mark(t, i, `\Deleted`, "UID EXPUNGE %d") },
		MarkDeleted: func(t testing.TB, i int) { mark(t, i, `\Deleted`, "") },
		AddAccount: func(t testing.TB, name, password string) {
			if d.Password(name) != password {
				t.Fatalf("the account %q is not among oddAccounts", name)
			}
		},
		Lacks: map[mailboxtest.Ability]string{mailboxtest.KeepsNUL: "Dovecot sends 0x80 for NUL"},
	}
}

func dovecotStored(m peertest.Message) mailboxtest.Stored {
	s := mailboxtest.Stored{Raw: m.Octets}
	for _, flag := range strings.Fields(m.Flags) {
		switch {
		case strings.EqualFold(flag, `\Seen`):
			s.Seen = true
		case strings.EqualFold(flag, `\Deleted`):
			s.Deleted = true
		case !strings.HasPrefix(flag, `\`):
			s.Keywords = append(s.Keywords, flag)
		}
	}
	return s
}
