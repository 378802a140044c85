package pop3

import "time"

// Hooks tell a program what happens. Each may be nil. They are called in the
// connection's goroutine and must be quick.
type Hooks struct {
	// Error is called for every failure of the backend, and for every message
	// whose announced size was wrong. doing says what was being done: "sign
	// in", "list messages", "open message 3". An *Error is what the client
	// was told; of any other error it was told only that something failed.
	Error func(peer Peer, user, doing string, err error)
	// Start is called when a connection was let in, before its TLS handshake and
	// its greeting.
	Start func(Peer)
	// TLS is called after a handshake, with Peer.TLS.
	TLS func(Peer)
	// Malformed is called for credentials that were refused without asking the
	// Backend, because they cannot be any.
	Malformed func(peer Peer, user, mechanism string)
	// End is called once for every connection, when everything is over.
	End func(Summary)
	// Command is called for every line a client sends. Secrets are masked and
	// the line is printable ASCII. It is for debugging.
	Command func(peer Peer, line string)
	// Watch is called when a connection was let in, before Start; if it returns
	// a Watcher that is shown the whole protocol.
	Watch func(Peer) Watcher
	// Answered is called for every command that was answered, or that the
	// connection ended in. verb is one of those that POP3 knows, or "other".
	// took counts from the command's arrival until its answer was given to the
	// connection, for RETR the whole message. It is for metrics.
	Answered func(verb string, outcome Outcome, took time.Duration)
}

// A Watcher sees one connection's protocol, for a transcript. There are no
// secrets in it, and no mail: a message that is sent is told by its size. It is
// called in the connection's goroutine and must be quick. The last is End.
type Watcher interface {
	// Heard is called for each line of the client's, as Command is.
	Heard(line string)
	// Said is called with what is answered, in pieces, CRLF at the end of each
	// line. It must not keep text.
	Said(text []byte)
	// End is called when everything is over, before Hooks.End.
	End(Summary)
}

// Outcome is what became of a command.
type Outcome uint8

const (
	AnsweredOK  Outcome = iota // +OK
	AnsweredErr                // -ERR
	Unanswered                 // the connection ended before its answer did
)

func (o Outcome) String() string { return [...]string{"ok", "err", "lost"}[o] }

// How a connection ended, for Summary.End.
const (
	EndQuit     = "quit"            // QUIT, and whatever it asked for is done
	EndFailed   = "quit failed"     // QUIT, and part of what it asked for is not done
	EndDropped  = "dropped"         // the client hung up or was lost
	EndIdle     = "idle"            // IdleTime passed
	EndLogin    = "no sign-in"      // LoginTime passed
	EndStalled  = "client stalled"  // WriteTime passed
	EndShutdown = "shutdown"        // Server.Shutdown closed it
	EndEvicted  = "evicted"         // Control.Evict closed it
	EndKicked   = "kicked"          // Server.Kick closed it
	EndTLS      = "no tls"          // the handshake failed
	EndBody     = "broken body"     // a message failed after it was begun
	EndCommands = "bad commands"    // Limits.BadCommands
	EndSignIns  = "failed sign-ins" // Limits.SignIns
	EndRefused  = "too many"        // Limits.Connections or ConnectionsPerAddress
	EndBarred   = "barred"          // Server.Admit did not let it in
	EndPanic    = "internal error"  // a panic, in a backend most likely
)

// Summary is what there is to say of one connection in one line of a log.
type Summary struct {
	Peer      Peer
	User      string // who signed in; "" if nobody did
	Mechanism string // Credentials.Mechanism; "" if nobody signed in
	Start     time.Time
	Duration  time.Duration
	End       string // one of the End constants
	Err       error  // the cause, where there is one

	FailedSignIns int
	Listed        bool  // the maildrop was listed or counted, so Messages and Octets mean something
	Messages      int   // in the maildrop
	Octets        int64 // of the maildrop, as listed
	Retrieved     int   // messages sent whole by RETR
	Proven        int   // of these, those the client is proven to have
	RetrOctets    int64 // sent by RETR, before dot-stuffing, incomplete messages included
	Tops          int   // TOP answers
	Deleted       int   // messages marked deleted at the end: QUIT asked to remove them
	In, Out       int64 // octets on the wire, TLS included
}
