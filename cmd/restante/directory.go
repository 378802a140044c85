package main

import (
	"context"

	"github.com/restante-mail/restante/auth"
	"github.com/restante-mail/restante/config"
	"github.com/restante-mail/restante/gateway"
	"github.com/restante-mail/restante/pop3"
	"github.com/restante-mail/restante/store"
)

// directory makes the accounts of a configuration; nil if no route uses any.
func directory(c *config.Snapshot, state store.Accounts, memory *auth.Memory, tokens auth.Tokens) *auth.Directory {
	if !c.UsesAccounts() {
		return nil
	}
	d := auth.NewDirectory(c.Accounts)
	d.Keys, d.Htpasswd, d.Store, d.Tokens = auth.NewKeyring(c.KeyFile), c.Htpasswd, state, tokens
	if memory != nil {
		d.Memory = memory
	}
	return d
}

// accountsOf is what a store has of accounts; nil if there is no store.
func accountsOf(s store.Store) store.Accounts {
	if s == nil {
		return nil // not a nil Store in an Accounts that is not nil
	}
	return s
}

// gatewayRoute is the gateway's view of a route.
func gatewayRoute(c *config.Snapshot, servers upstreams, endpoints lookups, r config.Route) (gateway.Route, error) {
	identity, err := r.Identity(r.Base)
	if err != nil {
		return gateway.Route{}, err
	}
	before, err := predecessor(r)
	if err != nil {
		return gateway.Route{}, err
	}
	return gateway.Route{
		Name: r.Name, Upstream: r.Upstream.Name, Host: r.Upstream.Host(), Server: servers[r.Upstream.Name].server, User: identity, Base: r.Base,
		Policy: r.Policy, PolicyName: r.PolicyName,
		View: r.View, Others: r.Others, Beside: r.Beside, Forget: r.Forget, ExactSizes: r.Upstream.ExactSizes,
		UIDL: r.UIDL, Origin: r.Upstream.Addresses[0], Before: before,
		Accounts: r.Accounts, Master: r.Upstream.Master,
		With: func(view, policyName string) (gateway.Route, error) {
			narrowed, err := c.Narrow(r, view, policyName)
			if err != nil {
				return gateway.Route{}, err
			}
			return gatewayRoute(c, servers, endpoints, narrowed)
		},
		Spell: func(base string) (gateway.Route, error) {
			spelled := r
			spelled.Base = base
			return gatewayRoute(c, servers, endpoints, spelled)
		},
		Ask: endpoints.ask(c, servers, r),
	}, nil
}

// offering tells which mechanisms can work for the clients of a listener.
func offering(c *config.Snapshot, servers upstreams, listener string) func(string) bool {
	var routes []gateway.Route
	for _, r := range c.ListenerRoutes(listener) {
		routes = append(routes, gateway.Route{Server: servers[r.Upstream.Name].server, Accounts: r.Accounts})
	}
	return func(mechanism string) bool {
		switch mechanism {
		case "XOAUTH2", "OAUTHBEARER":
			return gateway.MayBear(routes)
		case "EXTERNAL":
			return c.UsesAccounts()
		}
		return true
	}
}

// offer has a listener's server offer what its settings and routes allow.
func offer(server *pop3.Server, l *config.Listener, c *config.Snapshot, servers upstreams) {
	server.APOP = l.APOP && c.UsesAccounts()
	server.Offers = offering(c, servers, l.Name)
}

// Account implements store.Accounts, beside the process that owns the file.
func (b beside) Account(ctx context.Context, name string) (a store.Account, found bool, err error) {
	err = store.LookAtAccounts(ctx, b.path, func(r store.AccountReader) error {
		a, found, err = r.Account(name)
		return err
	})
	return a, found, err
}

// NoteUse implements store.Accounts: what only looks is no use.
func (b beside) NoteUse(string, string, int64) {}
