// Package storetest proves that an implementation of store.Store keeps the
// contract. It knows nothing of how one is kept or where.
package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/restante-mail/restante/store"
)

// limit bounds each test; none takes a second on an idle machine.
const limit = time.Minute

// Run puts stores through the suite. open returns a new, empty store; the suite
// closes it.
func Run(t *testing.T, open func(t *testing.T) store.Store) {
	tests := []struct {
		name string
		run  func(*testing.T, context.Context, store.Store)
	}{
		{"what was never learned is unknown", unknown},
		{"sizes are learned, added to and corrected", learn},
		{"folders do not mix", folders},
		{"another UIDVALIDITY begins anew", generations},
		{"a hundred thousand sizes", manySizes},
		{"no size is negative", negative},
		{"a listing is saved and replaced", listing},
		{"a listing of a few megabytes", largeListing},
		{"keys and blobs hold any octet", octets},
		{"what is too large is refused", tooLarge},
		{"the caller keeps what it passed", aliasing},
		{"many at once", together},
		{"a context that has ended", ended},
		{"info counts", info},
		{"closed", closed},
		{"a view nobody knows", viewUnknown},
		{"a view remembers", viewRemembers},
		{"facts of a view add up", viewFactsAddUp},
		{"a view forgets what it is told to", viewPurges},
		{"lives of a folder", viewLives},
		{"intents are settled", viewIntents},
		{"a notice lasts for its episode", viewNotices},
		{"whose maildrops there are", viewPrefixes},
		{"a view, many at once", viewTogether},
		{"bounds of a view", viewBounds},
		{"fifty thousand memories", viewMany},
		{"a view, closed", viewClosed},
		{"bans", bans},
		{"lines of the audit trail", auditLines},
		{"a ledger nobody knows", ledgerUnknown},
		{"a ledger remembers", ledgerRemembers},
		{"a message keeps its UIDL", ledgerKeeps},
		{"lives in a ledger", ledgerLives},
		{"a ledger, many at once", ledgerTogether},
		{"bounds of a ledger", ledgerBounds},
		{"a ledger, closed", ledgerClosed},
		{"accounts are kept and removed", accounts},
		{"sealed values are kept and exchanged", sealed},
		{"sealed values, many at once", swapping},
		{"the use of secrets", uses},
		{"bounds of accounts", accountBounds},
		{"accounts, closed", accountsClosed},
		{"leases", leases},
		{"a lease, many at once", leaseTogether},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(context.Background(), limit)
			defer cancel()
			s := open(t)
			defer func() {
				if err := s.Close(); err != nil && !errors.Is(err, store.ErrClosed) {
					t.Errorf("Close: %v", err)
				}
			}()
			test.run(t, ctx, s)
		})
	}
}

var inbox = store.FolderKey{Maildrop: "main alice@example.com", Folder: "INBOX", UIDValidity: 7}

// mustLearn and the like end the test at a failure.
func mustLearn(t *testing.T, ctx context.Context, s store.Store, key store.FolderKey, octets map[uint32]int64) {
	t.Helper()
	if err := s.LearnSizes(ctx, key, octets); err != nil {
		t.Fatalf("LearnSizes: %v", err)
	}
}

func wantSizes(t *testing.T, ctx context.Context, s store.Store, key store.FolderKey, want map[uint32]int64) {
	t.Helper()
	got, err := s.Sizes(ctx, key)
	if err != nil || !maps.Equal(got, want) {
		t.Fatalf("Sizes of %+v: %d of them, %v; want %d", key, len(got), err, len(want))
	}
}

func mustSave(t *testing.T, ctx context.Context, s store.Store, key string, blob []byte) {
	t.Helper()
	if err := s.SaveListing(ctx, key, blob); err != nil {
		t.Fatalf("SaveListing: %v", err)
	}
}

func wantListing(t *testing.T, ctx context.Context, s store.Store, key string, want []byte) {
	t.Helper()
	got, err := s.Listing(ctx, key)
	if err != nil || !bytes.Equal(got, want) || (got == nil) != (want == nil) {
		t.Fatalf("Listing of %.20q: %d octets (nil: %v), %v; want %d (nil: %v)", key, len(got), got == nil, err, len(want), want == nil)
	}
}

func unknown(t *testing.T, ctx context.Context, s store.Store) {
	wantSizes(t, ctx, s, inbox, nil)
	wantListing(t, ctx, s, "main alice INBOX", nil)
	mustLearn(t, ctx, s, inbox, nil)
	wantSizes(t, ctx, s, inbox, nil)
}

func learn(t *testing.T, ctx context.Context, s store.Store) {
	mustLearn(t, ctx, s, inbox, map[uint32]int64{1: 100, 255: 5, 256: 6, 257: 0, math.MaxUint32: math.MaxInt64})
	mustLearn(t, ctx, s, inbox, map[uint32]int64{2: 200, 255: 55})
	mustLearn(t, ctx, s, inbox, map[uint32]int64{2: 200}) // known already
	want := map[uint32]int64{1: 100, 2: 200, 255: 55, 256: 6, 257: 0, math.MaxUint32: math.MaxInt64}
	wantSizes(t, ctx, s, inbox, want)
	got, _ := s.Sizes(ctx, inbox)
	clear(got) // it is ours
	wantSizes(t, ctx, s, inbox, want)
}

