package bridge

import (
	"bytes"
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/restante-mail/restante/peertest"
	"github.com/restante-mail/restante/secret"
	"github.com/restante-mail/restante/upstream"
	"github.com/restante-mail/restante/upstream/mailboxtest"
)

// follows waits until the words have come from a client that has no answer
// yet. It fails if the client waits for one.
func (c *fakeConn) follows(words string) bool {
	for {
		have, _ := c.r.Peek(c.r.Buffered())
		if bytes.Contains(have, []byte(words)) {
			return true
		}
		if _, err := c.r.Peek(len(have) + 1); err != nil {
			return false
		}
	}
}

// TestOneFlight: once a server is known, everything after the greeting goes
// before any answer.
func TestOneFlight(t *testing.T) {
	for _, c := range []struct{ name, caps, first string }{
		{"PLAIN", fullCaps, "ID"},
		{"PLAIN without ID", "IMAP4rev1 SASL-IR AUTH=PLAIN", "AUTHENTICATE"},
		{"LOGIN", "IMAP4rev1", "LOGIN"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBox(100)
			f := b.serve(t)
			f.caps = c.caps
			f.greeting = "* OK hello" // says nothing of what it can do
			answer := f.instead
			f.instead = func(conn *fakeConn, session int, command string) bool {
				if session > 1 && strings.HasPrefix(command, c.first) && !conn.follows("SEARCH") {
					t.Errorf("session %d waits for the answer to %s", session, c.first)
				}
				return answer(conn, session, command)
			}
			o := f.options()
			o.WarmIdle = -1
			u := open(t, o)
			u.worthwhile = 1
			for range 3 {
				b.visit(t, u)
			}
			if n := len(f.heard("CAPABILITY")); n != 1 {
				t.Errorf("asked for capabilities %d times", n)
			}
		})
	}
}

// TestWarmFlight: a poll over a warm connection is one flight, and its listing
// costs nothing more.
func TestWarmFlight(t *testing.T) {
	for _, worthwhile := range []int{1, 1000} {
		b := newBox(100)
		f := b.serve(t)
		last := map[int]string{1: "SEARCH", 1000: "UID FETCH 1:*"}[worthwhile]
		answer, times := f.instead, 0
		f.instead = func(c *fakeConn, session int, command string) bool {
			if strings.HasPrefix(command, "SELECT") {
				if times++; times > 1 && !c.follows(last) {
					t.Errorf("waits for the answer to SELECT before %s", last)
				}
			}
			return answer(c, session, command)
		}
		u := f.upstream()
		u.worthwhile = worthwhile
		for range 3 {
			m := b.visit(t, u)
			before := len(f.heard(""))
			if m.link != nil || before != len(f.heard("")) {
				t.Error("more was said after Open")
			}
		}
		m, err := u.Open(t.Context(), alice)
		if err != nil {
			t.Fatal(err)
		}
		before := len(f.heard(""))
		if _, err := m.Messages(t.Context()); err != nil || len(f.heard("")) != before {
			t.Errorf("Messages: %v, said %q", err, f.heard("")[before:])
		}
		m.Close()
	}
}

// TestRefusedAtOnce: a refusal means the same whether the server is known or
// not, and the refusals that follow it mean nothing.
func TestRefusedAtOnce(t *testing.T) {
	for _, caps := range []string{fullCaps, "IMAP4rev1"} {
		for answer, kind := range map[string]upstream.Kind{
			"NO [AUTHENTICATIONFAILED] wrong": upstream.Rejected,
			"NO wrong":                        upstream.Rejected,
			"NO [UNAVAILABLE] wrong":          upstream.Unavailable,
			"NO [CONTACTADMIN] wrong":         upstream.Denied,
			"NO [INUSE] wrong":                upstream.InUse,
			"NO [LIMIT] wrong":                upstream.Throttled,
			"BAD wrong":                       upstream.Unavailable,
		} {
			f := newFake(t, "one")
			f.caps = caps
			refuse := false
			f.instead = func(c *fakeConn, session int, command string) bool {
				c.mu.Lock()
				defer c.mu.Unlock()
				if !refuse {
					return false
				}
				if strings.HasPrefix(command, "AUTHENTICATE") || strings.HasPrefix(command, "LOGIN") {
					c.send("%s %s\r\n", c.tag, answer)
				} else {
					c.send("%s BAD not signed in\r\n", c.tag)
				}
				return true
			}
			o := f.options()
			o.WarmIdle = -1
			u := open(t, o)
			come(t, u, alice)
			come(t, u, alice)
			f.mu.Lock()
			refuse = true
			f.mu.Unlock()
			for range 2 {
				_, err := u.Open(t.Context(), alice)
				kindIs(t, err, kind, "wrong")
			}
		}
	}
}

