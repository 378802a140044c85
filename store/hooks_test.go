package store

import (
	"errors"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"
)

// Reads and writes tell their time, and whether they worked.
func TestHooks(t *testing.T) {
	var read, wrote, failed atomic.Int32
	count := func(n *atomic.Int32) func(time.Duration, error) {
		return func(took time.Duration, err error) {
			n.Add(1)
			if err != nil {
				failed.Add(1)
			}
			if took < 0 || took > time.Minute {
				t.Errorf("took %v", took)
			}
		}
	}
	s, err := OpenWith(filepath.Join(t.TempDir(), "s.db"), true, Hooks{Read: count(&read), Wrote: count(&wrote)})
	if err != nil {
		t.Fatal(err)
	}
	ctx := bounded(t)
	key := ViewKey{Maildrop: "alice"}
	_, viewed := s.View(ctx, key)
	_, listed := s.Listing(ctx, "nothing")
	_, sized := s.Sizes(ctx, FolderKey{Maildrop: "alice", Folder: "INBOX", UIDValidity: 1})
	if err := errors.Join(viewed, listed, sized, s.Probe(ctx), s.Remember(ctx, key, Changes{At: 1})); err != nil {
		t.Fatal(err)
	}
	if read.Load() != 3 || wrote.Load() != 2 || failed.Load() != 0 {
		t.Errorf("%d reads, %d writes, %d failed; want 3, 2 and 0", read.Load(), wrote.Load(), failed.Load())
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}
