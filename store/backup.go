package store

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
)

// Inspect says what a state file is and holds. It works beside the process
// that owns the file, and without one.
func Inspect(ctx context.Context, path string) (Info, error) {
	db, path, err := visit(ctx, path)
	if err != nil {
		return Info{}, err
	}
	info, err := inspect(ctx, db, path)
	return info, errors.Join(err, db.Close())
}

// Backup copies the state file as it is at one moment to a new file, compact
// and readable to its user only. It works beside the process that owns the
// file, and does not hold it up. It fails with ErrExists if there is something
// of that name; after any other failure no file is left.
func Backup(ctx context.Context, path, to string) error {
	db, path, err := visit(ctx, path)
	if err != nil {
		return err
	}
	defer db.Close()
	if to, err = filepath.Abs(to); err != nil {
		return explain(path, "back up", err)
	}
	if err := makePrivate(to); err != nil {
		return explain(to, "create", err)
	}
	if err := copyInto(ctx, db, to); err != nil {
		_ = os.Remove(to + "-journal")
		return errors.Join(explain(path, "back up to "+to, err), os.Remove(to))
	}
	return nil
}

// copyInto writes everything to an empty file. Its name is absolute, or SQLite
// might take it for a URI.
func copyInto(ctx context.Context, db *sql.DB, to string) error {
	if _, err := db.ExecContext(ctx, `VACUUM INTO ?`, to); err != nil {
		return err
	}
	if err := syncFile(to); err != nil {
		return err
	}
	return syncFile(filepath.Dir(to))
}

// Restore puts a copy of a backup in the place of the state file, which no
// process may own, and returns what name the old one has now ("" if there was
// none). The backup may be of an older version. Nothing is changed if the
// backup is not a sound state file.
func Restore(ctx context.Context, path, backup string) (aside string, err error) {
	path, err = locate(path)
	if err != nil {
		return "", err
	}
	lock, err := takeLock(path)
	if err != nil {
		return "", err
	}
	aside, err = restoreOwned(ctx, path, backup)
	return aside, errors.Join(err, lock.release())
}

func restoreOwned(ctx context.Context, path, backup string) (aside string, err error) {
	db, backup, err := visit(ctx, backup)
	if err != nil {
		return "", err
	}
	defer db.Close()
	if err := check(ctx, db, backup); err != nil {
		return "", err
	}
	fresh, err := newFile(path)
	if err != nil {
		return "", err
	}
	if err := copyInto(ctx, db, fresh); err != nil {
		return "", errors.Join(explain(path, "restore from "+backup, err), os.Remove(fresh))
	}
	if aside, err = setAside(path, defaults.now()); err != nil {
		return aside, err
	}
	return aside, putInPlace(fresh, path)
}

// visit opens a state file to read it, whoever owns it.
func visit(ctx context.Context, path string) (*sql.DB, string, error) {
	path, err := locate(path)
	if err == nil {
		err = mustExist(path)
	}
	if err != nil {
		return nil, "", err
	}
	db, err := connect(path, 1, "")
	if err != nil {
		return nil, "", err
	}
	if err := identify(ctx, db, path, len(schema)); err != nil {
		return nil, "", errors.Join(err, db.Close())
	}
	return db, path, nil
}
