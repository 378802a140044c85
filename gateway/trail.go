package gateway

import (
	"crypto/tls"
	"errors"
	"time"

	"github.com/restante-mail/restante/audit"
	"github.com/restante-mail/restante/pop3"
	"github.com/restante-mail/restante/upstream"
)

// recordingHooks adds to the log's hooks what only the trail wants to know.
func (g *Gateway) recordingHooks(h pop3.Hooks) pop3.Hooks {
	if g.Recorder == nil {
		return h
	}
	h.Start, h.TLS, h.Malformed = g.recordStart, g.recordTLS, g.recordMalformed
	return h
}

// strangerOf is what is known of a client before it has signed in.
func (g *Gateway) strangerOf(peer pop3.Peer) audit.Header {
	return audit.Header{Time: g.now(), Session: peer.ID, Listener: peer.Listener, Client: address(peer.Remote)}
}

func (g *Gateway) recordStart(peer pop3.Peer) {
	e := &audit.SessionStarted{Header: g.strangerOf(peer)}
	if peer.Local != nil {
		e.Local = peer.Local.String()
	}
	g.Recorder.Record(e)
}

func (g *Gateway) recordTLS(peer pop3.Peer) {
	g.Recorder.Record(&audit.TLSStarted{Header: g.strangerOf(peer),
		TLS: tls.VersionName(peer.TLS.Version), Cipher: tls.CipherSuiteName(peer.TLS.CipherSuite),
		ServerName: peer.TLS.ServerName, Resumed: peer.TLS.DidResume})
}

// recordMalformed: credentials that were none, so that nobody was asked.
func (g *Gateway) recordMalformed(peer pop3.Peer, user, mechanism string) {
	e := &audit.SignIn{Header: g.strangerOf(peer), Result: audit.ResultMalformed, Method: mechanism, TLS: peer.TLS != nil}
	e.User, e.Base = user, user
	g.Recorder.Record(e)
}

// An attempt is a sign-in under way, for the trail; nil if there is none.
type attempt struct {
	gateway *Gateway
	began   time.Time
	head    audit.Header
	route   Route
	signIn  audit.SignIn
	stopped bool // before a route was looked for
}

func (g *Gateway) newAttempt(peer pop3.Peer, cred pop3.Credentials) *attempt {
	if g.Recorder == nil {
		return nil
	}
	a := &attempt{gateway: g, began: time.Now(), head: g.strangerOf(peer)}
	a.head.User, a.head.Base = cred.User, cred.User
	if cred.Identity != "" {
		a.head.Base = cred.Identity
	}
	a.signIn = audit.SignIn{Method: cred.Mechanism, TLS: peer.TLS != nil, Identity: cred.Identity}
	return a
}

// stop notes that nobody looked for a route.
func (a *attempt) stop() {
	if a != nil {
		a.stopped = true
	}
}

// leads notes where the login leads.
func (a *attempt) leads(r Route) {
	if a == nil {
		return
	}
	a.route, a.head.View, a.signIn.Upstream = r, r.View, r.Upstream
	if r.Base != "" {
		a.head.Base = r.Base
	}
}

// header is what the session records under.
func (a *attempt) header() *audit.Header {
	if a == nil {
		return nil
	}
	return &a.head
}

// done records what came of it.
func (a *attempt) done(s *session, err error) {
	if a == nil {
		return
	}
	a.head.Time = a.gateway.now()
	if err == nil {
		a.gateway.Recorder.Record(&audit.RouteChosen{Header: a.head, Upstream: a.route.Upstream, Host: a.route.Host,
			Identity: a.route.User, Policy: a.route.PolicyName})
		if u, ok := s.mailbox.(warmable); ok {
			a.signIn.Warm = u.Warm()
		}
	} else {
		a.signIn.Error = err.Error()
	}
	a.signIn.Header, a.signIn.Result, a.signIn.Seconds = a.head, a.result(err), time.Since(a.began).Seconds()
	a.gateway.Recorder.Record(&a.signIn)
}

// result sorts what a sign-in failed of.
func (a *attempt) result(err error) string {
	var told *pop3.Error
	errors.As(err, &told)
	switch {
	case err == nil:
		return audit.ResultOK
	case a.route.Server == nil && !a.stopped:
		return audit.ResultNoRoute
	case told == nil:
		return audit.ResultUnavailable
	}
	switch told.Code {
	case pop3.CodeAuth:
		return audit.ResultRejected
	case pop3.CodeInUse:
		return audit.ResultInUse
	case pop3.CodeLoginDelay:
		return audit.ResultDelayed
	case pop3.CodeSysPerm:
		return audit.ResultDenied
	}
	if upstream.KindOf(told.Err) == upstream.Throttled || a.stopped {
		return audit.ResultThrottled
	}
	return audit.ResultUnavailable
}

// header is the beginning of every event of the session. It is asked for only
// if something is recorded.
func (s *session) header() audit.Header {
	h := *s.head
	h.Time = s.gateway.now()
	return h
}

func (s *session) recording() bool { return s.head != nil }

func (s *session) recordListing(began time.Time) {
	if !s.recording() {
		return
	}
	e := &audit.Listing{Header: s.header(), Messages: len(s.shown), Hidden: s.hidden, Folders: len(s.folders), Seconds: time.Since(began).Seconds()}
	for i := range s.shown {
		e.Octets += s.shown[i].Size
	}
	s.gateway.Recorder.Record(e)
}

// recordReturn: what an administrator undeleted was moved back.
func (s *session) recordReturn(folder string, messages int, err error) {
	if s.recording() {
		s.gateway.Recorder.Record(&audit.Return{Header: s.header(), Folder: folder, Messages: messages, OK: err == nil, Error: text(err)})
	}
}

// limits are the settings that end a connection, by how it ended.
var limits = map[string]string{
	pop3.EndRefused: "connections", pop3.EndSignIns: "sign_ins", pop3.EndCommands: "bad_commands",
}

// recordEnd is the last of a connection. One that was not let in has no
// beginning and so no end.
func (g *Gateway) recordEnd(sum pop3.Summary, s *session) {
	if g.Recorder == nil {
		return
	}
	h := g.strangerOf(sum.Peer)
	if s != nil && s.recording() {
		h = s.header()
	}
	if limit := limits[sum.End]; limit != "" {
		g.Recorder.Record(&audit.LimitHit{Header: h, Limit: limit})
	}
	if sum.End == pop3.EndRefused || sum.End == pop3.EndBarred {
		return
	}
	e := &audit.SessionEnded{Header: h, End: sum.End, Seconds: sum.Duration.Seconds(), FailedSignIns: sum.FailedSignIns,
		Retrieved: sum.Proven, Unproven: sum.Retrieved - sum.Proven, Octets: sum.RetrOctets, Tops: sum.Tops,
		Deleted: sum.Deleted, In: sum.In, Out: sum.Out, Error: text(sum.Err)}
	if s != nil {
		e.Changed, e.Failed = s.changed, s.failed
	}
	g.Recorder.Record(e)
}

// text is what an error says; "" of none.
func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
