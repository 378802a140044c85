package config

import (
	"crypto/tls"
	"net"
	"slices"
	"strings"
)

// Security says how a connection is protected.
type Security uint8

const (
	NoTLS       Security = iota // plain text
	StartTLS                    // plain text until STLS or STARTTLS
	ImplicitTLS                 // TLS from the first octet (RFC 8314)
)

var securityNames = []string{"none", "starttls", "implicit"}

func (s Security) String() string { return securityNames[s] }

// A Listener is an address that POP3 clients connect to.
type Listener struct {
	Name     string
	Address  string // host:port, for net.Listen
	Security Security
	// TLS is nil if Security is NoTLS.
	TLS *tls.Config
	// LegacyTLS is what clients in LegacyNetworks get instead; usually nil.
	LegacyTLS      *tls.Config
	LegacyNetworks Networks
	// PlaintextAuth are the networks that may sign in without TLS.
	PlaintextAuth Networks
	// ProxyProtocol are the networks whose PROXY header is believed.
	ProxyProtocol Networks
	// APOP is offered.
	APOP bool
	// Mechanisms of SASL that are offered; nil is all.
	Mechanisms []string
	// Clients are what is known of programs that connect here, the first that
	// fits before the others.
	Clients []Client
}

var mechanisms = []string{"PLAIN", "LOGIN", "XOAUTH2", "OAUTHBEARER", "EXTERNAL"}

func (b *builder) buildListeners() {
	if len(b.Listeners) == 0 {
		b.addf("listener", "there is none; add [[listener]] with an address for clients to connect to, such as %q", "127.0.0.1:1110")
	}
	shared := b.pairsOf("tls", b.TLS.Cert, b.TLS.Key, b.TLS.Certificates)
	b.oneOf("tls.min_version", b.TLS.MinVersion, "1.2", "1.3")
	for i := range b.Listeners {
		b.buildListener(element("listener", i), &b.Listeners[i], shared)
	}
	b.checkAddresses()
}

func (b *builder) buildListener(path string, t *ListenerTable, shared []*pair) {
	l := &Listener{Name: t.Name, Address: t.Address}
	host := b.listenerAddress(child(path, "address"), l)
	if l.Name == "" {
		l.Name = t.Address
	}
	b.checkName(child(path, "name"), t.Name)
	own := b.pairsOf(path, t.Cert, t.Key, t.Certificates)
	if len(own) == 0 {
		own = shared
	}
	b.listenerSecurity(path, t, l, own)
	l.APOP = t.APOP
	b.clientCertificates(child(path, "client_ca"), t.ClientCA, l)
	l.PlaintextAuth = b.parseNetworks(child(path, "plaintext_auth"), t.PlaintextAuth)
	if l.PlaintextAuth == nil {
		l.PlaintextAuth = loopback
		if l.Security == NoTLS && !isLoopback(host) && len(t.ProxyProtocol) == 0 {
			b.warnf(path, "only clients on this machine can sign in here: there is no TLS, and plaintext_auth names no network")
		}
	}
	l.ProxyProtocol = b.parseNetworks(child(path, "proxy_protocol"), t.ProxyProtocol)
	for i, name := range t.Mechanisms {
		b.oneOf(element(child(path, "mechanisms"), i), name, mechanisms...)
	}
	l.Mechanisms = t.Mechanisms
	l.Clients = b.clients(child(path, "client"), t.Clients)
	b.listeners = append(b.listeners, l)
}

// listenerAddress returns the host.
func (b *builder) listenerAddress(path string, l *Listener) string {
	if l.Address == "" {
		b.addf(path, "is missing; write host:port, such as %q", "127.0.0.1:1110")
		return ""
	}
	host, port, err := hostPort(l.Address, true)
	if err != nil {
		b.addf(path, "%v", err)
		return ""
	}
	l.Address = net.JoinHostPort(host, port)
	return host
}

func (b *builder) listenerSecurity(path string, t *ListenerTable, l *Listener, pairs []*pair) {
	at := child(path, "tls")
	switch mode := t.TLS; {
	case mode == "" && len(pairs) > 0:
		l.Security = StartTLS
	case mode == "" || !b.oneOf(at, mode, securityNames...):
	default:
		l.Security = Security(slices.Index(securityNames, mode))
	}
	if l.Security == NoTLS {
		return
	}
	if len(pairs) == 0 {
		b.addf(at, "%q needs a certificate; set cert and key", l.Security)
		return
	}
	b.listenerTLS(path, t, l, pairs)
}

// clientCertificates has TLS ask for one, and verify it if there is one: most
// clients have none and sign in otherwise.
func (b *builder) clientCertificates(path, file string, l *Listener) {
	switch {
	case file == "":
	case l.TLS == nil:
		b.addf(path, "needs TLS, for certificates are shown there")
	default:
		l.TLS.ClientCAs, l.TLS.ClientAuth = b.authorities(path, file), tls.VerifyClientCertIfGiven
		if l.LegacyTLS != nil {
			l.LegacyTLS.ClientCAs, l.LegacyTLS.ClientAuth = l.TLS.ClientCAs, l.TLS.ClientAuth
		}
	}
}

// checkName refuses what would be confusing in a log.
func (b *builder) checkName(path, name string) {
	foreign := func(r rune) bool { return r <= ' ' || r > '~' || r == '"' || r == '=' }
	if len(name) > 80 || strings.ContainsFunc(name, foreign) {
		b.addf(path, "%q is not a good name; write up to 80 letters, digits and signs, no spaces", clip(name, 80))
	}
}

// checkAddresses finds listeners that would be in each other's way.
func (b *builder) checkAddresses() {
	for i, l := range b.listeners {
		path := element("listener", i)
		for j, earlier := range b.listeners[:i] {
			other := b.places.where(element("listener", j))
			switch {
			case collide(l.Address, earlier.Address):
				b.addf(child(path, "address"), "%s is taken by the listener in %s (%s)", l.Address, other, earlier.Address)
			case l.Name == earlier.Name && l.Name != "":
				b.addf(child(path, "name"), "%q is the name of the listener in %s too; names must differ", l.Name, other)
			}
		}
	}
}

// collide tells whether the system would refuse the second of two addresses. A
// wildcard takes the port of every address, of IPv4 and IPv6 alike.
func collide(a, b string) bool {
	hostA, portA, _ := net.SplitHostPort(a)
	hostB, portB, _ := net.SplitHostPort(b)
	if portA != portB || portA == "0" || portA == "" {
		return false
	}
	return strings.EqualFold(hostA, hostB) || isWildcard(hostA) || isWildcard(hostB)
}
