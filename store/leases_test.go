package store_test

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/restante-mail/restante/store"
	"github.com/restante-mail/restante/store/storetest"
)

// The command line takes its turn with the process that owns the file.
func TestBesideTheOwner(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	path := filepath.Join(t.TempDir(), "state.db")
	s, err := store.Open(path, true)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	beside := store.Beside{Path: path}
	storetest.Leases(t, ctx, s, beside)
	key := store.SealedKey{Account: "alice", Purpose: "p"}
	for i, step := range []struct {
		before, value string
		by            interface {
			SwapSealed(context.Context, string, store.Sealed) (bool, error)
		}
		want bool
	}{{"", "1", beside, true}, {"", "2", s, false}, {"1", "2", s, true}, {"1", "3", beside, false}, {"2", "3", beside, true}} {
		swapped, err := step.by.SwapSealed(ctx, step.before, store.Sealed{SealedKey: key, Value: step.value})
		if err != nil || swapped != step.want {
			t.Errorf("step %d: %v, %v; want %v", i, swapped, err, step.want)
		}
	}
	if v, found, err := beside.Sealed(ctx, key); err != nil || !found || v.Value != "3" {
		t.Errorf("kept: %+v, %v, %v", v, found, err)
	}
}
