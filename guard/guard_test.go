package guard

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/restante-mail/restante/secret"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// shelf is a Book in memory.
type shelf struct {
	bans map[netip.Prefix]Ban
	err  error
}

func (s *shelf) Bans(context.Context) (all []Ban, err error) {
	for _, b := range s.bans {
		all = append(all, b)
	}
	return all, s.err
}

func (s *shelf) Ban(_ context.Context, network netip.Prefix) (Ban, bool, error) {
	b, found := s.bans[network]
	return b, found, s.err
}

func (s *shelf) PutBan(_ context.Context, b Ban) error {
	if s.err == nil {
		s.bans[b.Network] = b
	}
	return s.err
}

// scene is a Guard whose time stands still until somebody waits.
type scene struct {
	*Guard
	clock  time.Time
	waited []time.Duration
	told   []string
	book   *shelf
}

func newScene(change func(*Settings)) *scene {
	s := &scene{clock: time.Unix(1_800_000_000, 0), book: &shelf{bans: map[netip.Prefix]Ban{}}}
	s.Guard = New(s.book)
	s.now = func() time.Time { return s.clock }
	s.wait = func(_ context.Context, d time.Duration) error {
		s.waited = append(s.waited, d)
		return nil
	}
	settings := Defaults()
	if change != nil {
		change(&settings)
	}
	s.Set(settings, func(b Ban, lifted bool) { s.told = append(s.told, fmt.Sprint(b.Network, " ", lifted)) })
	return s
}

func from(address, user, password string) Attempt {
	a, _ := netip.ParseAddr(address)
	return Attempt{Address: a, User: user, Secret: secret.New(password)}
}

