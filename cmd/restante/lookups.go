package main

import (
	"context"
	"errors"

	"github.com/restante-mail/restante/config"
	"github.com/restante-mail/restante/gateway"
	"github.com/restante-mail/restante/lookup"
	"github.com/restante-mail/restante/upstream"
)

// lookups are the endpoints of a configuration that say where logins lead.
type lookups map[*config.Lookup]*lookup.Client

func openLookups(c *config.Snapshot) lookups {
	made := lookups{}
	for _, l := range c.Lookups {
		made[l] = lookup.New(l.Options)
	}
	return made
}

// ask has a route's endpoint say where a login leads; nil if it has none.
func (l lookups) ask(c *config.Snapshot, servers upstreams, r config.Route) func(context.Context, lookup.Question) (gateway.Directions, error) {
	endpoint := l[r.Lookup]
	if endpoint == nil {
		return nil
	}
	return func(ctx context.Context, q lookup.Question) (gateway.Directions, error) {
		a, err := endpoint.Ask(ctx, q)
		switch {
		case errors.Is(err, lookup.ErrRefused):
			return gateway.Directions{}, &upstream.Error{Kind: upstream.Rejected, Doing: "look the user up", Err: err}
		case err != nil:
			return gateway.Directions{}, &upstream.Error{Kind: upstream.Unavailable, Doing: "look the user up", Err: err}
		}
		led, err := follow(c, r, a)
		var d gateway.Directions
		if err == nil {
			led.Lookup = nil
			d.Route, err = gatewayRoute(c, servers, nil, led)
		}
		if err != nil {
			return d, &upstream.Error{Kind: upstream.Denied, Doing: "follow the lookup", Err: err}
		}
		d.User, d.Secret = a.User, a.Secret
		return d, nil
	}
}

// follow is the route that an answer leads to.
func follow(c *config.Snapshot, r config.Route, a lookup.Answer) (config.Route, error) {
	var err error
	if a.View != "" || a.Policy != "" {
		view := r.View
		if a.View != "" {
			view = a.View
		}
		if r, err = c.Narrow(r, view, a.Policy); err != nil {
			return r, err
		}
	}
	if a.Upstream != "" || a.Server != "" {
		return c.To(r, a.Upstream, a.Server)
	}
	return r, nil
}
