package oauth

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/restante-mail/restante/auth/oauth/oauthtest"
	"github.com/restante-mail/restante/secret"
	"github.com/restante-mail/restante/upstream"
)

// However many ask, one request goes out, and again only when it is time.
func TestOneRefreshForAll(t *testing.T) {
	d := newDesk(t)
	p := d.provider(User)
	d.consent(p, "alice")
	d.clock.add(2 * time.Hour)
	source := d.keeper.Source(p, "alice", "")
	var all sync.WaitGroup
	for range 100 {
		all.Go(func() {
			if token, err := d.keeper.Source(p, "alice", "").Token(bounded(t), secret.Text{}); err != nil || token.Secret.Empty() {
				t.Errorf("Token: %v", err)
			}
		})
	}
	all.Wait()
	d.good(source, "alice")
	if n := d.server.Asked("refresh_token"); n != 1 {
		t.Errorf("%d requests", n)
	}
	d.clock.add(49 * time.Minute) // not yet time
	d.good(source, "alice")
	if n := d.server.Asked("refresh_token"); n != 1 {
		t.Errorf("%d requests before it was time", n)
	}
	if kept, err := d.vault.Load(bounded(t), "Alice"); err != nil || kept.Refresh.Empty() || kept.Needs != "" {
		t.Errorf("kept: %+v, %v", kept, err)
	}
}

// Ahead of its end a token is replaced, and nobody waits for that.
func TestAheadOfItsEnd(t *testing.T) {
	d := newDesk(t)
	p := d.provider(User)
	before := d.consent(p, "alice")
	d.clock.add(52 * time.Minute)
	hold := make(chan struct{})
	d.server.Set(func(s *oauthtest.Server) {
		s.Fault = func(http.ResponseWriter, *http.Request) bool { <-hold; return false }
	})
	source := d.keeper.Source(p, "alice", "")
	source.hold(before, secret.Text{}, false)
	for range 3 {
		if token := d.good(source, "alice"); token.Secret.Reveal() != before.Access.Reveal() {
			t.Error("not the token that was there")
		}
	}
	close(hold)
	d.settled(source)
	if token := d.good(source, "alice"); token.Secret.Reveal() == before.Access.Reveal() || !token.Expires.After(before.Expires) {
		t.Error("it was not replaced")
	}
	if n := d.server.Asked("refresh_token"); n != 1 {
		t.Errorf("%d requests", n)
	}
}

// The owner of the state file and a command beside it take turns: each finds
// what the other has got. A refresh token that is used twice would end it all.
func TestTwoProcesses(t *testing.T) {
	d := newDesk(t)
	p := d.provider(User)
	d.consent(p, "alice")
	other := d.vault
	other.Shelf = beside(d)
	keepers := []*Keeper{d.keeper, d.newKeeper(other)}
	for round := range 5 {
		d.clock.add(2 * time.Hour)
		var all sync.WaitGroup
		for range 8 {
			for _, k := range keepers {
				all.Go(func() { d.good(k.Source(p, "alice", ""), "alice") })
			}
		}
		all.Wait()
		if n := d.server.Asked("refresh_token"); n != round+1 {
			t.Fatalf("%d requests after round %d", n, round+1)
		}
	}
	if n := d.server.AtOnce(); n != 1 {
		t.Errorf("%d requests at once", n)
	}
}

// A lease of a process that died is waited for.
func TestLeaseOfTheDead(t *testing.T) {
	d := newDesk(t)
	p := d.provider(User)
	d.consent(p, "alice")
	d.clock.add(2 * time.Hour)
	if mine, err := d.vault.Lease(bounded(t), "alice", "dead", leaseTime); err != nil || !mine {
		t.Fatalf("Lease: %v, %v", mine, err)
	}
	d.keeper.after = func(time.Duration) <-chan time.Time {
		d.clock.add(10 * time.Second)
		return time.After(0)
	}
	d.good(d.keeper.Source(p, "alice", ""), "alice")
	if waited := d.clock.Now(); d.server.Asked("refresh_token") != 1 {
		t.Errorf("%d requests, at %v", d.server.Asked("refresh_token"), waited)
	}
}

