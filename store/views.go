package store

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"
)

// viewReader holds the queries of View, prepared: a poll runs them each time,
// and parsing them would take most of it.
type viewReader struct {
	db                             *sql.DB
	head, folders, blocks, intents *sql.Stmt
	lives                          *sql.Stmt // of the ledger
}

func prepareViews(ctx context.Context, db *sql.DB) (*viewReader, error) {
	r := &viewReader{db: db}
	for _, q := range []struct {
		stmt **sql.Stmt
		text string
	}{
		{&r.head, `SELECT EXISTS (SELECT 1 FROM held WHERE held.maildrop = ?1), v.id, v.begun, v.undo, v.back, v.notice, v.reclaimed
			FROM (SELECT 1) LEFT JOIN view v ON v.maildrop = ?1 AND v.name = ?2`},
		{&r.folders, `SELECT id, name, uid_validity, first, edge, lapsed,
			(SELECT coalesce(sum(length(memories)), 0) FROM memory_block WHERE folder = view_folder.id)
			FROM view_folder WHERE view = ? ORDER BY id`},
		{&r.blocks, `SELECT memories FROM memory_block WHERE folder = ? ORDER BY block`},
		{&r.intents, `SELECT id, made, deeds FROM intent WHERE view = ? ORDER BY id`},
		{&r.lives, livesQuery},
	} {
		var err error
		if *q.stmt, err = db.PrepareContext(ctx, q.text); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// View implements Store.
func (f *file) View(ctx context.Context, key ViewKey) (View, error) {
	end, err := f.begin()
	if err != nil {
		return View{}, err
	}
	defer end()
	start := time.Now()
	v, err := f.views.read(ctx, key)
	f.didRead(start, err)
	return v, explain(f.path, "read what is remembered of "+printable(key), err)
}

// printable is the key in an error.
func printable(key ViewKey) string { return fmt.Sprintf("%q", key.Maildrop+" "+key.View) }

// read reads a view as it is at one moment.
func (r *viewReader) read(ctx context.Context, key ViewKey) (View, error) {
	v, id, err := readHead(r.head.QueryRowContext(ctx, key.Maildrop, key.View))
	if err != nil || id == 0 {
		return v, err
	}
	tx, err := r.db.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return View{}, err
	}
	defer func() { _ = tx.Rollback() }() // nothing is written
	v, id, err = readHead(tx.StmtContext(ctx, r.head).QueryRowContext(ctx, key.Maildrop, key.View))
	if err == nil {
		v.Folders, err = r.readFolders(ctx, tx, id)
	}
	if err == nil {
		v.Intents, err = r.readIntents(ctx, tx, id)
	}
	return v, err
}

// readHead returns what is not in the folders; id is 0 if there is no view.
func readHead(row *sql.Row) (v View, id int64, err error) {
	var number, begun sql.NullInt64
	var undo, back, notice, reclaimed []byte
	if err := row.Scan(&v.Held, &number, &begun, &undo, &back, &notice, &reclaimed); err != nil {
		return v, 0, err
	}
	v.Begun = begun.Int64
	return v, number.Int64, errors.Join(unpackJSON(undo, &v.Undo), unpackJSON(back, &v.Back),
		unpackJSON(notice, &v.Notice), unpackJSON(reclaimed, &v.Reclaimed))
}

// unpackJSON reads a column that may be empty.
func unpackJSON(b []byte, into any) error {
	if b == nil {
		return nil
	}
	if err := json.Unmarshal(b, into); err != nil {
		return fmt.Errorf("%w: %w", errDamaged, err)
	}
	return nil
}

func (r *viewReader) readFolders(ctx context.Context, tx *sql.Tx, view int64) (folders []ViewFolder, err error) {
	rows, err := tx.StmtContext(ctx, r.folders).QueryContext(ctx, view)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var ids, octets []int64
	for rows.Next() {
		var id, n int64
		var f ViewFolder
		if err := rows.Scan(&id, &f.Name, &f.UIDValidity, &f.First, &f.Edge, &f.Lapsed, &n); err != nil {
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
		if folders[i].Memories, err = r.readMemories(ctx, tx, ids[i], octets[i]); err != nil {
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
func (r *viewReader) readMemories(ctx context.Context, tx *sql.Tx, folder, octets int64) ([]Memory, error) {
	rows, err := tx.StmtContext(ctx, r.blocks).QueryContext(ctx, folder)
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

func (r *viewReader) readIntents(ctx context.Context, tx *sql.Tx, view int64) (intents []Intent, err error) {
	rows, err := tx.StmtContext(ctx, r.intents).QueryContext(ctx, view)
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
		if err := unpackJSON(deeds, &i.Deeds); err != nil {
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
