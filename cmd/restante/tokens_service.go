package main

import (
	"sync/atomic"

	"github.com/restante-mail/restante/admin"
	"github.com/restante-mail/restante/auth"
	"github.com/restante-mail/restante/auth/oauth"
	"github.com/restante-mail/restante/config"
)

// A tokenKeeper lasts as long as the process; the key file may become another
// with a reload.
type tokenKeeper struct {
	*oauth.Keeper
	keys atomic.Pointer[auth.Keyring]
}

// tokensFor is where accounts of the configuration get their tokens. A secret
// that cannot be opened is a matter of its own provider.
func (s *service) tokensFor(next *config.Snapshot) auth.Tokens {
	if s.tokens == nil {
		s.tokens = &tokenKeeper{}
		o := oauth.Options{Event: logTokens(s.log)}
		if s.shared.Store != nil {
			o.Vault = oauth.SealedVault{Shelf: s.shared.Store, Keys: s.tokens.keys.Load}
		}
		s.tokens.Keeper = oauth.New(o)
	}
	keys := auth.NewKeyring(next.KeyFile)
	s.tokens.keys.Store(keys)
	if err := unseal(next, keys); err != nil {
		s.log.WithError(err).Error("an OAuth2 client's secret cannot be opened; its provider will refuse us")
	}
	return tokens{s.tokens.Keeper, next}
}

// providerStatus tells how providers of tokens do.
func (s *service) providerStatus(c *config.Snapshot) (all []admin.Provider) {
	if len(c.Providers) == 0 {
		return nil
	}
	statuses := s.tokens.Statuses()
	for _, o := range c.Providers {
		counts := s.tokens.Counts(o.Name)
		p := admin.Provider{Name: o.Name, Given: counts.Refreshed, Failed: counts.Failed}
		for _, account := range statuses {
			if account.Provider != o.Name {
				continue
			}
			if account.Needs != "" {
				p.Needing++
			}
			if account.Failures > 0 {
				p.Failing++
			}
			if ends := account.Expires; !ends.IsZero() && (p.Ends.IsZero() || ends.Before(p.Ends)) {
				p.Ends = ends
			}
		}
		all = append(all, p)
	}
	return all
}
