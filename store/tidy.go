package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
)

// ForgetApprovals implements Store.
func (f *file) ForgetApprovals(ctx context.Context, except []string) (forgotten int64, err error) {
	approved, err := f.Approvals(ctx)
	if err != nil {
		return 0, err
	}
	for _, rule := range except {
		delete(approved, rule)
	}
	if len(approved) == 0 {
		return 0, nil // and nothing is written
	}
	var gone []string
	for rule := range approved {
		gone = append(gone, rule)
	}
	list, err := json.Marshal(gone)
	if err != nil {
		return 0, err
	}
	end, err := f.begin()
	if err != nil {
		return 0, err
	}
	defer end()
	err = f.writer.write(ctx, func(tx *sql.Tx, _ *shelves) error {
		_, err := tx.Exec(`DELETE FROM approval WHERE rule IN (SELECT value FROM json_each(?))`, list)
		return err
	})
	return int64(len(gone)), err
}

// MaildropPrefixes implements Store.
func (f *file) MaildropPrefixes(ctx context.Context, end string) ([]string, error) {
	finish, err := f.begin()
	if err != nil {
		return nil, err
	}
	defer finish()
	prefixes, err := readPrefixes(ctx, f.reads, end)
	return prefixes, explain(f.path, "look for maildrops", err)
}

// MaildropPrefixes is Store's, beside the owner.
func MaildropPrefixes(ctx context.Context, path, end string) ([]string, error) {
	db, path, err := visit(ctx, path)
	if err != nil {
		return nil, err
	}
	var prefixes []string
	if err = mustBeNew(ctx, db); err == nil {
		prefixes, err = readPrefixes(ctx, db, end)
	}
	return prefixes, errors.Join(explain(path, "look for maildrops", err), db.Close())
}

func readPrefixes(ctx context.Context, db *sql.DB, end string) (all []string, err error) {
	rows, err := db.QueryContext(ctx, `SELECT DISTINCT substr(maildrop, 1, instr(maildrop, ?1) - 1)
		FROM (SELECT maildrop FROM view UNION ALL SELECT maildrop FROM held) WHERE instr(maildrop, ?1) > 0 ORDER BY 1`, end)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var prefix string
		if err := rows.Scan(&prefix); err != nil {
			return nil, err
		}
		all = append(all, prefix)
	}
	return all, rows.Err()
}
