package gateway

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/restante-mail/restante/audit"
	"github.com/restante-mail/restante/auth"
	"github.com/restante-mail/restante/pop3"
	"github.com/restante-mail/restante/upstream"
)

// ErrNotSwept: nobody can tell by which policy, or it is no account.
var ErrNotSwept = errNoAccount

// Swept is what a sweep of one view came to.
type Swept struct {
	// Skipped says why nothing was looked at; "" if it was.
	Skipped string
	// Changed messages upstream, and changes that Failed.
	Changed, Failed int
}

// Sweep does for a view of an account what the QUIT of a client would that has
// signed in, retrieved nothing and deleted nothing: it lets retention act, with
// what is kept for the account. It takes the maildrop's lock if that is free,
// and gives way to a client until it begins to change anything. limit bounds
// the change. A view that no client has ever signed in to is left alone.
func (g *Gateway) Sweep(ctx context.Context, account, view string, limit time.Duration) (Swept, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	give := &givesWay{cancel: cancel}
	peer := pop3.Peer{ID: "sweep-" + strings.ToLower(rand.Text()[:8]), Control: give}
	route, login, err := g.leadSweep(ctx, peer, account, view)
	if err != nil {
		return Swept{}, err
	}
	if why, err := g.nothingToSweep(ctx, route); why != "" || err != nil {
		return Swept{Skipped: why}, err
	}
	key := maildropOf(route, login)
	var lock *lock
	if !g.Shared.locks.used(key) {
		lock, _ = g.Shared.locks.try(key, peer)
	}
	if lock == nil {
		return Swept{Skipped: "a client has the maildrop"}, nil // and its QUIT lets retention act
	}
	mailbox, err := g.ask(ctx, route, login)
	if err != nil {
		lock.release()
		return Swept{}, err
	}
	s := g.begin(route, login, peer, mailbox, lock)
	if g.Recorder != nil {
		s.head = &audit.Header{Session: peer.ID, User: account, Base: route.Base, View: route.View}
	}
	s.sweeps = true
	err = s.sweep(ctx, login, give, limit)
	swept := Swept{Changed: s.changed, Failed: s.failed}
	return swept, errors.Join(err, s.Close())
}

// leadSweep is leadHeld, to a view.
func (g *Gateway) leadSweep(ctx context.Context, peer pop3.Peer, name, view string) (Route, upstream.Login, error) {
	return g.leadHeld(ctx, peer, name, func(r Route, a auth.Account) (Route, error) {
		policyName, one := a.PolicyOf(view)
		if a.Disabled {
			return r, fmt.Errorf("%w: it is disabled", errNoAccount)
		}
		if !one {
			return r, fmt.Errorf("%w: its secrets give view %q different policies, so that nobody knows whose retention is meant", errNoAccount, view)
		}
		return r.With(view, policyName)
	})
}

// nothingToSweep says why there is nothing to do, without asking upstream. What an
// administrator undeleted is moved back whatever the policy, and in a mailbox that
// is held, too.
func (g *Gateway) nothingToSweep(ctx context.Context, r Route) (string, error) {
	if r.Forget || g.Shared.Store == nil {
		return "nothing is remembered", nil
	}
	s := session{gateway: g, route: r, log: g.Log}
	s.maildrop = lockKey{upstream: r.Upstream, user: fold(r.User)}
	if err := s.loadMemory(ctx); err != nil {
		return "", err
	}
	back := len(s.memory.view.Back) > 0
	switch state := &s.memory.state; {
	case len(r.Policy.Retain) == 0 && !r.Policy.QuotaReclaim.On() && !back:
		return "the policy removes nothing by itself", nil
	case state.Begun.IsZero():
		return "no client has signed in yet", nil
	case s.memory.readOnly:
		return "the state file cannot be written", nil
	case back:
		return "", nil
	case state.Held:
		return "it is held", nil
	case !slices.Contains(state.Approved, true) && !r.Policy.QuotaReclaim.On():
		return "its rules are not approved", nil
	}
	return "", nil
}

// sweep is a session without a client.
func (s *session) sweep(ctx context.Context, login upstream.Login, give *givesWay, limit time.Duration) error {
	err := s.loadMemory(ctx)
	if err == nil {
		err = s.bringBack(ctx, login)
	}
	if err == nil {
		err = s.checkTargets(ctx)
	}
	s.route.ExactSizes = false // nobody lists them
	if err == nil {
		_, err = s.Messages(ctx)
	}
	if err != nil {
		return err
	}
	if !give.begin() {
		return nil
	}
	update, cancel := context.WithTimeout(context.WithoutCancel(ctx), limit)
	defer cancel()
	return s.Update(update, nil)
}

// givesWay is the hold that a client's sign-in has on a sweep.
type givesWay struct {
	cancel   context.CancelFunc
	mu       sync.Mutex
	evicted  bool
	updating bool
}

// begin tells whether changes may begin. From then on they are finished.
func (g *givesWay) begin() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.updating = !g.evicted
	return g.updating
}

// Idle implements pop3.Control: there is no client to wait for, until the
// mailbox is being changed.
func (g *givesWay) Idle() time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.updating {
		return 0
	}
	return 2 * lockPatience
}

// Evict implements pop3.Control.
func (g *givesWay) Evict() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.evicted = true
	if !g.updating {
		g.cancel()
	}
}
