package bridge

import (
	"context"
	"fmt"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"weak"

	"github.com/restante-mail/restante/secret"
	"github.com/restante-mail/restante/upstream"
)

// come opens a mailbox, tells whether it was warm, and leaves.
func come(t *testing.T, u *Upstream, login upstream.Login) (warm bool) {
	t.Helper()
	m, err := u.Open(t.Context(), login)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if _, err := m.Messages(t.Context()); err != nil {
		t.Fatal(err)
	}
	return m.(*mailbox).Warm()
}

// TestWarm: the second session signs in to nothing, and says it all at once.
func TestWarm(t *testing.T) {
	f := newFake(t, "one", "two")
	u := f.upstream()
	if come(t, u, alice) {
		t.Error("the first session was warm")
	}
	for range 5 {
		if !come(t, u, alice) {
			t.Error("a later session was not warm")
		}
	}
	if n, logins := f.countSessions(), len(f.heard("AUTHENTICATE")); n != 1 || logins != 1 {
		t.Errorf("%d connections, %d sign-ins", n, logins)
	}
	if n := len(f.heard("SELECT")); n != 6 {
		t.Errorf("%d times selected, want 6", n)
	}
}

// TestWarmIsForTheSame: a connection goes to nobody else.
func TestWarmIsForTheSame(t *testing.T) {
	change := func(do func(*upstream.Login)) upstream.Login {
		login := alice
		login.Client = netip.MustParseAddr("192.0.2.1")
		do(&login)
		return login
	}
	same := change(func(*upstream.Login) {})
	for name, c := range map[string]struct {
		login upstream.Login
		tells bool
		warm  bool
	}{
		"the same":                       {same, true, true},
		"another password":               {change(func(l *upstream.Login) { l.Secret = secret.New("Secret") }), false, false},
		"another user":                   {change(func(l *upstream.Login) { l.User = "bob" }), false, false},
		"another spelling":               {change(func(l *upstream.Login) { l.User = "Alice" }), false, false},
		"another identity":               {change(func(l *upstream.Login) { l.Identity = "bob" }), false, false},
		"the octets cut elsewhere":       {change(func(l *upstream.Login) { l.User, l.Identity = "alic", "e" }), false, false},
		"another client, which is told":  {change(func(l *upstream.Login) { l.Client = netip.MustParseAddr("192.0.2.2") }), true, false},
		"another client, nobody is told": {change(func(l *upstream.Login) { l.Client = netip.MustParseAddr("192.0.2.2") }), false, true},
		"another session":                {change(func(l *upstream.Login) { l.Session = "other" }), true, true},
	} {
		f := newFake(t, "one")
		o := f.options()
		o.TellClient = c.tells
		u := open(t, o)
		come(t, u, same)
		if warm := come(t, u, c.login); warm != c.warm {
			t.Errorf("%s: warm %v, want %v", name, warm, c.warm)
		}
	}
}

// TestPasswordChanged both ways: the old one opens a connection that it opened
// before, until the bound; the new one, and every wrong one, is for the server
// to judge.
func TestPasswordChanged(t *testing.T) {
	f := newFake(t, "one")
	valid := "secret"
	f.instead = func(c *fakeConn, _ int, command string) bool {
		words := strings.Fields(command)
		if words[0] != "AUTHENTICATE" || words[2] == b64("\x00alice\x00"+valid) {
			return false
		}
		c.no("[AUTHENTICATIONFAILED] wrong")
		return true
	}
	u := f.upstream()
	now := time.Now()
	u.pool.now = func() time.Time { return now }
	with := func(password string) upstream.Login {
		login := alice
		login.Secret = secret.New(password)
		return login
	}
	come(t, u, with("secret"))
	f.mu.Lock()
	valid = "new"
	f.mu.Unlock()
	for _, wrong := range []string{"Secret", "secret ", "x"} {
		_, err := u.Open(t.Context(), with(wrong))
		kindIs(t, err, upstream.Rejected, "wrong")
	}
	for range 20 { // used again and again, it does not grow younger
		if !come(t, u, with("secret")) {
			t.Fatal("not warm within the bound")
		}
		if now.Sub(u.pool.idle.Front().Value.(*place).warm.born) >= defaultCredentialBound-time.Minute {
			break
		}
		now = now.Add(time.Minute)
	}
	now = now.Add(time.Minute)
	_, err := u.Open(t.Context(), with("secret"))
	kindIs(t, err, upstream.Rejected, "wrong")
	if come(t, u, with("new")) || !come(t, u, with("new")) {
		t.Error("the new password: the first session must be cold, the second warm")
	}
	_, err = u.Open(t.Context(), with("secret"))
	kindIs(t, err, upstream.Rejected, "wrong")
}

// TestDeadWarm: a connection that died while idle, however, is not noticed by
// anybody.
func TestDeadWarm(t *testing.T) {
	for name, last := range map[string]string{"EOF": "", "BYE": "* BYE too long idle\r\n", "garbage": "what\r\n", "half a line": "* OK"} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t, "one")
			u := f.upstream()
			come(t, u, alice)
			f.mu.Lock()
			fmt.Fprint(f.connections[0], last)
			f.mu.Unlock()
			f.hangUpAll()
			if come(t, u, alice) {
				t.Error("a dead connection passed for warm")
			}
			if !come(t, u, alice) {
				t.Error("the new connection was not kept")
			}
		})
	}
}

