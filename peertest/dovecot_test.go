package peertest

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// odd are messages that servers and clients have stumbled over.
var odd = map[string][]byte{
	"LF only":          []byte("Subject: lf\n\nbody\n"),
	"no final newline": []byte("Subject: end\r\n\r\nbody"),
	"first octet dot":  []byte(".Subject: dot\r\n\r\n.\r\n..\r\nbody\r\n"),
	"8 bit":            []byte("Subject: bits\r\n\r\n\xff\x80\xc3\xa4\r\n"),
	"long line":        append(append([]byte("Subject: long\r\n\r\n"), bytes.Repeat([]byte("x"), 200_000)...), "\r\n"...),
}

func TestDeliverAndRead(t *testing.T) {
	for name, options := range map[string][]Option{"Maildir": nil, "mdbox": {WithMdbox()}} {
		t.Run(name, func(t *testing.T) {
			d := Dovecot(t, options...)
			var want []string
			for _, m := range odd {
				d.Deliver("alice", "INBOX", m)
				want = append(want, Sum(m))
			}
			got := d.Messages("alice", "INBOX")
			if len(got) != len(want) {
				t.Fatalf("%d messages, want %d", len(got), len(want))
			}
			for i, m := range got {
				if Sum(m.Octets) != want[i] {
					t.Errorf("message %d: %.80q", i, m.Octets)
				}
				if m.UID != uint32(i+1) || m.Flags != "" || time.Since(m.Arrived) > time.Hour {
					t.Errorf("message %d: UID %d, flags %q, arrived %v", i, m.UID, m.Flags, m.Arrived)
				}
			}
		})
	}
}

func TestFolder(t *testing.T) {
	d := Dovecot(t)
	d.Deliver("alice", "Work", Text(1, 1000))
	if got := d.Messages("alice", "Work"); len(got) != 1 || len(got[0].Octets) != 1000 {
		t.Errorf("got %d messages", len(got))
	}
	if got := d.Messages("alice", "Trash"); len(got) != 0 {
		t.Errorf("%d messages in Trash", len(got))
	}
}

func TestDeliverFile(t *testing.T) {
	d := Dovecot(t)
	path, size := d.GenerateFile(1 << 20)
	d.DeliverFile("alice", "INBOX", path)
	got := d.Messages("alice", "INBOX")
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 1 || int64(len(got[0].Octets)) != size || !bytes.Equal(got[0].Octets, want) {
		t.Errorf("got %d messages", len(got))
	}
}

// Names and passwords go through whatever they hold.
func TestOddCredentials(t *testing.T) {
	users := map[string]string{
		"alice":             "se cret ",
		"bob@example.com":   `"quoted\" {5} %u * ~`,
		`we"ird\name`:       "a:b:c",
		"space in it":       "8bit \xff\xc3\xa4",
		"percent%u":         "(*)",
		"m\u00fcller":       strings.Repeat("long", 100),
		"dave+tag@host.com": "{PLAIN}x",
	}
	d := Dovecot(t, WithUsers(users), WithPOP3())
	for user, password := range users {
		d.Deliver(user, "INBOX", Text(1, 600))
		if got := d.Messages(user, "INBOX"); len(got) != 1 {
			t.Errorf("%q: %d messages", user, len(got))
		}
		c := dialPOP3(t, d.POP3Addr(), nil)
		if err := c.Poll(user, password); err != nil {
			t.Errorf("%q over POP3: %v", user, err)
		}
	}
}

func dialPOP3(t *testing.T, addr string, config *tls.Config) *POP3Conn {
	t.Helper()
	c, err := DialPOP3(addr, config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func TestWrongPasswordIsNotPunished(t *testing.T) {
	d := Dovecot(t, WithPOP3())
	start := time.Now()
	for range 5 {
		if err := dialPOP3(t, d.POP3Addr(), nil).Login("alice", "wrong"); err == nil {
			t.Fatal("signed in")
		}
	}
	if spent := time.Since(start); spent > 5*time.Second {
		t.Errorf("five wrong passwords took %v", spent)
	}
}

func TestMasterUser(t *testing.T) {
	d := Dovecot(t, WithMaster("root", "master pw"))
	c := DialIMAP(t, d.IMAPAddr())
	defer c.Close()
	c.Login("alice*root", "master pw")
	c.Do("SELECT INBOX")
}

func TestCapability(t *testing.T) {
	d := Dovecot(t, WithCapability("IMAP4rev1 IDLE"))
	c := DialIMAP(t, d.IMAPAddr())
	defer c.Close()
	c.Login("alice", "secret")
	got := c.Do("CAPABILITY")
	if len(got) != 1 || got[0].Text != "* CAPABILITY IMAP4rev1 IDLE" {
		t.Errorf("%q", got)
	}
}

func TestTLS(t *testing.T) {
	d := Dovecot(t, WithPOP3())
	pem, err := os.ReadFile(d.Certificate.CA)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	config := &tls.Config{RootCAs: pool, ServerName: "127.0.0.1"}
	if err := dialPOP3(t, d.POP3SAddr(), config).Poll("alice", "secret"); err != nil {
		t.Error(err)
	}
	c, err := tls.Dial("tcp", d.IMAPSAddr(), config)
	if err != nil {
		t.Fatal(err)
	}
	_ = c.Close()
}

func TestKick(t *testing.T) {
	d := Dovecot(t)
	c := DialIMAP(t, d.IMAPAddr())
	defer c.Close()
	c.Login("alice", "secret")
	d.Kick("alice")
	if _, _, err := c.Try("NOOP"); err == nil {
		t.Error("still connected")
	}
}

func TestNothingLeftBehind(t *testing.T) {
	var tree []int
	var dir, addr string
	t.Run("server", func(t *testing.T) {
		d := Dovecot(t)
		c := DialIMAP(t, d.IMAPAddr())
		c.Login("alice", "secret")
		tree, dir, addr = Tree(d.PID()), d.dir, d.IMAPAddr()
		t.Cleanup(c.Close)
	})
	if len(tree) < 5 {
		t.Errorf("only %d processes were there", len(tree))
	}
	for _, pid := range tree {
		if alive(pid) {
			t.Errorf("process %d is left", pid)
		}
	}
	if _, err := os.Stat(dir); err == nil {
		t.Errorf("%s is left", dir)
	}
	if c, err := net.Dial("tcp", addr); err == nil {
		_ = c.Close()
		t.Error("still listening")
	}
}
