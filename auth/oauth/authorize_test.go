package oauth

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/restante-mail/restante/auth/oauth/oauthtest"
	"github.com/restante-mail/restante/upstream"
)

// A real clock, for who waits for a person.
func (d *desk) realTime() {
	d.server.Set(func(s *oauthtest.Server) { s.Now = time.Now })
	d.vault.Now = nil
	d.keeper = New(Options{Vault: d.vault, Event: d.note})
	d.t.Cleanup(d.keeper.Close)
}

// A person types the code; from then on the account signs in by itself.
func TestDevice(t *testing.T) {
	d := newDesk(t)
	d.realTime()
	p := d.provider(User)
	saved, err := d.keeper.Device(bounded(t), p, "Alice", func(m Prompt) {
		if m.URL != d.server.URL+"/activate" || !d.server.Approve(m.Code, "alice") || time.Until(m.Expires) < 9*time.Minute {
			t.Errorf("shown: %+v", m)
		}
	})
	if err != nil || saved.Refresh.Empty() || saved.Authorized.IsZero() {
		t.Fatalf("Device: %+v, %v", saved, err)
	}
	d.good(d.keeper.Source(p, "alice", ""), "alice")
}

// What fails on the way while a person types is tried again; too fast a poll is
// slowed down by the library.
func TestDeviceThroughTrouble(t *testing.T) {
	d := newDesk(t)
	d.realTime()
	p := d.provider(User)
	polls := 0
	_, err := d.keeper.Device(bounded(t), p, "alice", func(m Prompt) {
		d.server.Set(func(s *oauthtest.Server) {
			s.Fault = func(w http.ResponseWriter, _ *http.Request) bool {
				polls++
				switch polls {
				case 1:
					w.WriteHeader(http.StatusBadGateway)
				case 2:
					oauthtest.Fail(w, http.StatusBadRequest, "authorization_pending", "")
				default:
					return false
				}
				d.server.Approve(m.Code, "alice")
				return true
			}
		})
	})
	if err != nil || polls != 3 {
		t.Errorf("Device: %v after %d polls", err, polls)
	}
}

func TestDeviceFails(t *testing.T) {
	for _, test := range []struct {
		name string
		do   func(d *desk, m Prompt, cancel func())
		want string
	}{
		{"declined", func(d *desk, m Prompt, _ func()) { d.server.Approve(m.Code, "") }, "has declined"},
		{"Ctrl-C", func(_ *desk, _ Prompt, cancel func()) { cancel() }, context.Canceled.Error()},
		{"a provider that gives no refresh token", func(d *desk, m Prompt, _ func()) {
			d.server.Set(func(s *oauthtest.Server) { s.NoRefresh = true })
			d.server.Approve(m.Code, "alice")
		}, "offline_access"},
		{"a server that forgets the code", func(d *desk, _ Prompt, _ func()) {
			d.server.Set(func(s *oauthtest.Server) {
				s.Fault = func(w http.ResponseWriter, _ *http.Request) bool {
					oauthtest.Fail(w, http.StatusBadRequest, "expired_token", "")
					return true
				}
			})
		}, "has expired"},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := newDesk(t)
			d.realTime()
			ctx, cancel := withCancel(t)
			defer cancel()
			_, err := d.keeper.Device(ctx, d.provider(User), "alice", func(m Prompt) { test.do(d, m, cancel) })
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("Device: %v; want %q in it", err, test.want)
			}
			if kept, err := d.vault.Load(bounded(t), "alice"); err != nil || kept.Revision != "" {
				t.Errorf("something was kept: %+v, %v", kept, err)
			}
		})
	}
}

