package gateway_test

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/restante-mail/restante/gateway"
	"github.com/restante-mail/restante/policy"
	"github.com/restante-mail/restante/pop3"
	"github.com/restante-mail/restante/secret"
	"github.com/restante-mail/restante/store"
)

// TestChangedDuringASession: QUIT heeds what an administrator said since the
// sign-in.
func TestChangedDuringASession(t *testing.T) {
	key := store.ViewKey{Maildrop: "test\n" + user}
	for _, test := range []struct {
		name string
		do   func(ctx context.Context, path string) error
	}{
		{"held", func(ctx context.Context, path string) error { return store.Hold(ctx, path, key.Maildrop, true) }},
		{"undeleted", func(ctx context.Context, path string) error {
			_, err := store.Undelete(ctx, path, key)
			return err
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			server, inbox := memory(t, letters(3))
			state := stateFile(t)
			info, _ := state.Info(t.Context())
			p, now := preset("keep-days"), time.Now()
			approve(t, state, p)
			g := remembering(server, state, &p)
			g.Now = func() time.Time { return now }
			address := front(t, g)
			c := signIn(t, address)
			dele(t, c, 1)
			quit(t, c)
			now = now.Add(15 * 24 * time.Hour)
			c = signIn(t, address)
			uidls(t, c)
			if err := test.do(t.Context(), info.Path); err != nil {
				t.Fatal(err)
			}
			quit(t, c)
			if n := len(inbox.Messages()); n != 3 {
				t.Errorf("%d messages are left, want 3", n)
			}
		})
	}
}

// TestNewestAfterAKill: what "newest" left out stays out, also if the session
// that removed newer mail did not live to record that.
func TestNewestAfterAKill(t *testing.T) {
	server, inbox := memory(t, letters(6))
	p := preset("classic", func(p *policy.Policy) { p.Newest = 2 })
	state := stateFile(t)
	login := func() pop3.Session {
		s, err := remembering(server, state, &p).Login(t.Context(), pop3.Peer{ID: "x", Remote: &net.TCPAddr{}},
			pop3.Credentials{User: user, Secret: secret.New(password)})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	killed := login()
	if _, err := killed.Messages(t.Context()); err != nil {
		t.Fatal(err)
	}
	gateway.SetCrash(func(after string) {
		if after == "applied" {
			panic("killed")
		}
	})
	defer gateway.SetCrash(func(string) {})
	func() {
		defer func() { _ = recover() }()
		_ = killed.Update(t.Context(), []int{1})
		t.Error("it was not killed")
	}()
	s := login()
	defer s.Close()
	if list, err := s.Messages(t.Context()); err != nil || len(list) != 1 || len(inbox.Messages()) != 5 {
		t.Errorf("shown are %v, %v, of %d; want the one that is left of the newest two", list, err, len(inbox.Messages()))
	}
}
