package storetest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"reflect"
	"strings"
	"sync"
	"testing"

	"github.com/restante-mail/restante/store"
)

func mustEnter(t *testing.T, ctx context.Context, s store.Store, life store.FolderKey, c store.LedgerChanges) {
	t.Helper()
	if err := s.Enter(ctx, life, c); err != nil {
		t.Fatalf("Enter: %v", err)
	}
}

func wantEntries(t *testing.T, ctx context.Context, s store.Store, life store.FolderKey, want []store.Entry) {
	t.Helper()
	got, err := s.Entries(ctx, life)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Fatalf("Entries: %v\ngot  %+v\nwant %+v", err, got, want)
	}
	uidls := map[uint64]string{}
	for _, e := range want {
		if e.UIDL != "" {
			uidls[e.Key] = e.UIDL
		}
	}
	if got, err := s.UIDLs(ctx, life); err != nil || !maps.Equal(got, uidls) {
		t.Fatalf("UIDLs: %v, %v; want %v", got, err, uidls)
	}
}

func wantLife(t *testing.T, ctx context.Context, s store.Store, maildrop string, want ...store.Life) {
	t.Helper()
	got, err := s.Lives(ctx, maildrop)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Fatalf("Lives: %v\ngot  %+v\nwant %+v", err, got, want)
	}
}

var print1 = [12]byte{1, 2, 3}

func ledgerUnknown(t *testing.T, ctx context.Context, s store.Store) {
	wantLife(t, ctx, s, inbox.Maildrop)
	wantEntries(t, ctx, s, inbox, nil)
}

func ledgerRemembers(t *testing.T, ctx context.Context, s store.Store) {
	entries := []store.Entry{
		{Key: 1, Print: print1, Listed: 100, True: 102},
		{Key: 255, UIDL: "!old~"}, {Key: 256, UIDL: strings.Repeat("x", 70), Print: print1, Unique: math.MaxUint64, Listed: 1, True: 2, Absent: 3},
		{Key: math.MaxUint32, Listed: math.MaxInt64},
	}
	c := store.LedgerChanges{At: 50, Present: true, Origin: "imap.example.com:993", Next: 5, Settled: 6,
		Formats: []store.Naming{{From: 1, Format: "cyrus"}, {From: 7, Format: "%u.%v"}}, Entries: entries}
	mustEnter(t, ctx, s, inbox, c)
	wantEntries(t, ctx, s, inbox, entries)
	life := store.Life{Folder: inbox.Folder, UIDValidity: inbox.UIDValidity, Origin: c.Origin, Formats: c.Formats, Next: 5, Settled: 6, Entries: 4, Given: 2}
	wantLife(t, ctx, s, inbox.Maildrop, life)
	wantLife(t, ctx, s, "main bob")

	// What is not told stays; Next and Settled only grow.
	mustEnter(t, ctx, s, inbox, store.LedgerChanges{At: 60, Next: 4, Settled: 9, Tidied: true, Purge: []uint64{255, 77}})
	life.Settled, life.Tidied, life.Entries, life.Given = 9, 60, 3, 1
	wantLife(t, ctx, s, inbox.Maildrop, life)
	wantEntries(t, ctx, s, inbox, append(entries[:1:1], entries[2:]...))
}

// A message keeps the UIDL that it was given.
func ledgerKeeps(t *testing.T, ctx context.Context, s store.Store) {
	enter := func(rename bool, e store.Entry) {
		t.Helper()
		mustEnter(t, ctx, s, inbox, store.LedgerChanges{Rename: rename, Entries: []store.Entry{e}})
	}
	enter(false, store.Entry{Key: 3, UIDL: "first", Listed: 10, Absent: 7})
	enter(false, store.Entry{Key: 3, UIDL: "second", Print: print1})
	wantEntries(t, ctx, s, inbox, []store.Entry{{Key: 3, UIDL: "first", Print: print1, Listed: 10}})
	enter(true, store.Entry{Key: 3, UIDL: "third", True: 12})
	enter(true, store.Entry{Key: 3})
	wantEntries(t, ctx, s, inbox, []store.Entry{{Key: 3, UIDL: "third", Print: print1, Listed: 10, True: 12}})
}

