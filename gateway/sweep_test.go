package gateway_test

import (
	"errors"
	"net"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/restante-mail/restante/auth"
	"github.com/restante-mail/restante/gateway"
	"github.com/restante-mail/restante/policy"
	"github.com/restante-mail/restante/pop3"
	"github.com/restante-mail/restante/secret"
	"github.com/restante-mail/restante/store"
	"github.com/restante-mail/restante/upstream"
)

// sweeping is a gateway with the account bob, whose policy removes what was
// deleted two weeks ago, and a clock.
type sweeping struct {
	*gateway.Gateway
	t     *testing.T
	now   time.Time
	state store.Store
	path  string
	rule  string
	// account and policy are bob's; the policy may be changed.
	account auth.Account
	policy  *policy.Policy
}

func newSweeping(t *testing.T, server upstream.Server, secrets ...auth.Secret) *sweeping {
	t.Helper()
	s := &sweeping{t: t, now: time.Now(), state: stateFile(t)}
	info, err := s.state.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s.path = info.Path
	keys := auth.NewKeyring(filepath.Join(t.TempDir(), "key"))
	sealed, err := keys.Seal("bob", auth.UpstreamPurpose, secret.New(password))
	if err != nil {
		t.Fatal(err)
	}
	g := over(server, nil)
	g.Shared.Store, g.Now = s.state, func() time.Time { return s.now }
	s.account = auth.Account{Name: "bob", Secrets: secrets, Upstream: auth.Identity{Method: auth.ByPassword, User: user, Sealed: sealed}}
	g.Accounts = auth.NewDirectory([]auth.Account{s.account})
	g.Accounts.Keys = keys
	p := preset("keep-days")
	s.policy = &p
	s.rule = p.Retain[0].Hash("keep-days")
	var with func(view, policyName string) (gateway.Route, error)
	with = func(view, policyName string) (gateway.Route, error) {
		r := gateway.Route{Upstream: "test", Server: server, User: "bob", Base: "bob", View: view, Accounts: auth.UseOnly, Policy: p, PolicyName: "keep-days", With: with}
		if policyName != "" {
			r.Policy, _ = policy.Preset(policyName)
			r.PolicyName = policyName
		}
		return r, nil
	}
	g.Route = func(name string, _ netip.Addr, _ string) (gateway.Route, error) {
		_, view, _ := strings.Cut(name, "+")
		return with(view, "")
	}
	s.Gateway = g
	return s
}

