package gateway

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2/simplelru"

	"github.com/restante-mail/restante/upstream"
)

const (
	// firstPause is for a server that throttles and does not say for how long.
	firstPause = 30 * time.Second
	// maxPause is also all that is believed of one that does: nobody's mail
	// program is to be kept from a day's mail.
	maxPause = 15 * time.Minute
	// mostPauses are remembered, the longest unused of which go first.
	mostPauses = 50_000
)

// backoffs remember which accounts an upstream does not want to hear of for a
// while. Old clients poll on whatever they are told; asking all the same would
// have a provider throttle for longer, or lock the account.
type backoffs struct {
	mu     sync.Mutex
	pauses *lru.LRU[accountKey, backoff]
}

// accountKey is an account upstream.
type accountKey struct{ upstream, user string }

type backoff struct {
	until time.Time
	lasts time.Duration // this pause; the next one is twice as long
	cause error
}

// check fails while an account is left alone.
func (b *backoffs) check(key accountKey, now time.Time) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.pauses == nil {
		return nil
	}
	p, ok := b.pauses.Get(key)
	if !ok || !now.Before(p.until) {
		return nil
	}
	return clientError(&upstream.Error{Kind: upstream.Throttled, Doing: "sign in", Wait: p.until.Sub(now),
		Err: fmt.Errorf("not asked until %s: %w", p.until.UTC().Format(time.RFC3339), p.cause)})
}

// learn notes what came of asking.
func (b *backoffs) learn(key accountKey, now time.Time, err error) {
	var e *upstream.Error
	throttled := errors.As(err, &e) && e.Kind == upstream.Throttled
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.pauses == nil {
		if !throttled {
			return
		}
		b.pauses, _ = lru.NewLRU[accountKey, backoff](mostPauses, nil)
	}
	switch {
	case err == nil:
		b.pauses.Remove(key)
	case throttled:
		before, _ := b.pauses.Get(key)
		lasts := min(max(e.Wait, firstPause, 2*before.lasts), maxPause)
		b.pauses.Add(key, backoff{now.Add(lasts), lasts, err})
	}
}

// ask opens a mailbox upstream, unless the upstream wants to be left alone.
func (g *Gateway) ask(ctx context.Context, route Route, login upstream.Login) (upstream.Mailbox, error) {
	key := accountKey{route.Upstream, fold(login.User)}
	if err := g.Shared.pauses.check(key, g.now()); err != nil {
		return nil, err
	}
	mailbox, err := open(ctx, route.Server, login)
	g.Shared.pauses.learn(key, g.now(), err)
	if err != nil {
		return nil, clientError(err)
	}
	return mailbox, nil
}
