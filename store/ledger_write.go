package store

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"slices"
)

// Enter implements Ledger.
func (f *file) Enter(ctx context.Context, life FolderKey, c LedgerChanges) error {
	e, err := newEntering(life, c)
	if err != nil {
		return err
	}
	end, err := f.begin()
	if err != nil {
		return err
	}
	defer end()
	return f.writer.write(ctx, func(tx *sql.Tx, _ *shelves) error { return e.write(tx) })
}

// EnterBeside is Enter for whoever does not own the file.
func EnterBeside(ctx context.Context, path string, life FolderKey, c LedgerChanges) error {
	e, err := newEntering(life, c)
	if err != nil {
		return err
	}
	return amend(ctx, path, "write the ledger", e.write)
}

// LookLedger opens the ledger of a file that another process may own, to be
// read. Its Enter is EnterBeside.
func LookLedger(ctx context.Context, path string) (Ledger, func() error, error) {
	db, path, err := visit(ctx, path)
	if err != nil {
		return nil, nil, err
	}
	var lives *sql.Stmt
	if err = mustBeNew(ctx, db); err == nil {
		lives, err = db.PrepareContext(ctx, livesQuery)
	}
	if err != nil {
		return nil, nil, errors.Join(explain(path, "look at it", err), db.Close())
	}
	return &ledgerBeside{path, db, lives}, db.Close, nil
}

type ledgerBeside struct {
	path  string
	db    *sql.DB
	lives *sql.Stmt
}

func (l *ledgerBeside) Lives(ctx context.Context, maildrop string) ([]Life, error) {
	lives, err := readLives(ctx, l.lives, maildrop)
	return lives, explain(l.path, "read the ledger", err)
}

func (l *ledgerBeside) UIDLs(ctx context.Context, life FolderKey) (map[uint64]string, error) {
	uidls, err := readUIDLs(ctx, l.db, life)
	return uidls, explain(l.path, "read UIDLs", err)
}

func (l *ledgerBeside) Entries(ctx context.Context, life FolderKey) ([]Entry, error) {
	entries, err := readEntries(ctx, l.db, life)
	return entries, explain(l.path, "read the ledger", err)
}

func (l *ledgerBeside) Enter(ctx context.Context, life FolderKey, c LedgerChanges) error {
	return EnterBeside(ctx, l.path, life, c)
}

// entering are changes on their way to the file: a copy, for ctx may end before
// they are written.
type entering struct {
	life    FolderKey
	c       LedgerChanges
	formats []byte // nil: they stay
	blocks  map[uint64]*entryChange
}

// An entryChange is what happens to the entries of one block.
type entryChange struct {
	add   []Entry
	purge map[uint64]bool
}

func newEntering(life FolderKey, c LedgerChanges) (*entering, error) {
	if err := checkKeys(life.Maildrop, life.Folder, c.Origin); err != nil {
		return nil, err
	}
	e := &entering{life: life, c: c, blocks: map[uint64]*entryChange{}}
	of := func(key uint64) *entryChange {
		block := blockOf(life.UIDValidity, key)
		if e.blocks[block] == nil {
			e.blocks[block] = &entryChange{purge: map[uint64]bool{}}
		}
		return e.blocks[block]
	}
	for _, entry := range c.Entries {
		if err := checkKeys(entry.UIDL); err != nil {
			return nil, err
		}
		b := of(entry.Key)
		b.add = append(b.add, entry)
	}
	for _, key := range c.Purge {
		of(key).purge[key] = true
	}
	e.c.Entries, e.c.Purge = nil, nil
	if c.Formats == nil {
		return e, nil
	}
	var err error
	e.formats, err = json.Marshal(c.Formats)
	return e, err
}

func (e *entering) write(tx *sql.Tx) error {
	life, err := e.row(tx)
	if err != nil {
		return err
	}
	entries, given := 0, 0
	for block, change := range e.blocks {
		moreEntries, moreGiven, err := e.writeBlock(tx, life, int64(block), change)
		if err != nil {
			return err
		}
		entries, given = entries+moreEntries, given+moreGiven
	}
	if _, err = tx.Exec(`UPDATE ledger_life SET entries = entries + ?, given = given + ? WHERE id = ? AND (? <> 0 OR ? <> 0)`,
		entries, given, life, entries, given); err != nil || !e.c.Present {
		return err
	}
	return e.lapseOthers(tx)
}

