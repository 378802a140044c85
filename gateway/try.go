package gateway

import (
	"cmp"
	"context"
	"net"

	"github.com/restante-mail/restante/auth"
	"github.com/restante-mail/restante/pop3"
	"github.com/restante-mail/restante/upstream"
)

// Tried is where a sign-in led, as far as it came.
type Tried struct {
	Upstream, Host string
	// User signs in upstream, and acts for Mailbox.
	User, Mailbox string
	View, Policy  string
	// Secret is the label of the account's secret; "" if it is not an account's.
	Secret string
	// Folders are those that were opened.
	Folders []string
}

// Try signs in, looks at nothing, and leaves. With held it asks for no secret of
// the account and tries what is kept for it.
func (g *Gateway) Try(ctx context.Context, q Question, held bool) (t Tried, err error) {
	peer := pop3.Peer{ID: "try", Listener: q.Listener, Remote: &net.TCPAddr{IP: q.Client.AsSlice()}}
	route, login, err := g.leadEither(ctx, peer, q, held)
	t = tried(route, login)
	if err != nil {
		return t, err
	}
	mailbox, err := open(ctx, route.Server, login)
	if err != nil {
		return t, err
	}
	for _, f := range mailbox.Folders() {
		t.Folders = append(t.Folders, f.Name)
	}
	return t, mailbox.Close()
}

func tried(route Route, login upstream.Login) Tried {
	return Tried{Upstream: route.Upstream, Host: route.Host, User: login.User, Mailbox: route.User, View: route.View,
		Policy: route.PolicyName, Secret: route.Label}
}

// leadHeld finds the way to an account's mailbox with what is kept for it, for
// work that no client asked for. narrow chooses view and policy.
func (g *Gateway) leadHeld(ctx context.Context, peer pop3.Peer, name string, narrow func(Route, auth.Account) (Route, error)) (Route, upstream.Login, error) {
	route, err := g.Route(name, address(peer.Remote), peer.Listener)
	if err != nil {
		return route, upstream.Login{}, err
	}
	if g.Accounts == nil || route.Accounts == auth.UseNone {
		return route, upstream.Login{}, errNoAccount
	}
	account, found, err := g.Accounts.Find(ctx, route.Base)
	if err == nil && !found {
		err = errNoAccount
	}
	if err == nil {
		route, err = route.spelled(account)
	}
	if err == nil {
		route, err = narrow(route, account)
		route.Policy.Language = cmp.Or(account.Language, route.Policy.Language)
	}
	var proof auth.Proof
	if err == nil {
		proof, err = g.Accounts.Prove(account, route.User, route.Master)
	}
	if err != nil {
		return route, upstream.Login{}, err
	}
	route, login := held(route, proof, upstreamLogin(route, peer, pop3.Credentials{}))
	return route, login, nil
}