// What a server of devices may say to make us wait for ever, spin, or write to
// the terminal.
func TestHostileDevice(t *testing.T) {
	for answer, want := range map[string]string{
		`{"device_code":"d","user_code":"u","verification_uri":"https://a.example/","interval":-5,"expires_in":1}`:     "has expired",
		`{"device_code":"d","user_code":"u","verification_uri":"https://a.example/","expires_in":9223372036854775807}`: "expired",
		`{"device_code":"d","user_code":"\u001b[2J","verification_uri":"https://a.example/","expires_in":600}`:         "no code and link",
		`{"device_code":"d","user_code":"u","verification_uri":"https://a.example/\u009b2J","expires_in":600}`:         "no code and link",
		`{"device_code":"d","user_code":"u","verification_uri":"http://a.example/","expires_in":600}`:                  "no code and link",
		`{"device_code":"","user_code":"u","verification_uri":"https://a.example/","expires_in":600}`:                  "no code and link",
		`{"device_code":"d","user_code":"` + strings.Repeat("u", 101) + `","verification_uri":"https://a.example/"}`:   "no code and link",
		`[]`: "not JSON",
		`{"error":"unauthorized_client","error_description":"AADSTS7000218"}`: "no code and link",
	} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/token" {
				oauthtest.Fail(w, http.StatusBadRequest, "expired_token", "")
				return
			}
			_, _ = io.WriteString(w, answer)
		}))
		d := newDesk(t)
		d.realTime()
		p := d.provider(User)
		p.Issuer, p.Endpoints = "", Endpoints{Token: s.URL + "/token", Device: s.URL + "/device"}
		_, err := d.keeper.Device(bounded(t), p, "alice", func(Prompt) {})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; want %q", answer, err, want)
		}
		s.Close()
	}
}

// visit is a browser: it follows the redirect to us, but not from elsewhere.
func visit(t *testing.T, address string) (status int) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Get(address)
	if err != nil {
		t.Errorf("the browser: %v", err)
		return 0
	}
	defer answer.Body.Close()
	_, _ = io.Copy(io.Discard, answer.Body)
	return answer.StatusCode
}

// A person consents in a browser on this machine.
func TestCode(t *testing.T) {
	d := newDesk(t)
	d.realTime()
	for _, redirect := range []string{"http://127.0.0.1:0/", "http://localhost:0", "http://127.0.0.1:0/back"} {
		p := d.provider(User)
		p.Redirect, p.Ask = redirect, map[string]string{"prompt": "consent"}
		_, err := d.keeper.Code(bounded(t), p, "alice", "alice@example.com", func(m Prompt) {
			u, err := url.Parse(m.URL)
			if err != nil || u.Query().Get("login_hint") != "alice@example.com" || u.Query().Get("prompt") != "consent" {
				t.Errorf("shown: %+v", m)
			}
			go func() {
				back, _ := url.Parse(u.Query().Get("redirect_uri"))
				for _, forged := range []string{"?code=x", "?code=x&state=", "?code=x&state=guess", "favicon.ico"} {
					if status := visit(t, back.JoinPath("/").String()+forged); status != http.StatusBadRequest {
						t.Errorf("%s is answered with %d", forged, status)
					}
				}
				if status := visit(t, m.URL); status != http.StatusOK {
					t.Errorf("the browser ends with %d", status)
				}
			}()
		}, nil)
		if err != nil {
			t.Errorf("%s: %v", redirect, err)
		}
		d.good(d.keeper.Source(p, "alice", ""), "alice")
	}
}

// The browser is on another machine: the address where it ended is brought by
// hand.
func TestCodePasted(t *testing.T) {
	d := newDesk(t)
	d.realTime()
	p := d.provider(User)
	var link string
	end := func(context.Context) (string, error) {
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
		answer, err := client.Get(link)
		if err != nil {
			return "", err
		}
		defer answer.Body.Close()
		return "  " + answer.Header.Get("Location") + "\n", nil
	}
	show := func(m Prompt) { link = m.URL }
	if _, err := d.keeper.Code(bounded(t), p, "alice", "", show, end); err != nil {
		t.Errorf("Code: %v", err)
	}
	d.good(d.keeper.Source(p, "alice", ""), "alice")
	for pasted, want := range map[string]string{
		"http://127.0.0.1:1/?code=x&state=y": "not the address", "\x7f": "not the address", "": "not the address",
	} {
		_, err := d.keeper.Code(bounded(t), p, "alice", "", show, func(context.Context) (string, error) { return pasted, nil })
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", pasted, err)
		}
	}
}

