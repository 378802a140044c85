package oauth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
	"golang.org/x/oauth2/jwt"

	"github.com/restante-mail/restante/secret"
)

const (
	// maxToken bounds a token. Microsoft's have 2 to 4 KiB, and IMAP servers
	// take little more than 8.
	maxToken = 8 << 10
	// unknownLife is for tokens of which nobody says how long they are good.
	// One that ends before is refused upstream, and then another is asked for.
	unknownLife = time.Hour
	// maxLife: no token is believed to be good for longer.
	maxLife = 24 * time.Hour
)

// granted is what a server of tokens handed out.
type granted struct {
	access, refresh secret.Text // refresh "": keep the one there was
	expires         time.Time
}

// ask asks for a token. What err says has none of the secrets in it.
func (p *Provider) ask(ctx context.Context, now func() time.Time, secrets []string, call func(context.Context, Endpoints) (*oauth2.Token, error)) (granted, error) {
	e, err := p.endpoints(ctx, now)
	if err != nil {
		return granted{}, err
	}
	if e.Token == "" {
		return granted{}, errors.New("the provider has no token endpoint")
	}
	c := p.call(ctx, now)
	secrets = append(secrets, p.ClientSecret.Reveal())
	started := now()
	t, err := call(c.within(), e)
	if err != nil && ctx.Err() != nil {
		return granted{}, ctx.Err()
	}
	if err != nil {
		return granted{}, c.failure(err, secrets)
	}
	return accept(t, started)
}

func (p *Provider) call(ctx context.Context, now func() time.Time) *call {
	base := p.Transport
	if base == nil {
		base = http.DefaultTransport
	}
	return &call{ctx: ctx, base: base, now: now}
}

// accept takes a token in if it is one. What ends up in a line of IMAP must be
// printable ASCII (RFC 6750 section 2.1 allows less).
func accept(t *oauth2.Token, started time.Time) (granted, error) {
	g := granted{access: secret.New(t.AccessToken), refresh: secret.New(t.RefreshToken)}
	kind := t.TokenType
	switch {
	case kind != "" && !strings.EqualFold(kind, "bearer"):
		return granted{}, errors.New("the server hands out no bearer token but another type")
	case !isToken(t.AccessToken) || t.RefreshToken != "" && !isToken(t.RefreshToken):
		return granted{}, fmt.Errorf("the server hands out a token that is none: it has more than %d octets, or others than printable ASCII", maxToken)
	}
	life := time.Duration(t.ExpiresIn) * time.Second
	if t.ExpiresIn == 0 && !t.Expiry.IsZero() { // the library's own reckoning
		life = time.Until(t.Expiry)
	}
	if life <= 0 {
		life = unknownLife
	}
	g.expires = started.Add(min(life, maxLife))
	return g, nil
}

func isToken(s string) bool {
	return s != "" && len(s) <= maxToken && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' })
}

// refresh uses a refresh token, which by that may come to its end.
func (p *Provider) refresh(ctx context.Context, now func() time.Time, token secret.Text) (granted, error) {
	plain := token.Reveal()
	g, err := p.ask(ctx, now, []string{plain}, func(ctx context.Context, e Endpoints) (*oauth2.Token, error) {
		return p.config(e, "").TokenSource(ctx, &oauth2.Token{RefreshToken: plain}).Token()
	})
	if err == nil && g.refresh.Empty() {
		g.refresh = token
	}
	return g, err
}

// own asks with what the program itself has: for anybody, or as a service
// account for subject.
func (p *Provider) own(ctx context.Context, now func() time.Time, subject string) (granted, error) {
	if p.Grant == ServiceAccount {
		return p.assert(ctx, now, subject)
	}
	return p.ask(ctx, now, nil, func(ctx context.Context, e Endpoints) (*oauth2.Token, error) {
		c := p.config(e, "")
		own := clientcredentials.Config{ClientID: c.ClientID, ClientSecret: c.ClientSecret, TokenURL: e.Token, Scopes: c.Scopes, AuthStyle: c.Endpoint.AuthStyle}
		return own.Token(ctx)
	})
}

// assertionLife is how long an assertion is good: it is used at once, and
// Google takes none that is good for more than an hour.
const assertionLife = 5 * time.Minute

func (p *Provider) assert(ctx context.Context, now func() time.Time, subject string) (granted, error) {
	return p.ask(ctx, now, nil, func(ctx context.Context, e Endpoints) (*oauth2.Token, error) {
		c := jwt.Config{
			Email: p.ClientID, PrivateKey: []byte(p.Key.PEM.Reveal()), PrivateKeyID: p.Key.ID,
			Subject: subject, Scopes: p.Scopes, TokenURL: e.Token, Expires: assertionLife,
		}
		return c.TokenSource(ctx).Token()
	})
}
