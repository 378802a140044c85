package gateway

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/restante-mail/restante/audit"
	"github.com/restante-mail/restante/auth"
	"github.com/restante-mail/restante/guard"
	"github.com/restante-mail/restante/pop3"
	"github.com/restante-mail/restante/secret"
	"github.com/restante-mail/restante/store"
)

// barred are what attempts are told that nobody checks. That a password was
// refused before is told as it was then.
var barred = map[guard.Verdict]pop3.Error{
	guard.Wrong: {Code: pop3.CodeAuth, Text: "The mail server does not accept this user name and password",
		Err: errors.New("the same password was refused just before")},
	guard.TooMany: {Code: pop3.CodeSysTemp, Text: "Too many sign-ins have failed; try again in a minute",
		Err: errors.New("too many failed sign-ins")},
	guard.Shut: {Code: pop3.CodeSysPerm, Text: "No sign-ins from your address", Err: errors.New("the address is banned")},
}

// guarded is signIn with the guard before it, and told of it.
func (g *Gateway) guarded(ctx context.Context, peer pop3.Peer, cred pop3.Credentials, try *attempt) (*session, error) {
	a := g.attemptOf(ctx, peer, cred)
	if err := g.judge(ctx, a); err != nil {
		try.stop()
		return nil, err
	}
	s, err := g.signIn(ctx, peer, cred, try)
	g.learn(ctx, a, err)
	return s, err
}

// judge asks the guard before anybody else is asked. It may wait.
func (g *Gateway) judge(ctx context.Context, a guard.Attempt) error {
	verdict, err := g.Shared.Guard.Judge(ctx, a)
	if err != nil {
		return fmt.Errorf("wait after failed sign-ins: %w", err)
	}
	if e, ok := barred[verdict]; ok {
		return &e
	}
	return nil
}

// learn tells the guard what came of an attempt. Only wrong credentials count:
// a server that is down is nobody's guessing.
func (g *Gateway) learn(ctx context.Context, a guard.Attempt, err error) {
	var told *pop3.Error
	switch {
	case err == nil:
		g.Shared.Guard.Passed(a)
	case errors.As(err, &told) && told.Code == pop3.CodeAuth:
		if err := g.Shared.Guard.Failed(context.WithoutCancel(ctx), a); err != nil {
			g.Log.WithError(err).Warn("a ban will not survive a restart")
		}
	}
}

// attemptOf: with an authorization identity it is who signs in that guesses,
// whatever the letter case and the view, or each spelling could be guessed at
// anew. What was refused is another thing when it is spelled otherwise or wants to
// be somebody else, for upstream that may matter; at another listener, which may
// lead elsewhere; when the account was changed since; or when another certificate
// is shown.
func (g *Gateway) attemptOf(ctx context.Context, peer pop3.Peer, cred pop3.Credentials) guard.Attempt {
	shown := cred.Secret.Reveal()
	if c := shownBy(peer); c != nil && cred.Mechanism == "EXTERNAL" {
		shown = string(c.Raw)
	}
	name, use := g.accountUse(peer, cred)
	stamp := ""
	if g.Accounts != nil && use != auth.UseNone {
		stamp = g.Accounts.Stamp(ctx, name)
	}
	return guard.Attempt{Address: address(peer.Remote), User: auth.Fold(name),
		Secret: secret.New(fmt.Sprintf("%q %q %q %q %q", peer.Listener, cred.User, cred.Identity, shown, stamp))}
}

// Admit is pop3.Server's.
func (g *Gateway) Admit(remote net.Addr) (reason string) {
	ctx, cancel := context.WithTimeout(context.Background(), bookPatience)
	defer cancel()
	return g.Shared.Guard.Shuts(ctx, address(remote))
}

// bookPatience bounds a look into the state file about one ban.
const bookPatience = 2 * time.Second

// TellBan logs and records a ban, or its end.
func (g *Gateway) TellBan(b guard.Ban, lifted bool) {
	entry := g.Log.WithField("network", b.Network.String())
	e := &audit.Banned{Header: audit.Header{Time: g.now(), Client: b.Network.Addr()}, Lifted: lifted, Reason: b.Reason}
	if lifted {
		entry.Info("ban lifted")
	} else {
		e.Seconds = b.Until.Sub(b.Since).Seconds()
		entry.WithField("until", b.Until.Format(time.RFC3339)).Warn("address banned: " + b.Reason)
	}
	if g.Recorder != nil {
		g.Recorder.Record(e)
	}
}

// book keeps bans in the state file.
type book struct{ shared *Shared }

func (b book) Bans(ctx context.Context) (bans []guard.Ban, err error) {
	if b.shared.Store == nil {
		return nil, nil
	}
	all, err := b.shared.Store.ListBans(ctx)
	for _, kept := range all {
		if ban, ok := unkept(kept); ok {
			bans = append(bans, ban)
		}
	}
	return bans, err
}

// Ban finds every ban where there is no state file: nobody can have lifted it there.
func (b book) Ban(ctx context.Context, network netip.Prefix) (guard.Ban, bool, error) {
	if b.shared.Store == nil {
		return guard.Ban{}, true, nil
	}
	kept, found, err := b.shared.Store.Ban(ctx, network.String())
	ban, ok := unkept(kept)
	return ban, found && ok, err
}

func (b book) PutBan(ctx context.Context, ban guard.Ban) error {
	if b.shared.Store == nil {
		return nil
	}
	return b.shared.Store.PutBan(ctx, store.Ban{Network: ban.Network.String(), Since: ban.Since.Unix(), Until: ban.Until.Unix(),
		Times: ban.Times, Reason: ban.Reason})
}

func unkept(b store.Ban) (guard.Ban, bool) {
	network, err := netip.ParsePrefix(b.Network)
	return guard.Ban{Network: network, Since: time.Unix(b.Since, 0), Until: time.Unix(b.Until, 0), Times: b.Times, Reason: b.Reason}, err == nil
}

// heads counts the sessions of each mailbox.
type heads struct {
	mu    sync.Mutex
	count map[string]int
}

// errTooManySessions is what a client hears whose mailbox has as many as it may.
var errTooManySessions = pop3.Error{Code: pop3.CodeInUse, Text: "This mailbox has as many sessions as it may have; try again later"}

// enter counts a session if there is room for it; leave takes it back.
func (h *heads) enter(mailbox string, most int) (leave func(), ok bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if most > 0 && h.count[mailbox] >= most {
		return nil, false
	}
	if h.count == nil {
		h.count = map[string]int{}
	}
	h.count[mailbox]++
	return sync.OnceFunc(func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		if h.count[mailbox]--; h.count[mailbox] == 0 {
			delete(h.count, mailbox)
		}
	}), true
}
