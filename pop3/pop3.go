// Package pop3 is a POP3 server library (RFC 1939, 2449, 2595, 3206, 5034,
// 8314). It speaks the protocol and knows nothing of where mail comes from: a
// Backend signs clients in and gives each a Session, the fixed and numbered
// list of messages that POP3 calls a maildrop.
//
// The library keeps the promises that a POP3 client relies on, so that no
// backend can break them: deletion marks live in the connection and reach a
// Session only at QUIT; a body that fails midway is never terminated; sizes do
// not change within a session; a dropped connection deletes nothing.
//
// It is not a mail store, has no policy, and does not log: it tells what
// happened through Hooks.
package pop3

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"time"

	"github.com/restante-mail/restante/secret"
)

// A Backend signs clients in. It is all that a Server needs.
type Backend interface {
	// Login returns the client's maildrop, opened and ready: +OK to PASS
	// promises that much (section 2 of RFC 1939's AUTHORIZATION state). An
	// *Error is told to the client; any other error becomes one neutral
	// SYS/TEMP. Both are reported to Hooks.Error. ctx ends when Login returns,
	// when Limits.BackendTime passes, or when the server is stopped; a client
	// that hangs up meanwhile is not noticed.
	Login(ctx context.Context, peer Peer, cred Credentials) (Session, error)
}

// A Session is one client's fixed view of one maildrop. The connection calls
// it from one goroutine at a time.
type Session interface {
	// Messages lists the maildrop: message n of the protocol is index n-1. It
	// is called at the first command that needs the list, and what it returns
	// is kept for the whole session and never changed. After an error the next
	// command that needs the list calls it again.
	Messages(ctx context.Context) ([]Message, error)
	// Open starts reading message i (an index into Messages). lines < 0 asks
	// for all of it; otherwise the header and that many lines of the body are
	// needed, and the Body may give more: the connection cuts. ctx lasts until
	// the Body is closed, and is cancelled if Open or one Read takes longer
	// than Limits.BackendTime. One Body is open at a time.
	Open(ctx context.Context, i, lines int) (Body, error)
	// Update removes the messages that the client deleted. It is called once,
	// at QUIT, after every retrieved Body was told so by Done, even if nothing
	// was deleted; ctx is bounded, and independent of the connection. An error
	// makes QUIT answer -ERR.
	Update(ctx context.Context, deleted []int) error
	// Close is called always, once, and last. Without Update before it
	// nothing is deleted.
	Close() error
}

// Message is what LIST and UIDL say of one message.
type Message struct {
	// Size in octets as RETR sends them, before dot-stuffing, as well as the
	// backend knows.
	Size int64
	// UIDL is 1 to 70 characters of 0x21 to 0x7E, unique in the maildrop; ""
	// throughout if the maildrop has no unique identifiers, and then UIDL is
	// not offered.
	UIDL string
}

// A Body is a message being read. The connection makes every line end CRLF,
// adds a missing final one, and stuffs dots: a Body gives the octets as they
// are stored.
type Body interface {
	io.ReadCloser
	// Size is the number of octets RETR will send before dot-stuffing, and
	// whether that is known to be true. It is asked once, before the first Read.
	Size() (octets int64, exact bool)
	// Done tells, once, after Close, what became of the message. It may come
	// much later than Close: a client proves that it has a message by its next
	// command.
	Done(Delivery)
}

// A Delivery is the fate of one RETR or TOP.
type Delivery struct {
	// Octets that were sent for the message, dots not stuffed, terminator and
	// what Quirks add not counted.
	Octets int64
	// Whole: the body was read to its end without an error, and sent with its
	// terminator.
	Whole bool
	// Proven: Whole, and afterwards the client sent something new or was seen
	// to have acknowledged everything. A successful write alone proves
	// nothing, for megabytes fit in socket buffers.
	Proven bool
}