// row returns the row of the life, which begins if it is not there. It is
// written only if that changes it.
func (e *entering) row(tx *sql.Tx) (id int64, err error) {
	tidied := int64(0)
	if e.c.Tidied {
		tidied = e.c.At
	}
	_, err = tx.Exec(`INSERT INTO ledger_life (maildrop, folder, uid_validity, origin, formats, next, settled, entries, given, tidied, lapsed)
		VALUES (?1, ?2, ?3, ?4, coalesce(?5, '[]'), ?6, ?7, 0, 0, ?8, 0)
		ON CONFLICT (maildrop, folder, uid_validity) DO UPDATE SET
			origin = CASE WHEN ?4 = '' THEN origin ELSE ?4 END, formats = coalesce(?5, formats),
			next = max(next, ?6), settled = max(settled, ?7), tidied = max(tidied, ?8),
			lapsed = CASE WHEN ?9 THEN 0 ELSE lapsed END
		WHERE ?4 <> '' AND origin <> ?4 OR ?5 IS NOT NULL AND formats <> ?5 OR next < ?6 OR settled < ?7 OR tidied < ?8 OR ?9 AND lapsed <> 0`,
		e.life.Maildrop, e.life.Folder, e.life.UIDValidity, e.c.Origin, nullable(e.formats), e.c.Next, e.c.Settled, tidied, e.c.Present)
	if err == nil {
		err = tx.QueryRow(`SELECT id FROM ledger_life WHERE maildrop = ? AND folder = ? AND uid_validity = ?`,
			e.life.Maildrop, e.life.Folder, e.life.UIDValidity).Scan(&id)
	}
	return id, err
}

func nullable(text []byte) sql.NullString {
	return sql.NullString{String: string(text), Valid: text != nil}
}

// lapseOthers ends the folder's other lives, and forgets those that ended long
// ago.
func (e *entering) lapseOthers(tx *sql.Tx) error {
	_, err := tx.Exec(`UPDATE ledger_life SET lapsed = ? WHERE maildrop = ? AND folder = ? AND uid_validity <> ? AND lapsed = 0`,
		e.c.At, e.life.Maildrop, e.life.Folder, e.life.UIDValidity)
	if err == nil {
		_, err = tx.Exec(`DELETE FROM ledger_life WHERE maildrop = ? AND folder = ? AND lapsed <> 0 AND lapsed < ?`,
			e.life.Maildrop, e.life.Folder, e.c.At-Tombstone)
	}
	return err
}

// writeBlock returns how many entries, and UIDLs, there are more.
func (e *entering) writeBlock(tx *sql.Tx, life, block int64, change *entryChange) (entries, given int, err error) {
	before, err := readEntryBlock(tx, life, block)
	if err != nil {
		return 0, 0, err
	}
	after := change.merge(slices.Clone(before), e.c.Rename)
	prints, uidls := encodePrints(after), encodeUIDLs(after)
	if !slices.Equal(prints, encodePrints(before)) {
		err = putBlock(tx, "ledger_print", "prints", life, block, prints, len(after) == 0)
	}
	if err == nil && !slices.Equal(uidls, encodeUIDLs(before)) {
		err = putBlock(tx, "ledger_uidl", "uidls", life, block, uidls, uidls == nil)
	}
	return len(after) - len(before), countGiven(after) - countGiven(before), err
}

func countGiven(entries []Entry) (n int) {
	for i := range entries {
		if entries[i].UIDL != "" {
			n++
		}
	}
	return n
}

func putBlock(tx *sql.Tx, table, column string, life, block int64, packed []byte, none bool) (err error) {
	if none {
		_, err = tx.Exec(`DELETE FROM `+table+` WHERE life = ? AND block = ?`, life, block)
		return err
	}
	_, err = tx.Exec(`INSERT INTO `+table+` (life, block, `+column+`) VALUES (?, ?, ?)
		ON CONFLICT (life, block) DO UPDATE SET `+column+` = excluded.`+column, life, block, packed)
	return err
}

func readEntryBlock(tx *sql.Tx, life, block int64) ([]Entry, error) {
	var prints, uidls []byte
	err := tx.QueryRow(`SELECT prints, (SELECT uidls FROM ledger_uidl u WHERE u.life = p.life AND u.block = p.block)
		FROM ledger_print p WHERE life = ? AND block = ?`, life, block).Scan(&prints, &uidls)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	entries, err := decodePrints(nil, prints)
	if err != nil || uidls == nil {
		return entries, err
	}
	given := map[uint64]string{}
	if err := decodeUIDLs(given, uidls); err != nil {
		return nil, err
	}
	for i := range entries {
		entries[i].UIDL = given[entries[i].Key]
	}
	return entries, nil
}

// merge forgets what is to be forgotten of a block, which is by key, and adds.
func (c *entryChange) merge(block []Entry, rename bool) []Entry {
	block = slices.DeleteFunc(block, func(e Entry) bool { return c.purge[e.Key] })
	for _, added := range c.add {
		at, found := slices.BinarySearchFunc(block, added.Key, func(e Entry, key uint64) int {
			return cmp.Compare(e.Key, key)
		})
		if !found {
			block = slices.Insert(block, at, Entry{})
		}
		block[at] = block[at].merge(added, rename)
	}
	return block
}

func (e Entry) merge(later Entry, rename bool) Entry {
	e.Key, e.Absent = later.Key, later.Absent
	if later.UIDL != "" && (e.UIDL == "" || rename) {
		e.UIDL = later.UIDL
	}
	if later.Print != ([12]byte{}) {
		e.Print = later.Print
	}
	if later.Unique != 0 {
		e.Unique = later.Unique
	}
	if later.Listed != 0 {
		e.Listed = later.Listed
	}
	if later.True != 0 {
		e.True = later.True
	}
	return e
}
