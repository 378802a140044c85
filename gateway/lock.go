package gateway

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/restante-mail/restante/policy"
	"github.com/restante-mail/restante/pop3"
	"github.com/restante-mail/restante/upstream"
)

// RFC 1939 gives a session the maildrop for itself. Old clients hang up and
// come back at once, so a second sign-in waits a while for the first to end;
// and a session that has long been silent gives way, for a laptop that was
// closed must not lock its owner out.
const (
	lockWait     = 10 * time.Second
	lockPatience = 60 * time.Second
	// evictionWait is how long a session that was ended may take to let go.
	evictionWait = 5 * time.Second
	// maxWaiting sign-ins wait for one maildrop. Each has a connection upstream
	// already, and servers allow a user few of them (Dovecot: 10).
	maxWaiting = 2
)

// locks are the maildrops in use, in the memory of this process.
type locks struct {
	mu             sync.Mutex
	held           map[lockKey]*lock
	waiting        map[lockKey]int
	coming         map[lockKey]*coming
	wait, patience time.Duration
}

func newLocks() locks {
	return locks{held: map[lockKey]*lock{}, waiting: map[lockKey]int{}, coming: map[lockKey]*coming{}, wait: lockWait, patience: lockPatience}
}

// lockKey names a maildrop: who is read, and where. Letter case does not make
// two mailboxes of one. Each view of it is a maildrop of its own; where any
// number of sessions may be at once, each has a lock to itself.
type lockKey struct{ upstream, user, view, session string }

type lock struct {
	locks  *locks
	key    lockKey
	holder pop3.Peer
	free   chan struct{} // closed by release
	once   sync.Once
}

func maildropOf(route Route, login upstream.Login) lockKey {
	key := lockKey{upstream: route.Upstream, user: fold(route.User), view: route.View}
	if route.Policy.Lock == policy.LockShared {
		key.session = login.Session
	}
	return key
}

// fold makes one name of those that differ in the case of ASCII letters alone,
// octet by octet. Unicode's rules would make one user of two: they read every
// octet that is not UTF-8 as the same character, and the Kelvin sign as a k.
func fold(user string) string {
	octets := []byte(user)
	for i, c := range octets {
		if 'A' <= c && c <= 'Z' {
			octets[i] = c + 'a' - 'A'
		}
	}
	return string(octets)
}

// coming counts the sign-ins that are on their way to a lock, and how often it
// was let go meanwhile.
type coming struct{ signIns, ends int }

// approach is called before a maildrop is listed that will be locked: stale
// tells whether a session of it has ended since. leave is called once.
func (l *locks) approach(key lockKey) (stale func() bool, leave func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.coming[key]
	if c == nil {
		c = &coming{}
		l.coming[key] = c
	}
	c.signIns++
	ends := c.ends
	stale = func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		return c.ends != ends
	}
	leave = func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if c.signIns--; c.signIns == 0 {
			delete(l.coming, key)
		}
	}
	return stale, leave
}

// take waits for the maildrop to be free, and ends a session that holds it for
// nothing.
func (l *locks) take(ctx context.Context, key lockKey, peer pop3.Peer) (*lock, error) {
	taken, other := l.try(key, peer)
	if taken == nil && l.join(key) {
		defer l.leave(key)
		taken, other = l.queue(ctx, key, peer)
	}
	if taken == nil {
		return nil, clientError(&upstream.Error{Kind: upstream.InUse, Doing: "lock the maildrop",
			Err: fmt.Errorf("held by session %s", other.holder.ID)})
	}
	return taken, nil
}

// queue waits in line.
func (l *locks) queue(ctx context.Context, key lockKey, peer pop3.Peer) (taken, other *lock) {
	taken, other = l.await(ctx, l.wait, key, peer)
	if taken == nil && other.holder.Control.Idle() > l.patience {
		other.holder.Control.Evict()
		taken, other = l.await(ctx, evictionWait, key, peer)
	}
	return taken, other
}

// join tells whether there is room to wait for the maildrop.
func (l *locks) join(key lockKey) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.waiting[key] >= maxWaiting {
		return false
	}
	l.waiting[key]++
	return true
}

func (l *locks) leave(key lockKey) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.waiting[key]--; l.waiting[key] == 0 {
		delete(l.waiting, key)
	}
}

// await returns the lock, or the one that was still in the way when time was up.
func (l *locks) await(ctx context.Context, limit time.Duration, key lockKey, peer pop3.Peer) (taken, other *lock) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for {
		if taken, other = l.try(key, peer); taken != nil {
			return taken, nil
		}
		select {
		case <-other.free:
		case <-ctx.Done():
			return nil, other
		}
	}
}

// try takes the lock, or returns the one that is in the way.
func (l *locks) try(key lockKey, peer pop3.Peer) (taken, other *lock) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if other := l.held[key]; other != nil {
		return nil, other
	}
	taken = &lock{locks: l, key: key, holder: peer, free: make(chan struct{})}
	l.held[key] = taken
	return taken, nil
}

// used tells whether any session has the view open, also where any number may.
func (l *locks) used(key lockKey) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for held := range l.held {
		if held.session = key.session; held == key {
			return true
		}
	}
	return false
}

// release gives the maildrop back, once.
func (k *lock) release() {
	k.once.Do(func() {
		k.locks.mu.Lock()
		delete(k.locks.held, k.key)
		if c := k.locks.coming[k.key]; c != nil {
			c.ends++
		}
		k.locks.mu.Unlock()
		close(k.free)
	})
}
