package store

import (
	"context"
	"database/sql"
	"errors"
)

// LookAtAccounts reads accounts beside the process that owns the file.
func LookAtAccounts(ctx context.Context, path string, read func(AccountReader) error) error {
	db, path, err := visit(ctx, path)
	if err != nil {
		return err
	}
	err = mustBeNew(ctx, db)
	if err == nil {
		err = explain(path, "look at accounts", read(AccountReader{ctx, db}))
	}
	return errors.Join(err, db.Close())
}

// AmendAccounts changes accounts beside the process that owns the file, in one
// transaction: all that change does, or nothing if it fails.
func AmendAccounts(ctx context.Context, path string, change func(AccountWriter) error) error {
	return amend(ctx, path, "change accounts", func(tx *sql.Tx) error {
		return change(AccountWriter{AccountReader{ctx, tx}})
	})
}

// An AccountReader reads what there is of accounts; its methods are those of
// Accounts.
type AccountReader struct {
	ctx context.Context
	l   ledger
}

func (r AccountReader) Account(name string) (Account, bool, error) {
	return readAccount(r.ctx, r.l, name)
}
func (r AccountReader) ListAccounts() ([]Account, error) { return listAccounts(r.ctx, r.l) }
func (r AccountReader) Sealed(key SealedKey) (Sealed, bool, error) {
	return readSealed(r.ctx, r.l, key)
}
func (r AccountReader) ListSealed() ([]Sealed, error) { return listSealed(r.ctx, r.l) }
func (r AccountReader) Uses(account string) (map[string]int64, error) {
	return readUses(r.ctx, r.l, account)
}

// An AccountWriter changes them too.
type AccountWriter struct{ AccountReader }

// PutAccount is that of Accounts.
func (w AccountWriter) PutAccount(a Account) error {
	if err := checkSettings(len(a.Settings), a.Name); err != nil {
		return err
	}
	return putAccount(w.ctx, w.l, a)
}

// RemoveAccount is that of Accounts.
func (w AccountWriter) RemoveAccount(name string) (bool, error) {
	return removeAccount(w.ctx, w.l, name)
}

// PutSealed is that of Accounts.
func (w AccountWriter) PutSealed(s Sealed) error {
	if err := checkSettings(len(s.Value), s.Account, s.Purpose); err != nil {
		return err
	}
	return putSealed(w.ctx, w.l, s)
}

// RemoveSealed is that of Accounts.
func (w AccountWriter) RemoveSealed(key SealedKey) (bool, error) {
	return removeSealed(w.ctx, w.l, key)
}

// ForgetUse forgets when a secret was used, for one that was removed.
func (w AccountWriter) ForgetUse(account, label string) error {
	_, err := w.l.ExecContext(w.ctx, `DELETE FROM secret_use WHERE account = ? AND label = ?`, account, label)
	return err
}
