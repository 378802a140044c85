package storetest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/restante-mail/restante/store"
)

func wantAccount(t *testing.T, ctx context.Context, s store.Store, name string, want *store.Account) {
	t.Helper()
	got, found, err := s.Account(ctx, name)
	if err != nil || found != (want != nil) || found && !reflect.DeepEqual(got, *want) {
		t.Fatalf("Account %q: %+v, %v, %v; want %+v", name, got, found, err, want)
	}
}

func mustPut(t *testing.T, ctx context.Context, s store.Store, a store.Account) {
	t.Helper()
	if err := s.PutAccount(ctx, a); err != nil {
		t.Fatalf("PutAccount: %v", err)
	}
}

func accounts(t *testing.T, ctx context.Context, s store.Store) {
	wantAccount(t, ctx, s, "alice", nil)
	alice := store.Account{Name: "alice", Settings: []byte(`{"a":1}`), Changed: 5}
	bob := store.Account{Name: "bob'; DROP TABLE account; --", Settings: []byte("\x00\xff"), Changed: 6}
	mustPut(t, ctx, s, bob)
	mustPut(t, ctx, s, store.Account{Name: "alice", Settings: []byte("old"), Changed: 1})
	settings := []byte(`{"a":1}`)
	mustPut(t, ctx, s, store.Account{Name: "alice", Settings: settings, Changed: 5})
	clear(settings) // it is the caller's
	wantAccount(t, ctx, s, "alice", &alice)
	wantAccount(t, ctx, s, "Alice", nil)
	if all, err := s.ListAccounts(ctx); err != nil || !reflect.DeepEqual(all, []store.Account{alice, bob}) {
		t.Fatalf("ListAccounts: %+v, %v", all, err)
	}
	for i, want := range []bool{true, false} {
		if found, err := s.RemoveAccount(ctx, "alice"); err != nil || found != want {
			t.Errorf("RemoveAccount, time %d: %v, %v; want %v", i+1, found, err, want)
		}
	}
	wantAccount(t, ctx, s, "alice", nil)
	wantAccount(t, ctx, s, bob.Name, &bob)
}

func wantSealed(t *testing.T, ctx context.Context, s store.Store, key store.SealedKey, want string) {
	t.Helper()
	got, found, err := s.Sealed(ctx, key)
	if err != nil || found != (want != "") || got.Value != want {
		t.Fatalf("Sealed %v: %+v, %v, %v; want %q", key, got, found, err, want)
	}
}

func sealed(t *testing.T, ctx context.Context, s store.Store) {
	a, b := store.SealedKey{Account: "alice", Purpose: "token"}, store.SealedKey{Account: "alice", Purpose: "other"}
	swap := func(before, value string, want bool) {
		t.Helper()
		done, err := s.SwapSealed(ctx, before, store.Sealed{SealedKey: a, Value: value, Changed: 7})
		if err != nil || done != want {
			t.Fatalf("SwapSealed %q by %q: %v, %v; want %v", before, value, done, err, want)
		}
	}
	wantSealed(t, ctx, s, a, "")
	swap("one", "two", false)
	swap("", "one", true)
	swap("", "two", false)
	swap("one", "two", true)
	wantSealed(t, ctx, s, a, "two")
	wantSealed(t, ctx, s, b, "")
	if err := s.PutSealed(ctx, store.Sealed{SealedKey: b, Value: "three", Changed: 8}); err != nil {
		t.Fatal(err)
	}
	want := []store.Sealed{{SealedKey: b, Value: "three", Changed: 8}, {SealedKey: a, Value: "two", Changed: 7}}
	if all, err := s.ListSealed(ctx); err != nil || !reflect.DeepEqual(all, want) {
		t.Fatalf("ListSealed: %+v, %v", all, err)
	}
	for i, want := range []bool{true, false} {
		if found, err := s.RemoveSealed(ctx, b); err != nil || found != want {
			t.Errorf("RemoveSealed, time %d: %v, %v; want %v", i+1, found, err, want)
		}
	}
	mustPut(t, ctx, s, store.Account{Name: "alice", Settings: []byte("x")})
	if _, err := s.RemoveAccount(ctx, "alice"); err != nil {
		t.Fatal(err)
	}
	wantSealed(t, ctx, s, a, "")
}

