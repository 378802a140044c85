package main

import (
	"errors"
	"fmt"

	"github.com/sirupsen/logrus"

	"github.com/restante-mail/restante/auth"
	"github.com/restante-mail/restante/auth/oauth"
	"github.com/restante-mail/restante/config"
	"github.com/restante-mail/restante/store"
	"github.com/restante-mail/restante/upstream"
)

// tokens are where accounts of one configuration get theirs.
type tokens struct {
	keeper *oauth.Keeper
	config *config.Snapshot
}

// Source implements auth.Tokens.
func (t tokens) Source(a auth.Account, user string) (upstream.TokenSource, error) {
	p, err := providerOf(t.config, a, "")
	if err != nil {
		return nil, err
	}
	return t.keeper.Source(p, auth.Fold(a.Name), user), nil
}

// providerOf is who gives an account its tokens, by its own grant unless
// another is named.
func providerOf(c *config.Snapshot, a auth.Account, grant string) (*oauth.Provider, error) {
	if a.Upstream.Method != auth.ByOAuth2 {
		return nil, fmt.Errorf("account %q does not sign in upstream by oauth2", a.Name)
	}
	o := c.OAuth(a.Upstream.Provider)
	if o == nil {
		return nil, fmt.Errorf("account %q names the provider %q, and the configuration has no [oauth.%s]", a.Name, a.Upstream.Provider, a.Upstream.Provider)
	}
	if grant == "" {
		grant = a.Upstream.Grant
	}
	return o.Provider(grant)
}

// unseal opens the secrets of clients that are sealed in the configuration.
func unseal(c *config.Snapshot, keys *auth.Keyring) error {
	var errs []error
	for _, o := range c.Providers {
		if o.Sealed == "" {
			continue
		}
		plain, err := keys.Open(o.Name, config.ClientSecretPurpose, o.Sealed)
		if err != nil {
			errs = append(errs, fmt.Errorf("oauth.%s.client_secret: %w", o.Name, err))
			continue
		}
		o.Open(plain)
	}
	return errors.Join(errs...)
}

// tokensBeside are for a command that runs beside the process that owns the
// state file. The keeper must be closed.
func tokensBeside(c *config.Snapshot) (tokens, error) {
	keys := auth.NewKeyring(c.KeyFile)
	if err := unseal(c, keys); err != nil {
		return tokens{}, err
	}
	var o oauth.Options
	if c.State != "" {
		o.Vault = oauth.SealedVault{Shelf: store.Beside{Path: c.State}, Keys: func() *auth.Keyring { return keys }}
	}
	return tokens{oauth.New(o), c}, nil
}

// logTokens writes what happens to tokens to the log. That one was replaced in
// time is nothing that anybody needs to know.
func logTokens(log logrus.FieldLogger) func(oauth.Event) {
	return func(e oauth.Event) {
		entry := log.WithField("provider", e.Provider)
		if e.Account != "" {
			entry = entry.WithField("account", e.Account)
		}
		if !e.Expires.IsZero() {
			entry = entry.WithField("expires", e.Expires)
		}
		if e.Err != nil {
			entry = entry.WithError(e.Err)
		}
		switch {
		case e.What == oauth.AuthorizationLost:
			entry.WithField("alert", "authorization").Errorf("the account needs authorization: run \"restante account authorize %s\"", e.Account)
		case e.What == oauth.NotKept:
			entry.WithField("alert", "token").Error("a new token cannot be written to the state file; if Restante ends before it can, the account needs authorization")
		case e.What == oauth.RefreshFailed:
			entry.Warn("there is no new token for now")
		case e.Forced:
			entry.Info("the mail server refused a token that was good, and there is a new one")
		default:
			entry.Debug("there is a new token")
		}
	}
}