func ledgerLives(t *testing.T, ctx context.Context, s store.Store) {
	const day = 24 * 60 * 60
	pop3, next := inbox, inbox
	pop3.UIDValidity, next.UIDValidity = 0, 8
	high := []store.Entry{{Key: 7, UIDL: "a"}, {Key: math.MaxUint64, UIDL: "b"}} // as hashes are
	mustEnter(t, ctx, s, pop3, store.LedgerChanges{At: day, Present: true, Entries: high})
	mustEnter(t, ctx, s, inbox, store.LedgerChanges{At: 2 * day}) // not present
	wantEntries(t, ctx, s, pop3, high)
	lapsed := func(want ...int64) {
		t.Helper()
		lives, err := s.Lives(ctx, inbox.Maildrop)
		var got []int64
		for _, l := range lives {
			got = append(got, l.Lapsed)
		}
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("lapsed %v, %v; want %v", got, err, want)
		}
	}
	lapsed(0, 0)
	mustEnter(t, ctx, s, inbox, store.LedgerChanges{At: 3 * day, Present: true})
	lapsed(3*day, 0)
	mustEnter(t, ctx, s, pop3, store.LedgerChanges{At: 4 * day, Present: true}) // it comes back
	lapsed(0, 4*day)
	mustEnter(t, ctx, s, next, store.LedgerChanges{At: 5 * day, Present: true})
	lapsed(5*day, 4*day, 0)
	mustEnter(t, ctx, s, next, store.LedgerChanges{At: 5*day + store.Tombstone, Present: true})
	lapsed(5*day, 0)
	wantEntries(t, ctx, s, inbox, nil)
}

func ledgerTogether(t *testing.T, ctx context.Context, s store.Store) {
	var all sync.WaitGroup
	for n := range 16 {
		all.Go(func() {
			for i := range 20 {
				key := uint64(n + 16*i)
				c := store.LedgerChanges{At: 1, Present: true, Entries: []store.Entry{{Key: key, UIDL: fmt.Sprint(key), Print: print1}}}
				if err := s.Enter(ctx, inbox, c); err != nil {
					t.Errorf("Enter: %v", err)
				}
			}
		})
	}
	all.Wait()
	entries, err := s.Entries(ctx, inbox)
	lives, _ := s.Lives(ctx, inbox.Maildrop)
	if err != nil || len(entries) != 320 || len(lives) != 1 || lives[0].Entries != 320 || lives[0].Given != 320 {
		t.Errorf("%d entries, %v, lives %+v; want 320", len(entries), err, lives)
	}
	for i, e := range entries {
		if e.Key != uint64(i) || e.UIDL != fmt.Sprint(i) {
			t.Fatalf("entry %d is %+v", i, e)
		}
	}
}

func ledgerBounds(t *testing.T, ctx context.Context, s store.Store) {
	long := inbox
	long.Folder = strings.Repeat("x", store.MaxKey+1)
	if err := s.Enter(ctx, long, store.LedgerChanges{}); !errors.Is(err, store.ErrTooLarge) {
		t.Errorf("a long name: %v", err)
	}
	entries := []store.Entry{{Key: 1, UIDL: strings.Repeat("x", store.MaxKey+1)}}
	if err := s.Enter(ctx, inbox, store.LedgerChanges{Entries: entries}); !errors.Is(err, store.ErrTooLarge) {
		t.Errorf("a long UIDL: %v", err)
	}
	gone, stop := context.WithCancel(ctx)
	stop()
	if err := s.Enter(gone, inbox, store.LedgerChanges{}); !errors.Is(err, context.Canceled) {
		t.Errorf("an ended context: %v", err)
	}
}

func ledgerClosed(t *testing.T, ctx context.Context, s store.Store) {
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	_, lives := s.Lives(ctx, "a")
	_, uidls := s.UIDLs(ctx, inbox)
	_, entries := s.Entries(ctx, inbox)
	for _, err := range []error{lives, uidls, entries, s.Enter(ctx, inbox, store.LedgerChanges{})} {
		if !errors.Is(err, store.ErrClosed) {
			t.Errorf("%v; want ErrClosed", err)
		}
	}
}
