package store

import (
	"fmt"
	"sync/atomic"
	"testing"
)

func BenchmarkLearnOne(b *testing.B) {
	f := fresh(b)
	ctx := bounded(b)
	for n := uint32(0); b.Loop(); n++ {
		if err := f.LearnSizes(ctx, alice, map[uint32]int64{n: int64(n)}); err != nil {
			b.Fatal(err)
		}
	}
}

// 32 sessions, each of its own maildrop.
func BenchmarkLearn32Writers(b *testing.B) {
	f := fresh(b)
	ctx := bounded(b)
	var writers atomic.Uint32
	b.SetParallelism(16) // times the 2 cores of the machine it was made on
	b.RunParallel(func(pb *testing.PB) {
		key := FolderKey{Maildrop: fmt.Sprint(writers.Add(1)), UIDValidity: 1}
		for n := uint32(0); pb.Next(); n++ {
			if err := f.LearnSizes(ctx, key, map[uint32]int64{n: int64(n)}); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

func BenchmarkSizes(b *testing.B) {
	for _, n := range []int{20, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			f := fresh(b)
			ctx := bounded(b)
			if err := f.LearnSizes(ctx, alice, many(n)); err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if sizes, err := f.Sizes(ctx, alice); err != nil || len(sizes) != n {
					b.Fatal(len(sizes), err)
				}
			}
		})
	}
}

func BenchmarkListing(b *testing.B) {
	for _, octets := range []int{1 << 10, 2 << 20} {
		f := fresh(b)
		ctx := bounded(b)
		blob := make([]byte, octets)
		b.Run(fmt.Sprintf("save/%d", octets), func(b *testing.B) {
			for n := 0; b.Loop(); n++ {
				blob[0] = byte(n) // SQLite skips the commit of what is unchanged
				if err := f.SaveListing(ctx, "a", blob); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(fmt.Sprintf("read/%d", octets), func(b *testing.B) {
			for b.Loop() {
				if got, err := f.Listing(ctx, "a"); err != nil || len(got) != octets {
					b.Fatal(len(got), err)
				}
			}
		})
	}
}

// What the ledger adds to a poll: one query, and the UIDLs of a mailbox that was
// moved.
func BenchmarkLedger(b *testing.B) {
	for _, n := range []int{0, 20, 50_000} {
		f := fresh(b)
		ctx := bounded(b)
		key := FolderKey{Maildrop: "main\nalice", Folder: "INBOX", UIDValidity: 7}
		entries := make([]Entry, n)
		for i := range entries {
			entries[i] = Entry{Key: uint64(i + 1), UIDL: fmt.Sprintf("%08x%08x", i, 12345678), Print: [12]byte{byte(i)}, Listed: 4096}
		}
		if n > 0 {
			if err := f.Enter(ctx, key, LedgerChanges{At: 1, Present: true, Entries: entries}); err != nil {
				b.Fatal(err)
			}
		}
		b.Run(fmt.Sprint("lives/", n), func(b *testing.B) {
			for b.Loop() {
				if _, err := f.Lives(ctx, key.Maildrop); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(fmt.Sprint("uidls/", n), func(b *testing.B) {
			for b.Loop() {
				if uidls, err := f.UIDLs(ctx, key); err != nil || len(uidls) != n {
					b.Fatal(len(uidls), err)
				}
			}
		})
	}
}
