package gateway

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/restante-mail/restante/pop3"
)

// holder is a connection as its lock sees it.
type holder struct {
	idle    time.Duration
	evicted atomic.Bool
	onEvict func()
}

func (h *holder) Idle() time.Duration { return h.idle }

func (h *holder) Evict() {
	h.evicted.Store(true)
	if h.onEvict != nil {
		h.onEvict()
	}
}

func peer(id string, h *holder) pop3.Peer { return pop3.Peer{ID: id, Control: h} }

var alice = lockKey{upstream: "main", user: "alice"}

func testLocks(wait time.Duration) *locks {
	l := newLocks()
	l.wait = wait
	return &l
}

func mustTake(t *testing.T, l *locks, key lockKey, h *holder) *lock {
	t.Helper()
	k, err := l.take(t.Context(), key, peer("first", h))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestLockIsPerMaildrop(t *testing.T) {
	l := testLocks(0)
	for _, key := range []lockKey{alice, {upstream: "main", user: "bob"}, {upstream: "other", user: "alice"},
		{upstream: "main", user: "alice", view: "printer"}} {
		mustTake(t, l, key, &holder{})
	}
}

func TestLockInUse(t *testing.T) {
	l := testLocks(time.Millisecond)
	active := &holder{idle: time.Second}
	mustTake(t, l, alice, active)
	_, err := l.take(t.Context(), alice, peer("second", &holder{}))
	var told *pop3.Error
	if !errors.As(err, &told) || told.Code != pop3.CodeInUse || !strings.Contains(err.Error(), "session first") {
		t.Errorf("got %v, want IN-USE with the holder named for the log", err)
	}
	if active.evicted.Load() {
		t.Error("an active session was ended")
	}
}

func TestLockWaitsForTheFirstToEnd(t *testing.T) {
	l := testLocks(time.Minute)
	first := mustTake(t, l, alice, &holder{})
	taken := make(chan error)
	go func() {
		k, err := l.take(t.Context(), alice, peer("second", &holder{}))
		if err == nil {
			k.release()
		}
		taken <- err
	}()
	for waiting := false; !waiting; runtime.Gosched() {
		l.mu.Lock()
		waiting = l.waiting[alice] > 0
		l.mu.Unlock()
	}
	first.release()
	if err := <-taken; err != nil {
		t.Error(err)
	}
}

func TestLockEndsAnIdleSession(t *testing.T) {
	l := testLocks(time.Millisecond)
	silent := &holder{idle: lockPatience + time.Second}
	first := mustTake(t, l, alice, silent)
	silent.onEvict = func() { first.release() }
	second, err := l.take(t.Context(), alice, peer("second", &holder{}))
	if err != nil || !silent.evicted.Load() {
		t.Fatalf("%v, evicted %v; want the lock of the session that was silent", err, silent.evicted.Load())
	}
	first.release() // a second release of the first must not free the second's lock
	if taken, other := l.try(alice, peer("third", &holder{})); taken != nil || other != second {
		t.Error("the lock was given twice")
	}
}

func TestLockGivesUpWithItsClient(t *testing.T) {
	l := testLocks(time.Hour)
	mustTake(t, l, alice, &holder{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := l.take(ctx, alice, peer("second", &holder{})); err == nil {
		t.Error("a client that has gone got the lock")
	}
}

// TestLockHasFewWaiting: those beyond hear at once that the maildrop is in use,
// for each that waits holds a connection upstream.
func TestLockHasFewWaiting(t *testing.T) {
	l := testLocks(time.Hour)
	mustTake(t, l, alice, &holder{})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	for range maxWaiting {
		if !l.join(alice) {
			t.Fatal("no room to wait")
		}
		go func() {
			_, _ = l.queue(ctx, alice, peer("waiting", &holder{}))
			l.leave(alice)
			ended <- nil
		}()
	}
	if _, err := l.take(t.Context(), alice, peer("one too many", &holder{})); err == nil {
		t.Error("the lock was given twice")
	}
	cancel()
	for range maxWaiting {
		<-ended
	}
	if len(l.waiting) != 0 {
		t.Errorf("still waiting: %v", l.waiting)
	}
}
