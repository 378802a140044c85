package oauth

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/restante-mail/restante/secret"
	"github.com/restante-mail/restante/upstream"
)

// Times of a flight. The lease outlasts the work under it, so that no two
// processes refresh at once, and a flight outlasts the lease of a process that
// died.
const (
	leaseTime  = time.Minute
	workTime   = 45 * time.Second
	flightTime = leaseTime + workTime + 5*time.Second
	// leasePoll is how often a lease that another process has is looked at.
	leasePoll = 250 * time.Millisecond
)

// Times after a failure.
const (
	// firstRest and longestRest are how long a server of tokens that failed is
	// left alone, doubled with each failure.
	firstRest   = 5 * time.Second
	longestRest = 5 * time.Minute
	// forcedRest is how often a token may be replaced because upstream refuses
	// it: one that refuses every token would have us ask for one at each poll.
	forcedRest = 5 * time.Minute
)

// errRefused: it is not the token.
var errRefused = errors.New("the mail server refuses tokens that are fresh from the provider")

// A Source gives out tokens for one account.
type Source struct {
	k                *Keeper
	p                *Provider
	print            string
	account, subject string
	holder           string // in leases

	mu       sync.Mutex
	held     Saved
	unsaved  bool        // held is newer than what is kept
	old      secret.Text // the refresh token that was kept before held
	flight   *flight
	failures int
	failed   error // the last failure
	rests    time.Time
	forced   time.Time // when a token that upstream had refused was last replaced
}

// A flight is one attempt to get a token, for all who wait.
type flight struct {
	done    chan struct{}
	refused string
	err     error // after done
}

// Token returns a token that can be shown upstream now. refused is one that
// upstream did not take, or empty; it is not returned again. One call at a time
// asks the provider, and all others wait for what it gets; nobody waits as long
// as there is a token that will do. The error is an *upstream.Error.
func (s *Source) Token(ctx context.Context, refused secret.Text) (upstream.Token, error) {
	s.mu.Lock()
	now, no := s.k.o.Now(), refused.Reveal()
	good := s.held.usable(now, no)
	held := s.held
	if good && !held.due(now) && !s.unsaved {
		s.mu.Unlock()
		return upstream.Token{Secret: held.Access, Expires: held.Expires}, nil
	}
	f, err := s.begin(now, no)
	s.mu.Unlock()
	if good {
		return upstream.Token{Secret: held.Access, Expires: held.Expires}, nil
	}
	if err != nil {
		return upstream.Token{}, asUpstream(s.p.Name, err)
	}
	select {
	case <-f.done:
	case <-ctx.Done():
		return upstream.Token{}, asUpstream(s.p.Name, ctx.Err())
	}
	return s.result(f, no)
}

func (s *Source) result(f *flight, refused string) (upstream.Token, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.held.usable(s.k.o.Now(), refused) {
		return upstream.Token{Secret: s.held.Access, Expires: s.held.Expires}, nil
	}
	err := f.err
	if err == nil { // it was under way before the refusal
		err = errRefused
	}
	return upstream.Token{}, asUpstream(s.p.Name, err)
}

// begin joins the flight under way, or starts one, or says why not yet. s.mu is
// held.
func (s *Source) begin(now time.Time, refused string) (*flight, error) {
	if s.flight != nil {
		return s.flight, nil
	}
	if s.failures > 0 && now.Before(s.rests) {
		return nil, s.failed
	}
	if refused != "" && s.held.Access.Reveal() == refused {
		if !s.forced.IsZero() && now.Sub(s.forced) < forcedRest {
			return nil, fmt.Errorf("%w; the last one is %v old", errRefused, now.Sub(s.held.Refreshed).Round(time.Second))
		}
	}
	f := &flight{done: make(chan struct{}), refused: refused}
	err := s.k.fly(func(ctx context.Context) {
		f.err = s.renew(ctx, refused)
		s.land(f)
	})
	if err != nil {
		return nil, err
	}
	s.flight = f
	return f, nil
}

// land ends a flight.
func (s *Source) land(f *flight) {
	s.mu.Lock()
	s.flight = nil
	switch {
	case f.err == nil:
		s.failures, s.failed = 0, nil
		if f.refused != "" {
			s.forced = s.k.o.Now()
		}
	case errors.Is(f.err, ErrNeedsAuthorize): // what is kept says so; reading it again costs nothing
	default:
		s.failures++
		s.failed = f.err
		s.rests = s.k.o.Now().Add(s.rest(f.err))
	}
	s.mu.Unlock()
	if f.err != nil && !errors.Is(f.err, ErrNeedsAuthorize) {
		s.tell(Event{What: RefreshFailed, Err: f.err, Forced: f.refused != ""})
	}
	close(f.done)
}

// rest is how long to leave the provider alone. s.mu is held.
func (s *Source) rest(err error) time.Duration {
	rest := min(firstRest<<min(s.failures-1, 10), longestRest)
	var said *Failure
	if errors.As(err, &said) {
		rest = max(rest, said.Retry)
	}
	return rest
}

// hold takes a token into use. unsaved: it must be kept yet, in place of one
// with the refresh token old.
func (s *Source) hold(next Saved, old secret.Text, unsaved bool) {
	s.mu.Lock()
	s.held, s.old, s.unsaved = next, old, unsaved
	s.mu.Unlock()
}

func (s *Source) toKeep() (next Saved, old secret.Text) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.held, s.old
}

func (s *Source) now() (held Saved, unsaved bool, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.held, s.unsaved, s.k.o.Now()
}
