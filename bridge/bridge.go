// Package bridge opens IMAP mailboxes for a POP3 front-end: it implements
// upstream.Server and upstream.Mailbox over go-imap's imapclient.
//
// imapclient is fast but not safe bare: it truncates bodies silently, sets
// deadlines that cut slow readers, waits for ever for a silent server, and
// loses its connection to responses that it does not know. Two defences stand
// around it, and nothing else in the project imports it. Below it is framing,
// a net.Conn that knows where each response ends and hands on only what the
// library can digest; above it is body, the only code that touches a
// FetchCommand.
//
// The package addresses messages by UID and UIDVALIDITY alone, never expunges
// more than it was told to, and decides nothing: what is shown and what is
// deleted is the gateway's affair.
package bridge

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/restante-mail/restante/upstream"
)

// Security says how connections to the upstream are protected.
type Security uint8

const (
	// ImplicitTLS speaks TLS from the first octet (RFC 8314), port 993.
	ImplicitTLS Security = iota
	// StartTLS demands STARTTLS before anything else, port 143. A server that
	// does not offer it, or refuses, is refused.
	StartTLS
	// Plain protects nothing: for loopback and for networks that are trusted.
	Plain
)

func (s Security) String() string {
	return [...]string{"implicit TLS", "STARTTLS", "plain text"}[s]
}

// Options say where the upstream is and how to talk to it. Only Addresses must
// be set.
type Options struct {
	// Addresses are host:port in order of preference. If one fails before
	// sign-in, the next is tried, and the failed one comes last for a while.
	Addresses []string
	Security  Security
	// TLS holds roots, a client certificate, a ServerName; nil means the
	// system's roots. ServerName defaults to the address's host.
	TLS *tls.Config
	// DialTimeout bounds connecting to one address, TLS and greeting
	// included; 15 seconds by default.
	DialTimeout time.Duration
	// ReplyTimeout is how long the server may be silent while it owes us
	// something; 30 seconds by default. Time that a slow POP3 client takes to
	// read does not count.
	ReplyTimeout time.Duration
	// ListTimeout is the same for SELECT and for listing; 5 minutes by
	// default. A cold Maildir of 20,000 messages takes 7 seconds to select.
	ListTimeout time.Duration
	// TellClient sends the POP3 client's address in the ID command
	// (x-originating-ip): for upstreams that trust us with it.
	TellClient bool
	// Version of the program, for the ID command; "" sends none.
	Version string
	// Log gets what an administrator may want to know and no error tells;
	// nil is silent.
	Log logrus.FieldLogger
}

// Defaults of Options.
const (
	defaultDialTimeout  = 15 * time.Second
	defaultReplyTimeout = 30 * time.Second
	defaultListTimeout  = 5 * time.Minute
)

// Upstream is an IMAP server that may have several addresses. It is safe for
// concurrent use.
type Upstream struct {
	o         Options
	addresses addresses
}

var _ upstream.Server = (*Upstream)(nil)

// New checks the options. It dials nothing.
func New(o Options) (*Upstream, error) {
	if len(o.Addresses) == 0 {
		return nil, errors.New("no address of an IMAP server given")
	}
	for _, address := range o.Addresses {
		if host, port, err := net.SplitHostPort(address); err != nil || host == "" || port == "" {
			return nil, fmt.Errorf("IMAP server address %q: want host:port", address)
		}
	}
	setDefault(&o.DialTimeout, defaultDialTimeout)
	setDefault(&o.ReplyTimeout, defaultReplyTimeout)
	setDefault(&o.ListTimeout, defaultListTimeout)
	if o.Log == nil {
		silent := logrus.New()
		silent.SetOutput(io.Discard)
		o.Log = silent
	}
	return &Upstream{o: o, addresses: addresses{all: o.Addresses, failed: map[string]time.Time{}}}, nil
}

func setDefault(d *time.Duration, value time.Duration) {
	if *d <= 0 {
		*d = value
	}
}

// Close lets go of everything that the Upstream keeps. Open mailboxes are not
// touched.
func (u *Upstream) Close() error { return nil }