// A Counter is a Session that may know what STAT tells without a listing. Count
// is called at most once, for a STAT that comes before any command which needs
// the list, and must agree with what Messages will return; ok is false if only
// Messages can tell.
type Counter interface {
	Count(ctx context.Context) (messages int, octets int64, ok bool, err error)
}

// Capable is a Session that adds to CAPA after sign-in: EXPIRE, LOGIN-DELAY.
// Each string is one line of the answer.
type Capable interface{ Capabilities() []string }

// LastKnower is a Session that remembers, for LAST, the highest message number
// that the client retrieved in earlier sessions (0: none).
type LastKnower interface {
	Last(ctx context.Context) (int, error)
}

// A DeleteRefuser is a Session whose messages cannot all be deleted. An error
// of MayDelete is the answer to DELE, and the message is not marked.
type DeleteRefuser interface{ MayDelete(i int) error }

// A Waiter is a Session that knows when it waits. Answers to pipelined commands
// must not be held back while it does, and else leave in few large writes.
type Waiter interface {
	// BeforeWait sets what Open, and a Body's Read, call before they wait for
	// anything, in the goroutine that called them. If it returns false the
	// Session can not tell, and might wait at any time.
	BeforeWait(call func()) bool
}

// A Sniffer is a Body that wants to see the message as it is sent: CRLF line
// ends, dots not stuffed. Sniff must not keep p.
type Sniffer interface{ Sniff(p []byte) }

// Peer is what is known of a client before it signs in.
type Peer struct {
	// ID names the session in logs and in every error the client sees.
	ID string
	// Listener is the Server's Name.
	Listener string
	// Remote and Local are the connection's ends; Remote is the client's own
	// address if a PROXY header told it.
	Remote, Local net.Addr
	// TLS is nil on a plain connection.
	TLS *tls.ConnectionState
	// Control reaches the running connection. It outlives it harmlessly.
	Control Control
}

// Control is a hold on a running connection, for whoever must make room. It is
// safe for concurrent use.
type Control interface {
	// Idle is how long the client has been waited for; 0 while it is being
	// answered, however long that takes.
	Idle() time.Duration
	// Evict closes the connection. Nothing is deleted; a QUIT that has begun
	// is finished all the same.
	Evict()
}

// Credentials are what a client offered, as data: nothing in them was
// interpreted, and they may hold any octet but CR, LF and NUL.
type Credentials struct {
	// Mechanism: USER (the USER and PASS commands), APOP, PLAIN, LOGIN, XOAUTH2,
	// OAUTHBEARER or EXTERNAL.
	Mechanism string
	// User is the authentication identity. Never empty: with EXTERNAL it is whom
	// the client asks to be, or else the first e-mail address of its certificate,
	// or else its common name.
	User string
	// Identity is the authorization identity of SASL PLAIN, if it was given
	// and is not User.
	Identity string
	// Secret is the password, the bearer token, or APOP's digest. Never empty but
	// with EXTERNAL, where Peer.TLS holds the certificate.
	Secret secret.Text
	// Challenge is the timestamp that APOP's digest was made with.
	Challenge string
	// Attempt counts the sign-ins of the connection that were tried, from 1.
	Attempt int
}

// Response codes of RFC 2449 and RFC 3206 for Error.Code.
const (
	CodeAuth       = "AUTH"        // the credentials are wrong
	CodeInUse      = "IN-USE"      // the maildrop is locked by another session
	CodeLoginDelay = "LOGIN-DELAY" // signed in too soon after the last time
	CodeSysTemp    = "SYS/TEMP"    // try again later
	CodeSysPerm    = "SYS/PERM"    // somebody must repair something first
)

// An Error may be told to a client. The connection makes it one line of
// printable ASCII and adds the session's ID. Any other error is for the log.
type Error struct {
	Code string // one of the codes above, or ""
	Text string // says what is wrong and what to do
	Err  error  // the cause, for the log only; may be nil
}

func (e *Error) Error() string {
	text := e.Text
	if e.Code != "" {
		text = "[" + e.Code + "] " + text
	}
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

func (e *Error) Unwrap() error { return e.Err }
