package gateway_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/restante-mail/restante/audit"
	"github.com/restante-mail/restante/auth"
	"github.com/restante-mail/restante/gateway"
	"github.com/restante-mail/restante/guard"
	"github.com/restante-mail/restante/pop3"
	"github.com/restante-mail/restante/secret"
	"github.com/restante-mail/restante/upstream"
)

// tally counts the sign-ins that reach an upstream.
type tally struct {
	upstream.Server
	times atomic.Int32
}

func (a *tally) Open(ctx context.Context, login upstream.Login) (upstream.Mailbox, error) {
	a.times.Add(1)
	return a.Server.Open(ctx, login)
}

// comes signs in from an address, and out again.
func comes(t *testing.T, g *gateway.Gateway, address, password string) error {
	t.Helper()
	peer := pop3.Peer{ID: address + password, Remote: &net.TCPAddr{IP: net.ParseIP(address), Port: 4711}}
	s, err := g.Login(t.Context(), peer, pop3.Credentials{Mechanism: "USER", User: user, Secret: secret.New(password)})
	if err == nil {
		_ = s.Close()
	}
	return err
}

// TestGuard: what was refused is not asked again, who fails on and on is shut
// out, and everybody else gets in.
func TestGuard(t *testing.T) {
	server, _ := memory(t, letters(1))
	up := &tally{Server: server}
	g := over(up, nil)
	n := &notes{new: make(chan struct{}, 1)}
	g.Recorder = n
	settings := guard.Defaults()
	settings.FreeFailures, settings.BanAfter, settings.MaxDelay = 10, 3, time.Second
	g.Shared.Guard.Set(settings, g.TellBan)
	for _, step := range []struct {
		address, password, want string
		asked                   int32
	}{
		{"192.0.2.1", "wrong", "[AUTH]", 1},
		{"192.0.2.1", "wrong", "[AUTH]", 1},
		{"192.0.2.2", "wrong", "[AUTH]", 1},
		{"192.0.2.1", password, "", 2},
		{"192.0.2.1", "wrong too", "[AUTH]", 3},
		{"192.0.2.1", "and again", "[AUTH]", 4},
		{"192.0.2.1", password, "[SYS/PERM]", 4},
		{"192.0.2.2", password, "", 5},
		{"127.0.0.1", "wrong 1", "[AUTH]", 6},
		{"127.0.0.1", "wrong 2", "[AUTH]", 7},
		{"127.0.0.1", "wrong 3", "[AUTH]", 8},
		{"127.0.0.1", "wrong 4", "[AUTH]", 9},
		{"127.0.0.1", password, "", 10},
	} {
		err := comes(t, g, step.address, step.password)
		if (err == nil) != (step.want == "") || err != nil && !strings.Contains(err.Error(), step.want) {
			t.Errorf("%+v: %v", step, err)
		}
		if got := up.times.Load(); got != step.asked {
			t.Errorf("%+v: the upstream was asked %d times", step, got)
		}
	}
	for address, want := range map[string]string{"192.0.2.1": "banned", "192.0.2.2": ""} {
		if why := g.Admit(&net.TCPAddr{IP: net.ParseIP(address)}); why != want {
			t.Errorf("%s: %q, want %q", address, why, want)
		}
	}
	results := map[string]int{}
	for _, e := range n.all {
		switch e := e.(type) {
		case *audit.Banned:
			results["ban of "+e.Client.String()]++
		case *audit.SignIn:
			results[e.Result]++
		}
	}
	if results["ban of 192.0.2.1"] != 1 || results[audit.ResultRejected] != 9 || results[audit.ResultDenied] != 1 || results[audit.ResultOK] != 3 {
		t.Errorf("recorded: %v", results)
	}
}

// TestServersThatAreDown are nobody's fault.
func TestServersThatAreDown(t *testing.T) {
	down := bridgeTo(t, "127.0.0.1:1")
	g := over(down, nil)
	settings := guard.Defaults()
	settings.BanAfter, settings.FreeFailures = 1, 1
	g.Shared.Guard.Set(settings, g.TellBan)
	for range 3 {
		if err := comes(t, g, "192.0.2.1", "right"); err == nil || !strings.Contains(err.Error(), "[SYS/TEMP]") {
			t.Fatal(err)
		}
	}
}

