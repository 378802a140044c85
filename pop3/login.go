package pop3

import (
	"errors"
	"strings"

	"github.com/restante-mail/restante/secret"
)

// plainState remembers whether this client may sign in as it is connected.
type plainState uint8

const (
	plainUnknown plainState = iota
	plainAllowed
	plainRefused
)

var errNoTLS = &refusal{text: "sign-in without TLS is not allowed here, use STLS or the TLS port"}

// maySignIn tells whether secrets may come over this connection. It is found
// out when it is needed first, for a PROXY header may have to come before.
func (c *conn) maySignIn() bool {
	if c.tls != nil {
		return true
	}
	if c.plain == plainUnknown {
		c.plain = plainRefused
		if c.server.allowsPlain(c) {
			c.plain = plainAllowed
		}
	}
	return c.plain == plainAllowed
}

func (s *Server) allowsPlain(c *conn) bool {
	if s.AllowPlain == nil {
		return fromHere(c.peer.Remote)
	}
	return s.AllowPlain(c.nc)
}

// userName answers USER (RFC 1939 section 7). It never tells whether the name
// exists.
func (c *conn) userName(arg string) error {
	switch {
	case !c.maySignIn():
		return errNoTLS
	case arg == "":
		return bad("a name is needed")
	}
	c.user = arg
	c.ok("send PASS")
	return nil
}

// password answers PASS (RFC 1939 section 7). Passwords may hold spaces, so all
// that follows the first is the password.
func (c *conn) password(arg string) error {
	user := c.user
	if user == "" {
		return &refusal{text: "send USER first"}
	}
	c.user = ""
	return c.signIn(Credentials{Mechanism: "USER", User: user, Secret: secret.New(arg)})
}

// signIn asks the backend for the maildrop. +OK means that it is open.
func (c *conn) signIn(cred Credentials) error {
	if !clean(cred.User) || !clean(cred.Secret.Reveal()) && cred.Mechanism != mechExternal || strings.ContainsAny(cred.Identity, lineBreakers) {
		if c.server.Hooks.Malformed != nil {
			c.server.Hooks.Malformed(c.peer, cred.User, cred.Mechanism)
		}
		return c.signInFailed(&refusal{code: CodeAuth, text: "the name and the password may be neither empty nor hold line breaks"})
	}
	if err := c.flush(); err != nil {
		return c.lost(err)
	}
	cred.Attempt = c.sum.FailedSignIns + 1
	c.change(func() { c.sum.User = cred.User })
	session, err := c.login(cred)
	if err != nil {
		refused := c.failed("sign in", err)
		c.change(func() { c.sum.User = "" })
		return c.signInFailed(refused)
	}
	c.maildrop.session = session
	if waiter, ok := session.(Waiter); ok {
		c.maildrop.waits = waiter.BeforeWait(c.beforeWait)
	}
	c.sum.Mechanism = cred.Mechanism
	if err := c.enter(everybody); err != nil {
		return err
	}
	c.commands = transaction
	c.ok("signed in")
	return nil
}

func (c *conn) login(cred Credentials) (Session, error) {
	ctx, cancel := c.backendContext()
	defer cancel()
	session, err := c.server.Backend.Login(ctx, c.peer, cred)
	if err == nil && session == nil {
		err = errors.New("the backend gave no session")
	}
	return session, err
}

// signInFailed counts wrong credentials, and hangs up after too many. What is
// no fault of the client's (a server that is down, a maildrop in use) must not
// look like guessing.
func (c *conn) signInFailed(err error) error {
	r, ok := err.(*refusal)
	if !ok || r.code != CodeAuth {
		return err
	}
	c.sum.FailedSignIns++
	if reached(c.sum.FailedSignIns, c.limits.SignIns) {
		r.end = EndSignIns
	}
	return err
}

// lineBreakers are what no name or password can hold: each would end a line or
// a string in some protocol upstream.
const lineBreakers = "\r\n\x00"

func clean(s string) bool { return s != "" && !strings.ContainsAny(s, lineBreakers) }
