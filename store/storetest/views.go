package storetest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strings"
	"sync"
	"testing"

	"github.com/restante-mail/restante/store"
)

var (
	view  = store.ViewKey{Maildrop: "main\nalice@example.com"}
	other = store.ViewKey{Maildrop: "main\nalice@example.com", View: "printer"}
)

func mustRemember(t *testing.T, ctx context.Context, s store.Store, key store.ViewKey, c store.Changes) {
	t.Helper()
	if err := s.Remember(ctx, key, c); err != nil {
		t.Fatalf("Remember: %v", err)
	}
}

func wantView(t *testing.T, ctx context.Context, s store.Store, key store.ViewKey, want store.View) {
	t.Helper()
	got, err := s.View(ctx, key)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Fatalf("View: %v\ngot  %+v\nwant %+v", err, got, want)
	}
}

// one makes changes to one folder's life.
func one(at int64, f store.ViewFolder) store.Changes {
	return store.Changes{At: at, Folders: []store.ViewFolder{f}}
}

func viewUnknown(t *testing.T, ctx context.Context, s store.Store) {
	wantView(t, ctx, s, view, store.View{})
	if got, err := s.Approvals(ctx); err != nil || len(got) != 0 {
		t.Errorf("Approvals: %v, %v; want none", got, err)
	}
}

func viewRemembers(t *testing.T, ctx context.Context, s store.Store) {
	full := store.Memory{Key: 300, Seen: 1, First: 2, Last: 3, Deleted: 4, Hidden: 5, Removed: 6, Absent: 7, Wish: "trash",
		Lives: 8, Carried: 10, Moved: store.Place{Folder: "Trash ü", UIDValidity: math.MaxUint32, UID: 9}}
	memories := []store.Memory{{Key: 1, Hidden: 100}, {Key: 255, First: 1, Last: math.MaxInt64}, {Key: 256, Lives: 1}, full,
		{Key: math.MaxUint32, Seen: 5}}
	hashes := []store.Memory{{Key: 7, Deleted: 1}, {Key: 263, Hidden: 2}, {Key: math.MaxUint64, Hidden: 3}}
	c := store.Changes{At: 50, Folders: []store.ViewFolder{
		{Name: "INBOX", UIDValidity: 7, First: 10, Edge: 3, Memories: memories},
		{Name: "Junk", UIDValidity: 0, Memories: hashes},
	}, Undo: []store.Deed{{Folder: "INBOX", UIDValidity: 7, Key: 1, UIDL: "a", Do: "hide", Then: full}}}
	mustRemember(t, ctx, s, view, c)
	wantView(t, ctx, s, view, store.View{Begun: 50, Folders: c.Folders, Undo: c.Undo})
	wantView(t, ctx, s, other, store.View{})
	mustRemember(t, ctx, s, other, store.Changes{At: 51})
	wantView(t, ctx, s, other, store.View{Begun: 51})
}

func viewFactsAddUp(t *testing.T, ctx context.Context, s store.Store) {
	folder := func(edge uint32, m store.Memory) store.ViewFolder {
		return store.ViewFolder{Name: "INBOX", UIDValidity: 7, First: edge, Edge: edge, Memories: []store.Memory{m}}
	}
	mustRemember(t, ctx, s, view, one(10, folder(5, store.Memory{Key: 1, First: 20, Last: 20, Absent: 9, Wish: "trash"})))
	mustRemember(t, ctx, s, view, one(11, folder(9, store.Memory{Key: 1, Deleted: 30, Hidden: 30})))
	mustRemember(t, ctx, s, view, one(12, folder(2, store.Memory{Key: 1, First: 40, Last: 40, Deleted: 40, Hidden: 40, Lives: 1})))
	wantView(t, ctx, s, view, store.View{Begun: 10, Folders: []store.ViewFolder{{Name: "INBOX", UIDValidity: 7, First: 2, Edge: 9,
		Memories: []store.Memory{{Key: 1, First: 20, Last: 40, Deleted: 30, Hidden: 30, Wish: "trash", Lives: 1}}}}})
}

func viewPurges(t *testing.T, ctx context.Context, s store.Store) {
	folder := store.ViewFolder{Name: "INBOX", UIDValidity: 7, Memories: []store.Memory{{Key: 1, Hidden: 1}, {Key: 2, Hidden: 1}, {Key: 999, Hidden: 1}}}
	mustRemember(t, ctx, s, view, one(10, folder))
	gone := folder
	gone.Memories = []store.Memory{{Key: 1}, {Key: 999}, {Key: 5000}}
	mustRemember(t, ctx, s, view, store.Changes{At: 11, Purge: []store.ViewFolder{gone, {Name: "nowhere", Memories: gone.Memories}}})
	folder.Memories = folder.Memories[1:2]
	wantView(t, ctx, s, view, store.View{Begun: 10, Folders: []store.ViewFolder{folder}})
	folder.Memories = []store.Memory{{Key: 2, Lives: 1}} // another message than it seemed
	again := one(12, folder)
	again.Purge = []store.ViewFolder{folder}
	mustRemember(t, ctx, s, view, again)
	wantView(t, ctx, s, view, store.View{Begun: 10, Folders: []store.ViewFolder{folder}})
}