func (s *sweeping) session() pop3.Session {
	s.t.Helper()
	c, err := s.Login(s.t.Context(), pop3.Peer{ID: "client", Remote: &net.TCPAddr{}, Control: idle{}}, pop3.Credentials{Mechanism: "USER", User: "bob", Secret: secret.New("a")})
	if err != nil {
		s.t.Fatal(err)
	}
	if _, err := c.Messages(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
	return c
}

// idle is a client's connection.
type idle struct{}

func (idle) Idle() time.Duration { return 0 }
func (idle) Evict()              {}

// sweep wants a reason not to look, or so many changes.
func (s *sweeping) sweep(what, view, skipped string, changed int) {
	s.t.Helper()
	got, err := s.Sweep(s.t.Context(), "bob", view, time.Minute)
	if err != nil || got.Skipped != skipped || got.Changed != changed || got.Failed != 0 {
		s.t.Errorf("%s: %+v, %v; want %q and %d changes", what, got, err, skipped, changed)
	}
}

func (s *sweeping) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// TestSweep: retention acts without a client for what a client deleted, in its
// own time and terms, and for nothing else.
func TestSweep(t *testing.T) {
	server, inbox := memory(t, letters(3))
	s := newSweeping(t, server, auth.Secret{Label: "a", Hash: auth.HashPassword(secret.New("a"), "")})
	left := func(what string, want int) {
		t.Helper()
		if n := len(inbox.Messages()); n != want {
			t.Errorf("%s: %d messages are left; want %d", what, n, want)
		}
	}
	s.must(store.Approve(t.Context(), s.path, []string{s.rule}, 1))
	s.sweep("before any client", "", "no client has signed in yet", 0)
	c := s.session()
	s.must(errors.Join(c.Update(t.Context(), []int{0, 1}), c.Close()))
	c = s.session()
	s.sweep("beside a client", "", "a client has the maildrop", 0)
	s.must(c.Close())
	s.sweep("too early", "", "", 0)
	left("too early", 3)
	s.now = s.now.Add(15 * 24 * time.Hour)
	s.must(store.Hold(t.Context(), s.path, gateway.Maildrop("test", user), true))
	s.sweep("held", "", "it is held", 0)
	s.must(store.Hold(t.Context(), s.path, gateway.Maildrop("test", user), false))
	s.sweep("another view", "printer", "no client has signed in yet", 0)
	left("so far", 3)
	s.sweep("in time", "", "", 2)
	left("in time", 1)
	s.sweep("again", "", "", 0)
	c = s.session() // and the maildrop is free
	if list, err := c.Messages(t.Context()); err != nil || len(list) != 1 {
		t.Errorf("the client sees %d messages, %v", len(list), err)
	}
	s.must(c.Close())
}

func TestSweepNeedsApproval(t *testing.T) {
	server, inbox := memory(t, letters(2))
	s := newSweeping(t, server, auth.Secret{Label: "a", Hash: auth.HashPassword(secret.New("a"), "")})
	c := s.session()
	s.must(errors.Join(c.Update(t.Context(), []int{0, 1}), c.Close()))
	s.now = s.now.Add(15 * 24 * time.Hour)
	s.sweep("not approved", "", "its rules are not approved", 0)
	if n := len(inbox.Messages()); n != 2 {
		t.Errorf("%d messages are left", n)
	}
}

// TestSweepIsSureOfThePolicy: where secrets give a view different policies,
// nobody knows whose retention is meant.
func TestSweepIsSureOfThePolicy(t *testing.T) {
	server, _ := memory(t, letters(1))
	hash := auth.HashPassword(secret.New("a"), "")
	s := newSweeping(t, server, auth.Secret{Label: "a", Hash: hash}, auth.Secret{Label: "b", Hash: hash, Policy: "classic"},
		auth.Secret{Label: "c", Hash: hash, View: "printer", Policy: "classic"})
	if got, err := s.Sweep(t.Context(), "bob", "", time.Minute); err == nil {
		t.Errorf("two policies: %+v", got)
	}
	if got, err := s.Sweep(t.Context(), "erin", "", time.Minute); err == nil {
		t.Errorf("no account: %+v", got)
	}
	one := newSweeping(t, server, auth.Secret{Label: "c", Hash: hash, Policy: "classic"})
	one.sweep("a policy without retention", "", "the policy removes nothing by itself", 0)
}

// TestSweepGivesWay: to a client until changes begin, and not after.
func TestSweepGivesWay(t *testing.T) {
	early, late := gateway.NewGivesWay(), gateway.NewGivesWay()
	early.Evict()
	if early.Begin() || !early.Ended() {
		t.Error("it changes the mailbox although a client wants it")
	}
	if late.Idle() < time.Minute || !late.Begin() || late.Idle() != 0 {
		t.Error("it does not let a client know whether it may be ended")
	}
	if late.Evict(); late.Ended() {
		t.Error("it was ended while it changed the mailbox")
	}
}

// oneSecret is what the tests' client signs in with.
func oneSecret() auth.Secret {
	return auth.Secret{Label: "a", Hash: auth.HashPassword(secret.New("a"), "")}
}

// TestSweepWhileTheStateFails: where sessions go on without changing anything, a
// sweep leaves the mailbox alone.
func TestSweepWhileTheStateFails(t *testing.T) {
	server, inbox := memory(t, letters(2))
	s := newSweeping(t, server, oneSecret())
	s.ReadOnly = true
	s.must(store.Approve(t.Context(), s.path, []string{s.rule}, 1))
	c := s.session()
	s.must(errors.Join(c.Update(t.Context(), []int{0}), c.Close()))
	s.state.(*counting).failNext.Store(true)
	c = s.session()
	if err := c.Update(t.Context(), []int{0}); err == nil {
		t.Error("a session did what it could not remember")
	}
	s.must(c.Close())
	s.now = s.now.Add(15 * 24 * time.Hour)
	s.sweep("while the state fails", "", "the state file cannot be written", 0)
	s.state.(*counting).failNext.Store(false)
	s.sweep("once it does not", "", "", 1)
	if n := len(inbox.Messages()); n != 1 {
		t.Errorf("%d messages are left; want 1", n)
	}
}

// TestSweepLeavesAThrottlingServerAlone for as long as it asks for.
func TestSweepLeavesAThrottlingServerAlone(t *testing.T) {
	server, _ := memory(t, letters(1))
	up := &throttling{tally: tally{Server: server}}
	s := newSweeping(t, up, oneSecret())
	s.must(store.Approve(t.Context(), s.path, []string{s.rule}, 1))
	c := s.session()
	s.must(errors.Join(c.Update(t.Context(), []int{0}), c.Close()))
	before := up.times.Load()
	up.err = &upstream.Error{Kind: upstream.Throttled, Doing: "sign in", Wait: 10 * time.Minute, Err: errors.New("slow down")}
	for range 3 {
		if got, err := s.Sweep(t.Context(), "bob", "", time.Minute); err == nil {
			t.Errorf("%+v", got)
		}
	}
	if asked := up.times.Load() - before; asked != 1 {
		t.Errorf("a server that wants to be left alone was asked %d times", asked)
	}
}

// TestSweepOfADisabledAccount: it may have been disabled while others were swept.
func TestSweepOfADisabledAccount(t *testing.T) {
	server, _ := memory(t, letters(1))
	s := newSweeping(t, server, oneSecret())
	s.account.Disabled = true
	keys := s.Accounts.Keys
	s.Accounts = auth.NewDirectory([]auth.Account{s.account})
	s.Accounts.Keys = keys
	if got, err := s.Sweep(t.Context(), "bob", "", time.Minute); !errors.Is(err, gateway.ErrNotSwept) {
		t.Errorf("%+v, %v", got, err)
	}
}

// TestSweepMovesNoWindow: what "newest" leaves out is decided when a client looks,
// also where messages have other UIDs now.
func TestSweepMovesNoWindow(t *testing.T) {
	server, inbox := memory(t, posts(0, 5))
	s := newSweeping(t, server, oneSecret())
	s.policy.Newest = 3
	s.must(store.Approve(t.Context(), s.path, []string{s.rule}, 1))
	c := s.session()
	s.must(errors.Join(c.Update(t.Context(), []int{2}), c.Close()))
	inbox.Renumber()
	for i := range 2 {
		inbox.Append(post(5+i), nil, time.Time{})
	}
	s.sweep("under other UIDs", "", "", 0)
	for range 2 {
		all := inbox.Messages()
		inbox.Remove(all[len(all)-1].UID)
	}
	c = s.session()
	if list, err := c.Messages(t.Context()); err != nil || len(list) != 2 {
		t.Errorf("the client sees %d messages, %v; want the 2 that it saw before", len(list), err)
	}
	s.must(c.Close())
}

// TestSweepBesideManySessions: a view that any number of sessions may have open is
// left alone while one has.
func TestSweepBesideManySessions(t *testing.T) {
	server, inbox := memory(t, letters(2))
	s := newSweeping(t, server, oneSecret())
	s.policy.Lock = policy.LockShared
	s.must(store.Approve(t.Context(), s.path, []string{s.rule}, 1))
	c := s.session()
	s.must(errors.Join(c.Update(t.Context(), []int{0}), c.Close()))
	s.now = s.now.Add(15 * 24 * time.Hour)
	c = s.session()
	s.sweep("beside a client", "", "a client has the maildrop", 0)
	s.must(c.Close())
	s.sweep("without one", "", "", 1)
	if n := len(inbox.Messages()); n != 1 {
		t.Errorf("%d messages are left; want 1", n)
	}
}

// TestSweepBringsBack what was undeleted, whatever the policy removes by itself.
func TestSweepBringsBack(t *testing.T) {
	server, inbox := memory(t, letters(3))
	s := newSweeping(t, server, oneSecret())
	*s.policy = preset("gmail-trash")
	c := s.session()
	s.must(errors.Join(c.Update(t.Context(), []int{1}), c.Close()))
	s.sweep("nothing to do", "", "the policy removes nothing by itself", 0)
	u, err := store.Undelete(t.Context(), s.path, store.ViewKey{Maildrop: gateway.Maildrop("test", user)})
	if err != nil || len(u.Returning) != 1 || len(inbox.Messages()) != 2 {
		t.Fatalf("%+v, %v; %d messages are left", u, err, len(inbox.Messages()))
	}
	s.must(store.Hold(t.Context(), s.path, gateway.Maildrop("test", user), true))
	s.sweep("undeleted", "", "", 0)
	if n := len(inbox.Messages()); n != 3 {
		t.Errorf("%d messages are there; want 3", n)
	}
	s.sweep("once it is back", "", "the policy removes nothing by itself", 0)
}
