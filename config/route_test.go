package config

import (
	"errors"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// compiled loads a file that has to be good.
func compiled(t *testing.T, file string) *Snapshot {
	t.Helper()
	dir := t.TempDir()
	testPair(t, dir)
	s, err := loadSnapshot(filepath.Join(write(t, dir, "c.toml", file), "c.toml"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

const routed = `
[[listener]]
name = "inside"
address = "10.0.0.5:110"
tls = "starttls"
[[listener]]
name = "outside"
address = "[2001:db8::5]:995"
tls = "implicit"
[tls]
cert = "cert.pem"
key = "key.pem"

[[upstream]]
name = "a"
url = "imaps://a.example.com"
[[upstream]]
name = "b"
url = "imaps://b.example.com"

[[route]]
user = "root"
upstream = "b"
policy = "read-only"
[[route]]
user = "PRINTER-?@Example.*"
network = ["10.0.0.0/8", "2001:db8:1::/48"]
upstream = "a"
policy = "recent"
[[route]]
user_regex = "fax|c[.]{3}"
listener = ["inside"]
upstream = "a"
policy = "gmail-trash"
[[route]]
user = "*@example.com"
upstream = "a"
`

func TestRoute(t *testing.T) {
	s := compiled(t, routed)
	tests := []struct{ user, client, listener, want string }{
		{"root", "192.0.2.1", "outside", "b read-only"},
		{"ROOT", "192.0.2.1", "outside", "b read-only"},
		{"root ", "192.0.2.1", "outside", ""},
		{"\xffroot", "192.0.2.1", "outside", ""},
		{"printer-7@example.org", "10.1.2.3", "inside", "a recent"},
		{"printer-\xff@example.org", "10.1.2.3", "inside", "a recent"},
		{"printer-é@example.org", "10.1.2.3", "inside", "a recent"},
		{"printer-\n@example.\norg", "10.1.2.3", "inside", "a recent"},
		{"printer-7@example.org", "::ffff:10.1.2.3", "inside", "a recent"},
		{"printer-7@example.org", "2001:db8:1::9%eth0", "inside", "a recent"},
		{"printer-7@example.org", "2001:db8:2::9", "inside", ""},
		{"printer-77@example.org", "10.1.2.3", "inside", ""},
		{"printer-7@example.com", "192.0.2.1", "inside", "a classic"},
		{"printer-7@exampleXorg", "10.1.2.3", "inside", ""},
		{"fax", "192.0.2.1", "inside", "a gmail-trash"},
		{"FAX", "192.0.2.1", "inside", "a gmail-trash"},
		{"fax", "192.0.2.1", "outside", ""},
		{"faxes", "192.0.2.1", "inside", ""},
		{"a fax", "192.0.2.1", "inside", ""},
		{"c...", "192.0.2.1", "inside", "a gmail-trash"},
		{"@example.com", "192.0.2.1", "outside", "a classic"},
		{"alice@example.com.evil.net", "192.0.2.1", "outside", ""},
	}
	for _, c := range tests {
		got := ""
		if r, ok := s.Route(c.user, netip.MustParseAddr(c.client), c.listener); ok {
			got = r.Upstream.Name + " " + r.PolicyName
		}
		if got != c.want {
			t.Errorf("%q from %s by %s: got %q, want %q", c.user, c.client, c.listener, got, c.want)
		}
	}
}

func TestRouteWithoutAddress(t *testing.T) {
	if _, ok := compiled(t, routed).Route("printer-7@example.org", netip.Addr{}, "inside"); ok {
		t.Error("an unknown address matched a network")
	}
}

func TestOneUpstreamNeedsNoRoute(t *testing.T) {
	r, ok := compiled(t, good).Route("anybody", netip.Addr{}, "")
	if !ok || r.Upstream.Name != "imap.example.com" || r.PolicyName != "classic" || r.Policy.OnDelete.Do != "expunge" {
		t.Errorf("got %v %+v", ok, r)
	}
}

// TestRegexStaysWhole has expressions that would break out of the anchors.
func TestRegexStaysWhole(t *testing.T) {
	for _, expr := range []string{`root|admin`, `\Qroot`, `(?-i)root|admin`, `root|`} {
		re, err := wholeName(expr)
		if err != nil {
			t.Errorf("%s: %v", expr, err)
			continue
		}
		if !re.MatchString("root") || re.MatchString("root2") || re.MatchString("xroot") || re.MatchString("an admin") {
			t.Errorf("%s does not match whole names: %s", expr, re)
		}
	}
	for _, expr := range []string{`root)|(admin`, `a{2000}`, `(`} {
		if re, err := wholeName(expr); err == nil {
			t.Errorf("%s was taken, as %s", expr, re)
		}
	}
}

func TestIdentity(t *testing.T) {
	tests := []struct{ template, user, want string }{
		{"", "a@b@c", "a@b@c"},
		{"{user}", "a@b@c", "a@b@c"},
		{"{local}@example.net", "alice@example.com", "alice@example.net"},
		{"{local}@example.net", "alice", "alice@example.net"},
		{"{local}|{domain}", "a@b@c", "a@b|c"},
		{"DOM\\{local}", "{domain}@{user}", "DOM\\{domain}"},
		{"shared", "whoever", "shared"},
		{"{domain}", "alice", "error"},
		{"{domain}", "alice@", "error"},
		{"{local}", "@example.com", "error"},
	}
	for _, c := range tests {
		got, err := Route{identity: c.template}.Identity(c.user)
		if errors.Is(err, ErrIdentity) {
			got = "error"
		}
		if got != c.want {
			t.Errorf("%s of %s: got %q (%v), want %q", c.template, c.user, got, err, c.want)
		}
	}
}

func TestWarnings(t *testing.T) {
	const two = "[[upstream]]\nname = \"b\"\nurl = \"imaps://b.example.com\"\n"
	tests := []struct{ name, file, want string }{
		{"nothing", routed, ""},
		{"everybody goes elsewhere before", good + "[[route]]\n[[route]]\nuser = \"a\"\n",
			"c.toml:7: route[1]: can never match, because the route in DIR/c.toml line 6 comes first and matches the same logins"},
		{"a star is everybody", good + "[[route]]\nuser = \"*\"\n[[route]]\nnetwork = [\"10.0.0.0/8\"]\n",
			"c.toml:8: route[1]: can never match, because the route in DIR/c.toml line 6 comes first and matches the same logins"},
		{"a smaller network", good + "[[route]]\nnetwork = [\"192.0.2.1\", \"10.0.0.0/8\"]\n[[route]]\nuser = \"a\"\nnetwork = [\"10.1.0.0/16\"]\n",
			"c.toml:8: route[1]: can never match, because the route in DIR/c.toml line 6 comes first and matches the same logins"},
		{"a larger network", good + "[[route]]\nnetwork = [\"10.1.0.0/16\"]\n[[route]]\nnetwork = [\"10.0.0.0/8\"]\n", ""},
		{"another user", good + "[[route]]\nuser = \"a*\"\n[[route]]\nuser = \"ab\"\n", ""},
		{"the same user by fewer listeners", good + "[[route]]\nuser = \"a*\"\n[[route]]\nuser = \"a*\"\nlistener = [\"127.0.0.1:1110\"]\n",
			"c.toml:8: route[1]: can never match, because the route in DIR/c.toml line 6 comes first and matches the same logins"},
		{"by all listeners after one", good + "[[route]]\nlistener = [\"127.0.0.1:1110\"]\n[[route]]\n", ""},
		{"an upstream without use", good + two + "[[route]]\nupstream = \"b\"\n", `c.toml:4: upstream[0]: no route leads to "imap.example.com"`},
		{"a policy without use", good + "[policy.p]\n", "c.toml:6: policy.p: no route uses this policy"},
		{"nobody can sign in", "[[listener]]\naddress = \":110\"\n[[upstream]]\nurl = \"imap://localhost\"\n",
			"c.toml:1: listener[0]: only clients on this machine can sign in here: there is no TLS, and plaintext_auth names no network"},
		{"a short idle time", good + "[limits]\nidle_time = \"1m\"\n",
			"c.toml:7: limits.idle_time: 1m0s is less than the 10 minutes that RFC 1939 grants; clients that show a message while connected will lose their session"},
		{"a list_timeout that cannot be reached", good + "list_timeout = \"10m\"\n",
			"c.toml:6: upstream[0].list_timeout: 10m0s has no effect beyond limits.backend_time, which is 5m0s"},
	}
	for _, c := range tests {
		t.Run(c.name, func(t *testing.T) {
			s := compiled(t, c.file)
			got := make([]string, 0, 1)
			for _, w := range s.Warnings(today) {
				dir, _, _ := strings.Cut(w.File, "/c.toml")
				got = append(got, strings.TrimPrefix(strings.ReplaceAll(w.Error(), dir, "DIR"), "DIR/"))
			}
			if strings.Join(got, "\n") != c.want {
				t.Errorf("got %q\nwant %q", got, c.want)
			}
		})
	}
}

func TestCertificateWarnings(t *testing.T) {
	s := compiled(t, routed)
	for when, want := range map[time.Time]string{
		today:                   "",
		today.AddDate(0, 2, 0):  "cert.pem expired on 2026-07-01; clients will refuse it",
		today.AddDate(0, -2, 0): "cert.pem is not valid before 2026-05-01 12:00:00 UTC; is the clock right?",
	} {
		warnings := s.Warnings(when)
		if want == "" && len(warnings) > 0 || want != "" && (len(warnings) != 1 || !strings.HasSuffix(warnings[0].Text, want) || warnings[0].Line == 0) {
			t.Errorf("on %v: %v", when, warnings)
		}
	}
}
