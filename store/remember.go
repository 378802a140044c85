package store

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
)

// MaxDeeds is the most that one session can intend: more than the messages of
// the largest maildrop that an upstream is listed for.
const MaxDeeds = 2_000_000

// Intend implements Store.
func (f *file) Intend(ctx context.Context, key ViewKey, c Changes, deeds []Deed) (id int64, err error) {
	intent, err := packDeeds(key, deeds)
	if err != nil {
		return 0, err
	}
	changes, err := packChanges(key, c)
	if err != nil {
		return 0, err
	}
	end, err := f.begin()
	if err != nil {
		return 0, err
	}
	defer end()
	made := make(chan int64, 1) // ctx may end first, and the writer be at it still
	err = f.writer.write(ctx, func(tx *sql.Tx, _ *shelves) error {
		view, err := changes.remember(tx)
		if err != nil {
			return err
		}
		done, err := tx.Exec(`INSERT INTO intent (view, made, deeds) VALUES (?, ?, ?)`, view, c.At, intent)
		if err != nil {
			return err
		}
		id, err := done.LastInsertId()
		select { // a batch that fails is done again, one by one
		case <-made:
		default:
		}
		made <- id
		return err
	})
	if err != nil {
		return 0, err
	}
	return <-made, nil
}

// Probe implements Store.
func (f *file) Probe(ctx context.Context) error {
	end, err := f.begin()
	if err != nil {
		return err
	}
	defer end()
	return f.writer.write(ctx, func(tx *sql.Tx, _ *shelves) error {
		_, err := tx.Exec(`UPDATE about SET created = created`)
		return err
	})
}

func packDeeds(key ViewKey, deeds []Deed) ([]byte, error) {
	if err := checkKeys(key.Maildrop, key.View); err != nil {
		return nil, err
	}
	if len(deeds) > MaxDeeds {
		return nil, fmt.Errorf("%d changes at once: %w", len(deeds), ErrTooLarge)
	}
	return json.Marshal(deeds)
}

// Remember implements Store.
func (f *file) Remember(ctx context.Context, key ViewKey, c Changes) error {
	changes, err := packChanges(key, c)
	if err != nil {
		return err
	}
	end, err := f.begin()
	if err != nil {
		return err
	}
	defer end()
	return f.writer.write(ctx, func(tx *sql.Tx, _ *shelves) error {
		_, err := changes.remember(tx)
		return err
	})
}

// packed are changes on their way to the file: a copy, for ctx may end before
// they are written.
type packed struct {
	key ViewKey
	Changes
	undo   []byte
	blocks map[folderName]map[uint64]*blockChange
}

func packChanges(key ViewKey, c Changes) (p packed, err error) {
	p = packed{key: key, Changes: c}
	if p.undo, err = packDeeds(key, c.Undo); err != nil {
		return p, err
	}
	for _, folder := range c.Folders {
		if err := checkKeys(folder.Name); err != nil {
			return p, err
		}
	}
	p.blocks = groupBlocks(c)
	return p, nil
}

// A folderName is a folder's life without what is in it.
type folderName struct {
	name     string
	validity uint32
}

// A blockChange is what happens to one row of memories.
type blockChange struct {
	facts  []Memory
	forget map[uint64]bool
}

func groupBlocks(c Changes) map[folderName]map[uint64]*blockChange {
	all := map[folderName]map[uint64]*blockChange{}
	of := func(f ViewFolder, key uint64) *blockChange {
		name, block := folderName{f.Name, f.UIDValidity}, blockOf(f.UIDValidity, key)
		if all[name] == nil {
			all[name] = map[uint64]*blockChange{}
		}
		if all[name][block] == nil {
			all[name][block] = &blockChange{forget: map[uint64]bool{}}
		}
		return all[name][block]
	}
	for _, f := range c.Folders {
		for _, m := range f.Memories {
			b := of(f, m.Key)
			b.facts = append(b.facts, m)
		}
	}
	for _, f := range c.Purge {
		for _, m := range f.Memories {
			of(f, m.Key).forget[m.Key] = true
		}
	}
	return all
}

