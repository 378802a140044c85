package store

import (
	"database/sql"
	"errors"
	"maps"
	"math"
	"testing"
)

// A damaged block is unknown, the others are not; learning mends it.
func TestDamagedSizes(t *testing.T) {
	f := fresh(t)
	if err := f.LearnSizes(bounded(t), alice, map[uint32]int64{1: 1000, 2: 2000, 300: 3000}); err != nil {
		t.Fatal(err)
	}
	err := f.writer.write(bounded(t), func(tx *sql.Tx, _ *shelves) error {
		var b []byte
		if err := tx.QueryRow(`SELECT sizes FROM size_block WHERE block = 0`).Scan(&b); err != nil {
			return err
		}
		b[1] ^= 1 // of the octets of UID 1
		_, err := tx.Exec(`UPDATE size_block SET sizes = ? WHERE block = 0`, b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []map[uint32]int64{{300: 3000}, {2: 2222, 300: 3000}} {
		if got, err := f.Sizes(bounded(t), alice); err != nil || !maps.Equal(got, want) {
			t.Errorf("Sizes: %v, %v; want %v", got, err, want)
		}
		if err := f.LearnSizes(bounded(t), alice, map[uint32]int64{2: 2222}); err != nil {
			t.Fatal(err)
		}
	}
	wantSums(t, f)
}

func TestBlock(t *testing.T) {
	for _, sizes := range []map[uint32]int64{
		{}, {0: 0}, {255: math.MaxInt64}, {512: 1, 767: 1 << 31, 600: 127, 601: 128},
		{math.MaxUint32: 7, math.MaxUint32 - 255: 1},
	} {
		block := uint32(0)
		for uid := range sizes {
			block = uid / blockUIDs
		}
		packed := encodeBlock(sizes)
		got := map[uint32]int64{}
		if err := decodeBlock(got, block, packed); err != nil || !maps.Equal(got, sizes) {
			t.Errorf("%v came back as %v, %v", sizes, got, err)
		}
		for cut := range packed {
			if err := decodeBlock(map[uint32]int64{}, block, packed[:cut]); !errors.Is(err, errDamaged) {
				t.Errorf("%v cut to %d octets: %v", sizes, cut, err)
			}
		}
	}
}
