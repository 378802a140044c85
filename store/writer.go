package store

import (
	"context"
	"database/sql"
	"slices"
	"time"
)

// writer is the one goroutine that changes the file. What waits for it is
// committed together: a commit costs a wait for the disk, however much is in it.
type writer struct {
	path     string
	db       *sql.DB // one connection
	queue    chan *change
	finished chan struct{}
	wrote    func(took time.Duration, err error) // or nil
	shelves  shelves
}

// A change is something to be written.
type change struct {
	ctx   context.Context
	apply func(*sql.Tx, *shelves) error
	done  chan error // room for one; nil if nobody waits
}

const (
	// maxQueue is how many changes wait before their callers do; as many more
	// are in the batch.
	maxQueue = 128
	// maxBatch bounds what one commit can fail for, and how long its first
	// change waits for the others.
	maxBatch = 128
)

func startWriter(path string, db *sql.DB, o options) *writer {
	w := &writer{
		path: path, db: db, queue: make(chan *change, maxQueue), finished: make(chan struct{}),
		shelves: newShelves(o), wrote: o.hooks.Wrote,
	}
	go w.run()
	return w
}

// write returns when the change is committed, or failed, or ctx ended.
func (w *writer) write(ctx context.Context, apply func(*sql.Tx, *shelves) error) error {
	if w.wrote == nil {
		return w.await(ctx, apply)
	}
	start := time.Now()
	err := w.await(ctx, apply)
	w.wrote(time.Since(start), err)
	return err
}

func (w *writer) await(ctx context.Context, apply func(*sql.Tx, *shelves) error) error {
	c := &change{ctx: ctx, apply: apply, done: make(chan error, 1)}
	select {
	case w.queue <- c:
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-c.done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// writeLater is for what may as well not be written: it does not wait, and a
// full queue drops it.
func (w *writer) writeLater(apply func(*sql.Tx, *shelves) error) {
	select {
	case w.queue <- &change{ctx: context.Background(), apply: apply}:
	default:
	}
}

// close writes what is queued. No call of write may be under way or follow.
func (w *writer) close() error {
	close(w.queue)
	<-w.finished
	return w.db.Close()
}

func (w *writer) run() {
	defer close(w.finished)
	for first := range w.queue {
		w.commit(w.gather(first))
	}
}

// gather takes what waits already; it does not wait for more.
func (w *writer) gather(first *change) []*change {
	batch := []*change{first}
	for len(batch) < maxBatch {
		select {
		case c, open := <-w.queue:
			if !open {
				return batch
			}
			batch = append(batch, c)
		default:
			return batch
		}
	}
	return batch
}

// commit writes the changes in one transaction. If that fails each gets one of
// its own, so that nobody fails for another's fault.
func (w *writer) commit(batch []*change) {
	batch = slices.DeleteFunc(batch, (*change).abandoned)
	err := w.transact(batch)
	if err != nil && len(batch) > 1 {
		for _, c := range batch {
			c.reply(w.transact([]*change{c}))
		}
		return
	}
	for _, c := range batch {
		c.reply(err)
	}
}

// abandoned tells whether the caller has left before anything was done.
func (c *change) abandoned() bool {
	err := c.ctx.Err()
	if err != nil {
		c.reply(err)
	}
	return err != nil
}

func (c *change) reply(err error) {
	if c.done != nil {
		c.done <- err
	}
}

func (w *writer) transact(batch []*change) (err error) {
	tx, err := w.db.Begin()
	if err != nil {
		return explain(w.path, "write", err)
	}
	defer func() {
		if err != nil {
			_ = tx.Rollback() // SQLite may have done so already
			w.shelves.forget()
		}
	}()
	for _, c := range batch {
		if err := c.apply(tx, &w.shelves); err != nil {
			return explain(w.path, "write", err)
		}
	}
	return explain(w.path, "commit", tx.Commit())
}
