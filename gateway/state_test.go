package gateway_test

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/restante-mail/restante/gateway"
	"github.com/restante-mail/restante/policy"
	"github.com/restante-mail/restante/pop3"
	"github.com/restante-mail/restante/pop3/pop3test"
	"github.com/restante-mail/restante/proxy"
	"github.com/restante-mail/restante/secret"
	"github.com/restante-mail/restante/store"
	"github.com/restante-mail/restante/upstream"
)

// counting is a store that counts transactions, and fails when it is told to.
type counting struct {
	store.Store
	writes              atomic.Int64
	failReads, failNext atomic.Bool
	failIn              atomic.Int64 // counts down: the write that makes it 0 fails, as if the process ended there
}

var errDisk = errors.New("the disk is full")

func (c *counting) write() error {
	if c.failNext.Load() || c.failIn.Add(-1) == 0 {
		return errDisk
	}
	c.writes.Add(1)
	return nil
}

func (c *counting) View(ctx context.Context, key store.ViewKey) (store.View, error) {
	if c.failReads.Load() {
		return store.View{}, errDisk
	}
	return c.Store.View(ctx, key)
}

func (c *counting) Intend(ctx context.Context, key store.ViewKey, changes store.Changes, deeds []store.Deed) (int64, error) {
	if err := c.write(); err != nil {
		return 0, err
	}
	return c.Store.Intend(ctx, key, changes, deeds)
}

func (c *counting) Remember(ctx context.Context, key store.ViewKey, changes store.Changes) error {
	if err := c.write(); err != nil {
		return err
	}
	return c.Store.Remember(ctx, key, changes)
}

func (c *counting) Probe(ctx context.Context) error {
	if c.failNext.Load() {
		return errDisk
	}
	return c.Store.Probe(ctx)
}

func stateFile(t testing.TB) *counting {
	t.Helper()
	s, err := store.Open(filepath.Join(t.TempDir(), "state.db"), true)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return &counting{Store: s}
}

// preset returns a policy, changed.
func preset(name string, change ...func(*policy.Policy)) policy.Policy {
	p, ok := policy.Preset(name)
	if !ok {
		panic(name)
	}
	for _, c := range change {
		c(&p)
	}
	return p
}

// remembering is a gateway with a state file.
func remembering(server upstream.Server, state store.Store, p *policy.Policy) *gateway.Gateway {
	g := over(server, func(r *gateway.Route) { r.Policy, r.PolicyName = *p, "test" })
	g.Shared.Store = state
	return g
}

