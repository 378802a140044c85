package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// Accounts is the part of a Store that keeps accounts: logins with secrets of
// their own, what is sealed for them, and when a secret was last used. Names are
// compared octet by octet: the caller folds them. Times are seconds since
// 1970-01-01 UTC.
type Accounts interface {
	// Account returns an account, and whether there is one.
	Account(ctx context.Context, name string) (Account, bool, error)
	// ListAccounts returns all accounts, by name.
	ListAccounts(ctx context.Context) ([]Account, error)
	// PutAccount makes an account, or replaces it.
	PutAccount(ctx context.Context, a Account) error
	// RemoveAccount forgets an account, the use of its secrets, and all that is
	// sealed for it, and tells whether there was one.
	RemoveAccount(ctx context.Context, name string) (bool, error)

	// Sealed returns the sealed value, and whether there is one.
	Sealed(ctx context.Context, key SealedKey) (Sealed, bool, error)
	// ListSealed returns all sealed values, by account and purpose.
	ListSealed(ctx context.Context) ([]Sealed, error)
	// PutSealed makes a sealed value, or replaces it.
	PutSealed(ctx context.Context, s Sealed) error
	// SwapSealed is PutSealed if the value is before, or if there is none and
	// before is ""; it tells whether it was.
	SwapSealed(ctx context.Context, before string, s Sealed) (bool, error)
	// RemoveSealed forgets a sealed value, and tells whether there was one.
	RemoveSealed(ctx context.Context, key SealedKey) (bool, error)

	// NoteUse remembers that a secret opened an account. It does not wait, and
	// may be dropped.
	NoteUse(account, label string, at int64)
	// Uses returns when the secrets of an account were last used, by label.
	Uses(ctx context.Context, account string) (map[string]int64, error)
}

// An Account is kept as its package writes it.
type Account struct {
	Name string
	// Settings of up to MaxSettings octets, in a form that the store does not
	// look into.
	Settings []byte
	Changed  int64
}

// A SealedKey names a sealed value.
type SealedKey struct{ Account, Purpose string }

// Sealed is a sealed value: text of up to MaxSettings octets.
type Sealed struct {
	SealedKey
	Value   string
	Changed int64
}

// MaxSettings is the most octets of one account's settings, or of one sealed
// value: 64 secrets of 1 KiB each and more.
const MaxSettings = 256 << 10

// ledger does the work within a transaction or without, for the owner of the
// file and beside it.
type ledger interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

func readAccount(ctx context.Context, l ledger, name string) (a Account, found bool, err error) {
	a.Name = name
	err = l.QueryRowContext(ctx, `SELECT settings, changed FROM account WHERE name = ?`, name).Scan(&a.Settings, &a.Changed)
	if errors.Is(err, sql.ErrNoRows) {
		return Account{}, false, nil
	}
	return a, err == nil, err
}

func listAccounts(ctx context.Context, l ledger) (all []Account, err error) {
	rows, err := l.QueryContext(ctx, `SELECT name, settings, changed FROM account ORDER BY name`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var a Account
		if err := rows.Scan(&a.Name, &a.Settings, &a.Changed); err != nil {
			return nil, err
		}
		all = append(all, a)
	}
	return all, rows.Err()
}

func putAccount(ctx context.Context, l ledger, a Account) error {
	_, err := l.ExecContext(ctx, `INSERT OR REPLACE INTO account (name, settings, changed) VALUES (?, ?, ?)`, a.Name, a.Settings, a.Changed)
	return err
}

func removeAccount(ctx context.Context, l ledger, name string) (found bool, err error) {
	for _, statement := range []string{`DELETE FROM secret_use WHERE account = ?`, `DELETE FROM sealed WHERE account = ?`,
		`DELETE FROM account WHERE name = ?`} {
		done, err := l.ExecContext(ctx, statement, name)
		if err != nil {
			return false, err
		}
		n, err := done.RowsAffected()
		if err != nil {
			return false, err
		}
		found = n > 0 // the last one decides
	}
	return found, nil
}

func readSealed(ctx context.Context, l ledger, key SealedKey) (s Sealed, found bool, err error) {
	s.SealedKey = key
	err = l.QueryRowContext(ctx, `SELECT value, changed FROM sealed WHERE account = ? AND purpose = ?`, key.Account, key.Purpose).
		Scan(&s.Value, &s.Changed)
	if errors.Is(err, sql.ErrNoRows) {
		return Sealed{}, false, nil
	}
	return s, err == nil, err
}

func listSealed(ctx context.Context, l ledger) (all []Sealed, err error) {
	rows, err := l.QueryContext(ctx, `SELECT account, purpose, value, changed FROM sealed ORDER BY account, purpose`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var s Sealed
		if err := rows.Scan(&s.Account, &s.Purpose, &s.Value, &s.Changed); err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, rows.Err()
}

func putSealed(ctx context.Context, l ledger, s Sealed) error {
	_, err := l.ExecContext(ctx, `INSERT OR REPLACE INTO sealed (account, purpose, value, changed) VALUES (?, ?, ?, ?)`,
		s.Account, s.Purpose, s.Value, s.Changed)
	return err
}

func swapSealed(ctx context.Context, l ledger, before string, s Sealed) (bool, error) {
	now, _, err := readSealed(ctx, l, s.SealedKey)
	if err != nil || now.Value != before {
		return false, err
	}
	return true, putSealed(ctx, l, s)
}

func removeSealed(ctx context.Context, l ledger, key SealedKey) (bool, error) {
	done, err := l.ExecContext(ctx, `DELETE FROM sealed WHERE account = ? AND purpose = ?`, key.Account, key.Purpose)
	if err != nil {
		return false, err
	}
	n, err := done.RowsAffected()
	return n > 0, err
}

func readUses(ctx context.Context, l ledger, account string) (map[string]int64, error) {
	rows, err := l.QueryContext(ctx, `SELECT label, used FROM secret_use WHERE account = ?`, account)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	uses := map[string]int64{}
	for rows.Next() {
		var label string
		var used int64
		if err := rows.Scan(&label, &used); err != nil {
			return nil, err
		}
		uses[label] = used
	}
	return uses, rows.Err()
}

func noteUse(ctx context.Context, l ledger, account, label string, at int64) error {
	_, err := l.ExecContext(ctx, `INSERT INTO secret_use (account, label, used) VALUES (?1, ?2, ?3)
		ON CONFLICT (account, label) DO UPDATE SET used = max(used, ?3)`, account, label, at)
	return err
}

// checkSettings keeps what is written within its bounds.
func checkSettings(octets int, keys ...string) error {
	if octets > MaxSettings {
		return fmt.Errorf("%d octets: %w", octets, ErrTooLarge)
	}
	return checkKeys(keys...)
}
