package store

import (
	"context"
	"database/sql"
	"time"
)

// Leases is the part of a Store that lets one process at a time do something.
// A lease ends by itself: its holder may have died. What must not be done twice
// needs a check at its end too (SwapSealed), for a holder may have slept.
type Leases interface {
	// TakeLease gives holder the lease of that name until now + length, and
	// tells whether it did: not if another holder's has not ended at now.
	TakeLease(ctx context.Context, name, holder string, now time.Time, length time.Duration) (bool, error)
	// ReleaseLease ends the lease if it is holder's.
	ReleaseLease(ctx context.Context, name, holder string) error
}

// TakeLease implements Store.
func (f *file) TakeLease(ctx context.Context, name, holder string, now time.Time, length time.Duration) (bool, error) {
	if err := checkKeys(name, holder); err != nil {
		return false, err
	}
	return f.settle(ctx, func(l ledger) (bool, error) { return takeLease(context.Background(), l, name, holder, now, length) })
}

// ReleaseLease implements Store.
func (f *file) ReleaseLease(ctx context.Context, name, holder string) error {
	_, err := f.settle(ctx, func(l ledger) (bool, error) { return true, releaseLease(context.Background(), l, name, holder) })
	return err
}

// takeLease rounds up to the second: a lease that ends too late is waited for,
// one that ends too early would be broken.
func takeLease(ctx context.Context, l ledger, name, holder string, now time.Time, length time.Duration) (bool, error) {
	until := now.Add(length + time.Second - 1).Unix()
	done, err := l.ExecContext(ctx, `INSERT INTO lease (name, holder, until) VALUES (?1, ?2, ?3)
		ON CONFLICT (name) DO UPDATE SET holder = ?2, until = ?3 WHERE holder = ?2 OR until <= ?4`, name, holder, until, now.Unix())
	if err != nil {
		return false, err
	}
	n, err := done.RowsAffected()
	return n > 0, err
}

func releaseLease(ctx context.Context, l ledger, name, holder string) error {
	_, err := l.ExecContext(ctx, `DELETE FROM lease WHERE name = ? AND holder = ?`, name, holder)
	return err
}

// Beside does some of what a Store does, beside the process that owns the file.
type Beside struct{ Path string }

// Sealed is Store's.
func (b Beside) Sealed(ctx context.Context, key SealedKey) (s Sealed, found bool, err error) {
	err = LookAtAccounts(ctx, b.Path, func(r AccountReader) error {
		s, found, err = r.Sealed(key)
		return err
	})
	return s, found, err
}

// SwapSealed is Store's.
func (b Beside) SwapSealed(ctx context.Context, before string, s Sealed) (swapped bool, err error) {
	if err := checkSettings(len(s.Value), s.Account, s.Purpose); err != nil {
		return false, err
	}
	err = amend(ctx, b.Path, "keep a sealed value", func(tx *sql.Tx) error {
		swapped, err = swapSealed(ctx, tx, before, s)
		return err
	})
	return swapped && err == nil, err
}

// TakeLease is Store's.
func (b Beside) TakeLease(ctx context.Context, name, holder string, now time.Time, length time.Duration) (mine bool, err error) {
	if err := checkKeys(name, holder); err != nil {
		return false, err
	}
	err = amend(ctx, b.Path, "take a lease", func(tx *sql.Tx) error {
		mine, err = takeLease(ctx, tx, name, holder, now, length)
		return err
	})
	return mine && err == nil, err
}

// ReleaseLease is Store's.
func (b Beside) ReleaseLease(ctx context.Context, name, holder string) error {
	return amend(ctx, b.Path, "release a lease", func(tx *sql.Tx) error { return releaseLease(ctx, tx, name, holder) })
}