// TestDiesOnFirstUse: one cold retry, whatever the server does to the first
// command.
func TestDiesOnFirstUse(t *testing.T) {
	for _, answer := range []string{"", "* BYE now\r\n", "%s NO [NOPERM] gone\r\n", "%s BAD what\r\n", "* 1 EXISTS\r\n%s OK no UIDVALIDITY\r\n"} {
		f := newFake(t, "one")
		selects := 0
		f.instead = func(c *fakeConn, session int, command string) bool {
			if !strings.HasPrefix(command, "SELECT") {
				return false
			}
			if selects++; selects != 2 {
				return false
			}
			c.send("%s", strings.ReplaceAll(answer, "%s", c.tag))
			c.Close()
			return true
		}
		u := f.upstream()
		come(t, u, alice)
		if come(t, u, alice) || f.countSessions() != 2 {
			t.Errorf("%q: %d sessions, want a second, cold one", answer, f.countSessions())
		}
	}
}

// TestNotKept: what is not quiet and whole is not used again.
func TestNotKept(t *testing.T) {
	text := strings.Repeat("x", 2*maxDrain)
	f := newFake(t, text)
	u := f.upstream()
	m, err := u.Open(t.Context(), alice)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.Messages(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := m.Open(t.Context(), upstream.ID{UID: 11}, upstream.Whole); err != nil {
		t.Fatal(err)
	}
	m.Close()
	if come(t, u, alice) {
		t.Error("a connection with a literal open was used again")
	}
	o := f.options()
	o.WarmIdle = -1
	u = open(t, o)
	for range 2 {
		if come(t, u, alice) {
			t.Error("warm though switched off")
		}
	}
}

// TestIdleBounds: time and number.
func TestIdleBounds(t *testing.T) {
	f := newFake(t, "one")
	o := f.options()
	o.MaxIdle = 2
	u := open(t, o)
	now := time.Now()
	u.pool.now = func() time.Time { return now }
	user := func(name string) upstream.Login { l := alice; l.User = name; return l }
	for _, name := range []string{"a", "b", "c"} {
		come(t, u, user(name))
	}
	if u.pool.idle.Len() != 2 {
		t.Errorf("%d are idle, want 2", u.pool.idle.Len())
	}
	if come(t, u, user("a")) { // was the longest idle; now b is
		t.Error("a is warm")
	}
	if !come(t, u, user("c")) {
		t.Error("c is cold")
	}
	now = now.Add(defaultWarmIdle)
	u.pool.sweep()
	if u.pool.idle.Len() != 0 || len(u.pool.tenants) != 0 || u.pool.janitor != nil {
		t.Errorf("%d are idle after the time, %d identities known", u.pool.idle.Len(), len(u.pool.tenants))
	}
	come(t, u, user("a"))
	now = now.Add(defaultWarmIdle)
	if come(t, u, user("a")) {
		t.Error("warm after the time, before the janitor came")
	}
}

// TestThreeConnections: more wait for one, in vain or not; and those who know no
// password keep nobody waiting.
func TestThreeConnections(t *testing.T) {
	f := newFake(t, "one")
	wrong := alice
	wrong.Secret = secret.New("wrong")
	stalled := make(chan struct{})
	var release sync.Once
	f.instead = func(c *fakeConn, _ int, command string) bool {
		if command != "AUTHENTICATE PLAIN "+b64("\x00alice\x00wrong") {
			return false
		}
		<-stalled
		c.no("[AUTHENTICATIONFAILED] wrong")
		return true
	}
	defer release.Do(func() { close(stalled) })
	u := f.upstream()
	come(t, u, alice)
	var strangers sync.WaitGroup
	for range 5 {
		strangers.Go(func() {
			_, err := u.Open(t.Context(), wrong)
			kindIs(t, err, upstream.Rejected, "wrong")
		})
	}
	var held []upstream.Mailbox
	for range maxPerIdentity {
		m, err := u.Open(t.Context(), alice)
		if err != nil {
			t.Fatal(err)
		}
		held = append(held, m)
	}
	u.pool.wait = 20 * time.Millisecond
	_, err := u.Open(t.Context(), alice)
	kindIs(t, err, upstream.Unavailable, "as many sessions")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := u.Open(ctx, alice); err == nil {
		t.Error("a client that has gone got a place")
	}
	u.pool.wait = time.Minute
	opened := make(chan error)
	go func() {
		m, err := u.Open(t.Context(), alice)
		if err == nil {
			err = m.Close()
		}
		opened <- err
	}()
	held[0].Close()
	if err := <-opened; err != nil {
		t.Error(err)
	}
	release.Do(func() { close(stalled) })
	strangers.Wait()
	for _, m := range held[1:] {
		m.Close()
	}
	if u.pool.idle.Len() != 1 {
		t.Errorf("%d idle connections of one identity", u.pool.idle.Len())
	}
}

// TestOtherCredentialsCountToo: a second password of the same identity is
// checked by the server before it waits for its place.
func TestOtherCredentialsCountToo(t *testing.T) {
	f := newFake(t, "one")
	u := f.upstream()
	var held []upstream.Mailbox
	for range maxPerIdentity {
		m, err := u.Open(t.Context(), alice)
		if err != nil {
			t.Fatal(err)
		}
		held = append(held, m)
	}
	other := alice
	other.User = "ALICE"
	u.pool.wait = time.Millisecond
	_, err := u.Open(t.Context(), other)
	kindIs(t, err, upstream.Unavailable, "as many sessions")
	if n := f.countSessions(); n != maxPerIdentity+1 {
		t.Errorf("%d connections, want %d", n, maxPerIdentity+1)
	}
	held[0].Close()
	come(t, u, other)
	for _, m := range held[1:] {
		m.Close()
	}
}

// TestStorm: many sessions of few identities at once never share a connection,
// and none is lost.
func TestStorm(t *testing.T) {
	f := newFake(t, "one", "two")
	u := f.upstream()
	u.pool.wait = time.Minute
	var clients sync.WaitGroup
	for i := range 40 {
		clients.Go(func() {
			login := alice
			login.User = fmt.Sprint("user", i%4)
			for range 5 {
				m, err := u.Open(t.Context(), login)
				if err != nil {
					t.Error(err)
					return
				}
				if text, err := read(t, m.(*mailbox), 11, upstream.Whole); err != nil || text != "one" {
					t.Errorf("%q, %v", text, err)
				}
				m.Close()
			}
		})
	}
	clients.Wait()
	u.pool.mu.Lock()
	defer u.pool.mu.Unlock()
	if u.pool.idle.Len() != 4 || len(u.pool.tenants) != 4 {
		t.Errorf("%d idle, %d identities", u.pool.idle.Len(), len(u.pool.tenants))
	}
	for name, tenant := range u.pool.tenants {
		if len(tenant.inUse) != 0 || tenant.changed != nil {
			t.Errorf("%s: %d places are lost", name, len(tenant.inUse))
		}
	}
}

// waiter stands for a session of package gateway.
type waiter struct{ m *mailbox }

func (*waiter) wait() {}

// TestIdleHoldsNoSession: an idle connection keeps nothing of the session that
// left it, least of all its password.
func TestIdleHoldsNoSession(t *testing.T) {
	f := newFake(t, "a message", "another")
	u := f.upstream()
	closed := func() weak.Pointer[mailbox] {
		opened, err := u.Open(t.Context(), alice)
		if err != nil {
			t.Fatal(err)
		}
		m := opened.(*mailbox)
		messages, err := m.Messages(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		m.Expect(messages)
		m.BeforeWait((&waiter{m}).wait)
		for uid := range uint32(2) {
			if _, err := read(t, m, 11+uid, upstream.Part{Lines: -1}); err != nil {
				t.Fatal(err)
			}
		}
		m.Close()
		if !m.login.Secret.Empty() || m.beforeWait != nil {
			t.Error("a closed mailbox has its password, or its client")
		}
		return weak.Make(m)
	}()
	if u.pool.idle.Len() != 1 {
		t.Fatal("the connection was not kept")
	}
	for deadline := time.Now().Add(5 * time.Second); closed.Value() != nil; runtime.GC() {
		if time.Now().After(deadline) {
			t.Fatal("the idle connection holds the session that left it")
		}
	}
}

// TestUsedAfterApply: the place is given back, so nothing connects any more.
func TestUsedAfterApply(t *testing.T) {
	f := newFake(t, "a message", "another")
	m, _ := f.opened()
	m.Apply(t.Context(), nil)
	_, err := read(t, m, 11, upstream.Part{Lines: -1})
	kindIs(t, err, upstream.Unavailable, "closed")
	r := m.Apply(t.Context(), []upstream.Change{{ID: upstream.ID{UID: 11}, Do: upstream.Expunge}})
	kindIs(t, r[0].Err, upstream.Unavailable, "closed")
	if n := f.countSessions(); n != 1 {
		t.Errorf("%d sessions, want 1", n)
	}
}

// TestForgottenByTheNetwork: a warm connection that is silent is given up soon,
// also if the first folder must be looked for.
func TestForgottenByTheNetwork(t *testing.T) {
	f := newFake(t, "a message")
	var stalled atomic.Bool
	f.instead = func(c *fakeConn, session int, command string) bool {
		if stalled.Load() && session == 1 {
			c.stall()
			return true
		}
		return false
	}
	o := f.options()
	o.ListTimeout = time.Minute
	u := open(t, o)
	u.pool.patience = 50 * time.Millisecond
	login := alice
	login.Folders = []string{`\Trash`}
	come(t, u, login)
	stalled.Store(true)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	m, err := u.Open(ctx, login)
	if err != nil {
		t.Fatal(err)
	}
	m.Close()
}