// TestChangedServer: what is remembered of a server is not believed when it is
// another, in whatever way it turns out.
func TestChangedServer(t *testing.T) {
	for _, c := range []struct{ name, before, after string }{
		{"learns OBJECTID", fullCaps, fullCaps + " OBJECTID"},
		{"forgets OBJECTID", fullCaps + " OBJECTID", fullCaps},
		{"forgets SASL-IR", fullCaps, "IMAP4rev1 AUTH=PLAIN UIDPLUS"},
		{"forgets PLAIN", fullCaps, "IMAP4rev1 UIDPLUS"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBox(3)
			f := b.serve(t)
			f.caps = c.before
			f.greeting = "* OK hello"
			answer := f.instead
			f.instead = func(conn *fakeConn, session int, command string) bool {
				words := strings.Fields(command)
				sasl := strings.Contains(conn.caps, "SASL-IR")
				switch {
				case words[0] == "AUTHENTICATE" && !strings.Contains(conn.caps, "PLAIN"):
					conn.send("%s BAD what\r\n", conn.tag)
				case words[0] == "AUTHENTICATE" && !sasl && len(words) > 2:
					conn.send("+ \r\n") // does not know an initial response
					conn.line()
					conn.no("that is no response")
				case words[0] == "AUTHENTICATE" && !sasl:
					conn.send("+ \r\n")
					conn.line()
					return false
				case strings.Contains(command, "EMAILID") && !strings.Contains(conn.caps, "OBJECTID"):
					conn.send("%s BAD what is an EMAILID\r\n", conn.tag)
				default:
					return answer(conn, session, command)
				}
				return true
			}
			o := f.options()
			o.WarmIdle = -1
			u := open(t, o)
			b.visit(t, u)
			b.visit(t, u)
			f.mu.Lock()
			f.caps = c.after
			f.mu.Unlock()
			b.visit(t, u)
			b.visit(t, u)
			listings := f.heard("UID FETCH 1:*")
			if has := strings.Contains(listings[len(listings)-1], "EMAILID"); has != strings.Contains(c.after, "OBJECTID") {
				t.Errorf("the last listing asks %q", listings[len(listings)-1])
			}
		})
	}
}

// TestSilentServer: one that never says unasked what it can do after sign-in
// is asked in the same flight.
func TestSilentServer(t *testing.T) {
	f := newFake(t, "one")
	f.instead = func(c *fakeConn, session int, command string) bool {
		if !strings.HasPrefix(command, "AUTHENTICATE") {
			return false
		}
		if session > 1 && !c.follows("UID FETCH 1:*") {
			t.Error("waits for the answer to AUTHENTICATE")
		}
		c.ok("in, and silent")
		return true
	}
	o := f.options()
	o.WarmIdle = -1
	u := open(t, o)
	for range 3 {
		come(t, u, alice)
	}
	if n := len(f.heard("CAPABILITY")); n != 3 {
		t.Errorf("asked %d times, want once a session", n)
	}
}

// TestTokensWait: a token may be refused by a question.
func TestTokensWait(t *testing.T) {
	f := newFake(t, "one")
	f.caps = "IMAP4rev1 SASL-IR AUTH=XOAUTH2"
	login := upstream.Login{User: "alice", Secret: secret.New("token"), Bearer: true}
	o := f.options()
	o.WarmIdle = -1
	u := open(t, o)
	come(t, u, login)
	refused := "{}"
	f.mu.Lock()
	f.instead = continuing(&refused)
	f.mu.Unlock()
	_, err := u.Open(t.Context(), login)
	kindIs(t, err, upstream.Rejected, "worth nothing")
}

// between does something before every Open.
type between struct {
	*Upstream
	before func()
}

func (b between) Open(ctx context.Context, login upstream.Login) (upstream.Mailbox, error) {
	b.before()
	login.NeedSeen = true
	return b.Upstream.Open(ctx, login)
}

