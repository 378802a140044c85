// Package proxy reads mail from a POP3 server: an upstream.Server and
// upstream.Mailbox over pop3.Client. It keeps the promises of package upstream
// with what POP3 has, and what POP3 cannot do it refuses by name (Supports).
//
// A maildrop is changed only by Apply: it sends the DELEs, then QUIT, and
// nothing succeeded unless the server answered +OK to that QUIT. Close without
// Apply hangs up and never says QUIT, so that a client that was lost cannot
// become an UPDATE upstream; the server may keep its lock until it has noticed.
// Apply says QUIT even if there is nothing to change, for then the client has
// said it too.
//
// POP3 has no \Seen. RETR itself is what the server has noticed, if it notices
// anything, so that MarkSeen has nothing left to do and succeeds.
//
// Messages are read ahead by pipelined RETRs where RETR has no consequences
// upstream. A server without UIDL has its messages named by a hash of their
// headers, and one without TOP too gives them no names. It is not a cache or a
// pool: each mailbox is one connection.
package proxy

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/restante-mail/restante/upstream"
	"github.com/restante-mail/restante/upstream/readahead"
)

// Security is how the connection to the server is protected.
type Security uint8

const (
	ImplicitTLS Security = iota // TLS from the first octet (pop3s://)
	STLS                        // TLS by the STLS command, which the server must accept
	Plain                       // no TLS
)

// Options describe one POP3 server.
type Options struct {
	// Addresses are the server's "host:port", tried in order.
	Addresses []string
	Security  Security
	// TLS is cloned; without a ServerName the address's host is verified.
	TLS *tls.Config
	// DialTimeout bounds all that happens to one address before sign-in:
	// connecting, TLS, greeting, capabilities. Default 30 seconds.
	DialTimeout time.Duration
	// ReplyTimeout and ListTimeout are pop3.ClientOptions' ReadTimeout and
	// ListTimeout, with the same defaults.
	ReplyTimeout, ListTimeout time.Duration
	// MaxMessages bounds the maildrop; see pop3.ClientOptions.
	MaxMessages int
	// Pipelining: the server takes pipelined commands though it does not
	// announce it.
	Pipelining bool
	// Neutral declares that RETR has no consequences of its own in the server,
	// or that it has; nil: believe CAPA. It decides whether messages are read
	// ahead of the client. EXPIRE 0 overrules it.
	Neutral *bool
	// ReadAhead bounds what all sessions together have asked for ahead of their
	// clients, in octets; negative: nothing. Default 256 MiB.
	ReadAhead int64
	// APOP signs in by APOP, so that no password is sent; the server must have a
	// timestamp in its greeting.
	APOP bool
	// Tell is how the server learns the client's address.
	Tell Tell
	// Log hears of what was worked around; nil: nobody does.
	Log logrus.FieldLogger
	// Hooks are for metrics. A POP3 server's listing is no folder's, and not
	// told.
	Hooks upstream.Hooks
}

// An Upstream opens maildrops of one POP3 server. It is safe for concurrent use.
type Upstream struct {
	options Options
	caps    memory
	budget  *readahead.Budget
	octets  octets
	// lockWaits are the pauses before signing in anew is tried again while the
	// server still holds the lock of the connection that we dropped ourselves.
	lockWaits []time.Duration
}

var (
	_ upstream.Server    = (*Upstream)(nil)
	_ upstream.Mailbox   = (*Mailbox)(nil)
	_ upstream.Predictor = (*Mailbox)(nil)
	_ upstream.Counter   = (*Mailbox)(nil)
)

// New checks the options. It does not connect.
func New(options Options) (*Upstream, error) {
	if len(options.Addresses) == 0 {
		return nil, errors.New("POP3 upstream: no address given")
	}
	for _, address := range options.Addresses {
		if _, _, err := net.SplitHostPort(address); err != nil {
			return nil, fmt.Errorf("POP3 upstream: address %q is not host:port: %w", address, err)
		}
	}
	if options.Security > Plain || options.Tell > TellProxyV1 {
		return nil, fmt.Errorf("POP3 upstream: unknown security %d, or way to tell %d", options.Security, options.Tell)
	}
	options.Addresses = slices.Clone(options.Addresses)
	if options.DialTimeout <= 0 {
		options.DialTimeout = 30 * time.Second
	}
	if options.Log == nil {
		silent := logrus.New()
		silent.SetOutput(io.Discard)
		options.Log = silent
	}
	if options.ReadAhead == 0 {
		options.ReadAhead = defaultReadAhead
	}
	return &Upstream{options: options, budget: readahead.NewBudget(options.ReadAhead), lockWaits: []time.Duration{
		50 * time.Millisecond, 100 * time.Millisecond, 200 * time.Millisecond,
		400 * time.Millisecond, 800 * time.Millisecond, 1600 * time.Millisecond,
	}}, nil
}

// Supports tells whether an action is possible over POP3. Apply refuses any
// other; a configuration should do so earlier.
func Supports(action upstream.Action) bool {
	return action == upstream.Expunge || action == upstream.MarkSeen
}
