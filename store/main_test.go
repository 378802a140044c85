package store

import (
	"context"
	"database/sql"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// TestMain runs the tests, or is a process that a test started to kill it.
func TestMain(m *testing.M) {
	if path := os.Getenv(victimPath); path != "" {
		victim(path)
		return
	}
	goleak.VerifyTestMain(m)
}

// bounded is the context of a test; nothing here takes long.
func bounded(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// openWith opens a store that is closed with the test.
func openWith(t testing.TB, path string, o options) *file {
	t.Helper()
	f, err := open(path, true, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

func fresh(t testing.TB) *file {
	t.Helper()
	return openWith(t, filepath.Join(t.TempDir(), "restante.db"), defaults)
}

// closedFile makes a state file with something in it.
func closedFile(t *testing.T) string {
	t.Helper()
	f := fresh(t)
	remember(t, f, "a", 1000)
	closeFile(t, f)
	return f.path
}

func closeFile(t *testing.T, f *file) {
	t.Helper()
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

var alice = FolderKey{Maildrop: "main alice", Folder: "INBOX", UIDValidity: 1}

// remember writes a listing and a size under one name.
func remember(t *testing.T, s Store, name string, octets int) {
	t.Helper()
	if err := s.SaveListing(bounded(t), name, make([]byte, octets)); err != nil {
		t.Fatal(err)
	}
	if err := s.LearnSizes(bounded(t), FolderKey{Maildrop: name}, map[uint32]int64{1: int64(octets)}); err != nil {
		t.Fatal(err)
	}
}

// wantRemembered looks for what remember wrote.
func wantRemembered(t *testing.T, s Store, name string, octets int) {
	t.Helper()
	blob, err := s.Listing(bounded(t), name)
	if err != nil || len(blob) != octets {
		t.Errorf("listing %q has %d octets, %v; want %d", name, len(blob), err, octets)
	}
	sizes, err := s.Sizes(bounded(t), FolderKey{Maildrop: name})
	if err != nil || sizes[1] != int64(octets) {
		t.Errorf("size of %q is %d, %v; want %d", name, sizes[1], err, octets)
	}
}

func reopen(t *testing.T, path string) *file {
	t.Helper()
	f, err := open(path, false, defaults)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

// edit changes a state file behind its owner's back.
func edit(t *testing.T, path string, statements ...string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, statement := range statements {
		if _, err := db.Exec(statement); err != nil {
			t.Fatalf("%.40s: %v", statement, err)
		}
	}
}
