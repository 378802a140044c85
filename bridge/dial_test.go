package bridge

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/restante-mail/restante/peertest"
	"github.com/restante-mail/restante/upstream"
)

func TestGreeting(t *testing.T) {
	for _, c := range []struct {
		greeting string
		kind     upstream.Kind
		words    string
	}{
		{"* PREAUTH welcome", upstream.Unavailable, "PREAUTH"},
		{"* BYE too busy", upstream.Unavailable, "too busy"},
		{"* BYE Maximum number of connections from user+IP exceeded", upstream.Throttled, "exceeded"},
		{"+OK POP3 here", upstream.Unavailable, "no IMAP server"},
		{"220 mail ESMTP", upstream.Unavailable, "no IMAP server"},
		{"* FLAGS (\\Seen)", upstream.Unavailable, "no IMAP server"},
		{"HTTP/1.1 400 Bad Request", upstream.Unavailable, "no IMAP server"},
		{"* OK " + strings.Repeat("x", maxUnit), upstream.Unavailable, "more than"},
	} {
		f := newFake(t)
		f.greeting = c.greeting
		_, err := f.upstream().Open(t.Context(), alice)
		kindIs(t, err, c.kind, c.words)
		if len(f.heard("")) > 0 {
			t.Errorf("%.20q: said %q", c.greeting, f.heard(""))
		}
	}
}

// TestGreetingForms: what is odd and harmless gets in.
func TestGreetingForms(t *testing.T) {
	for _, greeting := range []string{
		"* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN (X) \"Y\" {3} %*] hi", // the library would spin
		"* OK",
		"* ok [Error=\"WrongServer\" Proxy=x] Exchange",
		"* OK [CAPABILITY] none",
	} {
		f := newFake(t, "a: b\r\n\r\n")
		f.greeting = greeting
		if _, messages := f.opened(); len(messages) != 1 {
			t.Errorf("%q: %d messages", greeting, len(messages))
		}
	}
}

func TestSTARTTLSRefused(t *testing.T) {
	for _, c := range []struct{ name, greeting, answer, words string }{
		{"stripped", "", "", "no STARTTLS"},
		{"refused", "* OK hi", "NO not today", "not today"},
		{"injected", "* OK [CAPABILITY IMAP4rev1 STARTTLS] hi", "OK begin\r\n* CAPABILITY AUTH=LOGIN", "before TLS began"},
		{"PREAUTH", "* PREAUTH [CAPABILITY IMAP4rev1 STARTTLS] hi", "", "PREAUTH"},
		{"hung up", "* OK hi", "", "unexpected EOF"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFake(t)
			f.greeting = c.greeting
			f.instead = func(conn *fakeConn, _ int, command string) bool {
				if c.answer == "" {
					conn.Close()
				}
				conn.send("%s %s\r\n", conn.tag, c.answer)
				return true
			}
			o := f.options()
			o.Security = StartTLS
			_, err := open(t, o).Open(t.Context(), alice)
			kindIs(t, err, upstream.Unavailable, c.words)
			for _, secret := range []string{"LOGIN", "AUTH"} {
				if said := f.heard(secret); len(said) > 0 {
					t.Errorf("said %q in the clear", said)
				}
			}
		})
	}
}

func TestTLSVerified(t *testing.T) {
	d := peertest.Dovecot(t)
	for _, security := range []Security{ImplicitTLS, StartTLS} {
		o := dovecotOptions(t, d, security)
		if _, err := open(t, o).Probe(t.Context()); err != nil {
			t.Errorf("%v: %v", security, err)
		}
		o.TLS = nil
		_, err := open(t, o).Open(t.Context(), alice)
		kindIs(t, err, upstream.Denied, "certificate")
		o = dovecotOptions(t, d, security)
		o.TLS.ServerName = "elsewhere.example"
		_, err = open(t, o).Open(t.Context(), alice)
		kindIs(t, err, upstream.Denied, "elsewhere.example")
	}
}

