package bridge

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
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
	case secret == "" && !login.External:
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
	return &upstream.Error{Kind: upstream.Rejected, Doing: signingIn, Err: errors.New(problem)}
}

// choose picks a way to sign in from what the server announces: a SASL client,
// or nil for the LOGIN command.
func choose(f *framing, login upstream.Login) (sasl.Client, error) {
	switch {
	case login.External && f.has("AUTH=EXTERNAL"):
		return sasl.NewExternalClient(actAs(login)), nil
	case login.External:
		return nil, cannot("the server does not know us by a certificate: it does not offer EXTERNAL; give the upstream a cert and a key that it trusts")
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
	return &upstream.Error{Kind: upstream.Denied, Doing: signingIn, Err: errors.New(problem)}
}

// signIn is one sign-in over a new connection.
type signIn struct {
	l         *link
	address   string
	mechanism sasl.Client // nil for LOGIN
	login     upstream.Login
	ask       func(*link) // or nil
	before    string      // what the server can do before sign-in
}

// do signs in at once with everything else, if the server is known and the
// sign-in is a single line; or else step by step.
func (s *signIn) do(ctx context.Context) error {
	known, line := s.l.u.served.get(s.address), s.line()
	if line != "" && known.after != "" && known.before == s.before {
		return s.atOnce(ctx, known, line)
	}
	err := s.stepwise(ctx)
	if err == nil {
		err = s.learn(ctx)
	}
	if err == nil && s.ask != nil {
		s.ask(s.l)
	}
	return err
}

// line is the sign-in as one command, or "". A token may be refused by a
// question, and the next command would be taken for the answer. Base64, and
// printable ASCII in quotes, cannot become protocol.
func (s *signIn) line() string {
	if s.mechanism == nil {
		user, secret := s.login.User, s.login.Secret.Reveal()
		if !isQuotable(user) || !isQuotable(secret) {
			return ""
		}
		return "LOGIN " + inQuotes(user) + " " + inQuotes(secret)
	}
	name, response, err := s.mechanism.Start()
	if err != nil || name != sasl.Plain || !s.l.f.has("SASL-IR") {
		return ""
	}
	return "AUTHENTICATE PLAIN " + base64.StdEncoding.EncodeToString(response)
}

func isQuotable(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' })
}

// atOnce says everything in one flight. What comes after the sign-in is worded
// for what the server could do the last time.
func (s *signIn) atOnce(ctx context.Context, known served, line string) error {
	l, f := s.l, s.l.f
	l.setCaps(known.after)
	l.identify(s.login.Client)
	f.setSigning(true)
	commands := []*injection{f.queue(line, injection{})}
	if known.silent {
		commands = append(commands, f.queue("CAPABILITY", injection{}))
	}
	if s.ask != nil {
		s.ask(l)
	}
	err := l.bounded(ctx, l.u.o.ReplyTimeout, func() error {
		err := f.flush()
		for _, c := range commands {
			if err == nil {
				err = c.wait()
			}
		}
		return err
	})
	switch {
	case err != nil && f.wasChallenged():
		l.u.served.forget(s.address)
		return &changed{err: err}
	case err != nil && commands[0].status.kind == "BAD":
		l.u.served.forget(s.address)
		return &changed{s.before, l.explain(ctx, signingIn, upstream.Rejected, err)}
	case err != nil:
		return l.explain(ctx, signingIn, upstream.Rejected, err)
	}
	if err = s.learn(ctx); err == nil && f.caps != known.after {
		err = s.again(ctx)
	}
	return err
}

// again asks for what was asked in words for another server.
func (s *signIn) again(ctx context.Context) error {
	if s.ask == nil {
		return nil
	}
	err := s.l.run(ctx, signingIn, s.l.u.o.ListTimeout, s.l.f.drain)
	if err == nil {
		s.ask(s.l)
	}
	return err
}

// stepwise leaves it to the library, which can sign in in every way.
func (s *signIn) stepwise(ctx context.Context) error {
	l, f := s.l, s.l.f
	if f.caps == "" {
		f.caps = "IMAP4rev1"
	}
	f.synthesize()
	l.c = imapclient.New(f, nil)
	_ = l.c.WaitGreeting() // before that it knows of no capabilities; it fails only with the connection
	l.identify(s.login.Client)
	f.setSigning(true)
	err := l.bounded(ctx, l.u.o.ReplyTimeout, func() error {
		if err := f.flush(); err != nil {
			return err
		}
		if s.mechanism == nil {
			return l.c.Login(s.login.User, s.login.Secret.Reveal()).Wait()
		}
		return l.c.Authenticate(s.mechanism)
	})
	return l.explain(ctx, signingIn, upstream.Rejected, err)
}

// learn ends the sign-in with what the server can do for us now. One that did
// not say it unasked is asked, and remembered as such.
func (s *signIn) learn(ctx context.Context) error {
	l, f := s.l, s.l.f
	known := l.u.served.get(s.address)
	if !f.setSigning(false) {
		known.silent = true
		if err := l.run(ctx, "ask for capabilities", l.u.o.ReplyTimeout, func() error { return f.exchange("CAPABILITY") }); err != nil {
			return err
		}
	}
	f.settle()
	known.before, known.after, known.doubted = s.before, f.caps, false
	l.u.served.set(s.address, known)
	l.setCaps(f.caps)
	return nil
}

func (l *link) setCaps(caps string) {
	l.caps = imap.CapSet{}
	for word := range strings.FieldsSeq(caps) {
		l.caps[imap.Cap(strings.Replace(strings.ToUpper(word), "IMAP4REV", "IMAP4rev", 1))] = struct{}{}
	}
}

// settle ends all change of capabilities.
func (f *framing) settle() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.settled = true
}

// wasChallenged tells whether the server asked back during sign-in.
func (f *framing) wasChallenged() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.challenged
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
