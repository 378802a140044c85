package gateway_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"

	"github.com/restante-mail/restante/auth"
	"github.com/restante-mail/restante/gateway"
	"github.com/restante-mail/restante/policy"
	"github.com/restante-mail/restante/pop3"
	"github.com/restante-mail/restante/secret"
	"github.com/restante-mail/restante/upstream"
)

// heard notes the logins that reach the upstream, and signs in alice.
type heard struct {
	upstream.Server
	logins []upstream.Login
	refuse func(upstream.Login) error
}

func (h *heard) Open(ctx context.Context, login upstream.Login) (upstream.Mailbox, error) {
	h.logins = append(h.logins, login)
	if h.refuse != nil {
		if err := h.refuse(login); err != nil {
			return nil, err
		}
	}
	login.User, login.Identity, login.Secret, login.Bearer, login.External = user, "", secret.New(password), false, false
	return h.Server.Open(ctx, login)
}

// last is the last login in words.
func (h *heard) last() string {
	if len(h.logins) == 0 {
		return ""
	}
	l := h.logins[len(h.logins)-1]
	return strings.TrimSpace(fmt.Sprintf("%s %s %s %s%s", l.User, l.Identity, l.Secret.Reveal(), map[bool]string{true: "token"}[l.Bearer], map[bool]string{true: "external"}[l.External]))
}

// tokens gives one token after the other; each refusal takes the next.
type tokens struct{ given []string }

func (t *tokens) Source(auth.Account, string) (upstream.TokenSource, error) { return t, nil }

func (t *tokens) Token(_ context.Context, refused secret.Text) (upstream.Token, error) {
	if len(t.given) > 0 && refused.Reveal() == t.given[0] {
		t.given = t.given[1:]
	}
	if len(t.given) == 0 {
		return upstream.Token{}, &upstream.Error{Kind: upstream.Denied, Doing: "get a token", Err: errors.New("consent is needed")}
	}
	return upstream.Token{Secret: secret.New(t.given[0])}, nil
}

// withAccounts is a gateway with the accounts bob (by master user), carol (by
// password, views printer) and dave (by token).
func withAccounts(t *testing.T, server upstream.Server, use auth.Use, given *tokens) *gateway.Gateway {
	t.Helper()
	keys := auth.NewKeyring(filepath.Join(t.TempDir(), "key"))
	seal := func(account, purpose, plain string) string {
		t.Helper()
		sealed, err := keys.Seal(account, purpose, secret.New(plain))
		if err != nil {
			t.Fatal(err)
		}
		return sealed
	}
	pop3Secret := func(label, view, policyName string) auth.Secret {
		return auth.Secret{Label: label, Hash: auth.HashPassword(secret.New(label), ""), View: view, Policy: policyName}
	}
	g := over(server, nil)
	g.Accounts = auth.NewDirectory([]auth.Account{
		{Name: "bob", Secrets: []auth.Secret{pop3Secret("bobs", "", "")}},
		{Name: "carol", Secrets: []auth.Secret{pop3Secret("any", "", ""), pop3Secret("print", "printer", "read-only"), pop3Secret("lost", "nowhere", "")},
			Upstream: auth.Identity{Method: auth.ByPassword, User: "carol@upstream", Sealed: seal("carol", auth.UpstreamPurpose, "held")}},
		{Name: "dave", Secrets: []auth.Secret{pop3Secret("daves", "", "")}, Upstream: auth.Identity{Method: auth.ByOAuth2, Provider: "p"}},
	})
	g.Accounts.Keys, g.Accounts.Tokens = keys, given
	master := auth.Master{Upstream: "test", User: "chief", Sealed: seal("test", auth.MasterPurpose, "chiefs")}
	var route func(base, view, policyName string) (gateway.Route, error)
	route = func(base, view, policyName string) (gateway.Route, error) {
		if view == "nowhere" {
			return gateway.Route{}, errors.New("no such view")
		}
		p, _ := policy.Preset(policyName)
		return gateway.Route{Upstream: "test", Server: server, User: base + "@route", Base: base, View: view, Policy: p, PolicyName: policyName,
			Forget: true, Accounts: use, Master: master,
			With:  func(view, policyName string) (gateway.Route, error) { return route(base, view, policyName) },
			Spell: func(base string) (gateway.Route, error) { return route(base, view, policyName) }}, nil
	}
	g.Route = func(name string, _ netip.Addr, _ string) (gateway.Route, error) {
		base, view, _ := strings.Cut(name, "+")
		return route(base, view, "classic")
	}
	return g
}

