// Package gateway is one POP3 session from end to end: it picks the route,
// signs in upstream, locks the maildrop, shows what the policy shows, hands
// messages through, and at QUIT decides, does and records, in that order. It
// is the only place where the POP3 server, the upstreams and the policies
// meet; it parses no protocol and opens no socket.
package gateway

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/restante-mail/restante/audit"
	"github.com/restante-mail/restante/auth"
	"github.com/restante-mail/restante/guard"
	"github.com/restante-mail/restante/lookup"
	"github.com/restante-mail/restante/policy"
	"github.com/restante-mail/restante/pop3"
	"github.com/restante-mail/restante/store"
	"github.com/restante-mail/restante/uidl"
	"github.com/restante-mail/restante/upstream"
)

// A Gateway is a pop3.Backend made from one configuration. It is immutable: a
// reload makes another, and sessions keep the one they began with.
type Gateway struct {
	// Route picks the upstream for a login. Its error is told to nobody but
	// the log.
	Route func(user string, client netip.Addr, listener string) (Route, error)
	// Accounts are logins that are decided here; nil: there are none.
	Accounts *auth.Directory
	// Shared outlives reloads.
	Shared *Shared
	Log    logrus.FieldLogger
	// Recorder takes note of facts; nil: nobody does.
	Recorder audit.Recorder
	// Transcripts say whose protocol is written down.
	Transcripts []TranscriptRule
	// ReadOnly: while the state file cannot be written, sessions that would have
	// to remember something change nothing; otherwise they are refused.
	ReadOnly bool
	// SessionsPerUser at once, all views of a mailbox together; 0: any number.
	SessionsPerUser int
	// Allowance of every mailbox and day.
	Allowance Allowance
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// A Route is where a login leads.
type Route struct {
	Name     string // its own, in the configuration; may be ""
	Upstream string // its name in the configuration
	Host     string // and its host, for the trail
	Server   upstream.Server
	User     string // who to be upstream
	// Base is the user name without a view: as the client wrote it or, if it is an
	// account's, as the account is called.
	Base   string
	Policy policy.Policy
	// PolicyName is what the configuration calls the policy.
	PolicyName string
	// View is the declared view that the client asked for; "" is the one that
	// every maildrop has.
	View string
	// Others are the names of the other views that have to be done with a
	// message before it is removed upstream.
	Others []string
	// Beside are the policies of other views of the mailbox.
	Beside []policy.Policy
	// Forget: nothing is remembered of this view.
	Forget bool
	// Accounts says whether accounts of our own decide.
	Accounts auth.Use
	// Master is the upstream's master user, for accounts without an identity of
	// their own.
	Master auth.Master
	// Ask asks somebody outside who the login is upstream and where its mail is;
	// nil: nobody. Its error is an *upstream.Error.
	Ask func(context.Context, lookup.Question) (Directions, error)
	// With returns the route for another view and, if it is not "", another
	// policy; nil where Accounts is UseNone.
	With func(view, policy string) (Route, error)
	// Spell returns the route for another spelling of Base; nil where Accounts is
	// UseNone.
	Spell func(base string) (Route, error)
	// Label names the account's secret that was used; "" without an account.
	Label string
	// UIDL is the format in which messages are named; the zero one is the
	// default.
	UIDL uidl.Format
	// Origin says which server it is: an upstream that is replaced by another
	// under the same name has another.
	Origin string
	// Before is the Maildrop that this one succeeds; "" if none.
	Before string
	// ExactSizes reads messages through once to learn their true sizes.
	ExactSizes bool
}

// Shared is what all Gateways of a process have in common.
type Shared struct {
	locks   locks
	memory  giveBack
	marks   marks
	sizes   sizes
	delays  delays
	heads   heads
	pauses  backoffs
	fetched allowances
	intents sync.Map    // ID → true, of sessions that run
	ailing  atomic.Bool // the last write of state failed
	watched sync.Map    // session ID → *transcript that does not know yet whether it is wanted
	live    sync.Map    // session ID → *session, from sign-in to the session's end
	// Store is the state file, or nil.
	Store store.Store
	// Guard stands before every sign-in.
	Guard *guard.Guard
}

// NewShared returns an empty memory.
func NewShared() *Shared {
	s := &Shared{locks: newLocks(), sizes: newSizes()}
	s.Guard = guard.New(book{s})
	return s
}

// Login implements pop3.Backend. The maildrop is locked only after the
// upstream has accepted the credentials, or a stranger could lock its owner out.
func (g *Gateway) Login(ctx context.Context, peer pop3.Peer, cred pop3.Credentials) (pop3.Session, error) {
	try := g.newAttempt(peer, cred)
	s, err := g.guarded(ctx, peer, cred, try)
	try.done(s, err)
	if err != nil {
		return nil, err // not s: a nil *session is not a nil Session
	}
	g.settle(peer)
	return s, nil
}

func (g *Gateway) signIn(ctx context.Context, peer pop3.Peer, cred pop3.Credentials, try *attempt) (*session, error) {
	route, login, err := g.lead(ctx, peer, cred)
	g.consider(peer, cred, route)
	if told := (*pop3.Error)(nil); errors.As(err, &told) {
		try.leads(route)
		return nil, err
	} else if err != nil {
		return nil, &pop3.Error{Code: pop3.CodeSysPerm, Text: "No mail server is set up for this user; ask your administrator", Err: err}
	}
	try.leads(route)
	mailbox, lock, err := g.enter(ctx, route, login, peer)
	if err != nil {
		return nil, err
	}
	leave, ok := g.Shared.heads.enter(route.Upstream+"\n"+fold(route.User), g.SessionsPerUser)
	if !ok {
		_ = mailbox.Close() // nothing was changed, and the client hears of the bound
		lock.release()
		return nil, &errTooManySessions
	}
	s := g.begin(route, login, peer, mailbox, lock)
	s.head = try.header()
	s.leave = leave
	err = s.loadMemory(ctx)
	if err == nil {
		err = s.bringBack(ctx, login)
	}
	if err == nil {
		err = g.Shared.delays.pass(s.maildrop, time.Duration(route.Policy.LoginDelay), g.now())
	}
	if err == nil {
		err = s.checkTargets(ctx)
	}
	if err == nil {
		err = s.beginView(ctx)
	}
	if err != nil {
		_ = s.Close() // nothing was changed, and the client hears of the state, or of the delay
		return nil, err
	}
	g.Shared.live.Store(peer.ID, s)
	return s, nil
}

// enter opens the mailbox and locks the maildrop. What was listed while another
// session still changed the mailbox is listed again.
func (g *Gateway) enter(ctx context.Context, route Route, login upstream.Login, peer pop3.Peer) (upstream.Mailbox, *lock, error) {
	key := maildropOf(route, login)
	stale, leave := g.Shared.locks.approach(key)
	defer leave()
	mailbox, err := g.ask(ctx, route, login)
	if err != nil {
		return nil, nil, err
	}
	if err := g.Shared.delays.check(key, time.Duration(route.Policy.LoginDelay), g.now()); err != nil {
		_ = mailbox.Close() // nothing was changed, and the client hears of the delay
		return nil, nil, err
	}
	lock, err := g.Shared.locks.take(ctx, key, peer)
	if err != nil {
		_ = mailbox.Close() // nothing was changed, and the client hears of the lock
		return nil, nil, err
	}
	if !stale() {
		return mailbox, lock, nil
	}
	_ = mailbox.Close() // nothing was changed through it
	if mailbox, err = g.ask(ctx, route, login); err != nil {
		lock.release()
		return nil, nil, err
	}
	return mailbox, lock, nil
}

// leadThrough finds the way to the mailbox that is acted upon. With an authorization
// identity (RFC 4616) that is the identity's, by its route, view and policy;
// who signs in for it only proves who they are. If their own route leads to the
// same upstream they have there the name that it gives them.
func (g *Gateway) leadThrough(ctx context.Context, peer pop3.Peer, cred pop3.Credentials) (Route, upstream.Login, error) {
	owner := cred.Identity
	if owner == "" {
		owner = cred.User
	}
	route, err := g.Route(owner, address(peer.Remote), peer.Listener)
	if err != nil {
		return route, upstream.Login{}, err
	}
	if route.Ask != nil {
		return g.leadAsked(ctx, route, peer, cred)
	}
	login := upstreamLogin(route, peer, cred)
	if owner == cred.User {
		return route, login, nil
	}
	login.User, login.Identity = cred.User, route.User
	if own, err := g.Route(cred.User, address(peer.Remote), peer.Listener); err == nil && own.Upstream == route.Upstream {
		login.User = own.User
	}
	if login.User == login.Identity { // another view of their own mailbox
		login.Identity = ""
	}
	return route, login, nil
}

func upstreamLogin(route Route, peer pop3.Peer, cred pop3.Credentials) upstream.Login {
	return upstream.Login{
		User: route.User, Secret: cred.Secret,
		Bearer: cred.Mechanism == "XOAUTH2" || cred.Mechanism == "OAUTHBEARER",
		Client: address(peer.Remote), ClientPort: port(peer.Remote), Session: peer.ID, Folders: route.Policy.Folders,
		NeedSeen: route.Policy.UnseenOnly,
		NoDates:  route.Policy.MaxAge == 0 && !route.needsState(), NeedQuota: route.Policy.NeedsQuota(),
	}
}

// begin makes the session.
func (g *Gateway) begin(route Route, login upstream.Login, peer pop3.Peer, mailbox upstream.Mailbox, lock *lock) *session {
	s := &session{
		gateway: g, leave: func() {}, route: route, mailbox: mailbox, folders: mailbox.Folders(), lock: lock, maildrop: maildropOf(route, login),
		retrieved: map[int]bool{},
		log:       g.Log.WithFields(logrus.Fields{"session": peer.ID, "upstream": route.Upstream}),
	}
	return s
}

func (g *Gateway) now() time.Time {
	if g.Now != nil {
		return g.Now()
	}
	return time.Now()
}

// port is the client's port, or 0.
func port(a net.Addr) uint16 {
	if tcp, ok := a.(*net.TCPAddr); ok {
		return tcp.AddrPort().Port()
	}
	return 0
}

// address is the client's IP address, or the zero Addr for a connection that
// has none.
func address(a net.Addr) netip.Addr {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.Addr{}
	}
	return tcp.AddrPort().Addr().Unmap()
}
