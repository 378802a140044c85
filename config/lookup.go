package config

import (
	"crypto/tls"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/restante-mail/restante/lookup"
	"github.com/restante-mail/restante/secret"
)

// LookupTable is one [[lookup]]: an HTTP endpoint that says where a login leads.
type LookupTable struct {
	// Name is what routes call it.
	Name string `toml:"name"`
	// URL is http:// to this machine, or https://.
	URL string `toml:"url"`
	// CA is a PEM file with the authorities to trust instead of the system's.
	CA string `toml:"ca"`
	// Timeout bounds a question.
	Timeout Duration `toml:"timeout"`
	// Remember is how long a good answer holds; 0s: each time anew.
	Remember Duration `toml:"remember"`
	// SecretHeader is a header that tells the endpoint who asks.
	SecretHeader string `toml:"secret_header"`
	// SecretFile holds what is in SecretHeader.
	SecretFile string `toml:"secret_file"`
}

// A Lookup is an endpoint to ask.
type Lookup struct {
	Name    string
	Options lookup.Options
}

const (
	// A sign-in waits for it, before the upstream is even asked.
	defaultLookupTimeout = 5 * time.Second
	// maxRemembered is for how long a closed account may still get in.
	maxRemembered = time.Hour
	maxSecretFile = 4096
)

func (b *builder) buildLookups() {
	for i, t := range b.Lookups {
		path := element("lookup", i)
		l := &Lookup{Name: t.Name, Options: lookup.Options{URL: t.URL, Header: t.SecretHeader}}
		b.checkName(child(path, "name"), t.Name)
		switch at := slices.IndexFunc(b.lookups, func(l *Lookup) bool { return l.Name == t.Name }); {
		case t.Name == "":
			b.addf(child(path, "name"), "is missing; routes ask for a lookup by its name")
		case at >= 0:
			b.addf(child(path, "name"), "%q is the name of the lookup in %s too; names must differ", t.Name, b.places.where(element("lookup", at)))
		}
		b.lookupURL(path, t, l)
		l.Options.Timeout = b.duration(child(path, "timeout"), t.Timeout, Duration{defaultLookupTimeout})
		if l.Options.Remember = t.Remember.Duration; l.Options.Remember < 0 || l.Options.Remember > maxRemembered {
			b.addf(child(path, "remember"), "%v is out of range; write at most 1h, for so long a closed account still gets in", t.Remember)
		}
		b.lookupSecret(path, t, l)
		b.lookups = append(b.lookups, l)
	}
}

// lookupURL: passwords go there, so that plain text may not leave the machine.
func (b *builder) lookupURL(path string, t LookupTable, l *Lookup) {
	at := child(path, "url")
	u, err := url.Parse(t.URL)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		b.addf(at, "is not the URL of an endpoint; write one such as %q", "http://127.0.0.1:9000/auth")
		return
	case u.User != nil:
		b.addf(at, "holds a name or a password, which would be in the log; use secret_header and secret_file")
	case u.Scheme == "http" && !isLoopback(u.Hostname()):
		b.addf(at, "passwords would travel in plain text; use https, or an endpoint on this machine")
	}
	if ca := b.authorities(child(path, "ca"), t.CA); ca != nil || u.Scheme == "https" {
		l.Options.TLS = &tls.Config{RootCAs: ca, MinVersion: tls.VersionTLS12}
	}
}

var headerName = regexp.MustCompile(`^[A-Za-z0-9-]{1,64}$`)

func unprintable(r rune) bool { return r < ' ' || r > '~' }

func (b *builder) lookupSecret(path string, t LookupTable, l *Lookup) {
	switch {
	case t.SecretHeader == "" && t.SecretFile == "":
		return
	case t.SecretHeader == "" || t.SecretFile == "":
		b.addf(child(path, "secret_header"), "secret_header and secret_file belong together")
		return
	case !headerName.MatchString(t.SecretHeader) || strings.HasPrefix(strings.ToLower(t.SecretHeader), "auth-"):
		b.addf(child(path, "secret_header"), "%q is no name for a header of its own; write one such as %q", t.SecretHeader, "X-Auth-Key")
	}
	data, err := b.files.read(t.SecretFile)
	text := strings.TrimSpace(string(data))
	switch {
	case err != nil:
		b.addf(child(path, "secret_file"), "%s: %v", t.SecretFile, err)
	case text == "" || len(text) > maxSecretFile || strings.ContainsFunc(text, unprintable):
		b.addf(child(path, "secret_file"), "%s: must hold one line of text, at most %d octets", t.SecretFile, maxSecretFile)
	default:
		l.Options.Secret = secret.New(text)
	}
}

// routeLookup finds the endpoint that a route asks.
func (b *builder) routeLookup(path string, t *RouteTable, r *Route) {
	if t.Lookup == "" {
		return
	}
	i := slices.IndexFunc(b.lookups, func(l *Lookup) bool { return l.Name == t.Lookup })
	switch {
	case i < 0:
		b.addf(child(path, "lookup"), "there is no [[lookup]] named %q", t.Lookup)
		return
	case r.Accounts != 0:
		b.addf(child(path, "lookup"), "and accounts cannot both decide; leave one of them out, or make two routes")
	}
	r.Lookup = b.lookups[i]
}

// To returns the route to another upstream, by its name or by one of its
// addresses, for a lookup. What that one cannot do is an error.
func (s *Snapshot) To(r Route, name, address string) (Route, error) {
	i := slices.IndexFunc(s.Upstreams, func(u *Upstream) bool {
		return name != "" && u.Name == name || name == "" && slices.ContainsFunc(u.Addresses, func(a string) bool { return strings.EqualFold(a, address) })
	})
	switch {
	case i < 0 && name != "":
		return r, fmt.Errorf("the lookup leads to the upstream %q, which there is not", name)
	case i < 0:
		return r, fmt.Errorf("the lookup leads to %s, which is no upstream's; add it to addresses of the [[upstream]] that it belongs to", address)
	}
	if u := s.Upstreams[i]; u != r.Upstream {
		if r.UIDL.String() == r.Upstream.UIDL.String() { // and not the route's own
			r.UIDL = u.UIDL
		}
		r.Upstream = u
	}
	if lacks := r.Policy.OverPOP3(); r.Upstream.Protocol == POP3 && len(lacks) > 0 {
		return r, fmt.Errorf("policy %q has %s, and upstream %q speaks POP3, which has %s", r.PolicyName,
			strings.Join(lacks[0].Keys, " and "), r.Upstream.Name, lacks[0].What)
	}
	return r, nil
}
