// Package upstream says what the gateway needs of a server behind it, in terms
// that both IMAP (package bridge) and POP3 (package proxy) can keep. It holds
// the shared types, the Mailbox interface and nothing that dials or parses;
// mailboxtest proves that an implementation keeps the contract.
package upstream

import (
	"context"
	"io"
	"net/netip"
	"time"

	"github.com/restante-mail/restante/secret"
)

// A Server opens mailboxes. It is safe for concurrent use.
type Server interface {
	// Open signs in and opens the mailbox: when it returns, the credentials
	// were accepted and the folder is selected (or the maildrop locked)
	// upstream. It fails with an *Error. The Mailbox does not end with ctx.
	Open(ctx context.Context, login Login) (Mailbox, error)
}

// Login is an identity upstream. Its strings are data and can hold any octet
// but CR, LF and NUL; no implementation may let them become protocol.
type Login struct {
	User string
	// Identity is whom to act as, if not User (SASL authorization identity).
	Identity string
	// Secret is a password, or a bearer token if Bearer.
	Secret secret.Text
	Bearer bool
	// Expires is when Secret ends, if it is a token; the zero time if nobody
	// knows. No other session gets a connection that signed in with it after that.
	Expires time.Time
	// Tokens, if not nil, give the token for every further sign-in of the session:
	// the one in Secret may have ended by then.
	Tokens TokenSource
	// External: there is no Secret, for the server knows us by our client
	// certificate (SASL EXTERNAL).
	External bool
	// Client is the address of the POP3 client, to tell upstream servers that
	// are trusted with it; it may be the zero Addr.
	Client netip.Addr
	// ClientPort is the port at that address; 0 if it is not known.
	ClientPort uint16
	// Session is the session's ID, for the log.
	Session string
	// Folders that make up the maildrop, in order; none means INBOX alone. A
	// special-use name like \Junk stands for the folder that has it.
	Folders []string
	// NeedSeen: decisions depend on \Seen. Otherwise a listing may lack it
	// for messages that were listed before.
	NeedSeen bool
	// NoDates: nothing depends on Message.Arrived, and it may be the zero time.
	NoDates bool
	// NeedQuota: decisions depend on how full the account is.
	NeedQuota bool
}

// A Mailbox is one upstream mailbox as it was when it was opened, for one
// session. Messages are addressed by ID only, never by position, so that
// other clients' changes cannot make one message into another. It is used by
// one goroutine at a time.
type Mailbox interface {
	// Folders are what the mailbox is made of; ID.Folder is an index into it.
	Folders() []Folder
	// Messages lists the mailbox, folder by folder and oldest first. The list
	// is made once (at the latest here) and never changes.
	Messages(ctx context.Context) ([]Message, error)
	// Open reads a message; the reader gives the octets as the server sends
	// them. It returns an *Error of kind Gone if the message no longer exists.
	// A reader that ends with io.EOF gave everything; a connection that broke
	// midway, or a body that was cut, gives another error, always. One reader
	// is open at a time; closing it early is allowed.
	Open(ctx context.Context, id ID, part Part) (io.ReadCloser, error)
	// Apply makes the changes, each to its message alone, and returns one
	// Result per Change in the same order. It is called at most once, when
	// the client has QUIT, and tries everything even if something fails.
	Apply(ctx context.Context, changes []Change) []Result
	// Close lets go of the connection. Without Apply nothing was changed.
	Close() error
}

// A Counter is a Mailbox that can count its messages without listing them.
type Counter interface {
	// Count returns the number of messages and their octets as Messages would
	// list them; ok is false if only Messages can tell.
	Count(ctx context.Context) (messages int, octets int64, ok bool, err error)
}

// A Predictor is a Mailbox that can ask the server for messages before the
// client does.
type Predictor interface {
	// Expect tells what the client may open, in the order of its numbers,
	// which is that of Messages with gaps. Without it nothing is read ahead.
	// What was opened before does not count: it may be opened again. The
	// Mailbox keeps the slice.
	Expect(order []Message)
	// BeforeWait sets what is called, in the goroutine that called Open or
	// Read, whenever one of these must wait for the server.
	BeforeWait(call func())
}

