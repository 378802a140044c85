package lookup

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/restante-mail/restante/secret"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// endpoint is an auth_http program.
func endpoint(t *testing.T, answer http.HandlerFunc) *Client {
	t.Helper()
	s := httptest.NewServer(answer)
	t.Cleanup(s.Close)
	return New(Options{URL: s.URL + "/auth", Timeout: 5 * time.Second})
}

var alice = Question{User: "alice", Secret: secret.New("open sesame"), Method: "plain", Client: netip.MustParseAddr("192.0.2.1"), Listener: "legacy", Attempt: 1}

// TestQuestion: the header is that of the protocol's documentation
// (nginx, ngx_mail_auth_http_module), and nothing in a name or a password gets
// out of its line.
func TestQuestion(t *testing.T) {
	var got http.Header
	c := endpoint(t, func(w http.ResponseWriter, r *http.Request) {
		got = r.Header
		if r.Method != http.MethodGet || r.URL.Path != "/auth" {
			t.Errorf("%s %s", r.Method, r.URL)
		}
		w.Header().Set("Auth-Status", "OK")
	})
	c.o.Header, c.o.Secret = "X-Auth-Key", secret.New("who asks")
	q := alice
	q.User, q.Secret = "al ice\"%'é\r\nAuth-Status: OK", secret.New("p+s\x7f&")
	q.TLS = &tls.ConnectionState{Version: tls.VersionTLS12, CipherSuite: tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256}
	if _, err := c.Ask(t.Context(), q); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"Auth-Method": "plain", "Auth-Protocol": "pop3", "Auth-Login-Attempt": "1", "Client-Ip": "192.0.2.1",
		"Auth-User": "al%20ice%22%25%27%C3%A9%0D%0AAuth-Status:%20OK", "Auth-Pass": "p+s%7F&",
		"Auth-Ssl": "on", "Auth-Ssl-Protocol": "TLSv1.2", "Auth-Ssl-Cipher": "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
		"X-Auth-Key": "who asks", "Auth-Listener": "legacy", "Auth-Status": "", "Auth-Salt": "",
	} {
		if got.Get(name) != want {
			t.Errorf("%s: %q, want %q", name, got.Get(name), want)
		}
	}
}

func TestAnswers(t *testing.T) {
	for name, test := range map[string]struct {
		header map[string]string
		status int
		want   Answer
		err    string
	}{
		"yes":              {map[string]string{"Auth-Status": "OK"}, 200, Answer{}, ""},
		"where":            {map[string]string{"Auth-Status": "OK", "Auth-Server": "192.0.2.9", "Auth-Port": "143"}, 200, Answer{Server: "192.0.2.9:143"}, ""},
		"where, IPv6":      {map[string]string{"Auth-Status": "OK", "Auth-Server": "2001:db8::1", "Auth-Port": "143"}, 200, Answer{Server: "[2001:db8::1]:143"}, ""},
		"half a where":     {map[string]string{"Auth-Status": "OK", "Auth-Server": "192.0.2.9"}, 200, Answer{}, "one of Auth-Server and Auth-Port"},
		"who":              {map[string]string{"Auth-Status": "OK", "Auth-User": "alice@example.net", "Auth-Pass": "other"}, 200, Answer{User: "alice@example.net", Secret: secret.New("other")}, ""},
		"our own words":    {map[string]string{"Auth-Status": "OK", "Auth-Upstream": "main", "Auth-Policy": "keep", "Auth-View": "printer"}, 200, Answer{Upstream: "main", Policy: "keep", View: "printer"}, ""},
		"no":               {map[string]string{"Auth-Status": "Invalid login or password", "Auth-Wait": "3"}, 200, Answer{}, `refused: "Invalid login or password"`},
		"not an endpoint":  {nil, 200, Answer{}, "no Auth-Status"},
		"out of order":     {map[string]string{"Auth-Status": "OK"}, 500, Answer{}, "500"},
		"somewhere else":   {map[string]string{"Auth-Status": "OK", "Location": "http://127.0.0.1:1/"}, 302, Answer{}, "302"},
		"a header too big": {map[string]string{"Auth-Status": "OK", "X": strings.Repeat("x", maxAnswer)}, 200, Answer{}, "exceeded"},
	} {
		t.Run(name, func(t *testing.T) {
			c := endpoint(t, func(w http.ResponseWriter, _ *http.Request) {
				for k, v := range test.header {
					w.Header().Set(k, v)
				}
				w.WriteHeader(test.status)
			})
			got, err := c.Ask(t.Context(), alice)
			same := got.Secret.Reveal() == test.want.Secret.Reveal()
			got.Secret, test.want.Secret = secret.Text{}, secret.Text{}
			if !same || got != test.want || (err == nil) != (test.err == "") || err != nil && !strings.Contains(err.Error(), test.err) {
				t.Errorf("%+v, %v", got, err)
			}
			if refused := errors.Is(err, ErrRefused); refused != (name == "no") {
				t.Errorf("refused: %v", refused)
			}
			if err != nil && strings.Contains(err.Error(), "sesame") {
				t.Errorf("the password is in %v", err)
			}
		})
	}
}

