package store

import (
	"context"
	"database/sql"
	"errors"
)

// Bans is the part of a Store that keeps who is shut out.
type Bans interface {
	// ListBans returns all, by network; ended ones may be among them.
	ListBans(ctx context.Context) ([]Ban, error)
	// Ban returns the ban of a network, if there is one.
	Ban(ctx context.Context, network string) (b Ban, found bool, err error)
	// PutBan replaces the ban of a network. It forgets bans that ended more than
	// a week before this one began, and beyond maxBans the ones that end first.
	PutBan(ctx context.Context, b Ban) error
}

// A Ban shuts a network out. Times are Unix seconds.
type Ban struct {
	Network string `json:"network"` // CIDR
	Since   int64  `json:"since"`
	Until   int64  `json:"until"`
	// Times counts bans of the network that followed each other, this included.
	Times  int    `json:"times"`
	Reason string `json:"reason"`
}

const (
	// maxBans are 10 MB; a botnet has more addresses than that, and its newest matter.
	maxBans      = 50_000
	banRemembers = 7 * 24 * 60 * 60
)

// ListBans implements Store.
func (f *file) ListBans(ctx context.Context) (all []Ban, err error) {
	err = f.look(ctx, "read bans", func(l ledger) error {
		all, err = listBans(ctx, l)
		return err
	})
	return all, err
}

// Ban implements Store.
func (f *file) Ban(ctx context.Context, network string) (b Ban, found bool, err error) {
	err = f.look(ctx, "read a ban", func(l ledger) error {
		b, found, err = readBan(ctx, l, network)
		return err
	})
	return b, found, err
}

// PutBan implements Store.
func (f *file) PutBan(ctx context.Context, b Ban) error {
	if err := checkKeys(b.Network, b.Reason); err != nil {
		return err
	}
	_, err := f.settle(ctx, func(l ledger) (bool, error) { return true, putBan(context.Background(), l, b) })
	return err
}

// LookAtBans reads the bans beside the process that owns the file.
func LookAtBans(ctx context.Context, path string) (all []Ban, err error) {
	db, path, err := visit(ctx, path)
	if err != nil {
		return nil, err
	}
	err = mustBeNew(ctx, db)
	if err == nil {
		all, err = listBans(ctx, db)
	}
	return all, errors.Join(explain(path, "look at bans", err), db.Close())
}

// Lift forgets the ban of a network, and tells whether there was one.
func Lift(ctx context.Context, path, network string) (found bool, err error) {
	err = amend(ctx, path, "lift a ban", func(tx *sql.Tx) error {
		done, err := tx.ExecContext(ctx, `DELETE FROM ban WHERE network = ?`, network)
		if err != nil {
			return err
		}
		n, err := done.RowsAffected()
		found = n > 0
		return err
	})
	return found && err == nil, err
}

func listBans(ctx context.Context, l ledger) (all []Ban, err error) {
	rows, err := l.QueryContext(ctx, `SELECT network, since, until, times, reason FROM ban ORDER BY network`)
	if err != nil {
		return nil, err
	}
	for rows.Next() {
		var b Ban
		if err = rows.Scan(&b.Network, &b.Since, &b.Until, &b.Times, &b.Reason); err != nil {
			break
		}
		all = append(all, b)
	}
	return all, errors.Join(err, rows.Err(), rows.Close())
}

func readBan(ctx context.Context, l ledger, network string) (b Ban, found bool, err error) {
	b.Network = network
	err = l.QueryRowContext(ctx, `SELECT since, until, times, reason FROM ban WHERE network = ?`, network).
		Scan(&b.Since, &b.Until, &b.Times, &b.Reason)
	if errors.Is(err, sql.ErrNoRows) {
		return Ban{}, false, nil
	}
	return b, err == nil, err
}

func putBan(ctx context.Context, l ledger, b Ban) error {
	_, err := l.ExecContext(ctx, `INSERT OR REPLACE INTO ban (network, since, until, times, reason) VALUES (?, ?, ?, ?, ?)`,
		b.Network, b.Since, b.Until, b.Times, b.Reason)
	if err == nil {
		_, err = l.ExecContext(ctx, `DELETE FROM ban WHERE until < ?`, b.Since-banRemembers)
	}
	if err == nil {
		_, err = l.ExecContext(ctx, `DELETE FROM ban WHERE network IN (SELECT network FROM ban ORDER BY until DESC LIMIT -1 OFFSET ?)`, maxBans)
	}
	return err
}