// A HeaderReader is a Mailbox that tells what the headers of many messages say,
// at little cost.
type HeaderReader interface {
	// Headers reads the Message-ID and Date fields of messages that are listed,
	// and the whole header, or its first 64 KiB, of those that lack one of these. Each is
	// given to take, at most once, in any order; of a message that is gone nothing
	// is. It may be called after Apply, and then it may sign in again.
	Headers(ctx context.Context, ids []ID, take func(id ID, header []byte, whole bool)) error
}

// A Folder is one folder of the mailbox. A POP3 server has one, named INBOX.
type Folder struct {
	Name string // as the server writes it
	// UIDValidity gives the folder's UIDs their meaning (RFC 3501 section
	// 2.3.1.1); 0 over POP3.
	UIDValidity uint32
}

// An ID names a message for as long as its Mailbox is open, and beyond that
// together with the folder's name and UIDVALIDITY.
type ID struct {
	Folder int    // index into Folders
	UID    uint32 // IMAP UID; over POP3 the upstream's message number
}

// Message is what a listing tells of a message.
type Message struct {
	ID ID
	// Size in octets as the server claims. Some servers lie: RFC822.SIZE of a
	// message without a final CRLF is 2 short of what RETR sends.
	Size int64
	// Exact: Size is known to be what RETR sends, before dot-stuffing.
	Exact bool
	// Arrived is INTERNALDATE; the zero time if the server does not tell.
	Arrived time.Time
	Flags   Flags
	// Unique is the message's name that survives folders and UIDVALIDITY: an
	// EMAILID (RFC 8474) or X-GM-MSGID in decimal; "" where neither is offered.
	Unique string
	// UIDL is what a POP3 server calls the message; "" over IMAP.
	UIDL string
}

// Flags are the message flags that decisions depend on.
type Flags uint8

const (
	Seen    Flags = 1 << iota // \Seen
	Deleted                   // \Deleted: somebody marked it for removal
)

// Has tells whether all the given flags are set.
func (f Flags) Has(flags Flags) bool { return f&flags == flags }

// Part says how much of a message is wanted.
type Part struct {
	// Lines of the body after the header; negative for the whole message. A
	// Mailbox may give more than asked, never less than the message has.
	Lines int
}

// Whole is the part that RETR wants.
var Whole = Part{Lines: -1}

// A Change is one thing to do to one message.
type Change struct {
	ID     ID
	Do     Action
	Target string // the folder of Move (special-use names allowed), the keyword of Flag
	// Again: an earlier Move of the message may have ended half way. Where
	// moving is copying, a copy is looked for before another is made.
	Again bool
}

// Action is what a Change does.
type Action uint8

const (
	MarkSeen Action = iota // set \Seen
	Flag                   // set the keyword Target
	Move                   // move to the folder Target
	Expunge                // remove for good
	Unmark                 // take \Deleted off
)

func (a Action) String() string {
	return [...]string{"seen", "flag", "move", "expunge", "unmark"}[a]
}

// Result is the outcome of one Change: nil means that it is done, and that a
// message which was already gone is gone.
type Result struct {
	Err error
	// UIDValidity and UID are where a moved message is now, if the server
	// said so (COPYUID); else 0.
	UIDValidity, UID uint32
	// Folder is where an Expunge has moved the message, because the server can
	// not remove one for good; "" if it has not.
	Folder string
	// Hidden: the server can not remove single messages (no UIDPLUS and no
	// MOVE), so an Expunge or a Move has set \Deleted and left the rest to the owner.
	Hidden bool
}

// A Token is a bearer token and when it ends.
type Token struct {
	Secret  secret.Text
	Expires time.Time
}

// A TokenSource gives tokens for one identity. It is safe for concurrent use.
type TokenSource interface {
	// Token returns one that can be shown now. refused is one that the server
	// did not take, or empty; it is not returned again. The error is an *Error.
	Token(ctx context.Context, refused secret.Text) (Token, error)
}
