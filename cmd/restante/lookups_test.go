package main

import (
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/restante-mail/restante/pop3"
	"github.com/restante-mail/restante/secret"
)

// TestLookup: an endpoint written for nginx sends users to one of two servers,
// under names and with passwords of its choice.
func TestLookup(t *testing.T) {
	one, two := mailServer(t, "alice", 1), mailServer(t, "robert@example.net", 2)
	endpoint := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		if r.Header.Get("X-Key") != "who asks" || r.Header.Get("Auth-Protocol") != "pop3" {
			h.Set("Auth-Status", "who are you?")
			return
		}
		host, port, _ := strings.Cut(two, ":")
		switch user, pass := r.Header.Get("Auth-User"), r.Header.Get("Auth-Pass"); {
		case user == "alice":
			h.Set("Auth-Status", "OK") // the route knows the rest
		case user == "bob" && pass == "1234":
			for k, v := range map[string]string{"Auth-Status": "OK", "Auth-Server": host, "Auth-Port": port,
				"Auth-User": "robert@example.net", "Auth-Pass": "open sesame", "Auth-Policy": "read-only"} {
				h.Set(k, v)
			}
		case user == "carol":
			h.Set("Auth-Status", "OK")
			h.Set("Auth-Server", "192.0.2.1") // none of ours
			h.Set("Auth-Port", "143")
		case user == "dave":
			w.WriteHeader(http.StatusInternalServerError)
		default:
			h.Set("Auth-Status", "Invalid login or password")
		}
	}))
	defer endpoint.Close()
	key := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(key, []byte("who asks\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := start(t, `[[listener]]
address = "127.0.0.1:0"
[[upstream]]
name = "one"
url = "imap://`+one+`"
[[upstream]]
name = "two"
url = "imap://`+two+`"
[[lookup]]
name = "who"
url = "`+endpoint.URL+`"
secret_header = "X-Key"
secret_file = "`+key+`"
[[route]]
upstream = "one"
lookup = "who"
`)
	for _, c := range []struct {
		user, password, want string
		messages             int
	}{
		{"alice", "open sesame", "", 1},
		{"alice", "wrong", "[AUTH]", 0},
		{"bob", "1234", "", 2},
		{"bob", "open sesame", "[AUTH]", 0},
		{"carol", "x", "[SYS/PERM]", 0},
		{"dave", "x", "[SYS/TEMP]", 0},
	} {
		n, err := countWith(t, r.at("127.0.0.1:0"), c.user, c.password)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) || n != c.messages {
			t.Errorf("%s with %q: %d messages, %v", c.user, c.password, n, err)
		}
	}
	r.log.await(t, "192.0.2.1:143, which is no upstream's")
	if log := r.log.String(); strings.Contains(log, "1234") || strings.Contains(log, "open%20sesame") || strings.Contains(log, "who asks") {
		t.Errorf("a secret is in the log:\n%s", log)
	}
}

// countWith signs in and returns how many messages there are.
func countWith(t *testing.T, address, user, password string) (int, error) {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	c, err := pop3.NewClient(t.Context(), conn, pop3.ClientOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Login(t.Context(), user, secret.New(password)); err != nil {
		return 0, err
	}
	n, _, err := c.Stat(t.Context())
	return n, errors.Join(err, c.Quit(t.Context()))
}
