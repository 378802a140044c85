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

// What follows is for an administrator, and works beside the process that owns
// the file: SQLite serializes the writers, each call here is one transaction,
// and none touches what the owner keeps count of in memory. A session that runs
// meanwhile adds facts and overwrites none.

// Look is what a view remembers, read beside the owner, with the approvals.
func Look(ctx context.Context, path string, key ViewKey) (View, map[string]int64, error) {
	db, path, err := visit(ctx, path)
	if err != nil {
		return View{}, nil, err
	}
	err = mustBeNew(ctx, db)
	var v View
	var views *viewReader
	if err == nil {
		views, err = prepareViews(ctx, db)
	}
	if err == nil {
		v, err = views.read(ctx, key)
	}
	var approved map[string]int64
	if err == nil {
		approved, err = readApprovals(ctx, db)
	}
	return v, approved, errors.Join(explain(path, "look at it", err), db.Close())
}

// Approve makes rules of retention effective.
func Approve(ctx context.Context, path string, rules []string, at int64) error {
	return amend(ctx, path, "approve", func(tx *sql.Tx) error {
		for _, rule := range rules {
			if _, err := tx.Exec(`INSERT OR REPLACE INTO approval (rule, approved) VALUES (?, ?)`, rule, at); err != nil {
				return err
			}
		}
		return nil
	})
}

// Hold suspends the removals from a maildrop, or lets them go on.
func Hold(ctx context.Context, path, maildrop string, on bool) error {
	return amend(ctx, path, "hold", func(tx *sql.Tx) error {
		statement := `DELETE FROM held WHERE maildrop = ?`
		if on {
			statement = `INSERT OR IGNORE INTO held (maildrop) VALUES (?)`
		}
		_, err := tx.Exec(statement, maildrop)
		return err
	})
}

// Forget forgets all views of a maildrop, its hold and its ledger, and returns how
// many views that were. Sizes and listings, which only save work, stay until there
// is no room for them.
func Forget(ctx context.Context, path, maildrop string) (views int64, err error) {
	err = amend(ctx, path, "forget", func(tx *sql.Tx) error {
		done, err := tx.Exec(`DELETE FROM view WHERE maildrop = ?`, maildrop)
		if err != nil {
			return err
		}
		if views, err = done.RowsAffected(); err != nil {
			return err
		}
		if _, err = tx.Exec(`DELETE FROM ledger_life WHERE maildrop = ?`, maildrop); err != nil {
			return err
		}
		_, err = tx.Exec(`DELETE FROM held WHERE maildrop = ?`, maildrop)
		return err
	})
	return views, err
}

// Undone says what undeleting a view's last session came to.
type Undone struct {
	// Shown messages were hidden, are there, as far as anybody knows, and are
	// shown from the next sign-in on.
	Shown []Deed
	// Returning messages will be moved back at the next sign-in, or have their
	// flag \Deleted taken off.
	Returning []Deed
	// Back are those of Returning that have been moved back since; the caller's.
	Back []Deed
	// Elsewhere messages were moved to a folder, and the server did not say
	// under which UID they are there.
	Elsewhere []Deed
	// Lost messages were expunged, or are gone.
	Lost []Deed
}

// Undelete takes back what the view's last session hid or moved. A second call
// finds nothing.
func Undelete(ctx context.Context, path string, key ViewKey) (u Undone, err error) {
	err = amend(ctx, path, "undelete", func(tx *sql.Tx) error {
		u = Undone{}
		return u.take(ctx, tx, key)
	})
	return u, err
}

func (u *Undone) take(ctx context.Context, tx *sql.Tx, key ViewKey) error {
	var view int64
	var undo, back []byte
	err := tx.QueryRowContext(ctx, `SELECT id, undo, back FROM view WHERE maildrop = ? AND name = ?`, key.Maildrop, key.View).
		Scan(&view, &undo, &back)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	var deeds []Deed
	if err == nil {
		err = errors.Join(unpackJSON(undo, &deeds), unpackJSON(back, &u.Returning))
	}
	if err != nil {
		return err
	}
	for _, d := range deeds {
		if err := u.one(tx, key.Maildrop, view, d); err != nil {
			return err
		}
	}
	if back, err = json.Marshal(u.Returning); err != nil || len(deeds) == 0 {
		return err
	}
	_, err = tx.Exec(`UPDATE view SET undo = NULL, back = ? WHERE id = ?`, back, view)
	return err
}