func folders(t *testing.T, ctx context.Context, s store.Store) {
	keys := []store.FolderKey{
		inbox,
		{Maildrop: inbox.Maildrop, Folder: "inbox", UIDValidity: 7},
		{Maildrop: inbox.Maildrop, Folder: "", UIDValidity: 7},
		{Maildrop: strings.ToUpper(inbox.Maildrop), Folder: "INBOX", UIDValidity: 7},
		{Maildrop: inbox.Maildrop + "INBOX", Folder: "", UIDValidity: 7},
		{Maildrop: "", Folder: inbox.Maildrop + "INBOX", UIDValidity: 7},
	}
	for i, key := range keys {
		mustLearn(t, ctx, s, key, map[uint32]int64{1: int64(i), uint32(i + 2): 1})
	}
	for i, key := range keys {
		wantSizes(t, ctx, s, key, map[uint32]int64{1: int64(i), uint32(i + 2): 1})
	}
}

func generations(t *testing.T, ctx context.Context, s store.Store) {
	other := inbox
	other.Folder = "Junk"
	mustLearn(t, ctx, s, other, map[uint32]int64{9: 9})
	for _, validity := range []uint32{8, 3, math.MaxUint32, 0, 7} { // a restore may go back
		before, key := inbox, inbox
		before.UIDValidity, key.UIDValidity = validity+1, validity
		mustLearn(t, ctx, s, before, map[uint32]int64{1: 100, 1000: 1})
		wantSizes(t, ctx, s, key, nil)
		wantSizes(t, ctx, s, before, map[uint32]int64{1: 100, 1000: 1}) // asking for another forgets nothing
		mustLearn(t, ctx, s, key, map[uint32]int64{2: 200})
		wantSizes(t, ctx, s, key, map[uint32]int64{2: 200})
		wantSizes(t, ctx, s, before, nil)
	}
	wantSizes(t, ctx, s, other, map[uint32]int64{9: 9})
}

func manySizes(t *testing.T, ctx context.Context, s store.Store) {
	want := map[uint32]int64{}
	for i := range uint32(100_000) {
		want[i*3+1] = int64(i) * 977
	}
	mustLearn(t, ctx, s, inbox, want)
	wantSizes(t, ctx, s, inbox, want)
}

func negative(t *testing.T, ctx context.Context, s store.Store) {
	if err := s.LearnSizes(ctx, inbox, map[uint32]int64{1: 1, 2: -1}); err == nil {
		t.Error("a size of -1 was learned")
	}
	wantSizes(t, ctx, s, inbox, nil)
}

func listing(t *testing.T, ctx context.Context, s store.Store) {
	mustSave(t, ctx, s, "a", []byte("one"))
	mustSave(t, ctx, s, "b", []byte("two"))
	mustSave(t, ctx, s, "a", []byte("three, longer"))
	wantListing(t, ctx, s, "a", []byte("three, longer"))
	wantListing(t, ctx, s, "b", []byte("two"))
	wantListing(t, ctx, s, "A", nil)
}

func largeListing(t *testing.T, ctx context.Context, s store.Store) {
	blob := bytes.Repeat([]byte("0123456789abcdef"), 300_000)
	mustSave(t, ctx, s, "large", blob)
	wantListing(t, ctx, s, "large", blob)
	mustSave(t, ctx, s, "large", blob[:17])
	wantListing(t, ctx, s, "large", blob[:17])
}

func octets(t *testing.T, ctx context.Context, s store.Store) {
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	for i, key := range []string{"'; DROP TABLE listing; --", "%", "\xff\xfe", "ü", "ก", string(all[1:]), "\r\n"} {
		blob := append(slices.Clone(all), byte(i))
		mustSave(t, ctx, s, key, blob)
		wantListing(t, ctx, s, key, blob)
		folder := store.FolderKey{Maildrop: key, Folder: key, UIDValidity: 1}
		mustLearn(t, ctx, s, folder, map[uint32]int64{1: int64(i)})
		wantSizes(t, ctx, s, folder, map[uint32]int64{1: int64(i)})
	}
}

