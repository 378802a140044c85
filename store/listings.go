package store

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// Listing implements Store.
func (f *file) Listing(ctx context.Context, key string) ([]byte, error) {
	end, err := f.begin()
	if err != nil {
		return nil, err
	}
	defer end()
	var used int64
	var blob []byte
	start := time.Now()
	err = f.reads.QueryRowContext(ctx, `SELECT used, blob FROM listing WHERE key = ?`, key).Scan(&used, &blob)
	if errors.Is(err, sql.ErrNoRows) {
		f.didRead(start, nil)
		return nil, nil
	}
	f.didRead(start, err)
	if err != nil {
		return nil, explain(f.path, "read a listing", err)
	}
	if today := f.today(); used < today {
		f.writer.writeLater(func(tx *sql.Tx, _ *shelves) error {
			_, err := tx.Exec(`UPDATE listing SET used = ? WHERE key = ?`, today, key)
			return err
		})
	}
	return blob, nil
}

// SaveListing implements Store.
func (f *file) SaveListing(ctx context.Context, key string, blob []byte) error {
	if len(blob) > MaxListing {
		return fmt.Errorf("save a listing of %d octets: %w", len(blob), ErrTooLarge)
	}
	if err := checkKeys(key); err != nil {
		return err
	}
	end, err := f.begin()
	if err != nil {
		return err
	}
	defer end()
	blob = bytes.Clone(blob) // ctx may end before it is written
	today := f.today()
	return f.writer.write(ctx, func(tx *sql.Tx, s *shelves) error {
		return s.saveListing(tx, key, blob, today)
	})
}

func (s *shelves) saveListing(tx *sql.Tx, key string, blob []byte, today int64) error {
	var before int64
	err := tx.QueryRow(`SELECT octets FROM listing WHERE key = ?`, key).Scan(&before)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	octets := rowCost(key) + int64(len(blob))
	var id int64
	err = tx.QueryRow(`INSERT INTO listing (key, octets, used, blob) VALUES (?, ?, ?, ?)
		ON CONFLICT (key) DO UPDATE SET octets = excluded.octets, used = excluded.used, blob = excluded.blob
		RETURNING id`, key, octets, today, blob).Scan(&id)
	if err != nil {
		return err
	}
	return s.listings.grow(tx, id, octets-before)
}
