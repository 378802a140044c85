package gateway

import (
	"errors"

	"github.com/sirupsen/logrus"

	"github.com/restante-mail/restante/pop3"
)

// Hooks write what happens to the log: one line for each session, one for each
// failure, and at debug level one for each command, its secrets masked.
func (g *Gateway) Hooks() pop3.Hooks {
	return g.watchingHooks(g.recordingHooks(pop3.Hooks{Error: g.logError, End: g.logEnd, Command: g.logCommand}))
}

// rejected is said of each sign-in with a wrong name or password, and of nothing
// else: docs/operations.md promises that to programs that read the log.
const rejected = "sign-in rejected"

// logError is at warn level for what clients and upstreams do every day, and
// at error level for what somebody should look at.
func (g *Gateway) logError(peer pop3.Peer, user, doing string, err error) {
	entry := g.Log.WithFields(logrus.Fields{"session": peer.ID, "user": user, "client": host(peer)}).WithError(err)
	var told *pop3.Error
	if errors.As(err, &told) && told.Code == pop3.CodeAuth {
		entry.Warn(rejected)
		return
	}
	if told != nil && told.Code != pop3.CodeSysPerm {
		entry.Warnf("%s failed", doing)
		return
	}
	entry.Errorf("%s failed", doing)
}

func (g *Gateway) logEnd(s pop3.Summary) {
	fields := logrus.Fields{
		"session": s.Peer.ID, "listener": s.Peer.Listener, "client": host(s.Peer), "tls": s.Peer.TLS != nil,
		"end": s.End, "seconds": s.Duration.Seconds(), "in": s.In, "out": s.Out,
	}
	if s.FailedSignIns > 0 {
		fields["failed_sign_ins"] = s.FailedSignIns
	}
	if s.Err != nil {
		fields["error"] = s.Err
	}
	if s.User != "" {
		signedIn(fields, s)
	}
	var known *session
	if live, ok := g.Shared.live.LoadAndDelete(s.Peer.ID); ok {
		known = live.(*session)
		known.tell(fields)
	}
	g.recordEnd(s, known)
	if s.End == pop3.EndBarred || s.End == pop3.EndRefused { // a flood must not fill the log
		g.Log.WithFields(fields).Debug("session")
		return
	}
	g.Log.WithFields(fields).Info("session")
}

func signedIn(fields logrus.Fields, s pop3.Summary) {
	fields["user"], fields["mechanism"] = s.User, s.Mechanism
	fields["retrieved"], fields["proven"], fields["retrieved_octets"] = s.Retrieved, s.Proven, s.RetrOctets
	fields["tops"], fields["deleted"] = s.Tops, s.Deleted
	if s.Listed {
		fields["messages"], fields["octets"] = s.Messages, s.Octets
	}
}

// tell adds what only the gateway knows of a session.
func (s *session) tell(fields logrus.Fields) {
	fields["upstream"], fields["changed"] = s.route.Upstream, s.changed
	if s.warm != nil {
		fields["warm"] = *s.warm
	}
	if s.route.View != "" {
		fields["view"] = s.route.View
	}
	if s.route.Label != "" {
		fields["secret"] = s.route.Label
	}
	if s.hid > 0 {
		fields["hid"] = s.hid
	}
	if s.hidden > 0 {
		fields["hidden"] = s.hidden
	}
	if s.notice != "" {
		fields["notice"] = true
	}
	if s.failed > 0 {
		fields["failed_changes"] = s.failed
	}
}

// warmable is a mailbox over a connection that may have been there before.
type warmable interface{ Warm() bool }

func (g *Gateway) logCommand(peer pop3.Peer, line string) {
	if logger, ok := g.Log.(*logrus.Logger); ok && !logger.IsLevelEnabled(logrus.DebugLevel) {
		return
	}
	g.Log.WithField("session", peer.ID).Debug("C: " + line)
}

// host is the client's address without its port.
func host(peer pop3.Peer) string {
	if a := address(peer.Remote); a.IsValid() {
		return a.String()
	}
	return "unknown"
}
