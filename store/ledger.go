package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
)

// A Ledger is the part of a Store that knows what messages are called, and what
// they are recognised by after their UIDs have changed.
//
// An error means that nothing is known, and never that nothing is remembered:
// a client that is told another UIDL fetches the message again.
type Ledger interface {
	// Lives returns the lives of all folders of a maildrop, the oldest first.
	Lives(ctx context.Context, maildrop string) ([]Life, error)
	// UIDLs returns the UIDLs of a life that are not what its formats make, by
	// Key. The map is the caller's.
	UIDLs(ctx context.Context, life FolderKey) (map[uint64]string, error)
	// Entries returns all that is known of a life's messages, by Key.
	Entries(ctx context.Context, life FolderKey) ([]Entry, error)
	// Enter adds to what is known of a life, in one transaction.
	Enter(ctx context.Context, life FolderKey, c LedgerChanges) error
}

// A Life is what is known of a folder under one UIDVALIDITY.
type Life struct {
	Folder      string
	UIDValidity uint32 // 0: over POP3
	// Origin says which server it was seen on, in the caller's words.
	Origin string
	// Formats in which its messages are named, by rising UID.
	Formats []Naming
	// Next: what is to be known of messages with UIDs below is known.
	Next uint32
	// Settled: what messages with UIDs below are called is decided.
	Settled uint32
	// Entries, and how many of them have a UIDL of their own.
	Entries, Given int
	// Tidied is when it was last compared with the whole folder, Lapsed since
	// when the folder has another life; seconds since 1970, 0 is never.
	Tidied, Lapsed int64
}

// A Naming is the format of UIDs from somewhere on.
type Naming struct {
	From   uint32 `json:"from"`
	Format string `json:"format"`
}

// An Entry is what is known of one message. What is zero is not known.
type Entry struct {
	// Key names the message in its life: its UID, or, where there is no
	// UIDVALIDITY, a hash of its UIDL.
	Key uint64
	// UIDL that it was given; "" is what the format makes.
	UIDL string
	// Print is what its header comes to.
	Print [12]byte
	// Unique is a hash of the server's lasting name for it.
	Unique uint64
	// Listed is the size that the server says, True the one that was seen, both
	// in octets.
	Listed, True int64
	// Absent is since when it is known to be missing.
	Absent int64
}

// LedgerChanges are added to a life.
type LedgerChanges struct {
	// At is the time of the change, in seconds since 1970.
	At int64
	// Present: the folder has this life now, so that its others lapse.
	Present bool
	// Origin, Formats, Next and Settled replace what was known if they are not zero;
	// Next and Settled only grow.
	Origin        string
	Formats       []Naming
	Next, Settled uint32
	// Tidied: it was compared with the whole folder.
	Tidied bool
	// Entries to add, by any order of Key. What is not zero in one replaces what
	// was known of that message, but a UIDL, which stays what it was unless Rename
	// is set; and Absent, which is what it says.
	Entries []Entry
	Rename  bool
	// Purge are the Keys of messages to forget.
	Purge []uint64
}

var _ Ledger = (*file)(nil)

// Lives implements Ledger.
func (f *file) Lives(ctx context.Context, maildrop string) ([]Life, error) {
	end, err := f.begin()
	if err != nil {
		return nil, err
	}
	defer end()
	lives, err := readLives(ctx, f.views.lives, maildrop)
	return lives, explain(f.path, "read the ledger of "+printable(ViewKey{Maildrop: maildrop}), err)
}

const livesQuery = `SELECT folder, uid_validity, origin, formats, next, settled, entries, given, tidied, lapsed
	FROM ledger_life WHERE maildrop = ? ORDER BY id`

func readLives(ctx context.Context, query *sql.Stmt, maildrop string) (lives []Life, err error) {
	rows, err := query.QueryContext(ctx, maildrop)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var l Life
		var formats []byte
		if err := rows.Scan(&l.Folder, &l.UIDValidity, &l.Origin, &formats, &l.Next, &l.Settled, &l.Entries, &l.Given, &l.Tidied, &l.Lapsed); err != nil {
			return nil, err
		}
		if err := json.Unmarshal(formats, &l.Formats); err != nil {
			return nil, fmt.Errorf("%w: %w", errDamaged, err)
		}
		lives = append(lives, l)
	}
	return lives, rows.Err()
}

// UIDLs implements Ledger.
func (f *file) UIDLs(ctx context.Context, life FolderKey) (map[uint64]string, error) {
	end, err := f.begin()
	if err != nil {
		return nil, err
	}
	defer end()
	uidls, err := readUIDLs(ctx, f.reads, life)
	return uidls, explain(f.path, "read UIDLs", err)
}

// queryer is a database, or a transaction.
type queryer interface {
	QueryContext(context.Context, string, ...any) (*sql.Rows, error)
}

func readUIDLs(ctx context.Context, db queryer, life FolderKey) (map[uint64]string, error) {
	uidls := map[uint64]string{}
	err := readBlocks(ctx, db, `SELECT b.uidls FROM ledger_life l JOIN ledger_uidl b ON b.life = l.id
		WHERE l.maildrop = ? AND l.folder = ? AND l.uid_validity = ? ORDER BY b.block`, life, func(packed []byte) error {
		return decodeUIDLs(uidls, packed)
	})
	return uidls, err
}

func readBlocks(ctx context.Context, db queryer, query string, life FolderKey, take func([]byte) error) error {
	rows, err := db.QueryContext(ctx, query, life.Maildrop, life.Folder, life.UIDValidity)
	if err != nil {
		return err
	}
	defer rows.Close()
	var packed sql.RawBytes
	for rows.Next() {
		if err := rows.Scan(&packed); err != nil {
			return err
		}
		if err := take(packed); err != nil {
			return err
		}
	}
	return rows.Err()
}

// Entries implements Ledger.
func (f *file) Entries(ctx context.Context, life FolderKey) ([]Entry, error) {
	end, err := f.begin()
	if err != nil {
		return nil, err
	}
	defer end()
	entries, err := readEntries(ctx, f.reads, life)
	return entries, explain(f.path, "read the ledger", err)
}

// readEntries reads both tables at one moment.
func readEntries(ctx context.Context, db *sql.DB, life FolderKey) (entries []Entry, err error) {
	tx, err := db.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return nil, err
	}
	defer func() { _ = tx.Rollback() }() // nothing is written
	uidls, err := readUIDLs(ctx, tx, life)
	if err != nil {
		return nil, err
	}
	err = readBlocks(ctx, tx, `SELECT b.prints FROM ledger_life l JOIN ledger_print b ON b.life = l.id
		WHERE l.maildrop = ? AND l.folder = ? AND l.uid_validity = ? ORDER BY b.block`, life, func(packed []byte) error {
		entries, err = decodePrints(entries, packed)
		return err
	})
	for i := range entries {
		entries[i].UIDL = uidls[entries[i].Key]
	}
	sortEntries(entries) // the blocks of hashes are not in order
	return entries, err
}
