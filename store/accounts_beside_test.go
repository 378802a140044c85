package store

import (
	"errors"
	"testing"
)

// What an administrator changes is seen by the owner at once, all of it or
// nothing.
func TestAccountsBesideTheOwner(t *testing.T) {
	f := fresh(t)
	ctx := bounded(t)
	failure := errors.New("on purpose")
	for _, outcome := range []error{failure, nil} {
		err := AmendAccounts(ctx, f.path, func(w AccountWriter) error {
			return errors.Join(w.PutAccount(Account{Name: "alice", Settings: []byte("x")}),
				w.PutSealed(Sealed{SealedKey: SealedKey{"alice", "p"}, Value: "v"}), outcome)
		})
		_, account, err1 := f.Account(ctx, "alice")
		_, sealed, err2 := f.Sealed(ctx, SealedKey{"alice", "p"})
		if !errors.Is(err, outcome) || err1 != nil || err2 != nil || account != (outcome == nil) || sealed != account {
			t.Errorf("change that ends with %v: %v; the owner sees the account: %v %v, sealed: %v %v", outcome, err, account, err1, sealed, err2)
		}
	}
	err := LookAtAccounts(ctx, f.path, func(r AccountReader) error {
		all, err := r.ListAccounts()
		sealed, err2 := r.ListSealed()
		_, found, err3 := r.Sealed(SealedKey{"alice", "p"})
		if len(all) != 1 || len(sealed) != 1 || !found {
			t.Errorf("beside the owner: %v, %v, %v", all, sealed, found)
		}
		return errors.Join(err, err2, err3)
	})
	if err != nil {
		t.Error(err)
	}
	err = AmendAccounts(ctx, f.path, func(w AccountWriter) error {
		removed, err := w.RemoveSealed(SealedKey{"alice", "p"})
		found, err2 := w.RemoveAccount("alice")
		if !removed || !found {
			t.Errorf("removed: %v, %v", removed, found)
		}
		return errors.Join(err, err2, w.ForgetUse("alice", "x"))
	})
	if _, found, err2 := f.Account(ctx, "alice"); err != nil || err2 != nil || found {
		t.Errorf("after its removal: %v, %v, %v", found, err, err2)
	}
}