func (u *Undone) one(tx *sql.Tx, maildrop string, view int64, d Deed) error {
	switch {
	case d.Do == DoHide, d.Do == DoMark:
		return u.hidden(tx, maildrop, view, d)
	case d.Do == "move" && d.To.UID != 0:
		u.Returning = append(u.Returning, d)
	case d.Do == "move":
		u.Elsewhere = append(u.Elsewhere, d)
	case d.Do == "expunge":
		u.Lost = append(u.Lost, d)
	}
	return nil
}

// hidden takes back a hiding. The message may have left since: removed for a
// view that did not wait for it any more, or by somebody else.
func (u *Undone) hidden(tx *sql.Tx, maildrop string, view int64, d Deed) error {
	left, moved, err := hasLeft(tx, maildrop, d)
	switch {
	case err != nil:
		return err
	case moved.UID != 0:
		d.Do, d.Target, d.To = "move", moved.Folder, moved
		u.Returning = append(u.Returning, d)
	case left:
		u.Lost = append(u.Lost, d)
	case d.Do == DoMark:
		u.Returning = append(u.Returning, d)
	default:
		u.Shown = append(u.Shown, d)
	}
	return unhide(tx, view, d) // one that is lost may come back from a backup
}

// hasLeft tells whether any view of the maildrop knows that a message is not
// where it was, and where to it was moved, if that is known.
func hasLeft(tx *sql.Tx, maildrop string, d Deed) (left bool, moved Place, err error) {
	folders, err := livesOf(tx, maildrop, d)
	if err != nil {
		return false, moved, err
	}
	var there, gone int64 // when it was last known to be
	for _, folder := range folders {
		memories, err := readBlock(tx, folder, int64(blockOf(d.UIDValidity, d.Key)))
		if err != nil {
			return false, moved, err
		}
		if at, found := slices.BinarySearchFunc(memories, d.Key, byKey); found {
			m := &memories[at]
			there, gone = max(there, m.Last, m.Deleted, m.Hidden), max(gone, m.Removed, m.Absent)
			moved = cmp.Or(moved, m.Moved)
		}
	}
	return gone != 0 && gone >= there, moved, nil
}

// livesOf returns the rows of a deed's folder in all views of the maildrop.
func livesOf(tx *sql.Tx, maildrop string, d Deed) (folders []int64, err error) {
	rows, err := tx.Query(`SELECT f.id FROM view_folder f JOIN view v ON v.id = f.view WHERE v.maildrop = ? AND f.name = ? AND f.uid_validity = ?`,
		maildrop, d.Folder, d.UIDValidity)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var id int64
		if err := rows.Scan(&id); err != nil {
			return nil, err
		}
		folders = append(folders, id)
	}
	return folders, rows.Err()
}

// unhide gives a message another life, in which nobody has retrieved or deleted
// it: what happens from now on happens to the new UIDL.
func unhide(tx *sql.Tx, view int64, d Deed) error {
	var folder int64
	err := tx.QueryRow(`SELECT id FROM view_folder WHERE view = ? AND name = ? AND uid_validity = ?`, view, d.Folder, d.UIDValidity).
		Scan(&folder)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	block := int64(blockOf(d.UIDValidity, d.Key))
	memories, err := readBlock(tx, folder, block)
	if err != nil {
		return err
	}
	for i := range memories {
		if m := &memories[i]; m.Key == d.Key {
			m.First, m.Last, m.Deleted, m.Hidden, m.Wish = 0, 0, 0, 0, ""
			m.Lives++
		}
	}
	return writeBlock(tx, folder, block, memories)
}

// amend changes a state file in one transaction, whoever owns it.
func amend(ctx context.Context, path, doing string, change func(*sql.Tx) error) error {
	path, err := locate(path)
	if err == nil {
		err = mustExist(path)
	}
	if err != nil {
		return err
	}
	db, err := connect(path, 1, "_txlock=immediate")
	if err != nil {
		return err
	}
	err = amendOpen(ctx, db, path, change)
	return errors.Join(explain(path, doing, err), db.Close())
}

func amendOpen(ctx context.Context, db *sql.DB, path string, change func(*sql.Tx) error) error {
	if err := identify(ctx, db, path, len(schema)); err != nil {
		return err
	}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // nothing to do after Commit
	if err := mustBeNew(ctx, tx); err != nil {
		return err
	}
	if err := change(tx); err != nil {
		return err
	}
	return tx.Commit()
}

// mustBeNew refuses a file that its owner has to bring up to date first.
func mustBeNew(ctx context.Context, db interface {
	QueryRowContext(context.Context, string, ...any) *sql.Row
}) error {
	var version int
	if err := db.QueryRowContext(ctx, `PRAGMA user_version`).Scan(&version); err != nil {
		return err
	}
	if version < len(schema) {
		return fmt.Errorf("%w (schema version %d; this program has %d)", ErrOlder, version, len(schema))
	}
	return nil
}
