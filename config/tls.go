package config

import (
	"crypto/rsa"
	"crypto/tls"
	"strings"
)

// TLS profiles, by the names that Mozilla gave them.
const (
	modernTLS       = "modern"       // TLS 1.3
	intermediateTLS = "intermediate" // TLS 1.2 and up
	legacyTLS       = "legacy"       // for some networks TLS 1.0 and old ciphers
)

// listenerTLS makes what a listener shakes hands with; the first of the pairs
// is for clients that ask for no name, or for one that none is for.
func (b *builder) listenerTLS(path string, t *ListenerTable, l *Listener, pairs []*pair) {
	profile := t.TLSProfile
	if profile == "" {
		profile = intermediateTLS
	} else if !b.oneOf(child(path, "tls_profile"), profile, modernTLS, intermediateTLS, legacyTLS) {
		return
	}
	l.TLS = tlsFor(pairs)
	if profile == modernTLS || b.TLS.MinVersion == "1.3" {
		l.TLS.MinVersion = tls.VersionTLS13
	}
	if profile == legacyTLS {
		b.legacyTLS(path, t, l, pairs)
		return
	}
	for _, key := range []string{"legacy_networks", "ciphers"} {
		if b.written(child(path, key)) {
			b.addf(child(path, key), "is for tls_profile = %q only; leave it out", legacyTLS)
		}
	}
}

// tlsFor takes TLS 1.2 and up, with the ciphers that Go's authors think safe.
func tlsFor(pairs []*pair) *tls.Config {
	// Answers leave in large writes already; small records would only make
	// many of each.
	c := &tls.Config{MinVersion: tls.VersionTLS12, DynamicRecordSizingDisabled: true}
	for _, p := range pairs {
		c.Certificates = append(c.Certificates, p.Certificate)
	}
	return c
}

// legacyTLS is for programs that cannot be replaced. They get it where they are
// and nobody else does: what TLS 1.0 protects can be read by who takes the trouble.
func (b *builder) legacyTLS(path string, t *ListenerTable, l *Listener, pairs []*pair) {
	at := child(path, "legacy_networks")
	l.LegacyNetworks = b.parseNetworks(at, t.LegacyNetworks)
	for i, n := range l.LegacyNetworks {
		if n.Bits() == 0 {
			b.addf(element(at, i), "%s is everybody; name the networks that the old programs are in", n)
		}
	}
	if len(t.LegacyNetworks) == 0 {
		b.addf(at, "is missing; tls_profile = %q must name the networks that may use TLS 1.0, such as [\"10.1.2.0/24\"]", legacyTLS)
	}
	if !hasRSA(pairs) {
		b.addf(child(path, "tls_profile"), "%q needs a certificate with an RSA key, for old programs know no other; set cert and key", legacyTLS)
	}
	l.LegacyTLS = tlsFor(pairs)
	l.LegacyTLS.MinVersion, l.LegacyTLS.CipherSuites = tls.VersionTLS10, b.ciphers(child(path, "ciphers"), t.Ciphers)
	b.warnf(path, "clients in %s may use TLS 1.0 and the ciphers %s, which can be broken; keep them in a network of their own, and end this when they are gone",
		strings.Join(t.LegacyNetworks, ", "), strings.Join(t.Ciphers, ", "))
}

func hasRSA(pairs []*pair) bool {
	for _, p := range pairs {
		if _, ok := p.PrivateKey.(*rsa.PrivateKey); ok {
			return true
		}
	}
	return false
}

// ciphers reads the names that IANA gives them.
func (b *builder) ciphers(path string, names []string) (suites []uint16) {
	known := map[string]uint16{}
	for _, s := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
		if s.SupportedVersions[0] < tls.VersionTLS13 {
			known[s.Name] = s.ID
		}
	}
	if len(names) == 0 {
		b.addf(path, "is missing; tls_profile = %q must name each cipher, such as [\"TLS_RSA_WITH_AES_128_CBC_SHA\", \"TLS_RSA_WITH_3DES_EDE_CBC_SHA\"]", legacyTLS)
	}
	for i, name := range names {
		suite, ok := known[name]
		if !ok {
			b.addf(element(path, i), "%q is no cipher of TLS 1.0 to 1.2 that is known here; write names such as %q", clip(name, 60), "TLS_RSA_WITH_AES_128_CBC_SHA")
		}
		suites = append(suites, suite)
	}
	return suites
}

// pairsOf loads a table's pair, and the more that it has for other names
// or with other keys.
func (b *builder) pairsOf(path, cert, key string, more []CertificateTable) (pairs []*pair) {
	if p := b.certificate(path, cert, key); p != nil {
		pairs = append(pairs, p)
	}
	for i, t := range more {
		at := element(child(path, "certificate"), i)
		p := b.certificate(at, t.Cert, t.Key)
		if p != nil {
			pairs = append(pairs, p)
		} else if t.Cert == "" && t.Key == "" {
			b.addf(at, "names no cert and no key")
		}
	}
	return pairs
}
