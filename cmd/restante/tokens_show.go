package main

import (
	"time"

	"github.com/restante-mail/restante/auth"
	"github.com/restante-mail/restante/auth/oauth"
	"github.com/restante-mail/restante/config"
	"github.com/restante-mail/restante/store"
)

// shownToken is how things are with an account's tokens, without them.
type shownToken struct {
	Authorized time.Time `json:"authorized,omitzero"`
	Refreshed  time.Time `json:"refreshed,omitzero"`
	Expires    time.Time `json:"expires,omitzero"`
	// Needs says why the account needs authorization.
	Needs string `json:"needs,omitempty"`
	// Problem: it cannot be read.
	Problem string `json:"problem,omitempty"`
}

// tokenOf is nil for an account that keeps no tokens.
func tokenOf(c *config.Snapshot, r store.AccountReader, a auth.Account) *shownToken {
	p, err := providerOf(c, a, "")
	switch {
	case a.Upstream.Method != auth.ByOAuth2:
		return nil
	case err != nil:
		return &shownToken{Problem: err.Error()}
	case p.Grant != oauth.User:
		return nil
	}
	kept, found, err := r.Sealed(store.SealedKey{Account: auth.Fold(a.Name), Purpose: oauth.Purpose})
	if !found && err == nil {
		return &shownToken{Needs: "nobody has authorized it yet"}
	}
	keys := auth.NewKeyring(c.KeyFile)
	var s oauth.Saved
	if err == nil {
		s, err = oauth.SealedVault{Keys: func() *auth.Keyring { return keys }}.Read(kept)
	}
	if err != nil {
		return &shownToken{Problem: err.Error()}
	}
	return &shownToken{Authorized: s.Authorized.UTC(), Refreshed: s.Refreshed.UTC(), Expires: s.Expires.UTC(), Needs: p.Wants(s)}
}

// words are for a column, or for a line.
func (t *shownToken) words() string {
	switch {
	case t == nil:
		return ""
	case t.Problem != "":
		return "tokens cannot be read: " + t.Problem
	case t.Needs != "":
		return "needs authorize: " + t.Needs
	}
	return "token until " + t.Expires.Local().Format("2006-01-02 15:04") + ", authorized " + t.Authorized.Local().Format(time.DateOnly)
}
