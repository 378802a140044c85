package config

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/restante-mail/restante/auth"
	"github.com/restante-mail/restante/uidl"
)

// Protocol is what an upstream server speaks.
type Protocol uint8

const (
	IMAP Protocol = iota
	POP3
)

func (p Protocol) String() string { return [...]string{"IMAP", "POP3"}[p] }

// schemes of an upstream URL.
var schemes = map[string]struct {
	protocol Protocol
	implicit bool
	port     string
}{
	"imap":  {IMAP, false, "143"},
	"imaps": {IMAP, true, "993"},
	"pop3":  {POP3, false, "110"},
	"pop3s": {POP3, true, "995"},
}

// An Upstream is a server behind.
type Upstream struct {
	Name     string
	Protocol Protocol
	// Addresses are host:port in order of preference; never empty.
	Addresses []string
	// Security is what is demanded: with StartTLS the server must offer it.
	Security Security
	// TLS verifies the server; nil if Security is NoTLS.
	TLS *tls.Config
	// The three times of UpstreamTable.
	Timeout, DialTimeout, ListTimeout time.Duration
	// WarmIdle is how long signed-in connections are kept; negative: not at all.
	WarmIdle time.Duration
	// CredentialBound and MaxIdle bound them, in age and in number.
	CredentialBound time.Duration
	MaxIdle         int
	// Master signs in for accounts without an identity of their own.
	Master auth.Master
	// TellClient is how the client's address is sent along; "" if it is not.
	TellClient string
	// Neutral, Pipelining and APOP are UpstreamTable's, of a POP3 server.
	Neutral          *bool
	Pipelining, APOP bool
	// ExactSizes reads each new message through before it is listed.
	ExactSizes bool
	// UIDL is the format in which messages are named where a route does not say.
	UIDL uidl.Format
	// Fingerprint is the same as long as these settings, and the files that
	// they name, are. (TLS holds functions, which cannot be compared.)
	Fingerprint string
}

// Host is the host of the first address.
func (u *Upstream) Host() string {
	host, _, _ := net.SplitHostPort(u.Addresses[0])
	return host
}

func (b *builder) buildUpstreams() {
	if len(b.Upstreams) == 0 {
		b.addf("upstream", "there is none; add [[upstream]] with the url of the mail server, such as %q", "imaps://imap.example.com")
	}
	for i := range b.Upstreams {
		b.buildUpstream(element("upstream", i), &b.Upstreams[i])
	}
	for i, u := range b.upstreams {
		if j := b.upstreamNamed(u.Name); j < i && u.Name != "" {
			b.addf(child(element("upstream", i), "name"), "%q is the name of the upstream in %s too; names must differ",
				u.Name, b.places.where(element("upstream", j)))
		}
	}
}

// upstreamNamed returns the first index of a name, or -1.
func (b *builder) upstreamNamed(name string) int {
	for i, u := range b.upstreams {
		if u.Name == name {
			return i
		}
	}
	return -1
}

func (b *builder) buildUpstream(path string, t *UpstreamTable) {
	u := &Upstream{Name: t.Name}
	host, implicit := b.upstreamURL(child(path, "url"), t.URL, u)
	if u.Name == "" {
		u.Name = host
	}
	b.checkName(child(path, "name"), t.Name)
	for i, address := range t.Addresses {
		if _, _, err := hostPort(address, false); err != nil {
			b.addf(element(child(path, "addresses"), i), "%v", err)
		}
		u.Addresses = append(u.Addresses, address)
	}
	b.upstreamSecurity(path, t, u, implicit)
	b.upstreamTLS(path, t, u, host)
	b.master(path, t, u)
	u.ExactSizes = b.exactSizes(child(path, "sizes"), t.Sizes)
	b.upstreamUIDL(child(path, "uidl"), t.UIDL, u)
	u.Timeout = b.duration(child(path, "timeout"), t.Timeout, defaultUpstream.Timeout)
	u.DialTimeout = b.duration(child(path, "dial_timeout"), t.DialTimeout, defaultUpstream.DialTimeout)
	u.ListTimeout = b.duration(child(path, "list_timeout"), t.ListTimeout, defaultUpstream.ListTimeout)
	b.upstreamWarmth(path, t, u)
	b.upstreamPOP3(path, t, u)
	if u.ListTimeout > b.Limits.BackendTime.Duration {
		b.warnf(child(path, "list_timeout"), "%v has no effect beyond limits.backend_time, which is %v", u.ListTimeout, b.Limits.BackendTime)
	}
	u.Fingerprint = b.fingerprint(*t, u)
	b.upstreams = append(b.upstreams, u)
}

func (b *builder) exactSizes(path, sizes string) bool {
	if sizes == "" {
		sizes = defaultUpstream.Sizes
	}
	return b.oneOf(path, sizes, "listed", "exact") && sizes == "exact"
}

