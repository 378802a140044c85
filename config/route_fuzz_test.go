package config

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// FuzzRoute: a stranger chooses the name that routes and views are found by, and
// that is put into an identity. Whatever it is, it leads where each of its
// spellings does, and an identity is made of the template and the name alone.
func FuzzRoute(f *testing.F) {
	path := filepath.Join(f.TempDir(), "c.toml")
	if err := os.WriteFile(path, []byte(`
state = "restante.db"
[[listener]]
address = "127.0.0.1:110"
[[upstream]]
name = "main"
url = "imap://localhost"
[[route]]
user = "*@example.com"
network = ["10.0.0.0/8"]
upstream = "main"
identity = "{local}@example.net"
policy = "keep"
views = ["printer"]
recent = true
[[route]]
user_regex = "(alice|bob)\\.[a-z?]{1,8}"
upstream = "main"
identity = "x{user}y{domain}"
[[route]]
upstream = "main"
`), 0o600); err != nil {
		f.Fatal(err)
	}
	s, err := loadSnapshot(path)
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{"alice@example.com", "alice+printer@EXAMPLE.com", "recent:alice@example.com", "a@b@example.com+printer", "@example.com",
		"alice.\u212a", "\xff\xfe", "{local}{domain}@example.com", "alice.x\r\nx", "a\x00@example.com", "recent:recent:+printer@example.com", "+printer", "bob.\u017f"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, user string) {
		r, ok := s.Route(user, netip.MustParseAddr("10.1.2.3"), "")
		if !ok {
			t.Fatalf("%q leads nowhere", user)
		}
		if !strings.HasPrefix(r.Base, strings.SplitN(r.Base, "+", 2)[0]) || len(r.Base) > len(user) {
			t.Errorf("%q: base %q", user, r.Base)
		}
		identity, err := r.Identity(r.Base)
		switch {
		case err != nil:
		case strings.HasSuffix(r.identity, "@example.net") && (!strings.HasSuffix(identity, "@example.net") || strings.TrimSuffix(identity, "@example.net")+"@" != r.Base[:strings.LastIndexByte(r.Base, '@')+1]):
			t.Errorf("%q: identity %q", user, identity)
		case r.identity == "" && identity != user:
			t.Errorf("%q: identity %q", user, identity)
		}
		if again, ok := s.Route(asciiUpper(user), netip.MustParseAddr("10.1.2.3"), ""); !ok || again.place != r.place || again.View != r.View {
			t.Errorf("%q leads elsewhere in capitals", user)
		}
	})
}

// asciiUpper leaves all else as it is.
func asciiUpper(s string) string {
	b := []byte(s)
	for i, c := range b {
		if 'a' <= c && c <= 'z' {
			b[i] -= 'a' - 'A'
		}
	}
	return string(b)
}
