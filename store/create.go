package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// create makes an empty state file, whole or not at all: it gets its name when
// it is finished. The caller holds the lock, and there is none.
func create(path string, o options) error {
	fresh, err := newFile(path)
	if err != nil {
		return err
	}
	if err := fill(fresh, o); err != nil {
		return errors.Join(explain(path, "create", err), os.Remove(fresh))
	}
	// A log without its file is worthless, and would be taken for the new one's.
	if _, err := setAside(path, o.now()); err != nil {
		return err
	}
	return putInPlace(fresh, path)
}

// fill makes the tables of a new file.
func fill(fresh string, o options) error {
	ctx := context.Background()
	db, err := connect(fresh, 1, "_txlock=immediate")
	if err != nil {
		return err
	}
	defer db.Close()
	if _, err := db.ExecContext(ctx, fmt.Sprintf(`PRAGMA application_id = %d`, applicationID)); err != nil {
		return err
	}
	if err := migrate(ctx, db, o.schema); err != nil {
		return err
	}
	_, err = db.ExecContext(ctx, `INSERT INTO about (created) VALUES (?)`, o.now().Unix())
	return err
}

// newFile makes an empty file beside path, private from its first moment. One
// that a crash left behind is replaced.
func newFile(path string) (string, error) {
	fresh := path + ".new"
	for _, left := range []string{fresh, fresh + "-journal"} {
		if err := os.Remove(left); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", explain(path, "create", err)
		}
	}
	return fresh, explain(path, "create", makePrivate(fresh))
}

func makePrivate(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	return f.Close()
}

// putInPlace gives a finished file its name, and makes sure of it on disk.
func putInPlace(fresh, path string) error {
	err := syncFile(fresh)
	if err == nil {
		err = os.Rename(fresh, path)
	}
	if err == nil {
		err = syncFile(filepath.Dir(path))
	}
	return explain(path, "put in place", err)
}

// syncFile waits until a file, or the names in a directory, are on disk.
func syncFile(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

// setAside moves the file and its companions out of the way, under a name with
// the time, which it returns; "" if there was nothing. The names go together,
// so that what was moved can still be opened.
func setAside(path string, now time.Time) (string, error) {
	aside := path + ".old-" + now.UTC().Format("20060102T150405.000000000Z")
	moved := ""
	for _, suffix := range companions {
		err := os.Rename(path+suffix, aside+suffix)
		if err == nil {
			moved = aside
		} else if !errors.Is(err, fs.ErrNotExist) {
			return moved, explain(path, "set the old file aside", err)
		}
	}
	return moved, nil
}