// uidls lists what a client sees.
func uidls(t testing.TB, c *pop3.Client) (all []string) {
	t.Helper()
	list, err := c.UIDL(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range list {
		all = append(all, m.UIDL)
	}
	return all
}

func dele(t *testing.T, c *pop3.Client, n ...int) {
	t.Helper()
	refused, err := c.Dele(t.Context(), n...)
	if err != nil || slices.ContainsFunc(refused, func(err error) bool { return err != nil }) {
		t.Fatal(refused, err)
	}
}

func TestKeepHides(t *testing.T) {
	server, inbox := memory(t, letters(3))
	p := preset("keep")
	address := front(t, remembering(server, stateFile(t), &p))

	c := signIn(t, address)
	all := uidls(t, c)
	dele(t, c, 2)
	c.Close() // without QUIT

	c = signIn(t, address)
	if got := uidls(t, c); !slices.Equal(got, all) {
		t.Errorf("after a drop: %v, want %v", got, all)
	}
	retrieve(t, c, 1)
	dele(t, c, 2)
	quit(t, c)

	p = preset("classic") // hidden stays hidden
	c = signIn(t, address)
	if got, want := uidls(t, c), []string{all[0], all[2]}; !slices.Equal(got, want) {
		t.Errorf("after QUIT: %v, want %v", got, want)
	}
	if n, err := c.Last(t.Context()); n != 1 || err != nil {
		t.Errorf("LAST says %d, %v; want 1", n, err)
	}
	quit(t, c)
	if got := flags(inbox); !slices.Equal(got, []string{`\Seen`, "", ""}) {
		t.Errorf("flags are %q; the hidden message is to be untouched", got)
	}
}

// TestTransactions: two for a session that changes the upstream, one for one
// that changes state only, none otherwise.
func TestTransactions(t *testing.T) {
	tests := []struct {
		name  string
		p     policy.Policy
		do    func(*pop3.Client)
		drop  bool
		wants int64
	}{
		{"a poll", preset("keep"), func(c *pop3.Client) { uidls(t, c) }, false, 0},
		{"nothing at all", preset("keep"), func(*pop3.Client) {}, false, 0},
		{"a drop", preset("keep"), func(c *pop3.Client) { retrieve(t, c, 1); dele(t, c, 1) }, true, 0},
		{"hidden", preset("keep"), func(c *pop3.Client) { dele(t, c, 1, 2) }, false, 1},
		{"seen", preset("keep"), func(c *pop3.Client) { retrieve(t, c, 1) }, false, 2},
		{"seen and hidden", preset("keep"), func(c *pop3.Client) { retrieve(t, c, 1); dele(t, c, 1) }, false, 2},
		{"expunged", preset("classic"), func(c *pop3.Client) { dele(t, c, 1) }, false, 2},
		{"a poll of the newest", preset("keep", func(p *policy.Policy) { p.Newest = 2 }), func(c *pop3.Client) { uidls(t, c) }, false, 1},
		{"a drop with news", preset("keep", func(p *policy.Policy) { p.Newest = 2 }), func(c *pop3.Client) { uidls(t, c) }, true, 1},
		{"the newest, hidden", preset("keep", func(p *policy.Policy) { p.Newest = 2 }), func(c *pop3.Client) { dele(t, c, 1) }, false, 1},
		{"the newest, expunged", preset("classic", func(p *policy.Policy) { p.Newest = 2 }), func(c *pop3.Client) { dele(t, c, 1) }, false, 2},
		{"dry run", preset("classic", func(p *policy.Policy) { p.DryRun = true }), func(c *pop3.Client) { dele(t, c, 1) }, false, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			server, _ := memory(t, letters(3))
			state := stateFile(t)
			address := front(t, remembering(server, state, &test.p))
			c := signIn(t, address)
			test.do(c)
			if test.drop {
				c.Close()
			} else {
				quit(t, c)
			}
			quit(t, signIn(t, address)) // once it is let in, the first session is over
			if got := state.writes.Load(); got != test.wants {
				t.Errorf("%d transactions, want %d", got, test.wants)
			}
		})
	}
}

// TestStateFails: what cannot be remembered is not done, and nothing comes back.
func TestStateFails(t *testing.T) {
	for _, readOnly := range []bool{false, true} {
		server, inbox := memory(t, letters(3))
		state := stateFile(t)
		p := preset("keep")
		g := remembering(server, state, &p)
		g.ReadOnly = readOnly
		address := front(t, g)
		c := signIn(t, address)
		dele(t, c, 1)
		quit(t, c)

		c = signIn(t, address)
		retrieve(t, c, 1)
		dele(t, c, 2)
		state.failNext.Store(true)
		if err := c.Quit(t.Context()); err == nil || !strings.Contains(err.Error(), "[SYS/TEMP]") {
			t.Errorf("QUIT says %v, want SYS/TEMP", err)
		}
		if got := flags(inbox); !slices.Equal(got, []string{"", "", ""}) {
			t.Errorf("flags are %q; nothing was to be changed", got)
		}
		c = connect(t, address)
		err := c.Login(t.Context(), user, secret.New(password))
		if readOnly {
			wantReadOnly(t, c, err)
		} else if err == nil || !strings.Contains(err.Error(), "[SYS/TEMP]") {
			t.Errorf("sign-in while the state fails: %v, want SYS/TEMP", err)
		}
		c.Close()

		state.failNext.Store(false)
		c = signIn(t, address)
		if got := uidls(t, c); len(got) != 2 {
			t.Errorf("%v are shown after all, want 2", got)
		}
		dele(t, c, 1)
		quit(t, c)

		state.failReads.Store(true)
		err = connect(t, address).Login(t.Context(), user, secret.New(password))
		if err == nil || !strings.Contains(err.Error(), "[SYS/TEMP]") {
			t.Errorf("sign-in while the state cannot be read: %v, want SYS/TEMP", err)
		}
	}
}

func wantReadOnly(t *testing.T, c *pop3.Client, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("sign-in while the state fails: %v, want a session that changes nothing", err)
	}
	if got := uidls(t, c); len(got) != 2 {
		t.Errorf("%v are shown, want 2", got)
	}
	if refused, err := c.Dele(t.Context(), 1); err != nil || refused[0] == nil {
		t.Errorf("DELE: %v, %v; want it refused", refused, err)
	}
	retrieve(t, c, 1)
	quit(t, c)
}

