package store

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"sync"
	"time"
)

// file is the Store in a SQLite file.
type file struct {
	path   string
	lock   *lock
	reads  *sql.DB
	views  *viewReader
	writer *writer
	now    func() time.Time
	hooks  Hooks

	use    sync.RWMutex // held for reading by every call under way
	closed bool
}

// begin keeps the file open until the call is done; end must be called if it
// returns no error.
func (f *file) begin() (end func(), err error) {
	f.use.RLock()
	if f.closed {
		f.use.RUnlock()
		return nil, ErrClosed
	}
	return f.use.RUnlock, nil
}

// Close implements Store. Calls under way are waited for; each ends by itself,
// a write when it is committed.
func (f *file) Close() error {
	f.use.Lock()
	defer f.use.Unlock()
	if f.closed {
		return ErrClosed
	}
	f.closed = true
	// The last connection folds the log into the file, so the writer's is
	// closed last, and the lock is given up only after that.
	return errors.Join(f.reads.Close(), f.writer.close(), f.lock.release())
}

// Info implements Store.
func (f *file) Info(ctx context.Context) (Info, error) {
	end, err := f.begin()
	if err != nil {
		return Info{}, err
	}
	defer end()
	return inspect(ctx, f.reads, f.path)
}

func inspect(ctx context.Context, db *sql.DB, path string) (Info, error) {
	i := Info{Path: path}
	var created int64
	err := db.QueryRowContext(ctx, `SELECT
		(SELECT user_version FROM pragma_user_version), (SELECT created FROM about),
		(SELECT count(*) FROM folder), (SELECT coalesce(sum(octets), 0) FROM folder),
		(SELECT count(*) FROM listing), (SELECT coalesce(sum(octets), 0) FROM listing)`).
		Scan(&i.Schema, &created, &i.Folders, &i.SizeOctets, &i.Listings, &i.ListingOctets)
	if err != nil {
		return Info{}, explain(path, "look at it", err)
	}
	i.Created = time.Unix(created, 0)
	if err := inspectViews(ctx, db, &i); err != nil {
		return Info{}, explain(path, "look at it", err)
	}
	for _, suffix := range companions[:2] { // the index is made anew each time
		if stat, err := os.Stat(path + suffix); err == nil {
			i.Octets += stat.Size()
		}
	}
	return i, nil
}

// inspectViews counts what files of earlier versions do not have.
func inspectViews(ctx context.Context, db *sql.DB, i *Info) error {
	if i.Schema < 2 {
		return nil
	}
	err := db.QueryRowContext(ctx, `SELECT (SELECT count(*) FROM view),
		(SELECT coalesce(sum(length(memories)), 0) FROM memory_block), (SELECT count(*) FROM held)`).
		Scan(&i.Views, &i.ViewOctets, &i.Held)
	if err != nil || i.Schema < 5 {
		return err
	}
	if err := db.QueryRowContext(ctx, `SELECT count(*) FROM account`).Scan(&i.Accounts); err != nil {
		return err
	}
	return db.QueryRowContext(ctx, `SELECT coalesce(sum(entries), 0) FROM ledger_life`).Scan(&i.Ledger)
}

// today is the day that use is remembered by. Days are enough to tell what is
// long unused, and cost a write a day instead of one at every read.
func (f *file) today() int64 { return f.now().Unix() / (24 * 60 * 60) }

func (f *file) didRead(start time.Time, err error) {
	if f.hooks.Read != nil {
		f.hooks.Read(time.Since(start), err)
	}
}
