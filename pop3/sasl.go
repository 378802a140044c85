package pop3

import (
	"bytes"
	"errors"
	"strings"

	"github.com/emersion/go-sasl"

	"github.com/restante-mail/restante/secret"
)

// SASL mechanisms, for Server.Mechanisms and Credentials.Mechanism.
const (
	mechPlain       = "PLAIN"       // RFC 4616
	mechLogin       = "LOGIN"       // draft-murchison-sasl-login
	mechXOAuth2     = "XOAUTH2"     // Google's and Microsoft's
	mechOAuthBearer = "OAUTHBEARER" // RFC 7628
	mechExternal    = "EXTERNAL"    // RFC 4422 appendix A
)

// mechAPOP is no SASL mechanism, but a command of its own.
const mechAPOP = "APOP"

// defaultMechanisms are offered in this order.
var defaultMechanisms = []string{mechPlain, mechLogin, mechXOAuth2, mechOAuthBearer, mechExternal}

// newMechanism returns the server's side of a mechanism, or nil if there is no
// such. It decodes what the client says into cred and does not judge it: that
// is for the backend, after the exchange.
//
// Only PLAIN is go-sasl's. It has no server for LOGIN and XOAUTH2, and the one
// for OAUTHBEARER panics on an empty answer to its error, does not unescape
// names, and refuses keys that it does not know.
func newMechanism(name string, cred *Credentials) sasl.Server {
	switch name {
	case mechPlain:
		return sasl.NewPlainServer(func(identity, user, password string) error {
			cred.Identity, cred.User, cred.Secret = identity, user, secret.New(password)
			return nil
		})
	case mechLogin:
		return &loginServer{cred: cred}
	case mechXOAuth2:
		return &bearerServer{cred: cred, decode: decodeXOAuth2}
	case mechOAuthBearer:
		return &bearerServer{cred: cred, decode: decodeOAuthBearer}
	case mechExternal:
		return &externalServer{cred}
	}
	return nil
}

var errMalformed = errors.New("malformed response")

// loginServer asks for the name and the password, one after the other. An
// initial response is the name.
type loginServer struct {
	cred *Credentials
	step int
}

func (l *loginServer) Next(response []byte) (challenge []byte, done bool, err error) {
	if response == nil {
		return []byte("Username:"), false, nil
	}
	l.step++
	if l.step == 1 {
		l.cred.User = string(response)
		return []byte("Password:"), false, nil
	}
	l.cred.Secret = secret.New(string(response))
	return nil, true, nil
}

// bearerServer takes one response that holds a name and a token.
type bearerServer struct {
	cred   *Credentials
	decode func(response []byte, cred *Credentials) error
}

func (b *bearerServer) Next(response []byte) (challenge []byte, done bool, err error) {
	if response == nil {
		return []byte{}, false, nil
	}
	return nil, true, b.decode(response, b.cred)
}

// decodeXOAuth2 reads "user=NAME^Aauth=Bearer TOKEN^A^A".
func decodeXOAuth2(response []byte, cred *Credentials) error {
	cred.User = valueOf(response, "user")
	return bearerToken(response, cred)
}

// decodeOAuthBearer reads "n,a=NAME,^Ahost=H^Aport=P^Aauth=Bearer TOKEN^A^A"
// (RFC 7628 section 3.1). The name is an authorization identity (RFC 5801
// section 4); it is the only name there is. "y" says that the client could
// bind to a TLS channel, which we do not offer. Keys other than auth do not
// matter.
func decodeOAuthBearer(response []byte, cred *Credentials) error {
	header, rest, ok := bytes.Cut(response, []byte{1})
	parts := strings.Split(string(header), ",")
	if !ok || len(parts) != 3 || parts[0] != "n" && parts[0] != "y" || parts[2] != "" {
		return errMalformed
	}
	name, ok := strings.CutPrefix(parts[1], "a=")
	if !ok {
		return errMalformed // without a name there is no maildrop to find
	}
	cred.User = strings.NewReplacer("=2C", ",", "=3D", "=").Replace(name)
	return bearerToken(rest, cred)
}

// bearerToken reads the token of the auth key.
func bearerToken(response []byte, cred *Credentials) error {
	kind, token, ok := strings.Cut(valueOf(response, "auth"), " ")
	if !ok || !strings.EqualFold(kind, "Bearer") || !bytes.HasSuffix(response, []byte{1, 1}) {
		return errMalformed
	}
	cred.Secret = secret.New(strings.Trim(token, " "))
	return nil
}

// valueOf finds a key among key=value pairs that are each ended by ^A.
func valueOf(pairs []byte, key string) string {
	for pair := range bytes.SplitSeq(pairs, []byte{1}) {
		if value, ok := bytes.CutPrefix(pair, []byte(key+"=")); ok {
			return string(value)
		}
	}
	return ""
}
