package oauth

import (
	"context"
	"errors"
	"time"

	"github.com/restante-mail/restante/secret"
)

// A Vault keeps what accounts were granted, sealed, over restarts and for all
// processes that share it. It is safe for concurrent use.
type Vault interface {
	// Load returns what is kept; a Saved of Revision "" if nothing is.
	Load(ctx context.Context, account string) (Saved, error)
	// Save keeps s if what is kept still has s.Revision, and returns the next
	// revision when s is on disk. Else it fails with ErrStale.
	Save(ctx context.Context, account string, s Saved) (revision string, err error)
	// Lease gives holder the right to refresh the account's tokens for so long,
	// or tells that another has it. It writes: where it fails Save would.
	Lease(ctx context.Context, account, holder string, length time.Duration) (mine bool, err error)
	// Release gives the right back, if it is still holder's.
	Release(ctx context.Context, account, holder string) error
}

// ErrStale: somebody else has saved meanwhile.
var ErrStale = errors.New("another process has saved a newer token")

// Saved is what is kept of an account.
type Saved struct {
	// Revision is another with each Save; "": nothing was saved.
	Revision string
	// Provider is whom the tokens are for. Those of another are worth nothing.
	Provider string
	Access   secret.Text
	Refresh  secret.Text
	// Expires is when Access ends, Refreshed when it was got, and Authorized
	// when a person last consented.
	Expires, Refreshed, Authorized time.Time
	// Needs says why the account needs authorization; "" if it does not.
	Needs string
}

// Bounds of when a token is replaced. Both are fractions of its life where
// that is short.
const (
	// ahead of its end a token is replaced while it is still used, so that
	// nobody waits: longer than clients pause between polls.
	ahead = 10 * time.Minute
	// margin is what a sign-in and clocks that differ may take.
	margin = time.Minute
)

// usable tells whether Access can be shown upstream. refused is one that
// upstream did not take.
func (s *Saved) usable(now time.Time, refused string) bool {
	access := s.Access.Reveal()
	return access != "" && access != refused && now.Before(s.Expires.Add(-min(margin, s.life()/10)))
}

// due tells whether it is time for the next one.
func (s *Saved) due(now time.Time) bool {
	return !now.Before(s.Expires.Add(-min(ahead, s.life()/4)))
}

// life is how long the token was good when it was got.
func (s *Saved) life() time.Duration { return max(s.Expires.Sub(s.Refreshed), 0) }

// with is s with what was granted now.
func (s Saved) with(g granted, now time.Time) Saved {
	s.Access, s.Refresh, s.Expires, s.Refreshed, s.Needs = g.access, g.refresh, g.expires, now, ""
	return s
}