// A consent that was taken back is found out once; then nobody is asked until a
// person has consented again, which needs no restart.
func TestAuthorizationLost(t *testing.T) {
	d := newDesk(t)
	p := d.provider(User)
	d.consent(p, "alice")
	d.clock.add(2 * time.Hour)
	d.server.Revoke()
	source := d.keeper.Source(p, "alice", "")
	for range 3 {
		if err := d.bad(source, upstream.Denied); !errors.Is(err, ErrNeedsAuthorize) || !strings.Contains(err.Error(), "invalid_grant") {
			t.Errorf("Token: %v", err)
		}
	}
	if n := d.server.Asked("refresh_token"); n != 2 { // and once more, with what is kept
		t.Errorf("%d requests", n)
	}
	if n := d.happened(AuthorizationLost); n != 1 {
		t.Errorf("told %d times", n)
	}
	if kept, err := d.vault.Load(bounded(t), "alice"); err != nil || kept.Needs == "" {
		t.Errorf("kept: %+v, %v", kept, err)
	}
	if all := d.keeper.Statuses(); len(all) != 1 || all[0].Needs == "" || all[0].Account != "alice" || d.keeper.Counts("test").Lost != 1 {
		t.Errorf("statuses: %+v", all)
	}
	d.consent(p, "alice")
	d.good(source, "alice")
}

// invalid_grant may be about a token that somebody has replaced meanwhile.
func TestInvalidGrantReadsAgain(t *testing.T) {
	d := newDesk(t)
	p := d.provider(User)
	d.consent(p, "alice")
	d.clock.add(2 * time.Hour)
	d.server.Set(func(s *oauthtest.Server) {
		s.Fault = func(w http.ResponseWriter, _ *http.Request) bool {
			s.Set(func(s *oauthtest.Server) { s.Fault = nil })
			d.consent(p, "alice")
			oauthtest.Fail(w, http.StatusBadRequest, "invalid_grant", "used before")
			return true
		}
	})
	d.good(d.keeper.Source(p, "alice", ""), "alice")
	if d.happened(AuthorizationLost) != 0 {
		t.Error("the account was marked")
	}
}

// What upstream refuses is replaced once, and not at every poll.
func TestRefusedUpstream(t *testing.T) {
	d := newDesk(t)
	p := d.provider(User)
	d.consent(p, "alice")
	source := d.keeper.Source(p, "alice", "")
	first := d.good(source, "alice")
	second, err := source.Token(bounded(t), first.Secret)
	if err != nil || second.Secret.Reveal() == first.Secret.Reveal() {
		t.Fatalf("after a refusal: %v, the same: %v", err, err == nil)
	}
	for range 2 { // a session that began with the first one gets the second
		if again, err := source.Token(bounded(t), first.Secret); err != nil || again.Secret.Reveal() != second.Secret.Reveal() {
			t.Errorf("for the first one: %v", err)
		}
	}
	if _, err = source.Token(bounded(t), second.Secret); upstream.KindOf(err) != upstream.Denied || !errors.Is(err, errRefused) {
		t.Errorf("a second refusal: %v", err)
	}
	d.good(source, "alice")
	if n := d.server.Asked("refresh_token"); n != 1 {
		t.Errorf("%d requests", n)
	}
	d.clock.add(forcedRest)
	if _, err = source.Token(bounded(t), second.Secret); err != nil {
		t.Errorf("some time later: %v", err)
	}
}

// Tokens that can be got at any time are not kept, and shared as far as they are
// good for.
func TestOwnTokens(t *testing.T) {
	d := newDesk(t)
	d.keeper = New(Options{Now: d.clock.Now}) // no state file
	t.Cleanup(d.keeper.Close)
	d.server.Set(func(s *oauthtest.Server) {
		s.Clients["daemon"] = oauthtest.Client{Secret: "s3cret:%", Header: true}
		s.Clients["robot@example.com"] = oauthtest.Client{Key: &s.Key.PublicKey}
	})
	p := d.provider(ClientCredentials)
	p.ClientID, p.ClientSecret, p.SecretInHeader = "daemon", secret.New("s3cret:%"), true
	d.good(d.keeper.Source(p, "alice", "alice"), "")
	d.good(d.keeper.Source(p, "bob", "bob"), "")
	if n := d.server.Asked("client_credentials"); n != 1 {
		t.Errorf("%d requests for two accounts", n)
	}
	robot := d.provider(ServiceAccount)
	robot.Key = testKey(t, d)
	robot.ClientID = robot.Key.Email
	d.good(d.keeper.Source(robot, "alice", "alice@example.com"), "alice@example.com")
	d.good(d.keeper.Source(robot, "printer", "alice@example.com"), "alice@example.com")
	d.good(d.keeper.Source(robot, "bob", "bob@example.com"), "bob@example.com")
	if n := d.server.Asked("urn:ietf:params:oauth:grant-type:jwt-bearer"); n != 2 {
		t.Errorf("%d requests for two subjects", n)
	}
}

