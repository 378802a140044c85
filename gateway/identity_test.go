package gateway_test

import (
	"context"
	"errors"
	"net"
	"testing"

	"github.com/restante-mail/restante/gateway"
	"github.com/restante-mail/restante/policy"
	"github.com/restante-mail/restante/pop3"
	"github.com/restante-mail/restante/secret"
	"github.com/restante-mail/restante/store"
	"github.com/restante-mail/restante/upstream"
)

// asked notes who is to be signed in for whom, and signs in alice.
type asked struct {
	upstream.Server
	user, identity string
}

func (a *asked) Open(ctx context.Context, login upstream.Login) (upstream.Mailbox, error) {
	a.user, a.identity = login.User, login.Identity
	login.User, login.Identity = user, ""
	return a.Server.Open(ctx, login)
}

// TestAuthorizationIdentity: whose mailbox it is decides about view, policy,
// state and hold, however the identity is spelled; who signs in does not.
func TestAuthorizationIdentity(t *testing.T) {
	server, inbox := memory(t, letters(3))
	state := stateFile(t)
	info, _ := state.Info(t.Context())
	a := &asked{Server: server}
	g := viewed(a, state, false, map[string]policy.Policy{"": preset("gmail-trash"), "printer": preset("keep")})
	session := func(name, identity string, deletes ...int) int {
		t.Helper()
		s, err := g.Login(t.Context(), pop3.Peer{ID: "x", Remote: &net.TCPAddr{}},
			pop3.Credentials{Mechanism: "PLAIN", User: name, Identity: identity, Secret: secret.New(password)})
		if err != nil {
			t.Fatal(err)
		}
		list, err := s.Messages(t.Context())
		if err := errors.Join(err, s.Update(t.Context(), deletes)); err != nil {
			t.Fatal(err)
		}
		s.Close()
		return len(list)
	}
	session("master+x", "Alice+printer", 0)
	if a.user != "master" || a.identity != "Alice" {
		t.Errorf("%q was signed in for %q; want master for Alice, without the views", a.user, a.identity)
	}
	for _, test := range []struct {
		name, identity string
		shown          int
	}{
		{"alice+printer", "", 2},
		{"alice", "alice+printer", 2},
		{"other", "ALICE+printer", 2},
		{"alice+printer", "alice", 3},
		{"alice+printer", "bob+printer", 3},
	} {
		if n := session(test.name, test.identity); n != test.shown {
			t.Errorf("%q for %q sees %d messages, want %d", test.name, test.identity, n, test.shown)
		}
	}
	if err := store.Hold(t.Context(), info.Path, gateway.Maildrop("test", "alice"), true); err != nil {
		t.Fatal(err)
	}
	e, err := g.Explain(t.Context(), gateway.Question{Credentials: pop3.Credentials{User: "master", Identity: "alice"}})
	if err == nil {
		t.Errorf("signed in without a password: %+v", e)
	}
	e, err = g.Explain(t.Context(), gateway.Question{Credentials: pop3.Credentials{User: "master", Identity: "alice", Secret: secret.New(password)}})
	if err != nil || !e.Held || len(inbox.Messages()) != 3 {
		t.Errorf("held is the identity's mailbox: %+v, %v", e, err)
	}
}

// TestMaildropNames: letter case makes no second mailbox, and nothing makes one
// of two users.
func TestMaildropNames(t *testing.T) {
	tests := []struct {
		a, b string
		same bool
	}{
		{"alice", "ALICE", true},
		{"andr\xe9", "ANDR\xe9", true},
		{"andr\xe9", "andr\xe8", false},
		{"\u212aate", "kate", false},
		{"\u00c9ric", "\u00e9ric", false},
	}
	for _, test := range tests {
		if same := gateway.Maildrop("x", test.a) == gateway.Maildrop("x", test.b); same != test.same {
			t.Errorf("%q and %q are the same: %v", test.a, test.b, same)
		}
	}
}