func TestAccounts(t *testing.T) {
	server, _ := memory(t, letters(1))
	for _, test := range []struct {
		name string
		use  auth.Use
		cred pop3.Credentials
		want string // what the upstream hears, or the code of the refusal
	}{
		{"no accounts", auth.UseNone, pop3.Credentials{User: "bob", Secret: secret.New("bobs")}, "bob@route  bobs"},
		{"a master user", auth.UseOnly, pop3.Credentials{User: "bob", Secret: secret.New("bobs")}, "chief bob@route chiefs"},
		{"in other letters", auth.UseOnly, pop3.Credentials{User: "Bob", Secret: secret.New("bobs")}, "chief bob@route chiefs"},
		{"another's spelling", auth.UseOnly, pop3.Credentials{User: "bob", Identity: "BOB", Secret: secret.New("bobs")}, "chief bob@route chiefs"},
		{"in other letters, with a view", auth.UseFirst, pop3.Credentials{User: "BOB+phone", Secret: secret.New("bobs")}, "chief bob@route chiefs"},
		{"a password", auth.UseFirst, pop3.Credentials{User: "carol", Secret: secret.New("any")}, "carol@upstream  held"},
		{"a view that the name asks for", auth.UseOnly, pop3.Credentials{User: "carol+phone", Secret: secret.New("any")}, "carol@upstream  held"},
		{"the secret's view", auth.UseOnly, pop3.Credentials{User: "carol", Secret: secret.New("print")}, "carol@upstream  held"},
		{"the same view", auth.UseOnly, pop3.Credentials{User: "carol+PRINTER", Secret: secret.New("print")}, "carol@upstream  held"},
		{"another view", auth.UseOnly, pop3.Credentials{User: "carol+phone", Secret: secret.New("print")}, pop3.CodeAuth},
		{"a view that is not there", auth.UseOnly, pop3.Credentials{User: "carol", Secret: secret.New("lost")}, pop3.CodeSysPerm},
		{"a wrong secret", auth.UseFirst, pop3.Credentials{User: "bob", Secret: secret.New("any")}, pop3.CodeAuth},
		{"nobody's account", auth.UseFirst, pop3.Credentials{User: "erin", Secret: secret.New("x")}, "erin@route  x"},
		{"nobody", auth.UseOnly, pop3.Credentials{User: "erin", Secret: secret.New("x")}, pop3.CodeAuth},
		{"a token", auth.UseFirst, pop3.Credentials{Mechanism: "XOAUTH2", User: "erin", Secret: secret.New("x")}, "erin@route  x token"},
		{"a token for an account", auth.UseFirst, pop3.Credentials{Mechanism: "XOAUTH2", User: "bob", Secret: secret.New("x")}, pop3.CodeAuth},
		{"a digest", auth.UseNone, pop3.Credentials{Mechanism: "APOP", User: "erin", Secret: secret.New("d")}, pop3.CodeAuth},
		{"a digest of nobody", auth.UseFirst, pop3.Credentials{Mechanism: "APOP", User: "erin", Secret: secret.New("d")}, pop3.CodeAuth},
		{"no certificate", auth.UseFirst, pop3.Credentials{Mechanism: "EXTERNAL", User: "bob"}, pop3.CodeAuth},
		{"an account for another", auth.UseOnly, pop3.Credentials{User: "bob", Identity: "carol", Secret: secret.New("bobs")}, pop3.CodeAuth},
		{"an account for another's view", auth.UseFirst, pop3.Credentials{User: "carol", Identity: "bob+x", Secret: secret.New("any")}, pop3.CodeAuth},
		{"an account for its own view", auth.UseOnly, pop3.Credentials{User: "carol", Identity: "carol+phone", Secret: secret.New("any")}, "carol@upstream  held"},
		{"a stranger for an account", auth.UseOnly, pop3.Credentials{User: "erin", Identity: "bob", Secret: secret.New("x")}, pop3.CodeAuth},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := &heard{Server: server}
			g := withAccounts(t, h, test.use, nil)
			if test.cred.Mechanism == "" {
				test.cred.Mechanism = "PLAIN"
			}
			s, err := g.Login(t.Context(), pop3.Peer{ID: "x", Remote: &net.TCPAddr{IP: net.IPv4(10, 0, 0, 1)}}, test.cred)
			got := h.last()
			if err != nil {
				var told *pop3.Error
				if !errors.As(err, &told) {
					t.Fatalf("Login: %v", err)
				}
				got += told.Code
			} else {
				s.Close()
			}
			if got != test.want {
				t.Errorf("%q (%v); want %q", got, err, test.want)
			}
		})
	}
}