// TestStateFailsForClassic: a policy that only would like to remember goes on.
func TestStateFailsForClassic(t *testing.T) {
	server, inbox := memory(t, letters(3))
	state := stateFile(t)
	p := preset("classic")
	address := front(t, remembering(server, state, &p))
	state.failNext.Store(true)
	for left := 2; left >= 0; left-- {
		c := signIn(t, address)
		dele(t, c, 1)
		quit(t, c)
		if n := len(inbox.Messages()); n != left {
			t.Errorf("%d messages are left, want %d", n, left)
		}
	}
}

func TestNoStateForAPolicyThatNeedsIt(t *testing.T) {
	server, _ := memory(t, letters(1))
	p := preset("keep")
	err := connect(t, front(t, remembering(server, nil, &p))).Login(t.Context(), user, secret.New(password))
	if err == nil || !strings.Contains(err.Error(), "[SYS/PERM]") {
		t.Errorf("sign-in: %v, want SYS/PERM", err)
	}
}

func TestFromNowOn(t *testing.T) {
	server, inbox := memory(t, letters(3))
	p := preset("keep", func(p *policy.Policy) { p.FromNowOn = true })
	g := remembering(server, stateFile(t), &p)
	g.Now = func() time.Time { return time.Now().Add(time.Hour) }
	address := front(t, g)
	c := signIn(t, address)
	if got := uidls(t, c); len(got) != 0 {
		t.Errorf("the first time %v are shown, want none", got)
	}
	inbox.Append([]byte("Subject: new\r\n\r\n"), nil, time.Unix(0, 0))
	c.Close() // even so it was the first sign-in
	for range 2 {
		c = signIn(t, address)
		if got := uidls(t, c); len(got) != 1 {
			t.Errorf("%v are shown, want what came after the first sign-in", got)
		}
		quit(t, c)
	}
	inbox.Renumber()
	inbox.Append([]byte("Subject: newer\r\n\r\n"), nil, time.Now().Add(2*time.Hour))
	c = signIn(t, address)
	if got := uidls(t, c); len(got) != 1 {
		t.Errorf("under another UIDVALIDITY %v are shown, want what arrived after the first sign-in", got)
	}
	quit(t, c)
}

// TestRenumbered: under another UIDVALIDITY nothing is recognized, so everything
// is new; when the old one is back, so is what was remembered.
func TestRenumbered(t *testing.T) {
	server, inbox := memory(t, letters(2))
	p := preset("keep")
	address := front(t, remembering(server, stateFile(t), &p))
	c := signIn(t, address)
	dele(t, c, 1)
	quit(t, c)
	inbox.Renumber()
	c = signIn(t, address)
	if got := uidls(t, c); len(got) != 2 {
		t.Errorf("%v are shown, want both", got)
	}
	dele(t, c, 1)
	quit(t, c)
	c = signIn(t, address)
	if got := uidls(t, c); len(got) != 1 {
		t.Errorf("%v are shown, want 1", got)
	}
	quit(t, c)
}

// TestHideOverPOP3: the upstream's UIDLs are names enough to hide by.
func TestHideOverPOP3(t *testing.T) {
	p := preset("keep")
	address := front(t, remembering(legacy(t, letters(3)), stateFile(t), &p))
	c := signIn(t, address)
	all := uidls(t, c)
	dele(t, c, 2)
	quit(t, c)
	c = signIn(t, address)
	if got, want := uidls(t, c), []string{all[0], all[2]}; !slices.Equal(got, want) {
		t.Errorf("%v are shown, want %v", got, want)
	}
	quit(t, c)
}

// legacy serves a maildrop over POP3, in memory, and leads to it.
func legacy(t *testing.T, messages [][]byte) upstream.Server {
	t.Helper()
	box := pop3test.NewMemory(messages...)
	box.User, box.Password = user, password
	old := &pop3.Server{Backend: box}
	address := serve(t, old.Serve, func() { _ = old.Shutdown(context.Background()) })
	server, err := proxy.New(proxy.Options{Addresses: []string{address}, Security: proxy.Plain})
	if err != nil {
		t.Fatal(err)
	}
	return server
}

