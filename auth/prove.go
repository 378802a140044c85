package auth

import (
	"fmt"

	"github.com/restante-mail/restante/secret"
	"github.com/restante-mail/restante/upstream"
)

// A Proof is what to sign in upstream with.
type Proof struct {
	// User signs in, and acts as ActAs if that is not "".
	User, ActAs string
	// Secret is a password, where there is one.
	Secret secret.Text
	// Tokens give what to show instead.
	Tokens upstream.TokenSource
	// External: a client certificate proves it.
	External bool
}

// Owner is whose mailbox it is.
func (p Proof) Owner() string { return first(p.ActAs, p.User) }

// Owner is whose mailbox an account's is, if its route names user. It is what
// the Owner of its Proof will be.
func (i Identity) Owner(user string) string {
	if i.Method == "" || i.Method == ByMaster {
		return first(i.ActAs, user)
	}
	return first(i.ActAs, first(i.User, user))
}

// A Master is the master user of an upstream.
type Master struct {
	// Upstream is its name in the configuration.
	Upstream string
	// User signs in; "" if there is none.
	User string
	// Sealed is the password, sealed for the upstream's name and MasterPurpose.
	Sealed string
}

// MasterPurpose is what the password of a Master is sealed for.
const MasterPurpose = "master password"

// Prove returns what to sign in upstream with for an account whose route names
// a user there. An error is ErrSetup.
func (d *Directory) Prove(a Account, user string, m Master) (Proof, error) {
	p, err := d.prove(a, user, m)
	if err != nil {
		err = fmt.Errorf("%w: %w", ErrSetup, err)
	}
	if p.ActAs == p.User {
		p.ActAs = ""
	}
	return p, err
}

func (d *Directory) prove(a Account, user string, m Master) (p Proof, err error) {
	i := a.Upstream
	p = Proof{User: first(i.User, user), ActAs: i.ActAs}
	switch i.Method {
	case ByPassword:
		p.Secret, err = d.Keys.Open(Fold(a.Name), UpstreamPurpose, i.Sealed)
	case ByCertificate:
		p.External = true
	case ByOAuth2:
		p.Tokens, err = d.tokens(a, p.User)
	default:
		p.User, p.ActAs = first(i.User, m.User), first(i.ActAs, user)
		p.Secret, err = d.masterPassword(a, m)
	}
	return p, err
}

func (d *Directory) masterPassword(a Account, m Master) (secret.Text, error) {
	switch {
	case a.Upstream.Sealed != "":
		return d.Keys.Open(Fold(a.Name), UpstreamPurpose, a.Upstream.Sealed)
	case m.User == "":
		return secret.Text{}, fmt.Errorf("account %q has no identity upstream, and upstream %q has no master user", a.Name, m.Upstream)
	}
	return d.Keys.Open(m.Upstream, MasterPurpose, m.Sealed)
}

func (d *Directory) tokens(a Account, user string) (upstream.TokenSource, error) {
	if d.Tokens == nil {
		return nil, fmt.Errorf("account %q needs tokens of %q, and no OAuth2 provider is configured", a.Name, a.Upstream.Provider)
	}
	return d.Tokens.Source(a, user)
}

func first(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