// upstreamWarmth reads what is kept of connections between sessions. A warm_idle
// of 0s that is written keeps none.
func (b *builder) upstreamWarmth(path string, t *UpstreamTable, u *Upstream) {
	idle := child(path, "warm_idle")
	if b.written(idle) && t.WarmIdle == (Duration{}) {
		u.WarmIdle = -1
	} else {
		u.WarmIdle = b.duration(idle, t.WarmIdle, defaultUpstream.WarmIdle)
	}
	u.CredentialBound = b.duration(child(path, "credential_bound"), t.CredentialBound, defaultUpstream.CredentialBound)
	u.MaxIdle = t.MaxIdle
	if most := child(path, "max_idle"); b.written(most) {
		b.count(most, t.MaxIdle, 1, 1_000_000)
	} else if u.MaxIdle == 0 {
		u.MaxIdle = defaultUpstream.MaxIdle
	}
	for _, key := range []string{"warm_idle", "credential_bound", "max_idle"} {
		if u.Protocol == POP3 && b.written(child(path, key)) {
			b.addf(child(path, key), "is for IMAP upstreams only")
		}
	}
}

// written tells whether the key is in the file.
func (b *builder) written(path string) bool {
	_, ok := b.places[path]
	return ok
}

func (b *builder) fingerprint(t UpstreamTable, u *Upstream) string {
	neutral := t.Neutral != nil && *t.Neutral
	known := t.Neutral != nil
	t.Insecure, t.Neutral = nil, nil // pointers; security is what the first came to
	return fmt.Sprintf("%+v %v %v %v %v %x %x %x", t, neutral, known, u.Security, u.WarmIdle, b.files.sums[t.CA], b.files.sums[t.Cert], b.files.sums[t.Key])
}

// upstreamURL does not repeat the URL in what it reports: somebody may have
// written a password into it.
func (b *builder) upstreamURL(path, text string, u *Upstream) (host string, implicit bool) {
	const example = `write one such as "imaps://imap.example.com" or "imap://127.0.0.1:1143"`
	if text == "" {
		b.addf(path, "is missing; %s", example)
		return "", false
	}
	parsed, err := url.Parse(text)
	if err != nil || parsed.Opaque != "" || !isHost(parsed.Hostname()) {
		b.addf(path, "is not the URL of a server; %s", example)
		return "", false
	}
	scheme, known := schemes[parsed.Scheme]
	port := parsed.Port()
	if port == "" {
		port = scheme.port
	}
	address := net.JoinHostPort(parsed.Hostname(), port)
	switch _, _, err := hostPort(address, false); {
	case !known:
		b.addf(path, "the URL must begin with imap://, imaps://, pop3:// or pop3s://; %s", example)
	case parsed.User != nil:
		b.addf(path, "the URL must not hold a user name or password; clients bring their own")
	case strings.Trim(parsed.Path, "/") != "" || parsed.RawQuery != "" || parsed.Fragment != "":
		b.addf(path, "the URL must end after host and port; %s", example)
	case err != nil:
		b.addf(path, "%v", err)
	}
	u.Protocol, u.Addresses = scheme.protocol, []string{address}
	return parsed.Hostname(), scheme.implicit
}

// upstreamSecurity decides when plain text is allowed. Left out, it is to
// loopback, if nothing in the table speaks of TLS.
func (b *builder) upstreamSecurity(path string, t *UpstreamTable, u *Upstream, implicit bool) {
	at, speaksOfTLS := child(path, "insecure"), t.CA+t.Cert+t.Key+t.ServerName != ""
	u.Security = StartTLS
	switch {
	case implicit:
		u.Security = ImplicitTLS
		if t.Insecure != nil && *t.Insecure {
			b.addf(at, "allows plain text, but this URL means TLS; to trust a certificate of your own set ca to its authority")
		}
	case t.Insecure == nil:
		if allLoopback(u.Addresses) && !speaksOfTLS {
			u.Security = NoTLS
		}
	case *t.Insecure:
		u.Security = NoTLS
		if speaksOfTLS {
			b.addf(at, "plain text has no use for ca, cert, key and server_name; remove them, or insecure")
		}
	}
}

func allLoopback(addresses []string) bool {
	for _, address := range addresses {
		if host, _, err := net.SplitHostPort(address); err != nil || !isLoopback(host) {
			return false
		}
	}
	return true
}

func (b *builder) upstreamTLS(path string, t *UpstreamTable, u *Upstream, host string) {
	c := &tls.Config{
		MinVersion: tls.VersionTLS12,
		ServerName: host, // of every address: they serve the same mailboxes
		RootCAs:    b.authorities(child(path, "ca"), t.CA),
	}
	if t.ServerName != "" {
		c.ServerName = t.ServerName
		if !isHost(t.ServerName) {
			b.addf(child(path, "server_name"), "%q is not the name of a server", clip(t.ServerName, 80))
		}
	}
	if p := b.certificate(path, t.Cert, t.Key); p != nil {
		c.GetClientCertificate = p.getClient
	}
	if u.Security != NoTLS {
		u.TLS = c
	}
}