// TestFirstSignIn: from_now_on begins with it, whether the client lists or not.
func TestFirstSignIn(t *testing.T) {
	server, inbox := memory(t, letters(3))
	state := stateFile(t)
	p := preset("keep", func(p *policy.Policy) { p.FromNowOn = true })
	address := front(t, remembering(server, state, &p))
	quit(t, signIn(t, address))
	inbox.Append([]byte("Subject: new\r\n\r\n"), nil, time.Now())
	c := signIn(t, address)
	if got := uidls(t, c); len(got) != 1 {
		t.Errorf("%v are shown, want what came after the first sign-in", got)
	}
	quit(t, c)
	if got := state.writes.Load(); got != 1 {
		t.Errorf("%d transactions, want the one of the first sign-in", got)
	}
}

// TestFirstListingFails: a listing that could not be remembered is made again,
// and shows everything once.
func TestFirstListingFails(t *testing.T) {
	server, inbox := memory(t, letters(3))
	state := stateFile(t)
	p := preset("keep", func(p *policy.Policy) { p.FromNowOn = true })
	address := front(t, remembering(server, state, &p))
	quit(t, signInAndList(t, address))
	inbox.Append([]byte("Subject: new\r\n\r\n"), nil, time.Now())
	p = preset("classic")
	c := signIn(t, address)
	if got := uidls(t, c); len(got) != 4 {
		t.Fatalf("%v are shown, want 4", got)
	}
	quit(t, c)

	server, _ = memory(t, letters(3))
	state = stateFile(t)
	p = preset("keep", func(p *policy.Policy) { p.FromNowOn = true })
	address = front(t, remembering(server, state, &p))
	state.failNext.Store(true)
	if err := connect(t, address).Login(t.Context(), user, secret.New(password)); err == nil {
		t.Error("a sign-in passed, and it could not be remembered what was there before")
	}
	state.failNext.Store(false)
	c = signIn(t, address)
	if got := uidls(t, c); len(got) != 0 {
		t.Errorf("%v are shown, want none", got)
	}
	quit(t, c)
}

// TestTombstones: what is missing is remembered for 90 days from when that was
// noticed, so that mail which comes back from a backup is as hidden as before.
func TestTombstones(t *testing.T) {
	server, inbox := memory(t, letters(3))
	state := stateFile(t)
	p, now := preset("keep"), time.Now()
	g := remembering(server, state, &p)
	g.Now = func() time.Time { return now }
	address := front(t, g)
	key := store.ViewKey{Maildrop: gateway.Maildrop("test", user)}
	// touch is a session that has something to write.
	touch := func() (remembered []uint64) {
		t.Helper()
		c := signIn(t, address)
		retrieve(t, c, 1)
		quit(t, c)
		v, err := state.View(t.Context(), key)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range v.Folders[0].Memories {
			remembered = append(remembered, m.Key)
		}
		return remembered
	}
	c := signIn(t, address)
	dele(t, c, 2, 3)
	quit(t, c)
	inbox.Remove(2)
	for _, step := range []struct {
		days int
		want []uint64
	}{
		{200, []uint64{1, 2, 3}}, // noticed only now
		{90, []uint64{1, 2, 3}},
		{1, []uint64{1, 3}},
		{400, []uint64{1, 3}}, // what is there is never forgotten
	} {
		now = now.Add(time.Duration(step.days) * 24 * time.Hour)
		if got := touch(); !slices.Equal(got, step.want) {
			t.Errorf("%d days later: %v are remembered, want %v", step.days, got, step.want)
		}
	}
}

// TestWithoutUIDPLUS: what the server can only flag is hidden for good, also
// from a policy that shows what is flagged.
func TestWithoutUIDPLUS(t *testing.T) {
	server, inbox := memory(t, letters(3), "UIDPLUS", "MOVE")
	p := preset("classic", func(p *policy.Policy) { p.ShowDeleted = true })
	address := front(t, remembering(server, stateFile(t), &p))
	c := signIn(t, address)
	all := uidls(t, c)
	dele(t, c, 1)
	quit(t, c)
	if got := flags(inbox); !slices.Equal(got, []string{`\Deleted`, "", ""}) {
		t.Fatalf("flags are %q, want one message flagged and none removed", got)
	}
	c = signIn(t, address)
	if got := uidls(t, c); !slices.Equal(got, all[1:]) {
		t.Errorf("shown are %v, want %v", got, all[1:])
	}
	quit(t, c)
}