// remember writes the changes, and returns the row of the view.
func (c *packed) remember(tx *sql.Tx) (view int64, err error) {
	if view, err = viewRow(tx, c.key, cmp.Or(c.Begun, c.At)); err != nil {
		return 0, err
	}
	for _, f := range c.Folders {
		if err := rememberFolder(tx, view, f, c.At); err != nil {
			return 0, err
		}
	}
	for name, changes := range c.blocks {
		if err := rememberBlocks(tx, view, name, changes); err != nil {
			return 0, err
		}
	}
	for _, id := range c.Settled {
		if _, err := tx.Exec(`DELETE FROM intent WHERE id = ? AND view = ?`, id, view); err != nil {
			return 0, err
		}
	}
	if c.Undo != nil {
		_, err = tx.Exec(`UPDATE view SET undo = ? WHERE id = ?`, c.undo, view)
	}
	if err == nil && c.Notice != nil {
		err = rememberNotice(tx, view, *c.Notice)
	}
	if err == nil && c.Reclaimed != nil {
		err = rememberReclaimed(tx, view, *c.Reclaimed)
	}
	if err == nil && c.Returned {
		_, err = tx.Exec(`UPDATE view SET back = NULL WHERE id = ?`, view)
	}
	return view, err
}

// viewRow returns the row of a view, which begins then if it is not there.
func viewRow(tx *sql.Tx, key ViewKey, at int64) (id int64, err error) {
	err = tx.QueryRow(`SELECT id FROM view WHERE maildrop = ? AND name = ?`, key.Maildrop, key.View).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		err = tx.QueryRow(`INSERT INTO view (maildrop, name, begun) VALUES (?, ?, ?) RETURNING id`, key.Maildrop, key.View, at).Scan(&id)
	}
	return id, err
}

// rememberFolder keeps what is known of a folder's life, ends its others, and
// forgets those that ended long ago. Of two sessions that listed a new view at
// once the earlier listing counts: what came after it is new.
func rememberFolder(tx *sql.Tx, view int64, f ViewFolder, at int64) error {
	_, err := tx.Exec(`INSERT INTO view_folder (view, name, uid_validity, first, edge, lapsed) VALUES (?, ?, ?, ?, ?, 0)
		ON CONFLICT (view, name, uid_validity) DO UPDATE SET lapsed = 0,
			first = CASE WHEN first = 0 OR excluded.first <> 0 AND excluded.first < first THEN excluded.first ELSE first END,
			edge = max(edge, excluded.edge)
		WHERE lapsed <> 0 OR excluded.first <> 0 AND (first = 0 OR excluded.first < first) OR edge < excluded.edge`,
		view, f.Name, f.UIDValidity, f.First, f.Edge)
	if err == nil {
		_, err = tx.Exec(`UPDATE view_folder SET lapsed = ? WHERE view = ? AND name = ? AND uid_validity <> ? AND lapsed = 0`,
			at, view, f.Name, f.UIDValidity)
	}
	if err == nil {
		_, err = tx.Exec(`DELETE FROM view_folder WHERE view = ? AND name = ? AND lapsed <> 0 AND lapsed < ?`, view, f.Name, at-Tombstone)
	}
	return err
}

func rememberBlocks(tx *sql.Tx, view int64, name folderName, changes map[uint64]*blockChange) error {
	var folder int64
	err := tx.QueryRow(`SELECT id FROM view_folder WHERE view = ? AND name = ? AND uid_validity = ?`,
		view, name.name, name.validity).Scan(&folder)
	if errors.Is(err, sql.ErrNoRows) {
		return nil // only forgotten from, and gone already
	}
	for block, change := range changes {
		if err == nil {
			err = rememberBlock(tx, folder, int64(block), change)
		}
	}
	return err
}

func rememberBlock(tx *sql.Tx, folder, block int64, change *blockChange) error {
	memories, err := readBlock(tx, folder, block)
	if err != nil {
		return err
	}
	return writeBlock(tx, folder, block, mergeMemories(memories, change.facts, change.forget))
}

func readBlock(tx *sql.Tx, folder, block int64) ([]Memory, error) {
	var packed []byte
	err := tx.QueryRow(`SELECT memories FROM memory_block WHERE folder = ? AND block = ?`, folder, block).Scan(&packed)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return decodeMemories(nil, packed)
}

func writeBlock(tx *sql.Tx, folder, block int64, memories []Memory) (err error) {
	if len(memories) == 0 {
		_, err = tx.Exec(`DELETE FROM memory_block WHERE folder = ? AND block = ?`, folder, block)
		return err
	}
	_, err = tx.Exec(`INSERT INTO memory_block (folder, block, memories) VALUES (?, ?, ?)
		ON CONFLICT (folder, block) DO UPDATE SET memories = excluded.memories`, folder, block, encodeMemories(memories))
	return err
}
