package oauth

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/restante-mail/restante/secret"
)

// errNoVault: without a state file a refresh token would be lost with the
// process.
var errNoVault = errors.New("tokens of users need a state file: name one with state in the configuration")

// renew leaves a token in s.held that is not refused, or fails.
func (s *Source) renew(ctx context.Context, refused string) error {
	if s.p.Grant != User {
		return s.derive(ctx, refused)
	}
	if s.k.o.Vault == nil {
		return errNoVault
	}
	if done, err := s.reload(ctx, refused); done || err != nil {
		return err
	}
	release, done, err := s.lease(ctx, refused)
	if done || err != nil {
		return err
	}
	defer release()
	ctx, cancel := context.WithTimeout(ctx, workTime)
	defer cancel()
	if done, err := s.reload(ctx, refused); done || err != nil {
		return err
	}
	return s.refresh(ctx, refused)
}

// derive gets a token that can be got again at any time, and so is not kept.
func (s *Source) derive(ctx context.Context, refused string) error {
	g, err := s.p.own(ctx, s.k.o.Now, s.subject)
	if err != nil {
		return err
	}
	held, _, now := s.now()
	s.hold(held.with(g, now), secret.Text{}, false)
	s.tell(Event{What: Refreshed, Expires: g.expires, Forced: refused != ""})
	return nil
}

// reload reads what is kept, and tells whether that will do: another process
// may have been at it. What could not be kept before is kept first.
func (s *Source) reload(ctx context.Context, refused string) (done bool, err error) {
	_, unsaved, now := s.now()
	if unsaved {
		if err := s.keep(ctx); err != nil {
			return false, err
		}
	}
	kept, err := s.k.o.Vault.Load(ctx, s.account)
	if err != nil {
		return false, fmt.Errorf("read what is kept of the account: %w", err)
	}
	if why := s.p.Wants(kept); why != kept.Needs {
		kept = Saved{Revision: kept.Revision, Needs: why} // its tokens are another provider's
	}
	s.hold(kept, secret.Text{}, false)
	if kept.Needs != "" {
		return false, fmt.Errorf("%w (%s)", ErrNeedsAuthorize, kept.Needs)
	}
	return kept.usable(now, refused) && !kept.due(now), nil
}

// Wants says why what is kept is of no use without authorization; "" if it is.
func (p *Provider) Wants(kept Saved) string {
	switch {
	case kept.Revision == "":
		return "nobody has authorized it yet"
	case kept.Provider != p.identity():
		return "it was authorized with another provider or client_id"
	}
	return kept.Needs
}

// lease waits for the right to refresh. Who has it may meanwhile bring what is
// wanted.
func (s *Source) lease(ctx context.Context, refused string) (release func(), done bool, err error) {
	for {
		mine, err := s.k.o.Vault.Lease(ctx, s.account, s.holder, leaseTime)
		if err != nil {
			return nil, false, fmt.Errorf("nothing is refreshed while the state file cannot be written: %w", err)
		}
		if mine {
			return s.release, false, nil
		}
		select {
		case <-s.k.after(leasePoll):
		case <-ctx.Done():
			return nil, false, fmt.Errorf("another process refreshes the token and does not come to an end: %w", ctx.Err())
		}
		if done, err := s.reload(ctx, refused); done || err != nil {
			return nil, done, err
		}
	}
}

// release is not bound to the flight: a lease that stays would keep others
// waiting. If it fails, it ends by itself.
func (s *Source) release() {
	ctx, cancel := context.WithTimeout(context.Background(), keepTime)
	defer cancel()
	_ = s.k.o.Vault.Release(ctx, s.account, s.holder)
}

// refresh is done under the lease. A refusal may be about a token that somebody
// has replaced since: what is kept is read again, and tried once more.
func (s *Source) refresh(ctx context.Context, refused string) error {
	for try := 1; ; try++ {
		held, _, _ := s.now()
		if held.Refresh.Empty() {
			return s.lose(ctx, held, "the provider gave no refresh token")
		}
		g, err := s.p.refresh(ctx, s.k.o.Now, held.Refresh)
		if err == nil {
			return s.take(held, g, refused)
		}
		if !Revoked(err) {
			return err
		}
		if done, rerr := s.reload(ctx, refused); done || rerr != nil {
			return rerr
		}
		if try == 2 {
			return s.lose(ctx, held, err.Error())
		}
	}
}

// keepTime bounds keeping a token. It does not end with the flight: what was
// granted must be kept.
const keepTime = 10 * time.Second

// take keeps what was granted, and only then uses it. If it cannot be kept, the
// access token is used all the same, the refresh token not before it is kept.
func (s *Source) take(before Saved, g granted, refused string) error {
	_, _, now := s.now()
	next := before.with(g, now)
	s.hold(next, before.Refresh, true)
	ctx, cancel := context.WithTimeout(context.Background(), keepTime)
	defer cancel()
	if err := s.keep(ctx); err != nil {
		s.tell(Event{What: NotKept, Expires: g.expires, Err: err})
		return nil
	}
	s.tell(Event{What: Refreshed, Expires: g.expires, Forced: refused != ""})
	return nil
}

// keep writes what is held to the vault. If somebody else has written meanwhile,
// what they wrote counts: a person has authorized anew. Unless it is what was
// there before in other clothes: keys are rotated.
func (s *Source) keep(ctx context.Context) error {
	for {
		next, old := s.toKeep()
		revision, err := s.k.o.Vault.Save(ctx, s.account, next)
		switch {
		case errors.Is(err, ErrStale):
			kept, err := s.k.o.Vault.Load(ctx, s.account)
			if err != nil {
				return fmt.Errorf("read what is kept of the account: %w", err)
			}
			if kept.Revision != "" && kept.Provider == next.Provider && kept.Refresh.Reveal() == old.Reveal() {
				next.Revision = kept.Revision
				s.hold(next, old, true)
				continue // ends with ctx at the latest
			}
			s.hold(kept, secret.Text{}, false)
			return nil
		case err != nil:
			return fmt.Errorf("keep a new token: %w", err)
		}
		next.Revision = revision
		s.hold(next, secret.Text{}, false)
		return nil
	}
}

// lose marks the account: only a person can help.
func (s *Source) lose(ctx context.Context, held Saved, why string) error {
	old := held.Refresh
	held.Needs = why
	s.hold(held, old, true)
	err := s.keep(ctx)
	lost := fmt.Errorf("%w (%s)", ErrNeedsAuthorize, why)
	s.tell(Event{What: AuthorizationLost, Err: lost})
	return errors.Join(lost, err)
}
