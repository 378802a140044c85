package oauth

import (
	"context"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/restante-mail/restante/auth"
	"github.com/restante-mail/restante/auth/oauth/oauthtest"
	"github.com/restante-mail/restante/secret"
	"github.com/restante-mail/restante/store"
	"github.com/restante-mail/restante/upstream"
)

func bounded(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// A clock stands still unless it is moved.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Now().Truncate(time.Second)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// A desk is a server of tokens, a state file, and a Keeper between them.
type desk struct {
	t      *testing.T
	server *oauthtest.Server
	clock  *clock
	path   string
	store  store.Store
	vault  SealedVault
	keeper *Keeper

	mu     sync.Mutex
	events []Event
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	d := &desk{t: t, server: oauthtest.New(t), clock: newClock(), path: filepath.Join(t.TempDir(), "state.db")}
	d.server.Set(func(s *oauthtest.Server) { s.Now = d.clock.Now })
	var err error
	if d.store, err = store.Open(d.path, true); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.store.Close() })
	d.vault = SealedVault{Shelf: d.store, Keys: keyring(d.path + ".key"), Now: d.clock.Now}
	d.keeper = d.newKeeper(d.vault)
	return d
}

func keyring(path string) func() *auth.Keyring {
	keys := auth.NewKeyring(path)
	return func() *auth.Keyring { return keys }
}

// newKeeper is another process, or the same one after a restart.
func (d *desk) newKeeper(v Vault) *Keeper {
	k := New(Options{Vault: v, Now: d.clock.Now, Event: d.note})
	k.after = func(time.Duration) <-chan time.Time { return time.After(time.Millisecond) }
	d.t.Cleanup(k.Close)
	return k
}

func (d *desk) note(e Event) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.events = append(d.events, e)
}

func (d *desk) happened(what What) (n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, e := range d.events {
		if e.What == what {
			n++
		}
	}
	return n
}

func (d *desk) provider(g Grant) *Provider {
	p := Preset("oidc", g, "")
	p.Name, p.ClientID, p.Issuer, p.Redirect = "test", "printer", d.server.URL, "http://127.0.0.1:0/"
	transport := NewTransport()
	d.t.Cleanup(transport.CloseIdleConnections)
	p.Transport = transport
	return p
}

// consent keeps what somebody has consented to a while ago.
func (d *desk) consent(p *Provider, account string) Saved {
	d.t.Helper()
	access, refresh, expires := d.server.Consent(p.ClientID, account)
	s := Saved{
		Provider: p.identity(), Access: secret.New(access), Refresh: secret.New(refresh),
		Expires: expires, Refreshed: d.clock.Now(), Authorized: d.clock.Now(),
	}
	kept, err := d.vault.Load(context.Background(), account)
	if err == nil {
		s.Revision = kept.Revision
		_, err = d.vault.Save(context.Background(), account, s)
	}
	if err != nil {
		d.t.Fatal(err)
	}
	return s
}

// good gets a token and sees that the server knows it.
func (d *desk) good(s *Source, user string) upstream.Token {
	d.t.Helper()
	token, err := s.Token(bounded(d.t), secret.Text{})
	if err != nil {
		d.t.Fatalf("Token: %v", err)
	}
	if who, good := d.server.Holds(token.Secret.Reveal()); !good || who != user {
		d.t.Fatalf("the token is %q's, good: %v; want %q's", who, good, user)
	}
	return token
}

// bad gets none, and returns why.
func (d *desk) bad(s *Source, kind upstream.Kind) error {
	d.t.Helper()
	_, err := s.Token(bounded(d.t), secret.Text{})
	if err == nil || upstream.KindOf(err) != kind {
		d.t.Fatalf("Token: %v (%v); want an error that is %v", err, upstream.KindOf(err), kind)
	}
	return err
}

// settled waits until nothing is under way.
func (d *desk) settled(s *Source) {
	d.t.Helper()
	s.mu.Lock()
	f := s.flight
	s.mu.Unlock()
	if f != nil {
		select {
		case <-f.done:
		case <-bounded(d.t).Done():
			d.t.Fatal("the flight does not end")
		}
	}
}