// guess tries a password that is wrong, and is different each time.
func (s *scene) guess(t *testing.T, address, user string) Verdict {
	t.Helper()
	a := from(address, user, fmt.Sprint(s.clock, len(s.waited), s.clock.Nanosecond()))
	s.clock = s.clock.Add(1)
	v, err := s.Judge(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	if v == Proceed {
		if err := s.Failed(t.Context(), a); err != nil {
			t.Fatal(err)
		}
	}
	return v
}

// TestDelaysGrow: the first failures are free, then each wait is twice as long,
// up to the longest.
func TestDelaysGrow(t *testing.T) {
	s := newScene(func(c *Settings) { c.BanAfter = 0 })
	for range 10 {
		s.guess(t, "192.0.2.1", "alice")
		s.clock = s.clock.Add(time.Minute)
	}
	seconds := time.Second
	if want := []time.Duration{seconds, 2 * seconds, 4 * seconds, 8 * seconds, 15 * seconds, 15 * seconds}; !slices.Equal(s.waited, want) {
		t.Errorf("waited %v, want %v", s.waited, want)
	}
	s.clock, s.waited = s.clock.Add(time.Hour+time.Second), nil
	s.guess(t, "192.0.2.1", "alice")
	if s.waited != nil {
		t.Errorf("nothing is forgotten: waited %v", s.waited)
	}
}

// TestManyConnections of an address wait one behind the other, and what would
// wait for too long is sent away.
func TestManyConnections(t *testing.T) {
	s := newScene(func(c *Settings) { c.BanAfter = 0 })
	for i := range 5 { // other names each time
		s.guess(t, "192.0.2.1", fmt.Sprint("user", i))
	}
	s.waited = nil
	var verdicts []Verdict
	for i := range 20 { // at the same time
		v, _ := s.Judge(t.Context(), from("192.0.2.1", fmt.Sprint("other", i), "guess"))
		verdicts = append(verdicts, v)
	}
	if !slices.IsSorted(s.waited) || len(s.waited) < 3 || s.waited[len(s.waited)-1] > 30*time.Second {
		t.Errorf("waited %v", s.waited)
	}
	if n := len(slices.DeleteFunc(verdicts, func(v Verdict) bool { return v == Proceed })); n != 20-len(s.waited) || n == 0 {
		t.Errorf("%d were sent away, %d waited", n, len(s.waited))
	}
	if s.waiting != 0 {
		t.Errorf("%d still wait", s.waiting)
	}
}

// TestOwnersGetIn: what others do in somebody's name, or behind the same
// address, costs those nothing who have signed in from there.
func TestOwnersGetIn(t *testing.T) {
	s := newScene(func(c *Settings) { c.BanAfter = 0 })
	alice := from("192.0.2.1", "alice", "right")
	s.Passed(alice)
	for i := range 30 {
		s.guess(t, fmt.Sprintf("198.51.100.%d", i), "alice")
		s.guess(t, "192.0.2.1", "bob")
	}
	s.waited = nil
	if v, err := s.Judge(t.Context(), alice); v != Proceed || err != nil || s.waited != nil {
		t.Errorf("%v, %v, waited %v", v, err, s.waited)
	}
	// From an address of her own that is new she waits, but is not sent away.
	if v, err := s.Judge(t.Context(), from("203.0.113.1", "alice", "right")); v != Proceed || err != nil || len(s.waited) != 1 || s.waited[0] > 15*time.Second {
		t.Errorf("%v, %v, waited %v", v, err, s.waited)
	}
}

// TestNeighbours: somebody behind the address of an owner, or in the same /64,
// guesses at their name no faster than others do, also where addresses are
// never banned. The owner waits with them then, for one wait, and never behind them.
func TestNeighbours(t *testing.T) {
	for _, address := range []string{"192.0.2.1", "2001:db8:0:7::1", "127.0.0.1"} {
		s := newScene(func(c *Settings) { c.BanAfter = 0 })
		alice := from(address, "alice", "right")
		neighbour := strings.Replace(address, "::1", "::bad", 1)
		s.Passed(alice)
		for range 30 {
			s.guess(t, neighbour, "alice")
		}
		if len(s.waited) < 20 || s.waited[len(s.waited)-1] != s.settings.MaxDelay {
			t.Errorf("%s: the neighbour waited %v", address, s.waited)
		}
		s.waited = nil
		if v, err := s.Judge(t.Context(), alice); v != Proceed || err != nil || len(s.waited) != 1 || s.waited[0] > s.settings.MaxDelay {
			t.Errorf("%s: the owner: %v, %v, waited %v", address, v, err, s.waited)
		}
		s.Passed(alice)
		s.waited = nil
		if v, _ := s.Judge(t.Context(), alice); v != Proceed || s.waited != nil {
			t.Errorf("%s: the owner, again: %v, waited %v", address, v, s.waited)
		}
	}
}

// TestBan: an address is shut out, an IPv6 customer with all of a /64; for
// longer each time. Neighbours, this machine and who is allowed are not.
func TestBan(t *testing.T) {
	for _, c := range []struct{ address, neighbour, network string }{
		{"192.0.2.1", "192.0.2.2", "192.0.2.1/32"},
		{"::ffff:192.0.2.1", "192.0.2.2", "192.0.2.1/32"},
		{"2001:db8:0:7::1", "2001:db8:0:8::1", "2001:db8:0:7::/64"},
	} {
		s := newScene(nil)
		until := func() time.Duration {
			for i := range 40 {
				if s.guess(t, c.address, fmt.Sprint("user", i)) == Shut {
					break
				}
				s.clock = s.clock.Add(time.Minute)
			}
			b, found := s.book.bans[netip.MustParsePrefix(c.network)]
			if !found {
				t.Fatalf("%s: no ban in %v", c.address, s.book.bans)
			}
			return b.Until.Sub(b.Since)
		}
		first := until()
		a, n := netip.MustParseAddr(c.address), netip.MustParseAddr(c.neighbour)
		if first != time.Hour || s.Shuts(t.Context(), a) != "banned" || s.Shuts(t.Context(), n) != "" {
			t.Errorf("%s: for %v, %q, neighbour %q", c.address, first, s.Shuts(t.Context(), a), s.Shuts(t.Context(), n))
		}
		s.clock = s.clock.Add(time.Hour)
		if why := s.Shuts(t.Context(), a); why != "" {
			t.Errorf("%s is still %s", c.address, why)
		}
		if second := until(); second != 2*time.Hour {
			t.Errorf("the second ban is for %v", second)
		}
		if len(s.told) != 2 {
			t.Errorf("told %q", s.told)
		}
	}
	for _, address := range []string{"127.0.0.1", "::1", "10.1.2.3", ""} {
		s := newScene(func(c *Settings) { c.Allow = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")} })
		for i := range 100 {
			if v := s.guess(t, address, fmt.Sprint("user", i)); v != Proceed {
				t.Fatalf("%q: %v", address, v)
			}
		}
	}
}

// TestLifted: a ban that somebody took out of the book ends, and what led to it
// is forgotten. A book that cannot be read lifts nothing.
func TestLifted(t *testing.T) {
	s := newScene(nil)
	for i := range 20 {
		s.guess(t, "192.0.2.1", fmt.Sprint("user", i))
		s.clock = s.clock.Add(time.Minute)
	}
	a := netip.MustParseAddr("192.0.2.1")
	s.clock = s.clock.Add(bookInterval)
	s.book.err = errors.New("disk on fire")
	if why := s.Shuts(t.Context(), a); why != "banned" {
		t.Errorf("it is %q without a book", why)
	}
	s.book.err = nil
	delete(s.book.bans, netip.MustParsePrefix("192.0.2.1/32"))
	if why := s.Shuts(t.Context(), a); why != "banned" {
		t.Error("the book was asked too soon")
	}
	s.clock = s.clock.Add(bookInterval)
	if why := s.Shuts(t.Context(), a); why != "" {
		t.Errorf("it is %q", why)
	}
	s.waited = nil
	s.guess(t, "192.0.2.1", "user1000")
	if s.waited != nil {
		t.Errorf("waited %v", s.waited)
	}
	if want := []string{"192.0.2.1/32 false", "192.0.2.1/32 true"}; !slices.Equal(s.told, want) {
		t.Errorf("told %q", s.told)
	}
}

// TestLoad: the bans of an earlier process hold.
func TestLoad(t *testing.T) {
	s := newScene(nil)
	network := netip.MustParsePrefix("192.0.2.1/32")
	s.book.bans[network] = Ban{Network: network, Since: s.clock, Until: s.clock.Add(time.Hour), Times: 3}
	if err := s.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	if v, _ := s.Judge(t.Context(), from("192.0.2.1", "alice", "x")); v != Shut {
		t.Errorf("verdict %v", v)
	}
	s.book.err = errors.New("disk on fire")
	if err := s.Load(t.Context()); err == nil {
		t.Error("no error")
	}
}

// TestWrongAgain: a password that was refused is refused again without asking,
// for a while, and is no second failure. Another password is asked about.
func TestWrongAgain(t *testing.T) {
	s := newScene(func(c *Settings) { c.BanAfter = 3 })
	wrong := from("192.0.2.1", "alice", "wrong")
	if err := s.Failed(t.Context(), wrong); err != nil {
		t.Fatal(err)
	}
	for range 50 {
		if v, _ := s.Judge(t.Context(), wrong); v != Wrong {
			t.Fatalf("verdict %v", v)
		}
	}
	for _, other := range []Attempt{from("192.0.2.1", "alice", "right"), from("192.0.2.1", "alicew", "rong"), from("192.0.2.1", "bob", "wrong")} {
		if v, _ := s.Judge(t.Context(), other); v != Proceed {
			t.Errorf("%s: verdict %v", other.User, v)
		}
	}
	s.clock = s.clock.Add(time.Minute)
	if v, _ := s.Judge(t.Context(), wrong); v != Proceed {
		t.Errorf("a minute later: verdict %v", v)
	}
}

func TestBlocked(t *testing.T) {
	s := newScene(func(c *Settings) { c.Block = []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")} })
	if why := s.Shuts(t.Context(), netip.MustParseAddr("198.51.100.7")); why != "blocked" {
		t.Errorf("it is %q", why)
	}
	if v, _ := s.Judge(t.Context(), from("198.51.100.7", "alice", "right")); v != Shut {
		t.Errorf("verdict %v", v)
	}
}

// TestWaitEnds with the client.
func TestWaitEnds(t *testing.T) {
	s := newScene(nil)
	s.wait = pause
	for i := range 4 {
		_ = s.Failed(t.Context(), from("192.0.2.1", "alice", fmt.Sprint(i)))
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Judge(ctx, from("192.0.2.1", "alice", "x")); !errors.Is(err, context.Canceled) || s.waiting != 0 {
		t.Errorf("%v, %d wait", err, s.waiting)
	}
}
