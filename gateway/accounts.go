package gateway

import (
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/restante-mail/restante/auth"
	"github.com/restante-mail/restante/pop3"
	"github.com/restante-mail/restante/secret"
	"github.com/restante-mail/restante/upstream"
)

// errElsewhere is why a right secret does not do.
var errElsewhere = errors.New("the secret is for another view, or the account may not act for others")

// errNoAccount: nothing is kept for the name.
var errNoAccount = errors.New("it is no account, or its route uses none")

// lead finds the way to the mailbox, by the account's own secrets if it is one
// of ours, or else by whatever the client has shown.
func (g *Gateway) lead(ctx context.Context, peer pop3.Peer, cred pop3.Credentials) (Route, upstream.Login, error) {
	local, err := g.isLocal(ctx, peer, cred)
	switch {
	case err != nil:
		route, _ := g.Route(cred.User, address(peer.Remote), peer.Listener) // for the record
		return route, upstream.Login{}, err
	case local:
		return g.leadAccount(ctx, peer, cred)
	}
	return g.leadThrough(ctx, peer, cred)
}

// isLocal tells whether an account of ours decides. What only an account can
// judge never goes upstream: a digest is no password, and neither is a secret
// of an account for whose mailbox another route was asked.
func (g *Gateway) isLocal(ctx context.Context, peer pop3.Peer, cred pop3.Credentials) (bool, error) {
	own, use := g.accountUse(peer, cred)
	switch {
	case g.Accounts == nil || use == auth.UseNone:
		if isLocalMechanism(cred.Mechanism) {
			return false, accountError(fmt.Errorf("%w: %s is for accounts, and the route has none", auth.ErrWrong, cred.Mechanism))
		}
		return false, nil
	case use == auth.UseOnly || isLocalMechanism(cred.Mechanism):
		return true, nil
	}
	_, found, err := g.Accounts.Find(ctx, own)
	return found, accountError(err)
}

func isLocalMechanism(name string) bool { return name == "APOP" || name == "EXTERNAL" }

// accountUse returns the account's name, and what the routes say: the user's own
// and that of the mailbox, whichever is stricter.
func (g *Gateway) accountUse(peer pop3.Peer, cred pop3.Credentials) (name string, use auth.Use) {
	name = cred.User
	if own, err := g.Route(cred.User, address(peer.Remote), peer.Listener); err == nil {
		name, use = own.Base, own.Accounts
	}
	if cred.Identity != "" {
		if owner, err := g.Route(cred.Identity, address(peer.Remote), peer.Listener); err == nil {
			use = max(use, owner.Accounts)
		}
	}
	return name, use
}

// leadAccount signs in with an account's secret, and goes upstream as the
// account's identity there.
func (g *Gateway) leadAccount(ctx context.Context, peer pop3.Peer, cred pop3.Credentials) (Route, upstream.Login, error) {
	owner := cred.Identity
	if owner == "" {
		owner = cred.User
	}
	name, _ := g.accountUse(peer, cred)
	route, err := g.Route(owner, address(peer.Remote), peer.Listener)
	if err != nil {
		return route, upstream.Login{}, err
	}
	grant, err := g.open(ctx, peer, cred, name)
	if err == nil && auth.Fold(route.Base) != auth.Fold(name) {
		err = fmt.Errorf("%w: %w", auth.ErrWrong, errElsewhere)
	}
	if err == nil {
		route, err = route.spelled(grant.Account)
	}
	if err == nil {
		route, err = narrow(route, grant.Secret)
		route.Policy.Language = cmp.Or(grant.Account.Language, route.Policy.Language)
	}
	var proof auth.Proof
	if err == nil {
		proof, err = g.Accounts.Prove(grant.Account, route.User, route.Master)
	}
	if err != nil {
		return route, upstream.Login{}, accountError(err)
	}
	route, login := held(route, proof, upstreamLogin(route, peer, cred))
	route.Label = grant.Secret.Label
	return route, login, nil
}

// spelled is the route of the account as it is called. Letter case does not count
// in an account's name and may count upstream: a client must not choose by its
// spelling whose mailbox a master user opens.
func (r Route) spelled(a auth.Account) (Route, error) {
	if r.Spell == nil || r.Base == a.Name {
		return r, nil
	}
	spelled, err := r.Spell(a.Name)
	if err != nil {
		return r, fmt.Errorf("%w: %w", auth.ErrSetup, err)
	}
	return spelled, nil
}