func tooLarge(t *testing.T, ctx context.Context, s store.Store) {
	long := strings.Repeat("k", store.MaxKey)
	mustSave(t, ctx, s, long, []byte("at the bound"))
	wantListing(t, ctx, s, long, []byte("at the bound"))
	mustSave(t, ctx, s, "x", []byte("before"))
	for name, err := range map[string]error{
		"blob":     s.SaveListing(ctx, "x", make([]byte, store.MaxListing+1)),
		"key":      s.SaveListing(ctx, long+"k", nil),
		"maildrop": s.LearnSizes(ctx, store.FolderKey{Maildrop: long + "k"}, map[uint32]int64{1: 1}),
		"folder":   s.LearnSizes(ctx, store.FolderKey{Folder: long + "k"}, map[uint32]int64{1: 1}),
	} {
		if !errors.Is(err, store.ErrTooLarge) {
			t.Errorf("%s: %v; want ErrTooLarge", name, err)
		}
	}
	wantListing(t, ctx, s, "x", []byte("before"))
}

func aliasing(t *testing.T, ctx context.Context, s store.Store) {
	blob, octets := []byte("listing"), map[uint32]int64{1: 1}
	mustSave(t, ctx, s, "a", blob)
	mustLearn(t, ctx, s, inbox, octets)
	clear(blob)
	clear(octets)
	wantListing(t, ctx, s, "a", []byte("listing"))
	wantSizes(t, ctx, s, inbox, map[uint32]int64{1: 1})
	if got, err := s.Listing(ctx, "a"); err == nil {
		clear(got)
	}
	wantListing(t, ctx, s, "a", []byte("listing"))
}

// together has each of 32 writers read back what it was told is written, while
// all write to one folder too.
func together(t *testing.T, ctx context.Context, s store.Store) {
	const writers, rounds = 32, 20
	want := map[uint32]int64{}
	var all sync.WaitGroup
	for w := range uint32(writers) {
		for r := range uint32(rounds) {
			want[w*rounds+r] = int64(w + r)
		}
		all.Go(func() {
			key := fmt.Sprint("listing ", w)
			for r := range uint32(rounds) {
				uid := w*rounds + r
				if err := s.LearnSizes(ctx, inbox, map[uint32]int64{uid: int64(w + r)}); err != nil {
					t.Errorf("LearnSizes: %v", err)
				}
				if got, err := s.Sizes(ctx, inbox); err != nil || got[uid] != int64(w+r) {
					t.Errorf("Sizes after it was learned: %d, %v; want %d", got[uid], err, w+r)
				}
				blob := []byte(fmt.Sprint(w, r))
				if err := s.SaveListing(ctx, key, blob); err != nil {
					t.Errorf("SaveListing: %v", err)
				}
				if got, err := s.Listing(ctx, key); err != nil || !bytes.Equal(got, blob) {
					t.Errorf("Listing after it was saved: %q, %v; want %q", got, err, blob)
				}
			}
		})
	}
	all.Wait()
	wantSizes(t, ctx, s, inbox, want)
}

func ended(t *testing.T, ctx context.Context, s store.Store) {
	mustSave(t, ctx, s, "a", []byte("before"))
	gone, cancel := context.WithCancel(ctx)
	cancel()
	_, sizes := s.Sizes(gone, inbox)
	_, listing := s.Listing(gone, "a")
	for name, err := range map[string]error{
		"Sizes": sizes, "Listing": listing,
		"LearnSizes":  s.LearnSizes(gone, inbox, map[uint32]int64{1: 1}),
		"SaveListing": s.SaveListing(gone, "a", []byte("after")),
	} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v; want context.Canceled", name, err)
		}
	}
	mustLearn(t, ctx, s, inbox, map[uint32]int64{2: 2}) // and it goes on
}

func info(t *testing.T, ctx context.Context, s store.Store) {
	empty, err := s.Info(ctx)
	if err != nil || empty.Schema < 1 || empty.Created.IsZero() || empty.Folders != 0 || empty.Listings != 0 ||
		empty.SizeOctets != 0 || empty.ListingOctets != 0 {
		t.Fatalf("Info of an empty store: %+v, %v", empty, err)
	}
	mustSave(t, ctx, s, "a", make([]byte, 100_000))
	mustLearn(t, ctx, s, inbox, map[uint32]int64{1: 1})
	full, err := s.Info(ctx)
	if err != nil || full.Folders != 1 || full.Listings != 1 || full.SizeOctets <= 0 || full.ListingOctets < 100_000 ||
		full.Octets < 100_000 || !full.Created.Equal(empty.Created) {
		t.Fatalf("Info: %+v, %v", full, err)
	}
}

func closed(t *testing.T, ctx context.Context, s store.Store) {
	if err := s.Close(); err != nil {
		t.Fatalf("Close: %v", err)
	}
	_, sizes := s.Sizes(ctx, inbox)
	_, listing := s.Listing(ctx, "a")
	_, info := s.Info(ctx)
	for name, err := range map[string]error{
		"Sizes": sizes, "Listing": listing, "Info": info,
		"LearnSizes":  s.LearnSizes(ctx, inbox, map[uint32]int64{1: 1}),
		"SaveListing": s.SaveListing(ctx, "a", nil),
		"Close":       s.Close(),
	} {
		if !errors.Is(err, store.ErrClosed) {
			t.Errorf("%s: %v; want ErrClosed", name, err)
		}
	}
}
