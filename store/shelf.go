package store

import (
	"database/sql"
	"fmt"
)

// A shelf keeps the rows of one table within a bound. It belongs to the
// writer's goroutine. Its table has the columns id, octets and used.
type shelf struct {
	table string
	limit int64
	// held is the sum of octets in the table; negative while it is not known.
	held int64
}

// shelves are all that is bounded.
type shelves struct{ sizes, listings shelf }

func newShelves(o options) shelves {
	return shelves{sizes: shelf{"folder", o.maxSizes, -1}, listings: shelf{"listing", o.maxListings, -1}}
}

// forget is for a transaction that was rolled back: what it added is not there.
func (s *shelves) forget() { s.sizes.held, s.listings.held = -1, -1 }

// rowCost is what a row with such keys takes without its content: keys twice,
// for the table and its index, and some 60 octets of the rest. It bounds the
// number of rows too.
func rowCost(keys ...string) int64 {
	cost := int64(60)
	for _, key := range keys {
		cost += 2 * int64(len(key))
	}
	return cost
}

// checkKeys keeps keys within their bound.
func checkKeys(keys ...string) error {
	for _, key := range keys {
		if len(key) > MaxKey {
			return fmt.Errorf("a key of %d octets: %w", len(key), ErrTooLarge)
		}
	}
	return nil
}

// grow is told that a row has been written and has so many octets more. What is
// then too much is taken from others, the longest unused first, and from the
// row itself only if there are no others.
func (s *shelf) grow(tx *sql.Tx, id, octets int64) error {
	if s.held < 0 { // the sum has the row in it
		if err := tx.QueryRow(`SELECT coalesce(sum(octets), 0) FROM ` + s.table).Scan(&s.held); err != nil {
			return err
		}
	} else {
		s.held += octets
	}
	if s.held <= s.limit {
		return nil
	}
	victims, err := s.longestUnused(tx, id)
	for _, v := range victims {
		if err == nil {
			err = s.drop(tx, v.id, v.octets)
		}
	}
	return err
}

type row struct{ id, octets int64 }

// longestUnused returns the rows that must go.
func (s *shelf) longestUnused(tx *sql.Tx, spared int64) (victims []row, err error) {
	rows, err := tx.Query(`SELECT id, octets FROM `+s.table+` WHERE id <> ? ORDER BY used`, spared)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	excess := s.held - s.limit
	for excess > 0 && rows.Next() {
		var v row
		if err := rows.Scan(&v.id, &v.octets); err != nil {
			return nil, err
		}
		victims = append(victims, v)
		excess -= v.octets
	}
	if excess > 0 && rows.Err() == nil {
		victims = append(victims, row{spared, s.limit + excess}) // what is left when all others are gone
	}
	return victims, rows.Err()
}

// drop removes a row and what hangs on it.
func (s *shelf) drop(tx *sql.Tx, id, octets int64) error {
	if s.held >= 0 {
		s.held -= octets
	}
	_, err := tx.Exec(`DELETE FROM `+s.table+` WHERE id = ?`, id)
	return err
}