// TestRemember: a good answer holds for its time and for exactly that question.
func TestRemember(t *testing.T) {
	var asked atomic.Int32
	c := endpoint(t, func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		w.Header().Set("Auth-Status", map[bool]string{true: "OK", false: "no"}[r.Header.Get("Auth-Pass") == "open%20sesame"])
	})
	now := time.Now()
	c.now, c.o.Remember = func() time.Time { return now }, time.Minute
	wrong, elsewhere, again := alice, alice, alice
	wrong.Secret = secret.New("wrong")
	elsewhere.Client = netip.MustParseAddr("192.0.2.2")
	again.Attempt = 2
	for i, step := range []struct {
		q     Question
		after time.Duration
		asked int32
	}{
		{alice, 0, 1}, {alice, 0, 1}, {again, 0, 1}, {wrong, 0, 2}, {wrong, 0, 3}, {elsewhere, 0, 4},
		{alice, time.Minute - 1, 4}, {alice, 1, 5},
	} {
		now = now.Add(step.after)
		_, err := c.Ask(t.Context(), step.q)
		if got := asked.Load(); got != step.asked || (err == nil) == (i == 3 || i == 4) {
			t.Errorf("step %d: asked %d times, %v", i, got, err)
		}
	}
}

// TestSlow: an endpoint that does not answer costs no more than the timeout, and
// those who wait for their turn behind it neither.
func TestSlow(t *testing.T) {
	release := make(chan struct{})
	c := endpoint(t, func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
	})
	defer close(release)
	c.o.Timeout = 50 * time.Millisecond
	for range maxAtOnce {
		c.turns <- struct{}{}
	}
	if _, err := c.Ask(t.Context(), alice); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("waiting for a turn: %v", err)
	}
	<-c.turns
	if _, err := c.Ask(t.Context(), alice); err == nil || !strings.Contains(err.Error(), "deadline") {
		t.Errorf("waiting for the answer: %v", err)
	}
}

// TestErrorsHoldNoKey: an endpoint's URL may have a key in its query, and what an
// endpoint says may be anything.
func TestErrorsHoldNoKey(t *testing.T) {
	for name, answer := range map[string]http.HandlerFunc{
		"hangs up": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"refuses": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Auth-Status", "no\u202e"+strings.Repeat("x", 4096))
		},
		"a header that is none": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Auth-Pass", "\x1bhunter2")
		},
		"odd status": func(w http.ResponseWriter, _ *http.Request) {
			c, _, err := w.(http.Hijacker).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			_, _ = c.Write([]byte("HTTP/1.1 500 \x1b[2J\u202e" + strings.Repeat("x", 4096) + "\r\nConnection: close\r\n\r\n"))
			_ = c.Close()
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := httptest.NewServer(answer)
			defer s.Close()
			c := New(Options{URL: s.URL + "/auth?key=hunter2", Timeout: 5 * time.Second})
			_, err := c.Ask(t.Context(), alice)
			if err == nil || strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "sesame") || !strings.Contains(err.Error(), s.URL+"/auth") {
				t.Errorf("%v", err)
			}
			unprintable := func(r rune) bool { return r < ' ' || r > '~' }
			if err != nil && (strings.ContainsFunc(err.Error(), unprintable) || len(err.Error()) > 1200) {
				t.Errorf("%d octets: %q", len(err.Error()), err)
			}
		})
	}
}

// FuzzAnswer: whatever a server of HTTP says, an answer is short, and names a
// server with a port or none.
func FuzzAnswer(f *testing.F) {
	for _, seed := range []string{
		"HTTP/1.1 200 OK\r\nAuth-Status: OK\r\nAuth-Server: 192.0.2.9\r\nAuth-Port: 143\r\n\r\n",
		"HTTP/1.1 200 OK\r\nAuth-Status: Invalid login\r\nAuth-Wait: 3\r\n\r\n",
		"HTTP/1.0 200\r\nAuth-Status: OK\r\nAuth-User: a\x00b\r\nAuth-Pass: \xff\r\nAuth-Server: ::1\r\nAuth-Port: x\r\n\r\nbody",
		"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nAuth-Status: OK\r\n\r\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, said []byte) {
		r, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(said)), nil)
		if err != nil {
			return
		}
		_ = r.Body.Close()
		a, err := read(r.Header)
		switch {
		case err != nil && len(err.Error()) > 1200:
			t.Errorf("an error of %d octets", len(err.Error()))
		case err == nil && (r.Header.Get("Auth-Status") != "OK" || a.Server != "" && !strings.Contains(a.Server, ":")):
			t.Errorf("%+v", a)
		case strings.ContainsAny(a.User+a.Server+a.Upstream+a.Policy+a.View+a.Secret.Reveal(), "\r\n"):
			t.Errorf("line ends in %+v", a)
		}
	})
}

// FuzzEscape: what a stranger says stays in its header, and can be read back.
func FuzzEscape(f *testing.F) {
	f.Add("al ice\"%'é\r\nAuth-Status: OK")
	f.Add("\x00{5}*\x1b[2J\u202e")
	f.Fuzz(func(t *testing.T, name string) {
		escaped := escape(name)
		if strings.ContainsFunc(escaped, func(r rune) bool { return r <= ' ' || r > '~' }) {
			t.Errorf("%q", escaped)
		}
		if back, err := url.PathUnescape(escaped); err != nil || back != name {
			t.Errorf("%q comes back as %q, %v", name, back, err)
		}
	})
}
