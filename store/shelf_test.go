package store

import (
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"
)

// wantSums compares what the writer believes with what is there. The file must
// be at rest.
func wantSums(t *testing.T, f *file) {
	t.Helper()
	for _, s := range []shelf{f.writer.shelves.sizes, f.writer.shelves.listings} {
		var sum int64
		if err := f.reads.QueryRow(`SELECT coalesce(sum(octets), 0) FROM ` + s.table).Scan(&sum); err != nil {
			t.Fatal(err)
		}
		if s.held >= 0 && s.held != sum || sum > s.limit {
			t.Errorf("%s: %d octets in the table, %d believed, %d allowed", s.table, sum, s.held, s.limit)
		}
	}
	var orphans, charged, real int64
	err := f.reads.QueryRow(`SELECT (SELECT count(*) FROM size_block WHERE folder NOT IN (SELECT id FROM folder)),
		(SELECT coalesce(sum(octets - 60 - 2 * length(CAST(maildrop AS BLOB)) - 2 * length(CAST(name AS BLOB))), 0) FROM folder),
		(SELECT coalesce(sum(length(sizes)), 0) FROM size_block)`).Scan(&orphans, &charged, &real)
	if err != nil || orphans != 0 || charged != real {
		t.Errorf("%d blocks without a folder; folders are charged with %d octets of sizes and have %d; %v", orphans, charged, real, err)
	}
}

// small is a store with tight bounds and a clock that the test sets.
func small(t *testing.T, now *time.Time, maxListings, maxSizes int64) *file {
	o := defaults
	o.now = func() time.Time { return *now }
	o.maxListings, o.maxSizes = maxListings, maxSizes
	return openWith(t, filepath.Join(t.TempDir(), "small.db"), o)
}

// Over the bound the longest unused goes, and reading is use.
func TestLongestUnusedGoes(t *testing.T) {
	now := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	f := small(t, &now, 5000, 500)
	for _, name := range []string{"a", "b", "c"} {
		remember(t, f, name, 1000)
		now = now.AddDate(0, 0, 1)
	}
	wantRemembered(t, f, "a", 1000) // used on the fourth day
	remember(t, f, "", 0)           // the writer has been here since
	if used := usedOn(t, f, "a"); used != f.today() {
		t.Fatalf("reading is no use: day %d; today is %d", used, f.today())
	}
	remember(t, f, "d", 3000)
	if err := f.LearnSizes(bounded(t), FolderKey{Maildrop: "d"}, many(75)); err != nil {
		t.Fatal(err)
	}
	wantRemembered(t, f, "a", 1000)
	for _, gone := range []string{"b", "c"} {
		blob, err := f.Listing(bounded(t), gone)
		sizes, err2 := f.Sizes(bounded(t), FolderKey{Maildrop: gone})
		if blob != nil || len(sizes) != 0 || err != nil || err2 != nil {
			t.Errorf("%q is still there: %d octets, %d sizes, %v, %v", gone, len(blob), len(sizes), err, err2)
		}
	}
	wantSums(t, f)
}

// many are so many sizes of 4 octets each on disk.
func many(n int) map[uint32]int64 {
	sizes := map[uint32]int64{}
	for uid := range uint32(n) {
		sizes[uid] = 100_000
	}
	return sizes
}

func usedOn(t *testing.T, f *file, name string) (day int64) {
	t.Helper()
	err := f.reads.QueryRow(`SELECT min(used) FROM (SELECT used FROM listing WHERE key = ? UNION SELECT used FROM folder WHERE maildrop = ?)`,
		name, name).Scan(&day)
	if err != nil {
		t.Fatal(err)
	}
	return day
}

// What alone is over the bound does not stay, and takes no room.
func TestTooLargeForTheShelf(t *testing.T) {
	now := time.Now()
	f := small(t, &now, 1000, 500)
	remember(t, f, "a", 100)
	if err := f.SaveListing(bounded(t), "b", make([]byte, 2000)); err != nil {
		t.Error(err)
	}
	if err := f.LearnSizes(bounded(t), alice, many(200)); err != nil {
		t.Error(err)
	}
	info, err := f.Info(bounded(t))
	if err != nil || info.Listings != 0 || info.Folders != 0 {
		t.Errorf("%+v, %v; want nothing", info, err)
	}
	wantSums(t, f)
	remember(t, f, "a", 100)
	wantRemembered(t, f, "a", 100)
}

// Whatever is written, in whatever order, failures among it, the sums are true
// and the bounds are kept.
func TestSumsStayTrue(t *testing.T) {
	now := time.Now()
	f := small(t, &now, 20_000, 3_000)
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 0))
	for i := range 400 {
		now = now.Add(time.Duration(random.IntN(24)) * time.Hour)
		name := fmt.Sprint(random.IntN(12))
		var err error
		switch random.IntN(8) {
		case 0, 1, 2:
			err = f.SaveListing(bounded(t), name, make([]byte, random.IntN(4000)))
		case 3, 4, 5:
			key := FolderKey{Maildrop: name, UIDValidity: uint32(random.IntN(2))}
			err = f.LearnSizes(bounded(t), key, map[uint32]int64{uint32(random.IntN(1000)): random.Int64N(1 << 40)})
		case 6:
			_, err = f.Sizes(bounded(t), FolderKey{Maildrop: name})
		default:
			failed := errors.New("failed")
			if err := f.writer.write(bounded(t), failAfter(name, failed)); !errors.Is(err, failed) {
				t.Errorf("a failing change: %v", err)
			}
		}
		if err != nil {
			t.Fatalf("step %d of seed %d: %v", i, seed, err)
		}
	}
	remember(t, f, "last", 10) // now the file is at rest
	wantSums(t, f)
	if t.Failed() {
		t.Logf("seed %d", seed)
	}
}

// A second use on the same day writes nothing.
func TestOneStampADay(t *testing.T) {
	now := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	f := small(t, &now, 5000, 500)
	remember(t, f, "a", 10)
	release := hold(t, f)
	for _, test := range []struct {
		later time.Duration
		want  int
	}{{0, 0}, {24*time.Hour - 1, 0}, {1, 2}} { // one for the listing, one for the sizes
		now = now.Add(test.later)
		wantRemembered(t, f, "a", 10)
		if got := len(f.writer.queue); got != test.want {
			t.Errorf("after %v: %d writes wait; want %d", test.later, got, test.want)
		}
	}
	release()
}

// failAfter changes much, and then fails.
func failAfter(name string, failed error) func(*sql.Tx, *shelves) error {
	return func(tx *sql.Tx, s *shelves) error {
		err := errors.Join(
			s.saveListing(tx, name, make([]byte, 3000), 0),
			s.learn(tx, FolderKey{Maildrop: name, UIDValidity: 9}, map[uint32]map[uint32]int64{0: {1: 1}}, 0))
		return errors.Join(err, failed)
	}
}
