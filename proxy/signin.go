package proxy

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/emersion/go-sasl"

	"github.com/restante-mail/restante/pop3"
	"github.com/restante-mail/restante/upstream"
)

// Open implements upstream.Server: it connects and signs in, which locks the
// maildrop upstream. Listing it waits for Messages.
func (u *Upstream) Open(ctx context.Context, login upstream.Login) (upstream.Mailbox, error) {
	start := time.Now()
	m, err := u.open(ctx, login)
	if u.options.Hooks.Opened != nil {
		u.options.Hooks.Opened(false, time.Since(start), err)
	}
	return m, err
}

func (u *Upstream) open(ctx context.Context, login upstream.Login) (upstream.Mailbox, error) {
	for _, folder := range login.Folders {
		if !strings.EqualFold(folder, "INBOX") {
			err := fmt.Errorf("a POP3 upstream has no folder %q, only INBOX", folder)
			return nil, &upstream.Error{Kind: upstream.Denied, Doing: "open the maildrop", Err: err}
		}
	}
	l, err := u.signIn(ctx, login)
	if err != nil {
		return nil, err
	}
	return &Mailbox{upstream: u, login: login, line: l}, nil
}

// signIn gives a connection in TRANSACTION state, or an *upstream.Error.
func (u *Upstream) signIn(ctx context.Context, login upstream.Login) (*line, error) {
	l, err := u.dial(ctx, clientOf(login))
	if err != nil {
		return nil, err
	}
	if err = u.announce(ctx, l, login); err == nil {
		err = u.authenticate(ctx, l, login)
	}
	if err != nil {
		_ = l.Close()
		u.caps.forget(l.address)
		return nil, &upstream.Error{Kind: kindOf(err, signingIn), Doing: "sign in", Err: err}
	}
	return l, nil
}

// errNoMechanism is a refusal of ours: the server was told nothing.
var errNoMechanism = errors.New("the server announces no way to sign in that fits")

// authenticate signs in by what is configured and announced.
func (u *Upstream) authenticate(ctx context.Context, l *line, login upstream.Login) error {
	if !u.options.APOP || login.Bearer {
		return l.signIn(ctx, login)
	}
	if login.Identity != "" {
		return fmt.Errorf("%w: APOP cannot act for another user", errNoMechanism)
	}
	if l.Timestamp() == "" {
		return fmt.Errorf("%w: APOP is demanded, and the greeting has no timestamp", errNoMechanism)
	}
	return l.APOP(ctx, login.User, login.Secret)
}

func (l *line) signIn(ctx context.Context, login upstream.Login) error {
	if login.Bearer {
		return l.bear(ctx, login)
	}
	if login.External {
		return l.external(ctx, login)
	}
	if login.Identity == "" && (l.caps == nil || l.caps.Has("USER")) {
		return l.Login(ctx, login.User, login.Secret)
	}
	if l.caps == nil || l.caps.SASL(sasl.Plain) {
		if err := checkPlain(login); err != nil {
			return err
		}
		return l.Auth(ctx, sasl.NewPlainClient(login.Identity, login.User, login.Secret.Reveal()))
	}
	if login.Identity == "" && l.caps.SASL(sasl.Login) {
		return l.Auth(ctx, sasl.NewLoginClient(login.User, login.Secret.Reveal()))
	}
	return fmt.Errorf("%w a password: neither USER nor SASL PLAIN; it may want TLS first", errNoMechanism)
}

// external has the server know us by our client certificate.
func (l *line) external(ctx context.Context, login upstream.Login) error {
	if l.caps != nil && !l.caps.SASL(sasl.External) {
		return fmt.Errorf("%w a certificate: it has no SASL EXTERNAL", errNoMechanism)
	}
	user := login.Identity
	if user == "" {
		user = login.User
	}
	return l.Auth(ctx, sasl.NewExternalClient(user))
}

// checkPlain keeps PLAIN's separator out of what it separates (RFC 4616).
func checkPlain(login upstream.Login) error {
	if login.Secret.Empty() || strings.Contains(login.Identity+login.User+login.Secret.Reveal(), "\x00") {
		return fmt.Errorf("AUTH: %w: it holds NUL, or there is no password", pop3.ErrArgument)
	}
	return nil
}

// bear signs in with a token. XOAUTH2 comes first: whoever has OAUTHBEARER on
// POP3 has it too, and Microsoft has nothing else. Neither can tell the user
// from the one to act as, and so the latter is named: a delegate's token opens
// a shared mailbox.
func (l *line) bear(ctx context.Context, login upstream.Login) error {
	user := login.User
	if login.Identity != "" {
		user = login.Identity
	}
	switch {
	case l.caps == nil, l.caps.SASL("XOAUTH2"):
		return l.Auth(ctx, pop3.NewXOAuth2Client(user, login.Secret))
	case l.caps.SASL(sasl.OAuthBearer):
		return l.Auth(ctx, pop3.NewOAuthBearerClient(user, login.Secret))
	}
	return fmt.Errorf("%w a token: neither XOAUTH2 nor OAUTHBEARER", errNoMechanism)
}
