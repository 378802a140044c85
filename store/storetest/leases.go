package storetest

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/restante-mail/restante/store"
)

// leaser is what both a Store and a store.Beside can do.
type leaser interface {
	TakeLease(ctx context.Context, name, holder string, now time.Time, length time.Duration) (bool, error)
	ReleaseLease(ctx context.Context, name, holder string) error
}

func wantLease(t *testing.T, ctx context.Context, s leaser, holder string, now time.Time, want bool) {
	t.Helper()
	if mine, err := s.TakeLease(ctx, "tokens of alice", holder, now, time.Minute); err != nil || mine != want {
		t.Fatalf("TakeLease for %s: %v, %v; want %v", holder, mine, err, want)
	}
}

func leases(t *testing.T, ctx context.Context, s store.Store) { Leases(t, ctx, s, s) }

// Leases proves that two, which may be two processes, keep the contract of
// store.Leases.
func Leases(t *testing.T, ctx context.Context, a, b leaser) {
	now := time.Unix(1_800_000_000, 999)
	release := func(s leaser, holder string) {
		t.Helper()
		if err := s.ReleaseLease(ctx, "tokens of alice", holder); err != nil {
			t.Fatalf("ReleaseLease: %v", err)
		}
	}
	wantLease(t, ctx, a, "one", now, true)
	wantLease(t, ctx, b, "two", now, false)
	wantLease(t, ctx, a, "one", now.Add(30*time.Second), true) // prolonged
	wantLease(t, ctx, b, "two", now.Add(89*time.Second), false)
	release(b, "two") // it is not theirs
	wantLease(t, ctx, b, "two", now.Add(89*time.Second), false)
	wantLease(t, ctx, b, "two", now.Add(92*time.Second), true) // its end has come
	wantLease(t, ctx, a, "one", now.Add(93*time.Second), false)
	release(a, "one")
	wantLease(t, ctx, a, "one", now.Add(93*time.Second), false)
	release(b, "two")
	wantLease(t, ctx, a, "one", now.Add(93*time.Second), true)
	if mine, err := a.TakeLease(ctx, "tokens of bob", "two", now, time.Minute); err != nil || !mine {
		t.Errorf("another's lease: %v, %v", mine, err)
	}
	if _, err := a.TakeLease(ctx, strings.Repeat("x", store.MaxKey+1), "two", now, time.Minute); err == nil {
		t.Error("a name of any length is taken")
	}
}

func leaseTogether(t *testing.T, ctx context.Context, s store.Store) {
	var taken atomic.Int32
	var all sync.WaitGroup
	for i := range 16 {
		all.Go(func() {
			mine, err := s.TakeLease(ctx, "tokens of alice", string(rune('a'+i)), time.Unix(1_800_000_000, 0), time.Minute)
			if err != nil {
				t.Error(err)
			}
			if mine {
				taken.Add(1)
			}
		})
	}
	all.Wait()
	if n := taken.Load(); n != 1 {
		t.Errorf("%d have the lease", n)
	}
}
