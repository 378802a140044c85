package oauth

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/restante-mail/restante/secret"
)

// saying is a server that says the same to everybody.
type saying struct {
	status int
	body   []byte
	retry  string
}

func (s saying) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: s.status, Header: http.Header{"Retry-After": {s.retry}}, Request: r,
		Body: io.NopCloser(bytes.NewReader(s.body)), ContentLength: -1}, nil
}

// FuzzTokenEndpoint: whatever a server of tokens answers, what comes of it is a
// token that fits into a line, or one line of an error without a secret.
func FuzzTokenEndpoint(f *testing.F) {
	for _, body := range []string{
		`{"access_token":"ya29.x","refresh_token":"r2","token_type":"Bearer","expires_in":3599}`,
		`{"access_token":"x\r\n1 LOGOUT","token_type":"bearer"}`, `{"access_token":"x","expires_in":"1e400"}`,
		`{"error":"invalid_grant","error_description":"\u001b[2J the-refresh-token"}`, `{"error":["a"]}`, `access_token=x`, "",
		`{"device_code":"d","user_code":"A-B","verification_uri":"https://a.example/","expires_in":-1,"interval":99999999999}`,
		`{"issuer":"https://a.example","token_endpoint":"https://b.example/"}`,
	} {
		f.Add(200, "", []byte(body))
		f.Add(400, "99999999999999999999", []byte(body))
		f.Add(302, "-1", []byte(body))
	}
	now := func() time.Time { return time.Unix(1_800_000_000, 0) }
	f.Fuzz(func(t *testing.T, status int, retry string, body []byte) {
		p := &Provider{Name: "p", ClientID: "c", ClientSecret: secret.New("the-client-secret"), Transport: saying{status, body, retry},
			Endpoints: Endpoints{Token: "https://a.example/token", Device: "https://a.example/device"}}
		g, err := p.refresh(t.Context(), now, secret.New("the-refresh-token"))
		checkText(t, err, "the-refresh-token", "the-client-secret")
		if err == nil && (!isToken(g.access.Reveal()) || !isToken(g.refresh.Reveal()) || g.expires.Before(now()) || g.expires.After(now().Add(maxLife+time.Minute))) {
			t.Errorf("granted %q, %q until %v", g.access.Reveal(), g.refresh.Reveal(), g.expires)
		}
		c := p.call(t.Context(), now)
		if answer, err := p.config(p.Endpoints, "").DeviceAuth(c.within()); err == nil {
			checkPrompt(t, answer, now())
		} else {
			checkText(t, c.failure(err, []string{"the-client-secret"}), "the-client-secret")
		}
		p.Issuer = "https://a.example"
		e, err := p.discover(context.Background(), now)
		checkText(t, err)
		for _, address := range []string{e.Token, e.Authorize, e.Device} {
			if address != "" && CheckURL(address) != nil {
				t.Errorf("endpoint %q", address)
			}
		}
	})
}

func checkText(t *testing.T, err error, secrets ...string) {
	t.Helper()
	if err == nil {
		return
	}
	text := err.Error()
	if strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r > '~' }) || len(text) > 2000 ||
		slices.ContainsFunc(secrets, func(s string) bool { return strings.Contains(text, s) }) {
		t.Errorf("an error of %d octets: %q", len(text), text)
	}
}

func checkPrompt(t *testing.T, answer *oauth2.DeviceAuthResponse, now time.Time) {
	t.Helper()
	if checkDevice(answer, now) != nil {
		return
	}
	if shown := answer.VerificationURI + answer.UserCode; strings.ContainsFunc(shown, func(r rune) bool { return r <= ' ' || r > '~' }) ||
		answer.Interval < 1 || answer.Interval > 60 || answer.Expiry.After(now.Add(maxWait+time.Minute)) {
		t.Errorf("shown %q, every %d s until %v", shown, answer.Interval, answer.Expiry)
	}
}

// FuzzLoopback: any program of this machine may ask the port that a browser comes
// back to. Only who knows the state is believed, and nothing that was said comes
// back in the page or, unprintable, in an error.
func FuzzLoopback(f *testing.F) {
	for _, seed := range [][2]string{
		{"/", "code=x&state=KNOWN"}, {"/", "error=access_denied&error_description=%1b%5b2J%0a&state=KNOWN"}, {"/", "code=x&state=known"},
		{"/", "code=x&iss=https://evil.example&state=KNOWN"}, {"//evil.example/", "state=KNOWN&code=<script>"}, {"/", "state=KNOWN&state=x;code=%zz"},
	} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, path, query string) {
		b := &comeBack{path: "/", state: "KNOWN", answers: make(chan url.Values, 1)}
		r := &http.Request{Method: http.MethodGet, URL: &url.URL{Path: path, RawQuery: query}, Header: http.Header{}}
		w := httptest.NewRecorder()
		b.ServeHTTP(w, r)
		values, _ := url.ParseQuery(query)
		knows := values.Get("state") == "KNOWN" && path == "/"
		if (w.Code == http.StatusOK) != knows || len(b.answers) > 0 != knows {
			t.Fatalf("%q %q: status %d", path, query, w.Code)
		}
		if body := w.Body.String(); strings.Contains(body, "<") || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/plain") {
			t.Errorf("the page is %q", body)
		}
		if knows {
			code, err := b.wait(t.Context(), "https://a.example")
			checkText(t, err)
			if err == nil && !isToken(code) {
				t.Errorf("code %q", code)
			}
		}
	})
}
