package main

import (
	"errors"

	"github.com/restante-mail/restante/config"
	"github.com/restante-mail/restante/gateway"
	"github.com/restante-mail/restante/upstream"
)

// onlooker is a gateway beside the process that serves: it signs in upstream as
// that would, and changes nothing. state is its state file; "" if there is none.
// close is to be called.
func onlooker(c *config.Snapshot, state string) (g *gateway.Gateway, close func() error, err error) {
	g, _, close, err = onlookerWith(c, state, noHooks)
	return g, close, err
}

// onlookerWith gives the servers, too, and tells how they do.
func onlookerWith(c *config.Snapshot, state string, hooks func(string) upstream.Hooks) (g *gateway.Gateway, servers upstreams, close func() error, err error) {
	servers, err = openUpstreams(c, nil, nil, hooks, silentLog())
	if err != nil {
		return nil, nil, nil, err
	}
	t, err := tokensBeside(c)
	if err != nil {
		return nil, nil, nil, errors.Join(err, servers.closeExcept(nil))
	}
	shared := gateway.NewShared()
	if state != "" {
		shared.Store = beside{path: state}
	}
	g = &gateway.Gateway{Route: routing(c, servers), Accounts: directory(c, accountsOf(shared.Store), nil, t), Shared: shared, Log: silentLog()}
	return g, servers, func() error {
		t.keeper.Close()
		return servers.closeExcept(nil)
	}, nil
}
