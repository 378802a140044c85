package config

import (
	"crypto/tls"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

func TestListeners(t *testing.T) {
	s := compiled(t, `
[tls]
cert = "cert.pem"
key = "key.pem"
min_version = "1.3"
[[upstream]]
url = "imaps://imap.example.com"
[[listener]]
address = ":1"
[[listener]]
address = "localhost:02"
tls = "none"
plaintext_auth = []
[[listener]]
address = "[::1]:3"
tls = "implicit"
cert = "ca.pem"
key = "key.pem"
plaintext_auth = ["0.0.0.0/0", "::ffff:10.0.0.0/104", "2001:db8::1"]
proxy_protocol = ["::ffff:192.0.2.1"]
`)
	l := s.Listeners
	if l[0].Security != StartTLS || l[1].Security != NoTLS || l[2].Security != ImplicitTLS {
		t.Errorf("security: %v %v %v", l[0].Security, l[1].Security, l[2].Security)
	}
	if l[0].TLS.MinVersion != tls.VersionTLS13 || l[1].TLS != nil || l[2].TLS == nil {
		t.Error("TLS configurations")
	}
	if l[0].Name != ":1" || l[1].Address != "localhost:2" || l[2].Address != "[::1]:3" {
		t.Errorf("addresses: %+v %+v %+v", l[0], l[1], l[2])
	}
	for _, c := range []struct {
		in      Networks
		address string
		want    bool
	}{
		{l[0].PlaintextAuth, "127.0.0.1", true},
		{l[0].PlaintextAuth, "::ffff:127.9.9.9", true},
		{l[0].PlaintextAuth, "::1", true},
		{l[0].PlaintextAuth, "10.0.0.1", false},
		{l[1].PlaintextAuth, "127.0.0.1", false},
		{l[2].PlaintextAuth, "198.51.100.1", true},
		{l[2].PlaintextAuth, "2001:db8::1", true},
		{l[2].PlaintextAuth, "2001:db8::2", false},
		{l[2].ProxyProtocol, "192.0.2.1", true},
		{l[2].ProxyProtocol, "192.0.2.2", false},
		{l[1].ProxyProtocol, "127.0.0.1", false},
	} {
		if got := c.in.Contains(netip.MustParseAddr(c.address)); got != c.want {
			t.Errorf("%s in %v: %v", c.address, c.in, got)
		}
	}
	if l[0].PlaintextAuth.Contains(netip.Addr{}) {
		t.Error("no address is in a network")
	}
}

func TestUpstreamSecurity(t *testing.T) {
	tests := []struct {
		keys    string
		want    Security
		address string
	}{
		{`url = "imaps://imap.example.com"`, ImplicitTLS, "imap.example.com:993"},
		{`url = "IMAPS://imap.example.com:1993/"`, ImplicitTLS, "imap.example.com:1993"},
		{"url = \"imaps://imap.example.com\"\ninsecure = false", ImplicitTLS, "imap.example.com:993"},
		{`url = "imap://imap.example.com"`, StartTLS, "imap.example.com:143"},
		{"url = \"imap://imap.example.com\"\ninsecure = true", NoTLS, "imap.example.com:143"},
		{`url = "imap://localhost"`, NoTLS, "localhost:143"},
		{`url = "imap://[::1]:1143"`, NoTLS, "[::1]:1143"},
		{`url = "imap://127.1.2.3"`, NoTLS, "127.1.2.3:143"},
		{"url = \"imap://127.0.0.1\"\ninsecure = false", StartTLS, "127.0.0.1:143"},
		{"url = \"imap://127.0.0.1\"\nca = \"ca.pem\"", StartTLS, "127.0.0.1:143"},
		{"url = \"imap://127.0.0.1\"\naddresses = [\"192.0.2.1:143\"]", StartTLS, "127.0.0.1:143"},
		{"url = \"imap://127.0.0.1\"\naddresses = [\"127.0.0.2:143\"]", NoTLS, "127.0.0.1:143"},
		{`url = "imap://localhost.example.com"`, StartTLS, "localhost.example.com:143"},
		{`url = "pop3://pop.example.com"`, StartTLS, "pop.example.com:110"},
		{`url = "pop3s://pop.example.com"`, ImplicitTLS, "pop.example.com:995"},
	}
	for _, c := range tests {
		u := compiled(t, "[[listener]]\naddress = \"127.0.0.1:0\"\n[[upstream]]\n"+c.keys+"\n").Upstreams[0]
		if u.Security != c.want || u.Addresses[0] != c.address || (u.TLS == nil) != (c.want == NoTLS) {
			t.Errorf("%s: %v %v", c.keys, u.Security, u.Addresses)
		}
	}
}

func TestUpstreamTLS(t *testing.T) {
	u := compiled(t, `
[[listener]]
address = "127.0.0.1:0"
[[upstream]]
url = "imaps://192.0.2.7"
addresses = ["imap2.example.com:993", "[2001:db8::1]:1993"]
ca = "ca.pem"
cert = "cert.pem"
key = "key.pem"
server_name = "pop.example.com"
tell_client = "id"
sizes = "exact"
`).Upstreams[0]
	if want := []string{"192.0.2.7:993", "imap2.example.com:993", "[2001:db8::1]:1993"}; !slices.Equal(u.Addresses, want) {
		t.Errorf("addresses %q", u.Addresses)
	}
	if u.TLS.ServerName != "pop.example.com" || u.TLS.RootCAs == nil || u.TLS.InsecureSkipVerify || u.TellClient != "id" || !u.ExactSizes {
		t.Errorf("got %+v", u)
	}
	if c, err := u.TLS.GetClientCertificate(nil); err != nil || c.Leaf.Subject.CommonName != "pop.example.com" {
		t.Errorf("client certificate %v, %v", c, err)
	}
}

func TestForUpstream(t *testing.T) {
	dir := t.TempDir()
	testPair(t, dir)
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	tests := []struct {
		name, url      string
		listen         []string
		cert, key, pol string
		want           string // an error, or listeners
	}{
		{name: "least", url: "imaps://imap.example.com", want: "127.0.0.1:1110 none"},
		{name: "all", url: "imap://localhost", listen: []string{"pop3://:1110", "pop3s://[::1]:1995/"}, cert: cert, key: key, pol: "recent",
			want: ":1110 starttls, [::1]:1995 implicit"},
		{name: "no upstream", want: `--upstream: is missing; write one such as "imaps://imap.example.com" or "imap://127.0.0.1:1143"`},
		{name: "bad upstream", url: "imap.example.com",
			want: `--upstream: is not the URL of a server; write one such as "imaps://imap.example.com" or "imap://127.0.0.1:1143"`},
		{name: "bad listener", url: "imaps://imap.example.com", listen: []string{"127.0.0.1:1110"},
			want: `--listen 127.0.0.1:1110: write pop3://host:port, or pop3s://host:port for implicit TLS`},
		{name: "no certificate", url: "imaps://imap.example.com", listen: []string{"pop3s://:1995"},
			want: `--listen pop3s://:1995: "implicit" needs a certificate; set cert and key`},
		{name: "bad port", url: "imaps://imap.example.com", listen: []string{"pop3://:pop3"},
			want: `--listen pop3://:pop3: "pop3" is not a port; write a number from 1 to 65535`},
		{name: "no key", url: "imaps://imap.example.com", cert: cert, want: "--key: is missing; it must name the private key for the certificate " + cert},
		{name: "bad policy", url: "imaps://imap.example.com", pol: "x",
			want: `--policy: there is no [policy.x], and no preset with this name; presets are classic, gmail-archive, gmail-trash, keep, keep-days, read-only, recent`},
	}
	for _, c := range tests {
		t.Run(c.name, func(t *testing.T) {
			if got := forUpstream(c.url, c.listen, c.cert, c.key, c.pol); got != c.want {
				t.Errorf("got %s", got)
			}
		})
	}
}

func forUpstream(url string, listen []string, cert, key, policyName string) string {
	c, err := ForUpstream(url, listen, cert, key, policyName)
	if err != nil {
		return err.Error()
	}
	s, err := c.Compile()
	if err != nil {
		return err.Error()
	}
	got := ""
	for i, l := range s.Listeners {
		if i > 0 {
			got += ", "
		}
		got += l.Address + " " + l.Security.String()
	}
	if r, ok := s.Route("alice", netip.Addr{}, ""); !ok || policyName != "" && r.PolicyName != policyName {
		got += ", but no route"
	}
	return got
}

// TestFingerprint: an upstream that did not change keeps its connections over a
// reload; one whose authority was replaced must not.
func TestFingerprint(t *testing.T) {
	dir := t.TempDir()
	ca, other := filepath.Join(dir, "ca.pem"), filepath.Join(dir, "other.pem")
	now := time.Now()
	for _, file := range []string{ca, other} {
		writePair(t, file, filepath.Join(dir, "key.pem"), "an authority", now, now.Add(time.Hour))
	}
	text := "[[listener]]\naddress = \"127.0.0.1:1110\"\n[[upstream]]\nurl = \"imaps://imap.example.com\"\nca = \"ca.pem\"\n"
	file := filepath.Join(dir, "restante.toml")
	fingerprint := func(text string) string {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := Load(file)
		if err != nil {
			t.Fatal(err)
		}
		s, err := c.Compile()
		if err != nil {
			t.Fatal(err)
		}
		return s.Upstreams[0].Fingerprint
	}
	first := fingerprint(text)
	if fingerprint(text) != first {
		t.Error("the same settings have two fingerprints")
	}
	if fingerprint(text+"timeout = \"7s\"\n") == first {
		t.Error("another setting has the same fingerprint")
	}
	if err := os.Rename(other, ca); err != nil {
		t.Fatal(err)
	}
	if fingerprint(text) == first {
		t.Error("another authority has the same fingerprint")
	}
}