// TestSessionsPerUser: views of one mailbox count together, in whatever case
// its name is written.
func TestSessionsPerUser(t *testing.T) {
	server, _ := memory(t, letters(1))
	names := map[string]string{"one": "", "two": "second", "three": "third"}
	g := over(server, func(r *gateway.Route) { r.View, r.User, r.Forget = names[r.User], user, true })
	g.SessionsPerUser = 2
	enter := func(name string) (pop3.Session, error) {
		return g.Login(t.Context(), pop3.Peer{ID: name}, pop3.Credentials{Mechanism: "USER", User: name, Secret: secret.New(password)})
	}
	one, err := enter("one")
	if err != nil {
		t.Fatal(err)
	}
	two, err := enter("two")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := enter("three"); err == nil || !strings.Contains(err.Error(), "[IN-USE]") {
		t.Errorf("the third: %v", err)
	}
	_ = one.Close()
	three, err := enter("three")
	if err != nil {
		t.Errorf("after one has left: %v", err)
	} else {
		_ = three.Close()
	}
	_ = two.Close()
}

// TestSpellingsAreOneUser: another letter case, or another view, is no new name to
// guess at; and what was refused in one spelling, or for one mailbox, is asked
// about in another.
func TestSpellingsAreOneUser(t *testing.T) {
	server, _ := memory(t, letters(1))
	h := &heard{Server: server, refuse: func(l upstream.Login) error {
		if l.Secret.Reveal() != "right" {
			return &upstream.Error{Kind: upstream.Rejected, Doing: "sign in", Err: errors.New("no")}
		}
		return nil
	}}
	g := withAccounts(t, h, auth.UseNone, nil)
	settings := guard.Defaults()
	settings.FreeFailures, settings.BanAfter, settings.MaxDelay = 2, 0, time.Nanosecond
	g.Shared.Guard.Set(settings, g.TellBan)
	signIn := func(i int, user, identity, password string) error {
		peer := pop3.Peer{ID: user, Remote: &net.TCPAddr{IP: net.IPv4(192, 0, 2, byte(i)), Port: 4711}}
		s, err := g.Login(t.Context(), peer, pop3.Credentials{Mechanism: "PLAIN", User: user, Identity: identity, Secret: secret.New(password)})
		if err == nil {
			_ = s.Close()
		}
		return err
	}
	for i, c := range []struct{ user, identity string }{{"erin", ""}, {"ERIN", ""}, {"Erin+phone", ""}, {"erin", "frank"}, {"erin", ""}} {
		if err := signIn(i, c.user, c.identity, "wrong"); err == nil || !strings.Contains(err.Error(), "[AUTH]") {
			t.Errorf("%+v: %v", c, err)
		}
	}
	if len(h.logins) != 4 {
		t.Errorf("the upstream was asked %d times; want once for each of four that differ", len(h.logins))
	}
	peer := pop3.Peer{ID: "other", Listener: "other", Remote: &net.TCPAddr{IP: net.IPv4(192, 0, 2, 98), Port: 4711}}
	if _, err := g.Login(t.Context(), peer, pop3.Credentials{Mechanism: "PLAIN", User: "erin", Secret: secret.New("wrong")}); err == nil || len(h.logins) != 5 {
		t.Errorf("at another listener: %v, asked %d times", err, len(h.logins))
	}
	settings.MaxDelay = time.Hour // in which nobody gets a turn
	g.Shared.Guard.Set(settings, g.TellBan)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	peer = pop3.Peer{ID: "x", Remote: &net.TCPAddr{IP: net.IPv4(192, 0, 2, 99), Port: 4711}}
	if _, err := g.Login(ctx, peer, pop3.Credentials{Mechanism: "PLAIN", User: "eRiN", Secret: secret.New("right")}); !errors.Is(err, context.Canceled) {
		t.Errorf("a spelling that is new does not wait: %v", err)
	}
}