// testKey is a key file as Google hands it out.
func testKey(t *testing.T, d *desk) *Key {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(d.server.Key)
	if err != nil {
		t.Fatal(err)
	}
	file, _ := json.Marshal(map[string]string{
		"type": "service_account", "client_email": "robot@example.com", "private_key_id": "k1",
		"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})),
	})
	key, err := ParseKey(file)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// Another client_id makes refresh tokens worthless; asking with it would only
// revoke them.
func TestAnotherProvider(t *testing.T) {
	d := newDesk(t)
	p := d.provider(User)
	d.consent(p, "alice")
	changed := d.provider(User)
	changed.ClientID = "other"
	if err := d.bad(d.keeper.Source(changed, "alice", ""), upstream.Denied); !strings.Contains(err.Error(), "another provider or client_id") {
		t.Errorf("Token: %v", err)
	}
	if n := d.server.Asked("refresh_token"); n != 0 {
		t.Errorf("%d requests", n)
	}
	d.good(d.keeper.Source(p, "alice", ""), "alice") // and back
}

func TestNobodyAuthorized(t *testing.T) {
	d := newDesk(t)
	err := d.bad(d.keeper.Source(d.provider(User), "alice", ""), upstream.Denied)
	if !errors.Is(err, ErrNeedsAuthorize) || !strings.Contains(err.Error(), "nobody has authorized it yet") {
		t.Errorf("Token: %v", err)
	}
}

// A session that hangs up ends its own waiting, not the refresh.
func TestWaitingEnds(t *testing.T) {
	d := newDesk(t)
	p := d.provider(User)
	d.consent(p, "alice")
	d.clock.add(2 * time.Hour)
	asked, hold := make(chan struct{}), make(chan struct{})
	d.server.Set(func(s *oauthtest.Server) {
		s.Fault = func(http.ResponseWriter, *http.Request) bool { close(asked); <-hold; return false }
	})
	source := d.keeper.Source(p, "alice", "")
	ctx, cancel := withCancel(t)
	go func() { <-asked; cancel() }()
	if _, err := source.Token(ctx, secret.Text{}); upstream.KindOf(err) != upstream.Unavailable || !ended(err) {
		t.Errorf("Token: %v", err)
	}
	close(hold)
	d.settled(source)
	d.good(source, "alice")
	if n := d.server.Asked("refresh_token"); n != 1 {
		t.Errorf("%d requests", n)
	}
}

// A reload that changes a provider, or a route that leads an account to another
// user, makes another Source. Both may be at work, and take turns as two
// processes do.
func TestTwoSourcesOfOneAccount(t *testing.T) {
	d := newDesk(t)
	p, changed := d.provider(User), d.provider(User)
	changed.Scopes = []string{"other"}
	d.consent(p, "alice")
	d.clock.add(2 * time.Hour)
	asked, hold := make(chan struct{}, 3), make(chan struct{})
	d.server.Set(func(s *oauthtest.Server) {
		s.Fault = func(http.ResponseWriter, *http.Request) bool { asked <- struct{}{}; <-hold; return false }
	})
	var all sync.WaitGroup
	for _, source := range []*Source{d.keeper.Source(p, "alice", "a"), d.keeper.Source(p, "alice", "b"), d.keeper.Source(changed, "alice", "a")} {
		all.Go(func() { d.good(source, "alice") })
	}
	<-asked
	close(hold)
	all.Wait()
	if n, most := d.server.Asked("refresh_token"), d.server.AtOnce(); n != 1 || most != 1 {
		t.Errorf("%d requests, %d at once", n, most)
	}
}

// The access token that is left when a consent was taken back is used to its
// end, and not beyond.
func TestLastToken(t *testing.T) {
	d := newDesk(t)
	p := d.provider(User)
	d.consent(p, "alice")
	d.clock.add(55 * time.Minute)
	d.server.Set(func(s *oauthtest.Server) {
		s.Fault = func(w http.ResponseWriter, _ *http.Request) bool {
			oauthtest.Fail(w, http.StatusBadRequest, "invalid_grant", "")
			return true
		}
	})
	source := d.keeper.Source(p, "alice", "")
	for range 3 {
		d.good(source, "alice")
		d.settled(source)
	}
	d.clock.add(5 * time.Minute)
	if err := d.bad(source, upstream.Denied); !errors.Is(err, ErrNeedsAuthorize) {
		t.Errorf("Token: %v", err)
	}
	if n := d.server.Asked("refresh_token"); n != 2 {
		t.Errorf("%d requests", n)
	}
}

// ended tells whether err is the end of a context.
func ended(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}