// caches are states that what is remembered may be in when a session begins.
var caches = map[string]func(u *Upstream) func(){
	"warm": func(u *Upstream) func() { return func() {} },
	"remembered": func(u *Upstream) func() { // but nothing is warm
		return u.hangUpIdle
	},
	"stale": func(u *Upstream) func() {
		var mu sync.Mutex
		first := map[string][]byte{}
		return func() {
			mu.Lock()
			defer mu.Unlock()
			u.eachListing(func(e *entry) {
				if first[e.key] == nil {
					first[e.key] = e.blob
				}
				e.blob = first[e.key]
			})
		}
	},
	"corrupted": func(u *Upstream) func() {
		return func() {
			u.eachListing(func(e *entry) {
				if len(e.blob) > 0 {
					e.blob = slices.Clone(e.blob)
					e.blob[len(e.blob)*2/3] ^= 0x10
				}
			})
		}
	},
	"dying": func(u *Upstream) func() { // idle connections are dead, and nobody knows
		return func() {
			u.pool.mu.Lock()
			defer u.pool.mu.Unlock()
			for at := u.pool.idle.Front(); at != nil; at = at.Next() {
				_ = at.Value.(*place).warm.f.raw.Close()
			}
		}
	},
}

func (u *Upstream) eachListing(do func(*entry)) {
	u.listings.mu.Lock()
	defer u.listings.mu.Unlock()
	for _, at := range u.listings.entries {
		do(at.Value.(*entry))
	}
}

func (u *Upstream) hangUpIdle() {
	u.pool.mu.Lock()
	defer u.pool.mu.Unlock()
	for u.pool.idle.Len() > 0 {
		u.pool.evict(u.pool.idle.Front()).signOut()
	}
}

// prepared is the fixture with the cache in that state from the first session on.
func prepared(t *testing.T, f mailboxtest.Fixture, state func(u *Upstream) func()) mailboxtest.Fixture {
	u := f.Server.(*Upstream)
	u.worthwhile = 1
	f.Server = between{u, state(u)}
	if m, err := f.Server.Open(t.Context(), f.Login); err == nil {
		_ = m.Close()
	}
	return f
}

// TestMemoryCaches puts the bridge through the suite with every cache in every
// state.
func TestMemoryCaches(t *testing.T) {
	for name, state := range caches {
		for _, lacks := range [][]string{nil, {"ESEARCH"}} {
			if lacks != nil && name != "stale" {
				continue
			}
			t.Run(fmt.Sprint(name, lacks), func(t *testing.T) {
				mailboxtest.Run(t, func(t *testing.T) mailboxtest.Fixture {
					return prepared(t, memoryFixture(t, lacks), state)
				})
			})
		}
	}
}

func TestDovecotCaches(t *testing.T) {
	for name, state := range caches {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := peertest.Dovecot(t, peertest.WithUsers(accounts(100)), peertest.WithConfig("auth_master_user_separator ="))
			used := 0
			mailboxtest.Run(t, func(t *testing.T) mailboxtest.Fixture {
				used++
				u := open(t, dovecotOptions(t, d, Plain))
				return prepared(t, dovecotFixture(t, d, u, fmt.Sprintf("user%d", used-1)), state)
			})
		})
	}
}

// TestClientIsTold at once, too.
func TestClientIsToldAtOnce(t *testing.T) {
	f := newFake(t, "one")
	o := f.options()
	o.TellClient, o.WarmIdle = true, -1
	u := open(t, o)
	for _, address := range []string{"192.0.2.1", "2001:db8::7"} {
		login := alice
		login.Client = netip.MustParseAddr(address)
		come(t, u, login)
		said := f.heard("ID")
		if !strings.Contains(said[len(said)-1], fmt.Sprintf(`"x-originating-ip" %q`, address)) {
			t.Errorf("said %q", said)
		}
	}
}

// TestNoDates: who needs no dates of a small folder does not ask for them, once
// it is known to be small.
func TestNoDates(t *testing.T) {
	for _, noDates := range []bool{false, true} {
		f := newFake(t, "one")
		u := f.upstream()
		login := alice
		login.NoDates = noDates
		come(t, u, login)
		come(t, u, login)
		listings := f.heard("UID FETCH 1:*")
		if len(listings) != 2 || !strings.Contains(listings[0], "DATE") || strings.Contains(listings[1], "DATE") == noDates {
			t.Errorf("no dates %v: said %q", noDates, listings)
		}
	}
}
