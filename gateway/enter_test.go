package gateway_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/restante-mail/restante/policy"
	"github.com/restante-mail/restante/pop3"
	"github.com/restante-mail/restante/secret"
	"github.com/restante-mail/restante/upstream"
)

// opener tells when a mailbox was opened, and fails when it is told to.
type opener struct {
	upstream.Server
	opened chan struct{}
	fail   atomic.Bool
}

func (o *opener) Open(ctx context.Context, login upstream.Login) (upstream.Mailbox, error) {
	if o.fail.Load() {
		return nil, &upstream.Error{Kind: upstream.Unavailable, Doing: "open", Err: errors.New("it is gone")}
	}
	m, err := o.Server.Open(ctx, login)
	select {
	case o.opened <- struct{}{}:
	default:
	}
	return m, err
}

// TestListedUnderTheLock: a session that waited for another one to end sees
// what that left; if it cannot look again, it is not let in, and locks nobody out.
func TestListedUnderTheLock(t *testing.T) {
	for _, fails := range []bool{false, true} {
		server, _ := memory(t, letters(3))
		o := &opener{Server: server, opened: make(chan struct{}, 1)}
		p := preset("classic")
		g := remembering(o, stateFile(t), &p)
		login := func() (pop3.Session, error) {
			return g.Login(t.Context(), pop3.Peer{ID: "x", Remote: &net.TCPAddr{}}, pop3.Credentials{User: user, Secret: secret.New(password)})
		}
		first, err := login()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := first.Messages(t.Context()); err != nil {
			t.Fatal(err)
		}
		<-o.opened
		type entered struct {
			session pop3.Session
			err     error
		}
		second := make(chan entered)
		go func() {
			s, err := login()
			second <- entered{s, err}
		}()
		<-o.opened
		if err := first.Update(t.Context(), []int{0}); err != nil {
			t.Fatal(err)
		}
		o.fail.Store(fails)
		first.Close()
		got := <-second
		if (got.err != nil) != fails {
			t.Fatalf("the second sign-in: %v, want a failure: %v", got.err, fails)
		}
		o.fail.Store(false)
		if fails {
			if got.session, err = login(); err != nil {
				t.Fatal(err)
			}
		}
		if list, err := got.session.Messages(t.Context()); err != nil || len(list) != 2 {
			t.Errorf("it sees %v, %v; want the two that are left", list, err)
		}
		got.session.Close()
	}
}

// TestLoginDelayAfterAFailure: a sign-in that failed for the sake of the state
// does not count.
func TestLoginDelayAfterAFailure(t *testing.T) {
	server, _ := memory(t, letters(1))
	state := stateFile(t)
	p := preset("keep", func(p *policy.Policy) { p.LoginDelay = policy.Age(time.Minute) })
	address := front(t, remembering(server, state, &p))
	for _, want := range []string{"[SYS/TEMP]", "", "[LOGIN-DELAY]"} {
		state.failReads.Store(want == "[SYS/TEMP]")
		c := connect(t, address)
		err := c.Login(t.Context(), user, secret.New(password))
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
		c.Close()
	}
}