// viewLives: another UIDVALIDITY is another life, and the earlier one is kept
// for as long as a tombstone.
func viewLives(t *testing.T, ctx context.Context, s store.Store) {
	first := store.ViewFolder{Name: "INBOX", UIDValidity: 7, Memories: []store.Memory{{Key: 1, Hidden: 1}}}
	second := store.ViewFolder{Name: "INBOX", UIDValidity: 8, Memories: []store.Memory{{Key: 1, First: 2, Last: 2}}}
	const lapsed = 1000
	mustRemember(t, ctx, s, view, one(10, first))
	mustRemember(t, ctx, s, view, one(lapsed, second))
	mustRemember(t, ctx, s, view, one(lapsed+store.Tombstone, second))
	first.Lapsed = lapsed
	wantView(t, ctx, s, view, store.View{Begun: 10, Folders: []store.ViewFolder{first, second}})
	mustRemember(t, ctx, s, view, one(lapsed+store.Tombstone+1, second))
	wantView(t, ctx, s, view, store.View{Begun: 10, Folders: []store.ViewFolder{second}})
}

func viewIntents(t *testing.T, ctx context.Context, s store.Store) {
	deeds := []store.Deed{{Folder: "INBOX", UIDValidity: 7, Key: 1, Do: "move", Target: `\Trash`,
		To: store.Place{Folder: "Trash", UIDValidity: 1, UID: 2}}}
	folder := store.ViewFolder{Name: "INBOX", UIDValidity: 7, First: 2, Edge: 3}
	a, errA := s.Intend(ctx, view, store.Changes{At: 10}, deeds)
	b, errB := s.Intend(ctx, view, one(11, folder), deeds)
	if errA != nil || errB != nil || a == b {
		t.Fatalf("Intend: %d, %v; %d, %v", a, errA, b, errB)
	}
	wantView(t, ctx, s, view, store.View{Begun: 10, Folders: []store.ViewFolder{folder}, Intents: []store.Intent{{ID: a, Made: 10, Deeds: deeds}, {ID: b, Made: 11, Deeds: deeds}}})
	mustRemember(t, ctx, s, other, store.Changes{At: 12, Settled: []int64{a}}) // not its own
	mustRemember(t, ctx, s, view, store.Changes{At: 12, Settled: []int64{b}, Undo: deeds})
	wantView(t, ctx, s, view, store.View{Begun: 10, Folders: []store.ViewFolder{folder}, Intents: []store.Intent{{ID: a, Made: 10, Deeds: deeds}}, Undo: deeds})
}

func viewTogether(t *testing.T, ctx context.Context, s store.Store) {
	const writers, rounds = 8, 20
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			for r := range rounds {
				key := uint64(r*writers + w + 1) // all of the same block
				if err := s.Remember(ctx, view, one(1, store.ViewFolder{Name: "INBOX", UIDValidity: 7, Memories: []store.Memory{{Key: key, Hidden: 1}}})); err != nil {
					t.Errorf("Remember: %v", err)
				}
				if id, err := s.Intend(ctx, view, store.Changes{At: 1}, nil); err != nil || id == 0 {
					t.Errorf("Intend: %d, %v", id, err)
				}
			}
		})
	}
	all.Wait()
	got, err := s.View(ctx, view)
	if err != nil || len(got.Folders) != 1 || len(got.Folders[0].Memories) != writers*rounds || len(got.Intents) != writers*rounds {
		t.Errorf("View: %v, %+v", err, got)
	}
}

func viewBounds(t *testing.T, ctx context.Context, s store.Store) {
	long := strings.Repeat("k", store.MaxKey+1)
	_, intend := s.Intend(ctx, store.ViewKey{View: long}, store.Changes{At: 1}, nil)
	for name, err := range map[string]error{
		"intend": intend,
		"view":   s.Remember(ctx, store.ViewKey{Maildrop: long}, store.Changes{}),
		"folder": s.Remember(ctx, view, one(1, store.ViewFolder{Name: long})),
	} {
		if !errors.Is(err, store.ErrTooLarge) {
			t.Errorf("%s: %v; want ErrTooLarge", name, err)
		}
	}
	wantView(t, ctx, s, view, store.View{})
	gone, cancel := context.WithCancel(ctx)
	cancel()
	_, read := s.View(gone, view)
	_, approvals := s.Approvals(gone)
	_, intend = s.Intend(gone, view, store.Changes{At: 1}, nil)
	for name, err := range map[string]error{"View": read, "Approvals": approvals, "Intend": intend,
		"Remember": s.Remember(gone, view, store.Changes{})} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v; want context.Canceled", name, err)
		}
	}
}

func viewMany(t *testing.T, ctx context.Context, s store.Store) {
	folder := store.ViewFolder{Name: "INBOX", UIDValidity: 7}
	for i := range uint64(50_000) {
		folder.Memories = append(folder.Memories, store.Memory{Key: 2*i + 1, First: 1_795_000_000, Last: 1_795_000_000, Hidden: int64(i + 1)})
	}
	mustRemember(t, ctx, s, view, one(1, folder))
	wantView(t, ctx, s, view, store.View{Begun: 1, Folders: []store.ViewFolder{folder}})
	info, err := s.Info(ctx)
	if err != nil || info.Views != 1 || info.ViewOctets < 50_000 || info.ViewOctets > 50_000*20 {
		t.Errorf("Info: %v, %s", err, fmt.Sprint(info.Views, info.ViewOctets))
	}
}

func viewClosed(t *testing.T, ctx context.Context, s store.Store) {
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	_, read := s.View(ctx, view)
	_, approvals := s.Approvals(ctx)
	_, intend := s.Intend(ctx, view, store.Changes{At: 1}, nil)
	for name, err := range map[string]error{"View": read, "Approvals": approvals, "Intend": intend,
		"Remember": s.Remember(ctx, view, store.Changes{})} {
		if !errors.Is(err, store.ErrClosed) {
			t.Errorf("%s: %v; want ErrClosed", name, err)
		}
	}
}