func uses(t *testing.T, ctx context.Context, s store.Store) {
	s.NoteUse("alice", "printer", 10)
	s.NoteUse("alice", "phone", 11)
	s.NoteUse("alice", "printer", 9) // later ones count
	s.NoteUse("bob", "printer", 12)
	want := map[string]int64{"printer": 10, "phone": 11}
	var got map[string]int64
	for ctx.Err() == nil && !maps.Equal(got, want) { // it is written later
		if err := s.Probe(ctx); err != nil { // and before what is written now
			t.Fatal(err)
		}
		var err error
		if got, err = s.Uses(ctx, "alice"); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.RemoveAccount(ctx, "alice"); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Uses(ctx, "alice"); err != nil || len(got) != 0 {
		t.Errorf("Uses of a removed account: %v, %v", got, err)
	}
	if got, err := s.Uses(ctx, "bob"); err != nil || got["printer"] != 12 {
		t.Errorf("Uses of another: %v, %v", got, err)
	}
}

// swapping has many add one to a number: none gets lost.
func swapping(t *testing.T, ctx context.Context, s store.Store) {
	const writers, rounds = 8, 10
	key := store.SealedKey{Account: "alice", Purpose: "token"}
	var all sync.WaitGroup
	for range writers {
		all.Go(func() {
			for done := 0; done < rounds && ctx.Err() == nil; {
				now, _, err := s.Sealed(ctx, key)
				if err != nil {
					t.Error(err)
					return
				}
				won, err := s.SwapSealed(ctx, now.Value, store.Sealed{SealedKey: key, Value: now.Value + "x"})
				if err != nil {
					t.Error(err)
					return
				}
				if won {
					done++
				}
			}
		})
	}
	all.Wait()
	wantSealed(t, ctx, s, key, strings.Repeat("x", writers*rounds))
}

// calls are all methods of store.Accounts that can fail, by name.
func calls(ctx context.Context, s store.Store, a store.Account, v store.Sealed) map[string]error {
	failed := map[string]error{}
	_, _, failed["Account"] = s.Account(ctx, a.Name)
	_, failed["ListAccounts"] = s.ListAccounts(ctx)
	failed["PutAccount"] = s.PutAccount(ctx, a)
	_, failed["RemoveAccount"] = s.RemoveAccount(ctx, a.Name)
	_, _, failed["Sealed"] = s.Sealed(ctx, v.SealedKey)
	_, failed["ListSealed"] = s.ListSealed(ctx)
	failed["PutSealed"] = s.PutSealed(ctx, v)
	_, failed["SwapSealed"] = s.SwapSealed(ctx, "", v)
	_, failed["RemoveSealed"] = s.RemoveSealed(ctx, v.SealedKey)
	_, failed["Uses"] = s.Uses(ctx, a.Name)
	return failed
}

func accountBounds(t *testing.T, ctx context.Context, s store.Store) {
	long, large := strings.Repeat("k", store.MaxKey+1), strings.Repeat("v", store.MaxSettings+1)
	mustPut(t, ctx, s, store.Account{Name: long[1:], Settings: []byte(large[1:])})
	_, swap := s.SwapSealed(ctx, "", store.Sealed{Value: large})
	for name, err := range map[string]error{
		"name":     s.PutAccount(ctx, store.Account{Name: long}),
		"settings": s.PutAccount(ctx, store.Account{Settings: []byte(large)}),
		"purpose":  s.PutSealed(ctx, store.Sealed{SealedKey: store.SealedKey{Purpose: long}}),
		"value":    s.PutSealed(ctx, store.Sealed{Value: large}),
		"swap":     swap,
	} {
		if !errors.Is(err, store.ErrTooLarge) {
			t.Errorf("%s: %v; want ErrTooLarge", name, err)
		}
	}
	gone, cancel := context.WithTimeout(ctx, -time.Second)
	defer cancel()
	for name, err := range calls(gone, s, store.Account{Name: "a"}, store.Sealed{}) {
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: %v; want context.DeadlineExceeded", name, err)
		}
	}
}

func accountsClosed(t *testing.T, ctx context.Context, s store.Store) {
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s.NoteUse("alice", "printer", 1)
	for name, err := range calls(ctx, s, store.Account{Name: "a"}, store.Sealed{}) {
		if !errors.Is(err, store.ErrClosed) {
			t.Errorf("%s: %v; want ErrClosed", name, fmt.Sprint(err))
		}
	}
}