// open asks the directory. A token is no secret of an account: only upstream
// could tell what it is worth.
func (g *Gateway) open(ctx context.Context, peer pop3.Peer, cred pop3.Credentials, name string) (auth.Grant, error) {
	a := auth.Attempt{Name: name, Client: address(peer.Remote)}
	switch cred.Mechanism {
	case "XOAUTH2", "OAUTHBEARER":
		return auth.Grant{}, fmt.Errorf("%w: accounts are not opened by tokens", auth.ErrWrong)
	case "APOP":
		a.Digest, a.Challenge = cred.Secret.Reveal(), cred.Challenge
	case "EXTERNAL":
		if a.Certificate = shownBy(peer); a.Certificate == nil {
			return auth.Grant{}, fmt.Errorf("%w: there is no client certificate", auth.ErrWrong)
		}
	default:
		a.Password = cred.Secret
	}
	return g.Accounts.Judge(ctx, a)
}

// shownBy is the client's certificate, if it was verified.
func shownBy(peer pop3.Peer) *x509.Certificate {
	if peer.TLS == nil || len(peer.TLS.VerifiedChains) == 0 {
		return nil
	}
	return peer.TLS.PeerCertificates[0]
}

// narrow leads to the view and the policy that a secret is for.
func narrow(r Route, s auth.Secret) (Route, error) {
	switch {
	case s.View != "" && r.View != "" && !strings.EqualFold(r.View, s.View):
		return r, fmt.Errorf("%w: %w", auth.ErrWrong, errElsewhere)
	case s.View == "" && s.Policy == "":
		return r, nil
	}
	view := r.View
	if s.View != "" {
		view = s.View
	}
	narrowed, err := r.With(view, s.Policy)
	if err != nil {
		return r, fmt.Errorf("%w: secret %q: %w", auth.ErrSetup, s.Label, err)
	}
	return narrowed, nil
}

// held is a route that is walked with credentials of ours.
func held(r Route, p auth.Proof, login upstream.Login) (Route, upstream.Login) {
	r.User = p.Owner()
	login.User, login.Identity = p.User, p.ActAs
	login.Secret, login.External, login.Bearer = p.Secret, p.External, false
	r.Server = &keeper{r.Server, p.Tokens}
	return r, login
}

// keeper opens mailboxes with credentials that the client does not know. That
// they are refused is not the client's fault, and it must not be told to mend
// its password.
type keeper struct {
	upstream.Server
	tokens upstream.TokenSource // nil if a password or a certificate does
}

// Open implements upstream.Server. A token that is refused is replaced once.
func (h *keeper) Open(ctx context.Context, login upstream.Login) (upstream.Mailbox, error) {
	if h.tokens == nil {
		mailbox, err := open(ctx, h.Server, login)
		return mailbox, notTheClient(err)
	}
	refused := secret.Text{}
	for {
		token, err := h.tokens.Token(ctx, refused)
		if err != nil {
			return nil, notTheClient(err)
		}
		login.Secret, login.Bearer, login.Expires, login.Tokens = token.Secret, true, token.Expires, h.tokens
		mailbox, err := open(ctx, h.Server, login)
		if upstream.KindOf(err) != upstream.Rejected || !refused.Empty() {
			return mailbox, notTheClient(err)
		}
		refused = token.Secret
	}
}

func notTheClient(err error) error {
	if err == nil || upstream.KindOf(err) != upstream.Rejected {
		return err
	}
	return &upstream.Error{Kind: upstream.Denied, Doing: "sign in with what is kept for the account", Err: err}
}

// accountError is what a client hears when its account does not let it in.
func accountError(err error) error {
	e := &pop3.Error{Err: err}
	switch {
	case err == nil:
		return nil
	case errors.Is(err, auth.ErrWrong):
		e.Code, e.Text = pop3.CodeAuth, told[upstream.Rejected].Text
	case errors.Is(err, auth.ErrSetup):
		e.Code, e.Text = pop3.CodeSysPerm, "This account is not set up completely; ask your administrator"
	case errors.Is(err, auth.ErrTryLater):
		e.Code, e.Text = pop3.CodeSysTemp, "Too many are signing in at this moment; try again later"
	default:
		e.Code, e.Text = pop3.CodeSysTemp, "Accounts cannot be looked up at this moment; try again later"
	}
	return e
}

// MayBear tells whether a client's token could open anything by one of the
// routes: not where accounts decide, nor where the upstream is known to take
// none.
func MayBear(routes []Route) bool {
	return slices.ContainsFunc(routes, func(r Route) bool {
		u, ok := r.Server.(interface{ TakesTokens() (takes, known bool) })
		if !ok {
			return r.Accounts != auth.UseOnly
		}
		takes, known := u.TakesTokens()
		return r.Accounts != auth.UseOnly && (takes || !known)
	})
}