func TestCodeFails(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(*desk, *Provider)
		do     func(d *desk, link *url.URL, cancel func())
		want   string
	}{
		{"declined", func(d *desk, _ *Provider) { d.server.Set(func(s *oauthtest.Server) { s.User = "" }) }, func(d *desk, link *url.URL, _ func()) {
			visit(d.t, link.String())
		}, "has declined"},
		{"Ctrl-C", nil, func(_ *desk, _ *url.URL, cancel func()) { cancel() }, context.Canceled.Error()},
		{"the answer of another provider", nil, func(d *desk, link *url.URL, _ func()) {
			q := link.Query()
			visit(d.t, q.Get("redirect_uri")+"?code=x&iss=https://evil.example&state="+q.Get("state"))
		}, "another provider's"},
		{"no code", nil, func(d *desk, link *url.URL, _ func()) {
			visit(d.t, link.Query().Get("redirect_uri")+"?state="+link.Query().Get("state"))
		}, "no code"},
		{"a code that somebody made up", nil, func(d *desk, link *url.URL, _ func()) {
			visit(d.t, link.Query().Get("redirect_uri")+"?code=x&state="+link.Query().Get("state"))
		}, "invalid_grant"},
		{"a redirect to elsewhere", func(_ *desk, p *Provider) { p.Redirect = "http://example.com/" }, nil, "not the URL of a port of this machine"},
		{"an unknown client", func(_ *desk, p *Provider) { p.ClientID = "nobody" }, func(d *desk, link *url.URL, cancel func()) {
			if status := visit(d.t, link.String()); status != http.StatusBadRequest {
				d.t.Errorf("status %d", status)
			}
			cancel()
		}, context.Canceled.Error()},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := newDesk(t)
			d.realTime()
			p := d.provider(User)
			if test.change != nil {
				test.change(d, p)
			}
			ctx, cancel := withCancel(t)
			defer cancel()
			browser := make(chan struct{})
			_, err := d.keeper.Code(ctx, p, "alice", "", func(m Prompt) {
				link, _ := url.Parse(m.URL)
				go func() { defer close(browser); test.do(d, link, cancel) }()
			}, nil)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("Code: %v; want %q in it", err, test.want)
			}
			if test.do != nil {
				<-browser
			}
		})
	}
}

// Nobody is asked to consent to what could not be kept.
func TestReady(t *testing.T) {
	d := newDesk(t)
	if err := d.keeper.Ready(bounded(t), "alice"); err != nil {
		t.Errorf("Ready: %v", err)
	}
	if err := d.newKeeper(&frail{d.vault, map[string]error{"lease": errFull}}).Ready(bounded(t), "alice"); !errors.Is(err, errFull) {
		t.Errorf("with a full disk: %v", err)
	}
	if err := d.newKeeper(nil).Ready(bounded(t), "alice"); !errors.Is(err, errNoVault) {
		t.Errorf("without a state file: %v", err)
	}
}

func TestDiscovery(t *testing.T) {
	var document string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, document) }))
	defer s.Close()
	for _, test := range []struct{ document, want string }{
		{`{"issuer":"https://other.example","token_endpoint":"%[1]s/token"}`, "of another issuer"},
		{`{"issuer":"%[1]s","token_endpoint":"http://example.com/token"}`, "not https"},
		{`{"issuer":"%[1]s","token_endpoint":"https://user:pw@example.com/token"}`, "not https"},
		{`{"issuer":"%[1]s"}`, "no token endpoint"},
		{`{"issuer":7}`, "not one"},
		{`<html>`, "not JSON"},
	} {
		d := newDesk(t)
		document = strings.ReplaceAll(test.document, "%[1]s", s.URL)
		p := d.provider(User)
		p.Issuer = s.URL + "/"
		d.consent(p, "alice")
		d.clock.add(2 * time.Hour)
		if err := d.bad(d.keeper.Source(p, "alice", ""), upstream.Unavailable); !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v", document, err)
		}
	}
}

