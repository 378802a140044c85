package store

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
)

// View implements Store.
func (f *file) View(ctx context.Context, key ViewKey) (View, error) {
	end, err := f.begin()
	if err != nil {
		return View{}, err
	}
	defer end()
	v, err := readView(ctx, f.reads, key)
	return v, explain(f.path, "read what is remembered of "+printable(key), err)
}

// printable is the key in an error.
func printable(key ViewKey) string { return fmt.Sprintf("%q", key.Maildrop+" "+key.View) }

// readView reads a view as it is at one moment.
func readView(ctx context.Context, db *sql.DB, key ViewKey) (v View, err error) {
	tx, err := db.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return v, err
	}
	defer func() { _ = tx.Rollback() }() // nothing is written
	if err := tx.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM held WHERE maildrop = ?)`, key.Maildrop).Scan(&v.Held); err != nil {
		return v, err
	}
	var id int64
	var undo, back []byte
	err = tx.QueryRowContext(ctx, `SELECT id, begun, undo, back FROM view WHERE maildrop = ? AND name = ?`, key.Maildrop, key.View).
		Scan(&id, &v.Begun, &undo, &back)
	if errors.Is(err, sql.ErrNoRows) {
		return v, nil
	}
	if err == nil {
		err = errors.Join(readDeeds(undo, &v.Undo), readDeeds(back, &v.Back))
	}
	if err == nil {
		v.Folders, err = readFolders(ctx, tx, id)
	}
	if err == nil {
		v.Intents, err = readIntents(ctx, tx, id)
	}
	return v, err
}

func readDeeds(b []byte, into *[]Deed) error {
	if b == nil {
		return nil
	}
	if err := json.Unmarshal(b, into); err != nil {
		return fmt.Errorf("%w: %w", errDamaged, err)
	}
	return nil
}

func readFolders(ctx context.Context, tx *sql.Tx, view int64) (folders []ViewFolder, err error) {
	rows, err := tx.QueryContext(ctx, `SELECT id, name, uid_validity, first, edge,
		(SELECT coalesce(sum(length(memories)), 0) FROM memory_block WHERE folder = view_folder.id) FROM view_folder WHERE view = ? ORDER BY id`, view)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var ids, octets []int64
	for rows.Next() {
		var id, n int64
		var f ViewFolder
		if err := rows.Scan(&id, &f.Name, &f.UIDValidity, &f.First, &f.Edge, &n); err != nil {
			return nil, err
		}
		folders, ids, octets = append(folders, f), append(ids, id), append(octets, n)
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	for i := range folders {
		if octets[i] == 0 {
			continue
		}
		if folders[i].Memories, err = readMemories(ctx, tx, ids[i], octets[i]); err != nil {
			return nil, err
		}
		if folders[i].UIDValidity == 0 { // the blocks of hashes are not in order
			slices.SortFunc(folders[i].Memories, func(a, b Memory) int { return cmp.Compare(a.Key, b.Key) })
		}
	}
	return folders, nil
}

// readMemories reads the blocks of a folder, in their order. A sorting query
// for all folders would copy them about first.
func readMemories(ctx context.Context, tx *sql.Tx, folder, octets int64) ([]Memory, error) {
	rows, err := tx.QueryContext(ctx, `SELECT memories FROM memory_block WHERE folder = ? ORDER BY block`, folder)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	const usual = 12 // octets of a message that was retrieved, or of one that was hidden
	list := make([]Memory, 0, octets/usual)
	var packed sql.RawBytes
	for rows.Next() {
		if err := rows.Scan(&packed); err != nil {
			return nil, err
		}
		if list, err = decodeMemories(list, packed); err != nil {
			return nil, err
		}
	}
	return list, rows.Err()
}

func readIntents(ctx context.Context, tx *sql.Tx, view int64) (intents []Intent, err error) {
	rows, err := tx.QueryContext(ctx, `SELECT id, made, deeds FROM intent WHERE view = ? ORDER BY id`, view)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var i Intent
		var deeds []byte
		if err := rows.Scan(&i.ID, &i.Made, &deeds); err != nil {
			return nil, err
		}
		if err := readDeeds(deeds, &i.Deeds); err != nil {
			return nil, err
		}
		intents = append(intents, i)
	}
	return intents, rows.Err()
}

// Approvals implements Store.
func (f *file) Approvals(ctx context.Context) (map[string]int64, error) {
	end, err := f.begin()
	if err != nil {
		return nil, err
	}
	defer end()
	approved, err := readApprovals(ctx, f.reads)
	return approved, explain(f.path, "read approvals", err)
}

func readApprovals(ctx context.Context, db *sql.DB) (map[string]int64, error) {
	rows, err := db.QueryContext(ctx, `SELECT rule, approved FROM approval`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	approved := map[string]int64{}
	for rows.Next() {
		var rule string
		var at int64
		if err := rows.Scan(&rule, &at); err != nil {
			return nil, err
		}
		approved[rule] = at
	}
	return approved, rows.Err()
}
