package bridge

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-sasl"

	"github.com/restante-mail/restante/upstream"
)

// Bounds of credentials. Dovecot ends the connection on a 5,000-octet
// password; tokens of Microsoft have 2 to 4 KiB.
const (
	maxPassword = 1 << 10
	maxToken    = 8 << 10
)

// checkLogin refuses what no server should see. Nothing has been dialed yet.
func checkLogin(login upstream.Login) error {
	secret, limit := login.Secret.Reveal(), maxPassword
	if login.Bearer {
		limit = maxToken
	}
	var problem string
	switch {
	case login.User == "":
		problem = "the user name is empty"
	case secret == "":
		problem = "the password is empty" // some servers take that for an anonymous sign-in
	case len(login.User) > maxPassword || len(login.Identity) > maxPassword:
		problem = fmt.Sprintf("the user name has more than %d octets", maxPassword)
	case len(secret) > limit:
		problem = fmt.Sprintf("the password or token has more than %d octets", limit)
	case strings.ContainsAny(login.User+login.Identity+secret, "\r\n\x00"):
		problem = "a line end or NUL is in the credentials"
	case login.Bearer && strings.ContainsRune(login.User+login.Identity+secret, 1):
		problem = "a control character is in the credentials" // it separates the fields of XOAUTH2
	default:
		return nil
	}
	return &upstream.Error{Kind: upstream.Rejected, Doing: "sign in", Err: errors.New(problem)}
}

// choose picks a way to sign in from what the server announces: a SASL client,
// or nil for the LOGIN command.
func choose(f *framing, login upstream.Login) (sasl.Client, error) {
	switch {
	case login.Bearer && f.has("AUTH=OAUTHBEARER"):
		return oauthBearer(login), nil
	case login.Bearer && f.has("AUTH=XOAUTH2"):
		return xoauth2(login), nil
	case login.Bearer:
		return nil, cannot("the server takes no tokens: it offers neither OAUTHBEARER nor XOAUTH2")
	case f.has("AUTH=PLAIN"):
		return sasl.NewPlainClient(login.Identity, login.User, login.Secret.Reveal()), nil
	case login.Identity != "" && login.Identity != login.User:
		return nil, cannot("acting as another user needs AUTHENTICATE PLAIN, which the server does not offer")
	case f.has("LOGINDISABLED"):
		return nil, cannot("the server takes no passwords on this connection: it offers no PLAIN, and LOGINDISABLED")
	}
	return nil, nil
}

func cannot(problem string) error {
	return &upstream.Error{Kind: upstream.Denied, Doing: "sign in", Err: errors.New(problem)}
}

// signIn proves who we are, and learns what the server can do for us now.
func (l *link) signIn(ctx context.Context, mechanism sasl.Client, login upstream.Login) error {
	l.f.setSigning(true)
	err := l.bounded(ctx, l.u.o.ReplyTimeout, func() error {
		if mechanism == nil {
			return l.c.Login(login.User, login.Secret.Reveal()).Wait()
		}
		return l.c.Authenticate(mechanism)
	})
	if err != nil {
		return l.explain(ctx, "sign in", upstream.Rejected, err)
	}
	fresh := l.f.setSigning(false)
	if !fresh {
		err = l.run(ctx, "ask for capabilities", l.u.o.ReplyTimeout, func() error {
			_, err := l.c.Capability().Wait()
			return err
		})
	}
	l.f.settle()
	l.caps = l.c.Caps()
	return err
}

// settle ends all change of capabilities.
func (f *framing) settle() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.settled = true
}

// setSigning begins or ends sign-in, and tells whether capabilities were
// announced since it began.
func (f *framing) setSigning(on bool) (fresh bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	fresh = f.fresh
	f.signing, f.fresh = on, false
	return fresh
}

// uniqueAttribute is the FETCH attribute that names a message for ever.
func (l *link) uniqueAttribute() string {
	switch {
	case l.has(imap.CapObjectID):
		return "EMAILID"
	case l.has(gmail):
		return "X-GM-MSGID"
	}
	return ""
}

// gmail is the capability by which Gmail is known.
const gmail imap.Cap = "X-GM-EXT-1"