// Endpoints are asked for once a day, and what was known serves while they
// cannot be.
func TestDiscoveryIsRemembered(t *testing.T) {
	d := newDesk(t)
	p := d.provider(User)
	d.consent(p, "alice")
	source := d.keeper.Source(p, "alice", "")
	d.clock.add(2 * time.Hour)
	d.good(source, "alice")
	known := p.discovery.known
	p.Issuer += "/gone" // the document is not there any more
	for range 3 {
		d.clock.add(25 * time.Hour)
		if e, err := p.endpoints(bounded(t), d.clock.Now); err != nil || e != known || known.Device == "" {
			t.Errorf("endpoints: %+v, %v", e, err)
		}
	}
}

func TestPresets(t *testing.T) {
	for _, test := range []struct {
		name  string
		grant Grant
		want  string
	}{
		{"microsoft365", User, "[https://outlook.office.com/IMAP.AccessAsUser.All offline_access] https://login.microsoftonline.com/organizations/oauth2/v2.0/devicecode"},
		{"microsoft365", ClientCredentials, "[https://outlook.office365.com/.default] https://login.microsoftonline.com/organizations/oauth2/v2.0/devicecode"},
		{"google", User, "[https://mail.google.com/] "},
		{"google", ServiceAccount, "[https://mail.google.com/] "},
		{"oidc", User, "[openid offline_access] "},
	} {
		p := Preset(test.name, test.grant, "organizations")
		if got := fmt.Sprintf("%v %s", p.Scopes, p.Endpoints.Device); got != test.want || !Offers(test.name, test.grant) {
			t.Errorf("%s: %s; want %s", test.name, got, test.want)
		}
		for _, address := range []string{p.Endpoints.Token, p.Endpoints.Authorize, p.Endpoints.Device} {
			if address != "" && (CheckURL(address) != nil || strings.Contains(address, "{")) {
				t.Errorf("%s: endpoint %q", test.name, address)
			}
		}
	}
	if Offers("google", ClientCredentials) || Offers("microsoft365", ServiceAccount) || Offers("nobody", User) || !NeedsTenant("microsoft365") || NeedsTenant("google") {
		t.Error("grants that are not offered")
	}
}

func TestCheckURL(t *testing.T) {
	for address, want := range map[string]bool{
		"https://a.example/token": true, "http://127.0.0.1:1/token": true, "http://localhost/token": true, "http://[::1]/": true,
		"http://a.example/token": false, "https://": false, "a.example": false, "mailto:a@example": false, "https://u:p@a.example/": false,
		"https://a.example/#x": false, "": false, "ftp://a.example/": false, "http://127.0.0.1.example.com/": false,
	} {
		if err := CheckURL(address); (err == nil) != want {
			t.Errorf("%q: %v", address, err)
		}
	}
}

func TestParseKey(t *testing.T) {
	d := newDesk(t)
	key := testKey(t, d)
	if key.ID != "k1" || key.Email != "robot@example.com" {
		t.Errorf("key: %+v", key)
	}
	if _, err := ParseKey([]byte(key.PEM.Reveal())); err != nil {
		t.Errorf("PEM alone: %v", err)
	}
	for _, text := range []string{"", "{}", `{"private_key":"x"}`, "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n"} {
		if _, err := ParseKey([]byte(text)); err == nil || strings.Contains(err.Error(), "c2VjcmV0") {
			t.Errorf("%q: %v", text, err)
		}
	}
}
