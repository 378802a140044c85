package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"time"
)

// Sizes implements Store. A damaged block is left out, and mended when one of
// its sizes is learned again.
func (f *file) Sizes(ctx context.Context, folder FolderKey) (map[uint32]int64, error) {
	end, err := f.begin()
	if err != nil {
		return nil, err
	}
	defer end()
	start := time.Now()
	sizes, used, err := readSizes(ctx, f.reads, folder)
	f.didRead(start, err)
	if err != nil {
		return nil, explain(f.path, "read sizes", err)
	}
	if today := f.today(); len(sizes) > 0 && used < today {
		f.writer.writeLater(func(tx *sql.Tx, _ *shelves) error {
			_, err := tx.Exec(`UPDATE folder SET used = ? WHERE maildrop = ? AND name = ?`, today, folder.Maildrop, folder.Folder)
			return err
		})
	}
	return sizes, nil
}

func readSizes(ctx context.Context, db *sql.DB, folder FolderKey) (sizes map[uint32]int64, used int64, err error) {
	rows, err := db.QueryContext(ctx, `SELECT f.used, b.block, b.sizes
		FROM folder f JOIN size_block b ON b.folder = f.id
		WHERE f.maildrop = ? AND f.name = ? AND f.uid_validity = ?`,
		folder.Maildrop, folder.Folder, folder.UIDValidity)
	if err != nil {
		return nil, 0, err
	}
	defer rows.Close()
	sizes = map[uint32]int64{}
	var block uint32
	var packed sql.RawBytes
	for rows.Next() {
		if err := rows.Scan(&used, &block, &packed); err != nil {
			return nil, 0, err
		}
		_ = decodeBlock(sizes, block, packed) // what is damaged is unknown
	}
	return sizes, used, rows.Err()
}

// LearnSizes implements Store.
func (f *file) LearnSizes(ctx context.Context, folder FolderKey, octets map[uint32]int64) error {
	blocks := map[uint32]map[uint32]int64{} // a copy: ctx may end before it is written
	for uid, n := range octets {
		if n < 0 {
			return fmt.Errorf("learn sizes: UID %d has %d octets", uid, n)
		}
		if blocks[uid/blockUIDs] == nil {
			blocks[uid/blockUIDs] = map[uint32]int64{}
		}
		blocks[uid/blockUIDs][uid] = n
	}
	if err := checkKeys(folder.Maildrop, folder.Folder); err != nil || len(blocks) == 0 {
		return err
	}
	end, err := f.begin()
	if err != nil {
		return err
	}
	defer end()
	today := f.today()
	return f.writer.write(ctx, func(tx *sql.Tx, s *shelves) error {
		return s.learn(tx, folder, blocks, today)
	})
}

// learn writes the blocks, and charges the folder with what they take.
func (s *shelves) learn(tx *sql.Tx, folder FolderKey, blocks map[uint32]map[uint32]int64, today int64) error {
	id, err := s.folder(tx, folder, today)
	if err != nil {
		return err
	}
	more := int64(0)
	for block, sizes := range blocks {
		grown, err := mergeBlock(tx, id, block, sizes)
		if err != nil {
			return err
		}
		more += int64(grown)
	}
	if _, err := tx.Exec(`UPDATE folder SET octets = octets + ?, used = ? WHERE id = ? AND (? <> 0 OR used <> ?)`,
		more, today, id, more, today); err != nil {
		return err
	}
	return s.sizes.grow(tx, id, more)
}

// folder returns the row of a folder in its present life; an earlier one ends.
func (s *shelves) folder(tx *sql.Tx, folder FolderKey, today int64) (id int64, err error) {
	var validity uint32
	var octets int64
	err = tx.QueryRow(`SELECT id, uid_validity, octets FROM folder WHERE maildrop = ? AND name = ?`,
		folder.Maildrop, folder.Folder).Scan(&id, &validity, &octets)
	switch {
	case err == nil && validity == folder.UIDValidity:
		return id, nil
	case err == nil:
		err = s.sizes.drop(tx, id, octets)
	case errors.Is(err, sql.ErrNoRows):
		err = nil
	}
	if err != nil {
		return 0, err
	}
	octets = rowCost(folder.Maildrop, folder.Folder)
	err = tx.QueryRow(`INSERT INTO folder (maildrop, name, uid_validity, octets, used) VALUES (?, ?, ?, ?, ?) RETURNING id`,
		folder.Maildrop, folder.Folder, folder.UIDValidity, octets, today).Scan(&id)
	if err != nil {
		return 0, err
	}
	return id, s.sizes.grow(tx, id, octets)
}

// mergeBlock adds sizes to what a block has, and returns by how many octets it
// grew. A block that is damaged begins anew.
func mergeBlock(tx *sql.Tx, folder int64, block uint32, sizes map[uint32]int64) (grown int, err error) {
	var old []byte
	err = tx.QueryRow(`SELECT sizes FROM size_block WHERE folder = ? AND block = ?`, folder, block).Scan(&old)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return 0, err
	}
	known := map[uint32]int64{}
	if decodeBlock(known, block, old) != nil {
		clear(known)
	}
	maps.Copy(known, sizes)
	packed := encodeBlock(known)
	if string(packed) == string(old) {
		return 0, nil // SQLite skips a commit that changes nothing
	}
	_, err = tx.Exec(`INSERT INTO size_block (folder, block, sizes) VALUES (?, ?, ?)
		ON CONFLICT (folder, block) DO UPDATE SET sizes = excluded.sizes`, folder, block, packed)
	return len(packed) - len(old), err
}
