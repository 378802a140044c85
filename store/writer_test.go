package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
)

// hold keeps the writer busy within a transaction until release is called.
func hold(t *testing.T, f *file) (release func()) {
	t.Helper()
	held, free := make(chan struct{}), make(chan struct{})
	f.writer.writeLater(func(tx *sql.Tx, _ *shelves) error {
		_, err := tx.Exec(`INSERT INTO listing (key, octets, used, blob) VALUES ('held', 0, 0, x'')`)
		close(held)
		<-free
		return err
	})
	<-held
	release = sync.OnceFunc(func() { close(free) })
	t.Cleanup(release)
	return release
}

// queued waits until so many changes wait for the writer.
func queued(t *testing.T, f *file, n int) {
	t.Helper()
	for ctx := bounded(t); len(f.writer.queue) < n; runtime.Gosched() {
		if ctx.Err() != nil {
			t.Fatalf("%d changes wait; want %d", len(f.writer.queue), n)
		}
	}
}

func TestReadersDoNotWait(t *testing.T) {
	f := fresh(t)
	remember(t, f, "a", 10)
	release := hold(t, f)
	wantRemembered(t, f, "a", 10)
	if _, err := f.Info(bounded(t)); err != nil {
		t.Error(err)
	}
	if err := Backup(bounded(t), f.path, filepath.Join(t.TempDir(), "backup")); err != nil {
		t.Error(err)
	}
	if blob, err := f.Listing(bounded(t), "held"); blob != nil || err != nil {
		t.Errorf("what is not committed is read: %q, %v", blob, err)
	}
	release()
}

func TestCommitsAreShared(t *testing.T) {
	f := fresh(t)
	release := hold(t, f)
	transactions := map[*sql.Tx]int{} // touched by the writer alone
	var all sync.WaitGroup
	for range 100 {
		all.Go(func() {
			if err := f.writer.write(bounded(t), func(tx *sql.Tx, _ *shelves) error {
				transactions[tx]++
				return nil
			}); err != nil {
				t.Error(err)
			}
		})
	}
	queued(t, f, 100)
	release()
	all.Wait()
	if len(transactions) != 1 {
		t.Errorf("100 changes took %d transactions", len(transactions))
	}
}

// A change that fails takes none of those with it that share its commit.
func TestOthersFault(t *testing.T) {
	f := fresh(t)
	release := hold(t, f)
	mine := errors.New("my fault")
	var all sync.WaitGroup
	for i := range 9 {
		all.Go(func() {
			name := fmt.Sprint(i)
			err := f.writer.write(bounded(t), func(tx *sql.Tx, s *shelves) error {
				if err := s.saveListing(tx, name, []byte(name), 0); err != nil || i%3 > 0 {
					return err
				}
				return mine
			})
			if errors.Is(err, mine) != (i%3 == 0) {
				t.Errorf("change %d: %v", i, err)
			}
		})
	}
	queued(t, f, 9)
	release()
	all.Wait()
	for i := range 9 {
		name := fmt.Sprint(i)
		blob, err := f.Listing(bounded(t), name)
		if err != nil || (blob != nil) != (i%3 > 0) {
			t.Errorf("listing %d is %q, %v", i, blob, err)
		}
	}
	wantSums(t, f)
}

// Who leaves before the writer comes to the change has not written.
func TestAbandoned(t *testing.T) {
	f := fresh(t)
	release := hold(t, f)
	ctx, cancel := context.WithCancel(bounded(t))
	result := make(chan error)
	go func() { result <- f.SaveListing(ctx, "a", []byte("a")) }()
	queued(t, f, 1)
	cancel()
	if err := <-result; !errors.Is(err, context.Canceled) {
		t.Errorf("SaveListing: %v; want context.Canceled", err)
	}
	release()
	remember(t, f, "after", 1)
	if blob, err := f.Listing(bounded(t), "a"); blob != nil || err != nil {
		t.Errorf("it was written: %q, %v", blob, err)
	}
}

// The queue is bounded: who finds it full waits no longer than its context.
func TestFullQueue(t *testing.T) {
	f := fresh(t)
	release := hold(t, f)
	ctx, cancel := context.WithCancel(bounded(t))
	var all sync.WaitGroup
	for range maxQueue + 10 {
		all.Go(func() {
			if err := f.SaveListing(ctx, "a", nil); !errors.Is(err, context.Canceled) {
				t.Errorf("SaveListing: %v; want context.Canceled", err)
			}
		})
	}
	queued(t, f, maxQueue)
	f.writer.writeLater(func(*sql.Tx, *shelves) error { t.Error("written in spite of a full queue"); return nil })
	cancel()
	all.Wait()
	release()
}

// Close writes what was accepted, and says so, before it lets go.
func TestCloseDrains(t *testing.T) {
	f := fresh(t)
	release := hold(t, f)
	var all sync.WaitGroup
	for i := range 50 {
		all.Go(func() {
			if err := f.SaveListing(bounded(t), fmt.Sprint(i), []byte("x")); err != nil {
				t.Errorf("SaveListing: %v", err)
			}
		})
	}
	queued(t, f, 50)
	closing := make(chan error)
	go func() { closing <- f.Close() }()
	release()
	if err := <-closing; err != nil {
		t.Fatal(err)
	}
	all.Wait()
	again := reopen(t, f.path)
	if info, err := again.Info(bounded(t)); err != nil || info.Listings != 51 {
		t.Errorf("%+v, %v; want 51 listings", info, err)
	}
}

// A full disk fails the write and nothing else; when there is room it goes on.
func TestDiskFull(t *testing.T) {
	f := fresh(t)
	remember(t, f, "a", 10_000)
	var pages int
	if err := f.writer.db.QueryRow(`PRAGMA page_count`).Scan(&pages); err != nil {
		t.Fatal(err)
	}
	limitPages(t, f, pages+10)
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			err := f.SaveListing(bounded(t), fmt.Sprint("large ", i), make([]byte, 100_000))
			if !errors.Is(err, ErrFull) {
				t.Errorf("SaveListing: %v; want ErrFull", err)
			}
		})
	}
	all.Wait()
	wantRemembered(t, f, "a", 10_000)
	wantSums(t, f)
	limitPages(t, f, 1<<30)
	remember(t, f, "large", 100_000)
	closeFile(t, f)
	again := reopen(t, f.path)
	wantRemembered(t, again, "a", 10_000)
	wantRemembered(t, again, "large", 100_000)
}

func limitPages(t *testing.T, f *file, pages int) {
	t.Helper()
	if _, err := f.writer.db.Exec(fmt.Sprintf(`PRAGMA max_page_count = %d`, pages)); err != nil {
		t.Fatal(err)
	}
}

// Somebody else's tool that holds the file is waited for, for 5 seconds, and
// then named.
func TestOutsider(t *testing.T) {
	f := fresh(t)
	if _, err := f.writer.db.Exec(`PRAGMA busy_timeout = 1`); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", f.path+"?_txlock=immediate")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	tx, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	if err := f.SaveListing(bounded(t), "a", nil); !errors.Is(err, ErrInUse) {
		t.Errorf("SaveListing: %v; want ErrInUse", err)
	}
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	remember(t, f, "a", 1)
}
