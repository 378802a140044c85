package gateway

import (
	"context"
	"errors"

	"github.com/restante-mail/restante/lookup"
	"github.com/restante-mail/restante/pop3"
	"github.com/restante-mail/restante/secret"
	"github.com/restante-mail/restante/upstream"
)

// Directions are what somebody outside says of a login.
type Directions struct {
	Route  Route
	User   string      // upstream; "" is the route's
	Secret secret.Text // upstream; "" is the client's
}

// errActsFor: what is asked outside knows nothing of authorization identities,
// and would say yes to somebody who wants to be somebody else.
var errActsFor = errors.New("nobody may act for others where a lookup decides")

// leadAsked has somebody outside say where a login leads.
func (g *Gateway) leadAsked(ctx context.Context, route Route, peer pop3.Peer, cred pop3.Credentials) (Route, upstream.Login, error) {
	if cred.Identity != "" && cred.Identity != cred.User {
		return route, upstream.Login{}, clientError(&upstream.Error{Kind: upstream.Rejected, Doing: "look the user up", Err: errActsFor})
	}
	d, err := route.Ask(ctx, lookup.Question{
		User: cred.User, Secret: cred.Secret, Method: methodOf(cred.Mechanism),
		Client: address(peer.Remote), Listener: peer.Listener, Attempt: cred.Attempt, TLS: peer.TLS,
	})
	if err != nil {
		return route, upstream.Login{}, clientError(err)
	}
	if d.User != "" {
		d.Route.User = d.User
	}
	login := upstreamLogin(d.Route, peer, cred)
	if !d.Secret.Empty() {
		login.Secret, login.Bearer = d.Secret, false
		d.Route.Server = &keeper{d.Route.Server, nil}
	}
	return d.Route, login, nil
}

// methodOf is nginx's word for a mechanism: how the password came is all the
// same to it.
func methodOf(mechanism string) string {
	switch mechanism {
	case "XOAUTH2":
		return "xoauth2"
	case "OAUTHBEARER":
		return "oauthbearer"
	}
	return "plain"
}
