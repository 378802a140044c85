package store

import (
	"fmt"
	"path/filepath"
	"testing"
)

// TestHostileNames: names that clients and servers choose are values to the
// database, and never a part of what it is asked.
func TestHostileNames(t *testing.T) {
	f := openWith(t, filepath.Join(t.TempDir(), "restante.db"), defaults)
	ctx := bounded(t)
	names := []string{"'; DROP TABLE accounts; --", `" OR "1"="1`, "%", "_", "a\x00b", "\xff\xfe", "x' UNION SELECT 1,2,3 --", "*", "[a-z]", `\`, "a\nb", "é\u202e", "?1", ":name", "$x", "NULL"}
	for i, name := range names {
		value := fmt.Sprint("value of ", i)
		if err := f.PutAccount(ctx, Account{Name: name, Settings: []byte(value)}); err != nil {
			t.Fatalf("%q: %v", name, err)
		}
		if swapped, err := f.SwapSealed(ctx, "", Sealed{SealedKey: SealedKey{name, name}, Value: value}); err != nil || !swapped {
			t.Fatalf("%q: %v, %v", name, swapped, err)
		}
		if err := f.PutBan(ctx, Ban{Network: name, Reason: name, Until: 1 << 40}); err != nil {
			t.Fatalf("%q: %v", name, err)
		}
		if err := f.SaveListing(ctx, name, []byte(value)); err != nil {
			t.Fatalf("%q: %v", name, err)
		}
		if err := f.Remember(ctx, ViewKey{Maildrop: name, View: name}, Changes{}); err != nil {
			t.Fatalf("%q: %v", name, err)
		}
	}
	for i, name := range names {
		value := fmt.Sprint("value of ", i)
		if a, found, err := f.Account(ctx, name); err != nil || !found || string(a.Settings) != value || a.Name != name {
			t.Errorf("account %q: %+v, %v, %v", name, a, found, err)
		}
		if s, found, err := f.Sealed(ctx, SealedKey{name, name}); err != nil || !found || s.Value != value {
			t.Errorf("sealed %q: %+v, %v, %v", name, s, found, err)
		}
		if b, found, err := f.Ban(ctx, name); err != nil || !found || b.Reason != name {
			t.Errorf("ban %q: %+v, %v, %v", name, b, found, err)
		}
		if l, err := f.Listing(ctx, name); err != nil || string(l) != value {
			t.Errorf("listing %q: %q, %v", name, l, err)
		}
	}
	for i, name := range names {
		if removed, err := f.RemoveAccount(ctx, name); err != nil || !removed {
			t.Errorf("%q: %v, %v", name, removed, err)
		}
		if all, err := f.ListAccounts(ctx); err != nil || len(all) != len(names)-i-1 {
			t.Errorf("after %q there are %d accounts, %v", name, len(all), err)
		}
	}
}
