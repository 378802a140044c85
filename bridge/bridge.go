// Package bridge opens IMAP mailboxes for a POP3 front-end: it implements
// upstream.Server and upstream.Mailbox over go-imap's imapclient.
//
// imapclient is fast but not safe bare: it truncates bodies silently, sets
// deadlines that cut slow readers, waits for ever for a silent server, and
// loses its connection to responses that it does not know. Two defences stand
// around it, and nothing else in the project imports it. Below it is framing,
// a net.Conn that knows where each response ends and hands on only what the
// library can digest; and messages' texts are read beside it, by body.
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
	"github.com/restante-mail/restante/upstream/readahead"
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
	// WarmIdle is how long a signed-in connection is kept after its session,
	// for the next one with the same credentials: 90 seconds by default, which is
	// for clients that poll every minute. For one that polls every five minutes
	// a sign-in is cheaper than what the upstream spends on a connection.
	// Negative keeps none.
	WarmIdle time.Duration
	// CredentialBound is for how long after a sign-in its connection may be
	// used again: 10 minutes by default. A password that was changed, or a
	// token that expired, opens the mailbox for as long.
	CredentialBound time.Duration
	// MaxIdle is how many connections are kept at most, 500 by default; the
	// longest idle goes first. Each costs us some 10 KiB, more with TLS, and the
	// upstream what a session costs it.
	MaxIdle int
	// Memory keeps listings over restarts; nil keeps them in the process only.
	Memory Memory
	// MemoryBound is how many octets of listings are remembered in the process:
	// 64 MiB by default, for some 8 million messages. Negative remembers none.
	MemoryBound int
	// RememberFrom is how many messages a folder must have for its listing to be
	// remembered: 1000 by default. Below it a proof costs as much as a listing.
	RememberFrom int
	// Version of the program, for the ID command; "" sends none.
	Version string
	// ReadAhead is how many octets all sessions together may have asked for
	// ahead of their clients; 256 MiB by default, none if negative.
	ReadAhead int64
	// Hooks are for metrics.
	Hooks upstream.Hooks
	// Log gets what an administrator may want to know and no error tells;
	// nil is silent.
	Log logrus.FieldLogger
}

// Defaults of Options.
const (
	defaultDialTimeout  = 15 * time.Second
	defaultReplyTimeout = 30 * time.Second
	defaultListTimeout  = 5 * time.Minute

	defaultWarmIdle        = 90 * time.Second
	defaultCredentialBound = 10 * time.Minute
	defaultMaxIdle         = 500
)

// Upstream is an IMAP server that may have several addresses. It is safe for
// concurrent use.
type Upstream struct {
	o         Options
	addresses addresses
	budget    *readahead.Budget
	octets    readAhead
	served    servers
	pool      *pool
	listings  *listings
	// worthwhile is how many messages a folder must have for its listing to be
	// remembered.
	worthwhile int
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
	o.keepDefaults()
	if o.ReadAhead == 0 {
		o.ReadAhead = defaultReadAhead
	}
	if o.Log == nil {
		silent := logrus.New()
		silent.SetOutput(io.Discard)
		o.Log = silent
	}
	u := &Upstream{
		o: o, addresses: addresses{all: o.Addresses, failed: map[string]time.Time{}},
		served: servers{byAddress: map[string]served{}}, pool: newPool(&o),
		listings: newListings(o.MemoryBound, o.Memory, o.Log), worthwhile: o.RememberFrom,
	}
	u.budget = readahead.NewBudget(o.ReadAhead)
	return u, nil
}

// keepDefaults are those of what is kept between sessions.
func (o *Options) keepDefaults() {
	setDefault(&o.CredentialBound, defaultCredentialBound)
	if o.WarmIdle == 0 {
		o.WarmIdle = defaultWarmIdle
	}
	if o.MaxIdle <= 0 {
		o.MaxIdle = defaultMaxIdle
	}
	if o.RememberFrom <= 0 {
		o.RememberFrom = worthRemembering
	}
	if o.MemoryBound == 0 {
		o.MemoryBound = defaultMemory
	}
	if o.TLS = o.TLS.Clone(); o.TLS == nil {
		o.TLS = new(tls.Config)
	}
	// Servers that ask for certificates may refuse resumption: Dovecot breaks the
	// handshake off (OpenSSL: session id context uninitialized).
	shows := o.TLS.GetClientCertificate != nil || len(o.TLS.Certificates) > 0
	if o.TLS.ClientSessionCache == nil && !shows {
		o.TLS.ClientSessionCache = tls.NewLRUClientSessionCache(0) // resumption needs no certificates
	}
}

func setDefault(d *time.Duration, value time.Duration) {
	if *d <= 0 {
		*d = value
	}
}

// Close ends the connections that are kept. Open mailboxes are not touched;
// their connections end with them.
func (u *Upstream) Close() error {
	u.pool.close()
	return nil
}