// TestTokenIsReplacedOnce: a token that the upstream refuses is not the
// client's fault, and asked for anew once.
func TestTokenIsReplacedOnce(t *testing.T) {
	server, _ := memory(t, letters(1))
	for _, test := range []struct {
		name  string
		given []string
		want  []string // tokens that the upstream hears
		code  string
	}{
		{"a good one", []string{"good"}, []string{"good"}, ""},
		{"an old one", []string{"old", "good"}, []string{"old", "good"}, ""},
		{"two old ones", []string{"old", "older", "good"}, []string{"old", "older"}, pop3.CodeSysPerm},
		{"none", nil, nil, pop3.CodeSysPerm},
	} {
		h := &heard{Server: server, refuse: func(l upstream.Login) error {
			if l.Secret.Reveal() == "good" {
				return nil
			}
			return &upstream.Error{Kind: upstream.Rejected, Doing: "sign in", Err: errors.New("no")}
		}}
		g := withAccounts(t, h, auth.UseOnly, &tokens{test.given})
		s, err := g.Login(t.Context(), pop3.Peer{ID: "x", Remote: &net.TCPAddr{}}, pop3.Credentials{Mechanism: "USER", User: "dave", Secret: secret.New("daves")})
		code := ""
		var told *pop3.Error
		if errors.As(err, &told) {
			code = told.Code
		} else if err == nil {
			s.Close()
		}
		var got []string
		for _, l := range h.logins {
			got = append(got, l.Secret.Reveal())
			if !l.Bearer || l.User != "dave@route" {
				t.Errorf("%s: signed in as %+v", test.name, l)
			}
		}
		if fmt.Sprint(got) != fmt.Sprint(test.want) || code != test.code {
			t.Errorf("%s: %q, %v; want %q and %q", test.name, got, err, test.want, test.code)
		}
	}
}

// TestPolicyOfASecret: what a secret leads to is what its session can do.
func TestPolicyOfASecret(t *testing.T) {
	server, _ := memory(t, letters(1))
	g := withAccounts(t, &heard{Server: server}, auth.UseOnly, nil)
	for secretOf, refuses := range map[string]bool{"any": false, "print": true} {
		s, err := g.Login(t.Context(), pop3.Peer{ID: "x", Remote: &net.TCPAddr{}}, pop3.Credentials{Mechanism: "USER", User: "carol", Secret: secret.New(secretOf)})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.(pop3.DeleteRefuser).MayDelete(0); (err != nil) != refuses {
			t.Errorf("%s: DELE is answered %v", secretOf, err)
		}
		s.Close()
	}
}

// TestTry: an account's upstream can be tried without its secret.
func TestTry(t *testing.T) {
	server, _ := memory(t, letters(1))
	g := withAccounts(t, &heard{Server: server}, auth.UseOnly, nil)
	for _, test := range []struct {
		user, secret string
		held, works  bool
	}{
		{"carol", "any", false, true}, {"carol", "wrong", false, false}, {"carol", "", true, true}, {"erin", "", true, false},
	} {
		tried, err := g.Try(t.Context(), gateway.Question{Credentials: pop3.Credentials{Mechanism: "USER", User: test.user, Secret: secret.New(test.secret)}}, test.held)
		if (err == nil) != test.works || test.works && (tried.User != "carol@upstream" || len(tried.Folders) != 1) {
			t.Errorf("%+v: %+v, %v", test, tried, err)
		}
	}
}

// takes is an upstream of which that is known.
type takes struct {
	upstream.Server
	tokens, known bool
}

func (t takes) TakesTokens() (bool, bool) { return t.tokens, t.known }

func TestMayBear(t *testing.T) {
	none := gateway.Route{Server: takes{known: true}}
	for i, test := range []struct {
		routes []gateway.Route
		want   bool
	}{
		{nil, false}, {[]gateway.Route{none}, false}, {[]gateway.Route{none, {Server: takes{tokens: true, known: true}}}, true},
		{[]gateway.Route{{Server: takes{}}}, true}, {[]gateway.Route{{Server: takes{tokens: true, known: true}, Accounts: auth.UseOnly}}, false},
		{[]gateway.Route{{Server: takes{tokens: true, known: true}, Accounts: auth.UseFirst}}, true}, {[]gateway.Route{{}}, true},
	} {
		if got := gateway.MayBear(test.routes); got != test.want {
			t.Errorf("%d: %v", i, got)
		}
	}
}
