package store

import (
	"bytes"
	"context"
	"database/sql"
)

// Account implements Store.
func (f *file) Account(ctx context.Context, name string) (a Account, found bool, err error) {
	err = f.look(ctx, "read an account", func(l ledger) error {
		a, found, err = readAccount(ctx, l, name)
		return err
	})
	return a, found, err
}

// ListAccounts implements Store.
func (f *file) ListAccounts(ctx context.Context) (all []Account, err error) {
	err = f.look(ctx, "read accounts", func(l ledger) error {
		all, err = listAccounts(ctx, l)
		return err
	})
	return all, err
}

// PutAccount implements Store.
func (f *file) PutAccount(ctx context.Context, a Account) error {
	if err := checkSettings(len(a.Settings), a.Name); err != nil {
		return err
	}
	a.Settings = bytes.Clone(a.Settings) // ctx may end before it is written
	_, err := f.settle(ctx, func(l ledger) (bool, error) { return true, putAccount(context.Background(), l, a) })
	return err
}

// RemoveAccount implements Store.
func (f *file) RemoveAccount(ctx context.Context, name string) (bool, error) {
	return f.settle(ctx, func(l ledger) (bool, error) { return removeAccount(context.Background(), l, name) })
}

// Sealed implements Store.
func (f *file) Sealed(ctx context.Context, key SealedKey) (s Sealed, found bool, err error) {
	err = f.look(ctx, "read a sealed value", func(l ledger) error {
		s, found, err = readSealed(ctx, l, key)
		return err
	})
	return s, found, err
}

// ListSealed implements Store.
func (f *file) ListSealed(ctx context.Context) (all []Sealed, err error) {
	err = f.look(ctx, "read sealed values", func(l ledger) error {
		all, err = listSealed(ctx, l)
		return err
	})
	return all, err
}

// PutSealed implements Store.
func (f *file) PutSealed(ctx context.Context, s Sealed) error {
	if err := checkSettings(len(s.Value), s.Account, s.Purpose); err != nil {
		return err
	}
	_, err := f.settle(ctx, func(l ledger) (bool, error) { return true, putSealed(context.Background(), l, s) })
	return err
}

// SwapSealed implements Store.
func (f *file) SwapSealed(ctx context.Context, before string, s Sealed) (bool, error) {
	if err := checkSettings(len(s.Value), s.Account, s.Purpose); err != nil {
		return false, err
	}
	return f.settle(ctx, func(l ledger) (bool, error) { return swapSealed(context.Background(), l, before, s) })
}

// RemoveSealed implements Store.
func (f *file) RemoveSealed(ctx context.Context, key SealedKey) (bool, error) {
	return f.settle(ctx, func(l ledger) (bool, error) { return removeSealed(context.Background(), l, key) })
}

// NoteUse implements Store.
func (f *file) NoteUse(account, label string, at int64) {
	end, err := f.begin()
	if err != nil || checkKeys(account, label) != nil {
		return
	}
	defer end()
	f.writer.writeLater(func(tx *sql.Tx, _ *shelves) error { return noteUse(context.Background(), tx, account, label, at) })
}

// Uses implements Store.
func (f *file) Uses(ctx context.Context, account string) (uses map[string]int64, err error) {
	err = f.look(ctx, "read when secrets were used", func(l ledger) error {
		uses, err = readUses(ctx, l, account)
		return err
	})
	return uses, err
}

// look reads.
func (f *file) look(ctx context.Context, doing string, read func(ledger) error) error {
	end, err := f.begin()
	if err != nil {
		return err
	}
	defer end()
	if err := ctx.Err(); err != nil {
		return err
	}
	return explain(f.path, doing, read(f.reads))
}

// settle writes, and returns what apply found. The transaction goes on if ctx
// ends, so that apply has no context of its own.
func (f *file) settle(ctx context.Context, apply func(ledger) (bool, error)) (bool, error) {
	end, err := f.begin()
	if err != nil {
		return false, err
	}
	defer end()
	found := make(chan bool, 1) // ctx may end first, and the writer be at it still
	err = f.writer.write(ctx, func(tx *sql.Tx, _ *shelves) error {
		is, err := apply(tx)
		select { // a batch that fails is done again, one by one
		case <-found:
		default:
		}
		found <- is
		return err
	})
	if err != nil {
		return false, err
	}
	return <-found, nil
}
