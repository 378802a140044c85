package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"time"

	_ "modernc.org/sqlite" // the driver named sqlite
)

// options are what tests set otherwise.
type options struct {
	now                   func() time.Time
	maxListings, maxSizes int64
	schema                []string
	hooks                 Hooks
}

// Hooks tell a program how the file does, for its metrics. Each may be nil, and
// then costs nothing. They are called in the goroutine that waited.
type Hooks struct {
	// Read is called after each read of a view, a listing or sizes.
	Read func(took time.Duration, err error)
	// Wrote is called after each write; waiting for those before it, and for the
	// disk, is in its time.
	Wrote func(took time.Duration, err error)
}

var defaults = options{now: time.Now, maxListings: maxListings, maxSizes: maxSizes, schema: schema}

// Open opens the state file, as its only owner, and brings an older one up to
// date. If there is none, it makes one if create is set, and else fails with
// ErrMissing. The file is checked for damage, and made readable to nobody but
// its user.
func Open(path string, create bool) (Store, error) { return OpenWith(path, create, Hooks{}) }

// OpenWith is Open, with hooks.
func OpenWith(path string, create bool, hooks Hooks) (Store, error) {
	o := defaults
	o.hooks = hooks
	f, err := open(path, create, o)
	if err != nil {
		return nil, err // not f: a nil *file would be a Store that is not nil
	}
	return f, nil
}

func open(path string, create bool, o options) (*file, error) {
	path, err := locate(path)
	if err != nil {
		return nil, err
	}
	if !create {
		if err := mustExist(path); err != nil {
			return nil, err
		}
	}
	lock, err := takeLock(path)
	if err != nil {
		return nil, err
	}
	f, err := openOwned(path, o)
	if err != nil {
		return nil, errors.Join(err, lock.release())
	}
	f.lock = lock
	return f, nil
}

// openOwned opens the file that is locked for us, or makes it.
func openOwned(path string, o options) (*file, error) {
	err := mustExist(path)
	if errors.Is(err, ErrMissing) {
		err = create(path, o)
	}
	if err != nil {
		return nil, err
	}
	if err := keepPrivate(path); err != nil {
		return nil, err
	}
	db, err := connect(path, 1, "_txlock=immediate")
	if err != nil {
		return nil, err
	}
	if err := prepare(context.Background(), db, path, o); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return start(path, db, o)
}

// prepare makes the file ready for its owner. The first thing that changes
// anything in it comes after it is known to be ours.
func prepare(ctx context.Context, db *sql.DB, path string, o options) error {
	if err := identify(ctx, db, path, len(o.schema)); err != nil {
		return err
	}
	if err := check(ctx, db, path); err != nil {
		return err
	}
	var mode string
	if err := db.QueryRowContext(ctx, `PRAGMA journal_mode = WAL`).Scan(&mode); err != nil {
		return explain(path, "open for writing", err)
	}
	if mode != "wal" {
		return fault(path, ErrNoWAL, nil)
	}
	return explain(path, "bring up to date", migrate(ctx, db, o.schema))
}

// start begins work on a file that is ready.
func start(path string, db *sql.DB, o options) (*file, error) {
	reads, err := connect(path, readers, "_query_only=1")
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	views, err := prepareViews(context.Background(), reads)
	if err != nil {
		return nil, errors.Join(explain(path, "open", err), reads.Close(), db.Close())
	}
	return &file{path: path, reads: reads, views: views, now: o.now, hooks: o.hooks, writer: startWriter(path, db, o)}, nil
}

// readers is how many reads run at the same time; each may hold 2 MB of cache.
const readers = 4

// connect gives SQLite's view of the file, which must exist. Nothing touches
// the file before the first query.
//
// A commit is on disk when it returns (FULL). The limit of 5 seconds is for
// somebody who looks at the file with another program: its owner never waits
// for itself.
func connect(path string, connections int, more string) (*sql.DB, error) {
	const always = "mode=rw&_busy_timeout=5000&_synchronous=FULL&_foreign_keys=1&_dqs=0&_defensive=1" +
		"&_pragma=trusted_schema(0)&_pragma=cell_size_check(1)&_pragma=journal_size_limit(67108864)"
	u := url.URL{Scheme: "file", Path: filepath.ToSlash(path), RawQuery: always + "&" + more}
	db, err := sql.Open("sqlite", u.String())
	if err != nil {
		return nil, explain(path, "open", err)
	}
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections)
	return db, nil
}

// locate makes one name of all the names that a file can have, so that they
// share one lock.
func locate(path string) (string, error) {
	absolute, err := filepath.Abs(path)
	if err != nil {
		return "", fmt.Errorf("state file %s: %w", path, err)
	}
	if real, err := filepath.EvalSymlinks(absolute); err == nil {
		return real, nil
	}
	directory, err := filepath.EvalSymlinks(filepath.Dir(absolute))
	if errors.Is(err, fs.ErrNotExist) {
		return "", fault(absolute, ErrNoDirectory, nil)
	}
	if err != nil {
		return "", explain(absolute, "find", err)
	}
	return filepath.Join(directory, filepath.Base(absolute)), nil
}

// mustExist wants a plain file: opening a pipe would wait for ever.
func mustExist(path string) error {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fault(path, ErrMissing, nil)
	case err != nil:
		return explain(path, "find", err)
	case !info.Mode().IsRegular():
		return fault(path, ErrNotState, errors.New("it is not a plain file"))
	}
	return nil
}

// companions are the names that SQLite adds to the file's own: the changes not
// yet folded in, and their index.
var companions = []string{"", "-wal", "-shm"}

// keepPrivate takes the file from everybody else. What SQLite makes later has
// the file's own mode.
func keepPrivate(path string) error {
	for _, suffix := range companions {
		if err := os.Chmod(path+suffix, 0o600); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return explain(path, "take it from others", err)
		}
	}
	return nil
}
