package oauth

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/restante-mail/restante/auth"
	"github.com/restante-mail/restante/auth/oauth/oauthtest"
	"github.com/restante-mail/restante/secret"
	"github.com/restante-mail/restante/store"
	"github.com/restante-mail/restante/upstream"
)

func beside(d *desk) Shelf { return store.Beside{Path: d.path} }

func withCancel(t *testing.T) (context.Context, context.CancelFunc) {
	t.Helper()
	return context.WithCancel(bounded(t))
}

// faults are what a server of tokens can do instead of handing out one.
var faults = []struct {
	name   string
	answer func(w http.ResponseWriter, refresh string)
	kind   upstream.Kind
	want   string
}{
	{"500 with HTML", func(w http.ResponseWriter, r string) {
		http.Error(w, "<html>"+r+"</html>", http.StatusInternalServerError)
	}, upstream.Unavailable, "HTTP status 500"},
	{"503 with words of its own", func(w http.ResponseWriter, _ string) {
		oauthtest.Fail(w, http.StatusServiceUnavailable, "temporarily_unavailable", "AADSTS90033: busy\r\nTrace ID: x")
	}, upstream.Unavailable, "temporarily_unavailable: AADSTS90033: busy"},
	{"429", func(w http.ResponseWriter, _ string) {
		w.Header().Set("Retry-After", "120")
		oauthtest.Fail(w, http.StatusTooManyRequests, "too_many_requests", "")
	}, upstream.Throttled, "too_many_requests"},
	{"the client is unknown", func(w http.ResponseWriter, _ string) {
		oauthtest.Fail(w, http.StatusUnauthorized, "invalid_client", "AADSTS7000215: Invalid client secret provided.")
	}, upstream.Denied, "invalid_client: AADSTS7000215"},
	{"a secret comes back in an error", func(w http.ResponseWriter, r string) {
		oauthtest.Fail(w, http.StatusBadRequest, "invalid_request", "bad token "+r)
	}, upstream.Denied, "it has a secret in it"},
	{"an error that writes to terminals and logs", func(w http.ResponseWriter, _ string) {
		oauthtest.Fail(w, http.StatusBadRequest, "invalid_scope", "a\x1b[2Jb\nlevel=error msg=forged"+strings.Repeat("x", 1000))
	}, upstream.Denied, "invalid_scope: a?[2Jb"},
	{"a huge answer", func(w http.ResponseWriter, _ string) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"access_token":"`+strings.Repeat("x", maxAnswer)+`"}`)
	}, upstream.Unavailable, "more than"},
	{"a web page", func(w http.ResponseWriter, r string) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, "<html>Sign in to the hotel's network "+r+"</html>")
	}, upstream.Unavailable, "not JSON"},
	{"a form, which the library would take for a token", func(w http.ResponseWriter, _ string) {
		w.Header().Set("Content-Type", "text/plain")
		_, _ = io.WriteString(w, "access_token=x&token_type=bearer")
	}, upstream.Unavailable, "not JSON"},
	{"nothing", func(w http.ResponseWriter, _ string) { w.WriteHeader(http.StatusOK) }, upstream.Unavailable, "not JSON"},
	{"no token in it", func(w http.ResponseWriter, _ string) {
		_, _ = io.WriteString(w, `{"token_type":"bearer"}`)
	}, upstream.Unavailable, "missing access_token"},
	{"a token that would be IMAP", func(w http.ResponseWriter, _ string) {
		_, _ = io.WriteString(w, `{"access_token":"x\r\n1 LOGOUT","token_type":"bearer"}`)
	}, upstream.Unavailable, "a token that is none"},
	{"a token of another type", func(w http.ResponseWriter, _ string) {
		_, _ = io.WriteString(w, `{"access_token":"x","token_type":"DPoP"}`)
	}, upstream.Unavailable, "no bearer token"},
	{"hangs up", func(http.ResponseWriter, string) { panic(http.ErrAbortHandler) }, upstream.Unavailable, "EOF"},
}

// No fault loses the consent, none is asked about again at once, and no secret
// is in what is said of it.
func TestFaults(t *testing.T) {
	for _, fault := range faults {
		t.Run(fault.name, func(t *testing.T) {
			d := newDesk(t)
			p := d.provider(User)
			before := d.consent(p, "alice")
			d.clock.add(2 * time.Hour)
			d.server.Set(func(s *oauthtest.Server) {
				s.Fault = func(w http.ResponseWriter, r *http.Request) bool {
					fault.answer(w, r.PostForm.Get("refresh_token"))
					return true
				}
			})
			source := d.keeper.Source(p, "alice", "")
			err := d.bad(source, fault.kind)
			again := d.bad(source, fault.kind)
			for _, text := range []string{err.Error(), again.Error(), d.events[0].Err.Error()} {
				if !strings.Contains(text, fault.want) || strings.Contains(text, before.Refresh.Reveal()) || strings.ContainsAny(text, "\r\n\x1b") || len(text) > 600 {
					t.Errorf("it is said: %q; want %q in it", text, fault.want)
				}
			}
			if n := d.server.Asked("refresh_token"); n != 1 || d.happened(RefreshFailed) != 1 {
				t.Errorf("%d requests; told %d times", n, d.happened(RefreshFailed))
			}
			d.server.Set(func(s *oauthtest.Server) { s.Fault = nil })
			d.clock.add(5 * time.Minute)
			d.good(source, "alice")
		})
	}
}

// Secrets do not follow a redirect, to wherever it leads.
func TestNoRedirects(t *testing.T) {
	visited := make(chan string, 10)
	thief := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { visited <- r.URL.Path }))
	defer thief.Close()
	for _, status := range []int{301, 302, 303, 307, 308} {
		d := newDesk(t)
		p := d.provider(User)
		d.consent(p, "alice")
		d.clock.add(2 * time.Hour)
		d.server.Set(func(s *oauthtest.Server) {
			s.Fault = func(w http.ResponseWriter, r *http.Request) bool {
				http.Redirect(w, r, thief.URL+"/stolen", status)
				return true
			}
		})
		if err := d.bad(d.keeper.Source(p, "alice", ""), upstream.Unavailable); !strings.Contains(err.Error(), "redirect") {
			t.Errorf("%d: %v", status, err)
		}
	}
	select {
	case path := <-visited:
		t.Errorf("somebody came to %s", path)
	default:
	}
}

// A server that is not there, or does not answer, costs a bounded time; then it
// is left alone, and longer each time.
func TestServerIsAway(t *testing.T) {
	d := newDesk(t)
	p := d.provider(User)
	p.Issuer, p.Endpoints = "", Endpoints{Token: d.server.URL + "/token"}
	d.consent(p, "alice")
	d.clock.add(2 * time.Hour)
	d.server.Server.Close()
	source := d.keeper.Source(p, "alice", "")
	for _, rest := range []time.Duration{5, 10, 20, 40, 80, 160, 300, 300} {
		d.bad(source, upstream.Unavailable)
		failed := d.happened(RefreshFailed)
		d.clock.add(rest*time.Second - time.Second)
		d.bad(source, upstream.Unavailable)
		if d.happened(RefreshFailed) != failed {
			t.Errorf("asked again within %v", rest*time.Second)
		}
		d.clock.add(time.Second)
	}
	if s := d.keeper.Statuses(); s[0].Failures != 8 {
		t.Errorf("statuses: %+v", s)
	}
}

// As long as there is a token, a server that is away is nobody's worry.
func TestAwayWhileATokenIsGood(t *testing.T) {
	d := newDesk(t)
	p := d.provider(User)
	d.consent(p, "alice")
	source := d.keeper.Source(p, "alice", "")
	d.good(source, "alice")
	d.clock.add(52 * time.Minute)
	d.server.Set(func(s *oauthtest.Server) {
		s.Fault = func(w http.ResponseWriter, _ *http.Request) bool { w.WriteHeader(http.StatusBadGateway); return true }
	})
	for range 5 {
		d.good(source, "alice")
		d.settled(source)
	}
	if n := d.server.Asked("refresh_token"); n != 1 {
		t.Errorf("%d requests", n)
	}
}

// A frail vault fails to do what is named.
type frail struct {
	Vault
	fails map[string]error
}

func (v *frail) Save(ctx context.Context, account string, s Saved) (string, error) {
	if err := v.fails["save"]; err != nil {
		return "", err
	}
	return v.Vault.Save(ctx, account, s)
}

func (v *frail) Lease(ctx context.Context, account, holder string, length time.Duration) (bool, error) {
	if err := v.fails["lease"]; err != nil {
		return false, err
	}
	return v.Vault.Lease(ctx, account, holder, length)
}

var errFull = errors.New("the disk is full")

// While the state file cannot be written nothing is refreshed: the provider
// would replace what is kept by what cannot be.
func TestNotWritable(t *testing.T) {
	d := newDesk(t)
	p := d.provider(User)
	d.consent(p, "alice")
	d.clock.add(2 * time.Hour)
	v := &frail{d.vault, map[string]error{"lease": errFull}}
	source := d.newKeeper(v).Source(p, "alice", "")
	if err := d.bad(source, upstream.Unavailable); !errors.Is(err, errFull) || !strings.Contains(err.Error(), "nothing is refreshed") {
		t.Errorf("Token: %v", err)
	}
	if n := d.server.Asked("refresh_token"); n != 0 {
		t.Errorf("%d requests", n)
	}
}

// The state file fails just when the provider has replaced the refresh token:
// the access token is used, the refresh token not before it is kept, and it is
// kept as soon as that goes.
func TestFailsAfterTheRefresh(t *testing.T) {
	d := newDesk(t)
	p := d.provider(User)
	d.consent(p, "alice")
	d.clock.add(2 * time.Hour)
	v := &frail{d.vault, map[string]error{"save": errFull}}
	k := d.newKeeper(v)
	source := k.Source(p, "alice", "")
	d.good(source, "alice")
	if d.happened(NotKept) != 1 {
		t.Error("nobody was told")
	}
	d.clock.add(2 * time.Hour)
	d.bad(source, upstream.Unavailable)
	if n := d.server.Asked("refresh_token"); n != 1 {
		t.Errorf("%d requests", n)
	}
	delete(v.fails, "save")
	d.clock.add(time.Minute)
	d.good(source, "alice")
	d.good(d.newKeeper(d.vault).Source(p, "alice", ""), "alice")
	if n := d.server.Asked("refresh_token"); n != 2 || d.happened(AuthorizationLost) != 0 {
		t.Errorf("%d requests; lost %d times", n, d.happened(AuthorizationLost))
	}
}

// It is kept at the latest when the process ends.
func TestKeptAtTheEnd(t *testing.T) {
	d := newDesk(t)
	p := d.provider(User)
	d.consent(p, "alice")
	d.clock.add(2 * time.Hour)
	v := &frail{d.vault, map[string]error{"save": errFull}}
	k := d.newKeeper(v)
	d.good(k.Source(p, "alice", ""), "alice")
	delete(v.fails, "save")
	k.Close()
	d.clock.add(2 * time.Hour)
	d.good(d.keeper.Source(p, "alice", ""), "alice")
	if _, err := k.Source(p, "bob", "").Token(bounded(t), secret.Text{}); !errors.Is(err, errClosed) {
		t.Errorf("after Close: %v", err)
	}
}

// A process that is killed after it kept the next refresh token, and before it
// used anything, leaves all that is needed.
func TestKilledBetweenKeepingAndUse(t *testing.T) {
	d := newDesk(t)
	p := d.provider(User)
	d.consent(p, "alice")
	d.clock.add(2 * time.Hour)
	d.good(d.keeper.Source(p, "alice", ""), "alice")
	d.clock.add(2 * time.Hour) // nobody used the token of the first process
	d.good(d.newKeeper(d.vault).Source(p, "alice", ""), "alice")
	if n := d.server.Asked("refresh_token"); n != 2 || d.happened(AuthorizationLost) != 0 {
		t.Errorf("%d requests; lost %d times", n, d.happened(AuthorizationLost))
	}
}

// Keys are rotated, and what is kept is sealed anew, while a refresh is under
// way: that is no newer token.
func TestSealedAnewMeanwhile(t *testing.T) {
	d := newDesk(t)
	p := d.provider(User)
	d.consent(p, "alice")
	d.clock.add(2 * time.Hour)
	d.server.Set(func(s *oauthtest.Server) {
		s.Fault = func(http.ResponseWriter, *http.Request) bool {
			kept, err := d.vault.Load(context.Background(), "alice")
			if err == nil {
				_, err = d.vault.Save(context.Background(), "alice", kept)
			}
			if err != nil {
				t.Error(err)
			}
			return false
		}
	})
	d.good(d.keeper.Source(p, "alice", ""), "alice")
	d.clock.add(2 * time.Hour)
	d.good(d.newKeeper(d.vault).Source(p, "alice", ""), "alice")
	if d.happened(AuthorizationLost) != 0 {
		t.Error("the account was marked")
	}
}

// What is kept is of no use without the key, and says nothing.
func TestSealed(t *testing.T) {
	d := newDesk(t)
	p := d.provider(User)
	before := d.consent(p, "alice")
	all, err := d.store.ListSealed(bounded(t))
	if err != nil || len(all) != 1 {
		t.Fatalf("ListSealed: %v, %v", all, err)
	}
	for _, plain := range []string{before.Access.Reveal(), before.Refresh.Reveal(), d.server.URL} {
		if strings.Contains(all[0].Value, plain) {
			t.Error("it is not sealed")
		}
	}
	other := d.vault
	other.Keys = keyring(d.path + ".other")
	source := d.newKeeper(other).Source(p, "alice", "")
	if err := d.bad(source, upstream.Unavailable); !errors.Is(err, auth.ErrNoKeyFile) {
		t.Errorf("without the key: %v", err)
	}
	if n := d.server.Asked("refresh_token"); n != 0 {
		t.Errorf("%d requests", n)
	}
}

// A clock that is wrong is named: assertions are good for minutes.
func TestClockSkew(t *testing.T) {
	d := newDesk(t)
	p := d.provider(ServiceAccount)
	p.Key = testKey(t, d)
	p.ClientID = p.Key.Email
	d.server.Set(func(s *oauthtest.Server) {
		s.Clients["robot@example.com"] = oauthtest.Client{Key: &s.Key.PublicKey}
		s.Now = func() time.Time { return d.clock.Now().Add(-10 * time.Minute) }
	})
	err := d.bad(d.keeper.Source(p, "alice", "alice"), upstream.Denied)
	if !strings.Contains(err.Error(), "the clock of this machine is 10m0s off the server's") {
		t.Errorf("Token: %v", err)
	}
}

// With refresh tokens clocks do not matter: what counts is how long a token is
// said to be good.
func TestSkewAndRefresh(t *testing.T) {
	for _, skew := range []time.Duration{-26 * time.Hour, 26 * time.Hour} {
		d := newDesk(t)
		p := d.provider(User)
		d.server.Set(func(s *oauthtest.Server) { s.Now = func() time.Time { return d.clock.Now().Add(skew) } })
		d.consent(p, "alice")
		d.clock.add(30 * time.Hour)
		source := d.keeper.Source(p, "alice", "")
		if token := d.good(source, "alice"); !token.Expires.Equal(d.clock.Now().Add(time.Hour)) {
			t.Errorf("it ends at %v, in %v", token.Expires, token.Expires.Sub(d.clock.Now()))
		}
	}
}

// A token whose life nobody tells is taken for an hour's.
func TestUnknownLife(t *testing.T) {
	d := newDesk(t)
	p := d.provider(User)
	d.consent(p, "alice")
	d.clock.add(2 * time.Hour)
	d.server.Set(func(s *oauthtest.Server) { s.Life = -5 * time.Hour })
	if token := d.good(d.keeper.Source(p, "alice", ""), "alice"); !token.Expires.Equal(d.clock.Now().Add(unknownLife)) {
		t.Errorf("it ends in %v", token.Expires.Sub(d.clock.Now()))
	}
}

// A refusal upstream while the provider is away does not count as one of a
// token that was fresh.
func TestRefusedWhileAway(t *testing.T) {
	d := newDesk(t)
	p := d.provider(User)
	d.consent(p, "alice")
	source := d.keeper.Source(p, "alice", "")
	first := d.good(source, "alice")
	d.server.Set(func(s *oauthtest.Server) {
		s.Fault = func(w http.ResponseWriter, _ *http.Request) bool { w.WriteHeader(http.StatusBadGateway); return true }
	})
	if _, err := source.Token(bounded(t), first.Secret); upstream.KindOf(err) != upstream.Unavailable {
		t.Errorf("Token: %v", err)
	}
	d.server.Set(func(s *oauthtest.Server) { s.Fault = nil })
	d.clock.add(firstRest)
	if next, err := source.Token(bounded(t), first.Secret); err != nil || next.Secret.Reveal() == first.Secret.Reveal() {
		t.Errorf("Token: %v", err)
	}
}

// A transport that takes as long as it may.
type patient struct {
	t     *testing.T
	times int
}

func (p *patient) RoundTrip(r *http.Request) (*http.Response, error) {
	p.times++
	if deadline, ok := r.Context().Deadline(); !ok || time.Until(deadline) > askTime {
		p.t.Errorf("%s is waited for until %v", r.URL.Path, deadline)
	}
	return nil, context.DeadlineExceeded
}

// Every request has a deadline, also those for which the library forgets it.
func TestSlowServer(t *testing.T) {
	d := newDesk(t)
	for _, g := range []Grant{User, ClientCredentials, ServiceAccount} {
		p := d.provider(g)
		slow := &patient{t: t}
		p.Transport, p.Issuer, p.Key = slow, "", testKey(t, d)
		p.Endpoints = Endpoints{Token: d.server.URL + "/token", Device: d.server.URL + "/device"}
		d.consent(p, "alice")
		d.clock.add(2 * time.Hour)
		if err := d.bad(d.keeper.Source(p, "alice", "alice"), upstream.Unavailable); !errors.Is(err, context.DeadlineExceeded) && !strings.Contains(err.Error(), "deadline exceeded") {
			t.Errorf("%v: %v", g, err)
		}
		if _, err := d.keeper.Device(bounded(t), p, "alice", func(Prompt) {}); err == nil || !strings.Contains(err.Error(), "deadline exceeded") {
			t.Errorf("%v: Device: %v", g, err)
		}
		if slow.times != 2 {
			t.Errorf("%v: %d requests", g, slow.times)
		}
	}
}
