package oauth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/restante-mail/restante/auth"
	"github.com/restante-mail/restante/secret"
	"github.com/restante-mail/restante/store"
)

// A Shelf is where sealed values and leases are: a store.Store, or a
// store.Beside.
type Shelf interface {
	Sealed(ctx context.Context, key store.SealedKey) (store.Sealed, bool, error)
	SwapSealed(ctx context.Context, before string, s store.Sealed) (bool, error)
	TakeLease(ctx context.Context, name, holder string, now time.Time, length time.Duration) (bool, error)
	ReleaseLease(ctx context.Context, name, holder string) error
}

// SealedVault is a Vault that seals tokens and keeps them on a shelf.
type SealedVault struct {
	Shelf Shelf
	// Keys returns the keys as they are now.
	Keys func() *auth.Keyring
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// Purpose is what tokens are sealed for.
const Purpose = "oauth2 tokens"

// written is how a Saved is written before it is sealed.
type written struct {
	Provider   string    `json:"provider"`
	Access     string    `json:"access"`
	Refresh    string    `json:"refresh"`
	Expires    time.Time `json:"expires"`
	Refreshed  time.Time `json:"refreshed"`
	Authorized time.Time `json:"authorized"`
	Needs      string    `json:"needs,omitempty"`
}

func keyOf(account string) store.SealedKey {
	return store.SealedKey{Account: auth.Fold(account), Purpose: Purpose}
}

// Load implements Vault.
func (v SealedVault) Load(ctx context.Context, account string) (Saved, error) {
	s, found, err := v.Shelf.Sealed(ctx, keyOf(account))
	if err != nil || !found {
		return Saved{}, err
	}
	return v.Read(s)
}

// Read opens what is kept of an account.
func (v SealedVault) Read(s store.Sealed) (Saved, error) {
	plain, err := v.Keys().Open(s.Account, Purpose, s.Value)
	if err != nil {
		return Saved{}, err
	}
	var w written
	if err := json.Unmarshal([]byte(plain.Reveal()), &w); err != nil {
		return Saved{}, errors.New("what was sealed is not what was to be sealed") // err may have some of it
	}
	return Saved{
		Revision: s.Value, Provider: w.Provider, Access: secret.New(w.Access), Refresh: secret.New(w.Refresh),
		Expires: w.Expires, Refreshed: w.Refreshed, Authorized: w.Authorized, Needs: w.Needs,
	}, nil
}

// Save implements Vault.
func (v SealedVault) Save(ctx context.Context, account string, s Saved) (string, error) {
	plain, err := json.Marshal(written{s.Provider, s.Access.Reveal(), s.Refresh.Reveal(), s.Expires, s.Refreshed, s.Authorized, s.Needs})
	if err != nil {
		return "", err
	}
	key := keyOf(account)
	sealed, err := v.Keys().Seal(key.Account, key.Purpose, secret.New(string(plain)))
	if err != nil {
		return "", fmt.Errorf("seal a token: %w", err)
	}
	swapped, err := v.Shelf.SwapSealed(ctx, s.Revision, store.Sealed{SealedKey: key, Value: sealed, Changed: v.now().Unix()})
	if err == nil && !swapped {
		err = ErrStale
	}
	return sealed, err
}

// Lease implements Vault. It proves that Save can seal and write.
func (v SealedVault) Lease(ctx context.Context, account, holder string, length time.Duration) (bool, error) {
	if _, err := v.Keys().Seal(account, Purpose, secret.New("")); err != nil {
		return false, err
	}
	return v.Shelf.TakeLease(ctx, leaseOf(account), holder, v.now(), length)
}

// Release implements Vault.
func (v SealedVault) Release(ctx context.Context, account, holder string) error {
	return v.Shelf.ReleaseLease(ctx, leaseOf(account), holder)
}

func leaseOf(account string) string { return Purpose + " of " + auth.Fold(account) }

func (v SealedVault) now() time.Time {
	if v.Now != nil {
		return v.Now()
	}
	return time.Now()
}