// TestFailOver: an address that does not answer is passed over, and comes last
// for a while.
func TestFailOver(t *testing.T) {
	f := newFake(t)
	busy := newFake(t)
	busy.greeting = "* BYE busy"
	o := f.options()
	busy.options()
	o.Addresses = []string{busy.addr, closedPort(t), f.addr}
	u := open(t, o)
	for range 2 {
		m, err := u.Open(t.Context(), alice)
		if err != nil {
			t.Fatal(err)
		}
		m.Close()
	}
	if n := busy.countSessions(); n != 1 {
		t.Errorf("%d sessions at the address that failed, want 1", n)
	}
	now := time.Now()
	if got := u.addresses.inOrder(now)[0]; got != f.addr {
		t.Errorf("first is %v", got)
	}
	if got := u.addresses.inOrder(now.Add(restAfterFailure))[0]; got != busy.addr {
		t.Errorf("later, first is %v", got)
	}
}

func TestNobodyAnswers(t *testing.T) {
	a, b := closedPort(t), closedPort(t)
	u := open(t, Options{Addresses: []string{a, b}})
	_, err := u.Open(t.Context(), alice)
	kindIs(t, err, upstream.Unavailable, a)
	kindIs(t, err, upstream.Unavailable, b)
}

func closedPort(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// TestSilence: a server that accepts and says nothing costs the timeout, at
// every stage before the session begins.
func TestSilence(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for _, security := range []Security{Plain, StartTLS, ImplicitTLS} {
		u := open(t, Options{Addresses: []string{l.Addr().String()}, Security: security, DialTimeout: 50 * time.Millisecond, TLS: new(tls.Config)})
		_, err := u.Open(t.Context(), alice)
		kindIs(t, err, upstream.Unavailable, "")
	}
	for _, at := range []string{"CAPABILITY", "AUTHENTICATE", "LOGIN", "SELECT", "LIST"} {
		f := newFake(t)
		f.greeting = "* OK hi"
		if at == "LOGIN" {
			f.caps = "IMAP4rev1"
		}
		f.instead = func(c *fakeConn, _ int, command string) bool {
			if strings.HasPrefix(command, at) {
				c.stall()
			}
			return false
		}
		o := f.options()
		o.DialTimeout, o.ReplyTimeout, o.ListTimeout = 50*time.Millisecond, 50*time.Millisecond, 50*time.Millisecond
		login := alice
		login.Folders = []string{`\Trash`}
		_, err := open(t, o).Open(t.Context(), login)
		kindIs(t, err, upstream.Unavailable, "")
	}
}

func TestDialCancelled(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		if c, err := l.Accept(); err == nil {
			cancel()
			io.Copy(io.Discard, c)
			c.Close()
		}
	}()
	_, err = open(t, Options{Addresses: []string{l.Addr().String()}, Security: Plain}).Open(ctx, alice)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	kindIs(t, err, upstream.Unavailable, "")
}

func TestNewRefuses(t *testing.T) {
	for _, addresses := range [][]string{nil, {""}, {"host"}, {"host:"}, {":143"}, {"a:143", "b"}} {
		if _, err := New(Options{Addresses: addresses}); err == nil {
			t.Errorf("%q was taken", addresses)
		}
	}
}

func TestProbe(t *testing.T) {
	for _, c := range []struct {
		caps string
		want []string // in the findings, in order
	}{
		{fullCaps, nil},
		{"IMAP4rev2 AUTH=PLAIN ID", nil},
		{"IMAP4rev1 LOGINDISABLED ID", []string{"no way to sign in", "UIDPLUS", "MOVE"}},
		{"IMAP4rev1 LOGINDISABLED AUTH=XOAUTH2 ID UIDPLUS MOVE", []string{"only OAuth"}},
		{"IMAP4rev1 UIDPLUS", []string{"LOGIN", "no ID", "MOVE"}},
	} {
		f := newFake(t)
		f.caps = c.caps
		o := f.options()
		o.TellClient = true
		report, err := open(t, o).Probe(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if len(report.Findings) != len(c.want) || report.Address != f.addr {
			t.Errorf("%s: %q", c.caps, report)
			continue
		}
		for i, want := range c.want {
			if !strings.Contains(report.Findings[i], want) {
				t.Errorf("%s: %q, want %q", c.caps, report.Findings[i], want)
			}
		}
		if said := f.heard(""); len(said) > 0 {
			t.Errorf("probing said %q", said)
		}
	}
}
