package proxy

import (
	"errors"
	"strings"

	"github.com/restante-mail/restante/pop3"
	"github.com/restante-mail/restante/upstream"
)

// stage is what was going on when a server refused; a text alone can mean
// different things.
type stage uint8

const (
	connecting stage = iota
	signingIn
	reading  // RETR, TOP, DELE
	updating // QUIT, LIST, UIDL
	anytime
)

// A refusal is one kind of -ERR that servers are known to give.
type refusal struct {
	stage stage
	code  string // the response code, "" for any
	words string // part of the text in lower case, "" for any
	kind  upstream.Kind
}

// refusals are tried in order, and the first that fits decides. A lock must
// never pass for a wrong password, nor a wrong password for a lock: both would
// be told to the user, and remembered.
var refusals = []refusal{
	{anytime, pop3.CodeInUse, "", upstream.InUse},
	{anytime, pop3.CodeLoginDelay, "", upstream.Throttled},
	{connecting, "", "too many", upstream.Throttled},
	{signingIn, "", "too many", upstream.Throttled},
	{anytime, pop3.CodeSysTemp, "", upstream.Unavailable},
	{anytime, pop3.CodeSysPerm, "", upstream.Denied},

	{signingIn, "", "plaintext authentication disallowed", upstream.Denied}, // Dovecot, with [AUTH]
	{signingIn, "", "must use tls", upstream.Denied},
	{signingIn, "", "stls first", upstream.Denied},
	{signingIn, pop3.CodeAuth, "", upstream.Rejected},

	// An account is locked by an administrator, a maildrop by a session.
	{signingIn, "", "account is locked", upstream.Denied},
	{signingIn, "", "account locked", upstream.Denied},
	{signingIn, "", "account has been locked", upstream.Denied},
	{signingIn, "", "account is disabled", upstream.Denied},
	{signingIn, "", "account disabled", upstream.Denied},
	{signingIn, "", "not enabled for pop", upstream.Denied},

	{signingIn, "", "already locked", upstream.InUse}, // RFC 1939, hMailServer
	{signingIn, "", "is locked", upstream.InUse},      // Cyrus, Dovecot
	{signingIn, "", "mailbox locked", upstream.InUse}, // VPOP3
	{signingIn, "", "maildrop locked", upstream.InUse},
	{signingIn, "", "lock maildrop", upstream.InUse}, // "unable to lock maildrop"
	{signingIn, "", "lock mailbox", upstream.InUse},
	{signingIn, "", "lock the mailbox", upstream.InUse},
	{signingIn, "", "lock the maildrop", upstream.InUse},
	{signingIn, "", "lock busy", upstream.InUse}, // qpopper
	{signingIn, "", "get lock", upstream.InUse},  // UW ipop3d
	{signingIn, "", "already in use", upstream.InUse},
	{signingIn, "", "mailbox in use", upstream.InUse},
	{signingIn, "", "maildrop in use", upstream.InUse},
	{signingIn, "", "is in use", upstream.InUse},
	{signingIn, "", "in use by", upstream.InUse},
	{signingIn, "", "another session", upstream.InUse},
	{signingIn, "", "another pop3 session", upstream.InUse},
	{signingIn, "", "mailbox is busy", upstream.InUse},

	{signingIn, "", "throttled", upstream.Throttled},
	{signingIn, "", "login rate", upstream.Throttled},
	{signingIn, "", "try again later", upstream.Unavailable},
	{signingIn, "", "temporar", upstream.Unavailable},
	{signingIn, "", "server error", upstream.Unavailable},
	{signingIn, "", "internal error", upstream.Unavailable},
	{signingIn, "", "unavailable", upstream.Unavailable},

	{signingIn, "", "unknown command", upstream.Denied},
	{signingIn, "", "unrecognized command", upstream.Denied},
	{signingIn, "", "invalid command", upstream.Denied},
	{signingIn, "", "unsupported", upstream.Denied},
	{signingIn, "", "not supported", upstream.Denied},
	{signingIn, "", "", upstream.Rejected},

	{reading, "", "no such message", upstream.Gone},
	{reading, "", "no message", upstream.Gone},
	{reading, "", "expunged", upstream.Gone},
	{reading, "", "deleted", upstream.Gone},
	{reading, "", "not exist", upstream.Gone},
	{reading, "", "n't exist", upstream.Gone},
	{reading, "", "not found", upstream.Gone},
	{reading, "", "disappeared", upstream.Gone},
}

// kindOf sorts an error by what the server said, or by who could not go on.
func kindOf(err error, at stage) upstream.Kind {
	var reply *pop3.ReplyError
	if errors.As(err, &reply) {
		return kindOfReply(reply, at)
	}
	if errors.Is(err, errNoMechanism) {
		return upstream.Denied
	}
	if errors.Is(err, pop3.ErrArgument) && at == signingIn {
		return upstream.Rejected
	}
	return upstream.KindOf(err)
}

func kindOfReply(reply *pop3.ReplyError, at stage) upstream.Kind {
	r, ok := refusalOf(reply, at)
	if !ok {
		return upstream.Unavailable
	}
	return r.kind
}

// refusalOf finds the row that decides.
func refusalOf(reply *pop3.ReplyError, at stage) (refusal, bool) {
	text := strings.ToLower(reply.Text)
	for _, r := range refusals {
		if (r.stage == at || r.stage == anytime) &&
			(r.code == "" || r.code == reply.Code) && strings.Contains(text, r.words) {
			return r, true
		}
	}
	return refusal{}, false
}
