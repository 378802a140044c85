// Package oauth gets the tokens with which Restante signs in upstream, and
// keeps them fresh. A Provider knows how a server of tokens is asked (RFC 6749,
// 7523, 7636, 8414, 8628), a Keeper holds one Source for each account, and a
// Source gives out a token that is good for some time to come.
//
// A refresh token that is lost or used twice locks a mailbox until a person
// consents again. So what a server of tokens hands out is kept (in a Vault)
// before it is used, nothing is refreshed while it could not be kept, and one
// process at a time does it.
//
// The package speaks HTTP to servers of tokens and to nobody else. It knows
// nothing of mail, of POP3 clients and their passwords, and it writes no log:
// what happens is told by Event, and never with a secret in it.
package oauth

import (
	"net/http"
	"slices"
	"strings"

	"golang.org/x/oauth2"

	"github.com/restante-mail/restante/secret"
)

// Grant is how a token is come by.
type Grant uint8

const (
	// User: the mailbox's owner consents once, by a device code or in a
	// browser; from then on refresh tokens do.
	User Grant = iota
	// ClientCredentials: the program signs in as itself, for every mailbox that
	// the provider's administrator lets it into (RFC 6749 section 4.4).
	ClientCredentials
	// ServiceAccount: the program signs an assertion for one mailbox
	// (RFC 7523).
	ServiceAccount
)

func (g Grant) String() string {
	return [...]string{"user", "client-credentials", "service-account"}[g]
}

// A Provider is a server of tokens, and who we are to it. It is not changed
// after its first use.
type Provider struct {
	// Name is what the configuration calls it.
	Name  string
	Grant Grant
	// ClientID is our name there; for ServiceAccount the account's e-mail.
	ClientID string
	// ClientSecret may be empty: programs on people's machines have none.
	ClientSecret secret.Text
	Scopes       []string
	// Endpoints are asked. What is missing is discovered from Issuer.
	Endpoints Endpoints
	// Issuer, if not "", is the URL that OpenID Connect discovery begins at.
	Issuer string
	// SecretInHeader sends the client's name and secret by HTTP's Basic
	// authentication instead of in the form. It is never found out by trying:
	// a refresh token that is tried twice may be taken for a stolen one.
	SecretInHeader bool
	// Redirect is where a browser comes back to: a loopback URL, whose port 0
	// stands for any.
	Redirect string
	// Key signs assertions; only for ServiceAccount.
	Key *Key
	// Ask is what else to say when a person is asked to consent.
	Ask map[string]string
	// Transport reaches the endpoints; nil is a new http.Transport.
	Transport http.RoundTripper

	discovery discovery
}

// Endpoints are URLs of a Provider.
type Endpoints struct {
	Token, Authorize, Device string
}

// identity tells one Provider's refresh tokens from another's: they are bound
// to the client that they were given to.
func (p *Provider) identity() string {
	return strings.Join([]string{p.Issuer, p.Endpoints.Token, p.ClientID}, " ")
}

// fingerprint is the same as long as tokens are got in the same way.
func (p *Provider) fingerprint() string {
	parts := []string{p.identity(), p.Grant.String(), p.ClientSecret.Reveal(), strings.Join(p.Scopes, " ")}
	if p.Key != nil {
		parts = append(parts, p.Key.ID, p.Key.PEM.Reveal())
	}
	return strings.Join(parts, "\x00")
}

// config is what the library asks with.
func (p *Provider) config(e Endpoints, redirect string) *oauth2.Config {
	style := oauth2.AuthStyleInParams
	if p.SecretInHeader {
		style = oauth2.AuthStyleInHeader
	}
	return &oauth2.Config{
		ClientID: p.ClientID, ClientSecret: p.ClientSecret.Reveal(), RedirectURL: redirect, Scopes: slices.Clone(p.Scopes),
		Endpoint: oauth2.Endpoint{TokenURL: e.Token, AuthURL: e.Authorize, DeviceAuthURL: e.Device, AuthStyle: style},
	}
}

// options are what else is said to a person's browser.
func (p *Provider) options() (all []oauth2.AuthCodeOption) {
	for key, value := range p.Ask {
		all = append(all, oauth2.SetAuthURLParam(key, value))
	}
	return all
}
