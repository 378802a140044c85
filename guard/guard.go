// Package guard is what stands between a stranger and the sign-in: it counts
// failures by address and by user, lets who fails wait longer and longer, shuts
// out an address for a while that goes on, and remembers passwords that were
// just refused, so that a mail program that tries the same one for ever costs no
// upstream anything.
//
// It knows no protocol and no upstream, checks no password and limits nobody who
// has signed in. What it counts it forgets when the process ends, but for bans,
// which a Book may keep.
package guard

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"net/netip"
	"slices"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2/simplelru"

	"github.com/restante-mail/restante/secret"
)

const (
	// most addresses, users and passwords that are remembered, the longest unused
	// of which go first: some 10 MB in all.
	most = 50_000
	// maxWaiting are the attempts that wait at once. Each holds a connection and
	// nothing else; beyond it the client is told to come back.
	maxWaiting = 500
)

// Settings say how patient a Guard is.
type Settings struct {
	// FreeFailures of an address, and of a user, that cost no wait.
	FreeFailures int
	// MaxDelay is the longest wait before an attempt. It is 1 s after the first
	// failure that is not free, and doubles with each.
	MaxDelay time.Duration
	// ForgetAfter is how long after the last failure all are forgotten.
	ForgetAfter time.Duration
	// BanAfter failures within ForgetAfter of each other an address is banned; 0: never.
	BanAfter int
	// BanTime is how long the first ban lasts; each that follows within a day of
	// the one before lasts twice as long, up to a day.
	BanTime time.Duration
	// WrongTime is how long a password that was refused is known to be wrong; 0: not at all.
	WrongTime time.Duration
	// Allow are networks whose addresses are never made to wait or banned.
	Allow []netip.Prefix
	// Block are networks that nobody is let in from.
	Block []netip.Prefix
}

// Defaults are Settings for an open port.
func Defaults() Settings {
	return Settings{
		FreeFailures: 3, // a person mistypes
		// A guess every 15 s and address is 5,760 a day, if there were no bans.
		MaxDelay: 15 * time.Second, ForgetAfter: time.Hour,
		BanAfter: 20, BanTime: time.Hour,
		// Long enough for Outlook's row of attempts, short enough for somebody
		// who has just set the server's password to what the program says.
		WrongTime: time.Minute,
	}
}

// A Guard is safe for concurrent use.
type Guard struct {
	book Book
	now  func() time.Time
	wait func(context.Context, time.Duration) error
	key  [32]byte // of passwords that are remembered; dies with the process

	mu        sync.Mutex
	settings  Settings
	tell      func(b Ban, lifted bool)
	addresses *lru.LRU[netip.Prefix, *record]
	users     *lru.LRU[string, *record]
	known     *lru.LRU[acquaintance, int] // failures since
	wrong     *lru.LRU[[32]byte, time.Time]
	bans      *lru.LRU[netip.Prefix, *Ban]
	waiting   int
}

// record is what somebody has done.
type record struct {
	failures int
	last     time.Time
	free     time.Time // when the next attempt may begin
}

// acquaintance is a user who has signed in from an address before, and so does
// not wait for what others do in their name or behind their address. After as many
// failures in that name from there as are free, somebody else behind the address
// may be guessing: then it waits as any attempt at the user does, but still not
// for its neighbours.
type acquaintance struct {
	address netip.Prefix
	user    string
}

// New returns a Guard with the Defaults. Bans are kept in the book.
func New(book Book) *Guard {
	g := &Guard{book: book, now: time.Now, wait: pause, settings: Defaults(), tell: func(Ban, bool) {}}
	_, _ = rand.Read(g.key[:]) // never fails
	g.addresses, _ = lru.NewLRU[netip.Prefix, *record](most, nil)
	g.users, _ = lru.NewLRU[string, *record](most, nil)
	g.known, _ = lru.NewLRU[acquaintance, int](most, nil)
	g.wrong, _ = lru.NewLRU[[32]byte, time.Time](most, nil)
	g.bans, _ = lru.NewLRU[netip.Prefix, *Ban](most, nil)
	return g
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Set changes the settings. What was counted counts on. tell hears of each ban,
// and of each that was lifted; it must be quick.
func (g *Guard) Set(s Settings, tell func(b Ban, lifted bool)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.settings, g.tell = s, tell
}

// An Attempt is somebody who wants to sign in.
type Attempt struct {
	Address netip.Addr // the zero Addr if it is not known
	// User is whose failures are counted together: all spellings of one name must
	// be the same.
	User string
	// Secret is whatever was shown. Another one is asked about.
	Secret secret.Text
}

// Verdict is what becomes of an Attempt before anybody checks it.
type Verdict uint8

const (
	Proceed Verdict = iota
	// Wrong: this password was refused just now.
	Wrong
	// TooMany: so many failures came before that it would have to wait for too long.
	TooMany
	// Shut: the address is banned or blocked.
	Shut
)

// Judge tells what becomes of an attempt, and waits first if it has to. If it is
// Proceed the attempt must end in Passed or, if the password was wrong, in Failed.
func (g *Guard) Judge(ctx context.Context, a Attempt) (Verdict, error) {
	if g.Shuts(ctx, a.Address) != "" {
		return Shut, nil
	}
	verdict, delay := g.queue(a)
	if verdict != Proceed || delay <= 0 {
		return verdict, nil
	}
	defer func() {
		g.mu.Lock()
		g.waiting--
		g.mu.Unlock()
	}()
	return Proceed, g.wait(ctx, delay)
}

// queue finds out how long an attempt has to wait, and takes its turn.
func (g *Guard) queue(a Attempt) (Verdict, time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.now()
	if until, ok := g.wrong.Get(g.digest(a)); ok && now.Before(until) {
		return Wrong, 0
	}
	who := acquaintance{Counted(a.Address), a.User}
	failures, known := g.known.Get(who)
	if known && failures <= g.settings.FreeFailures {
		return Proceed, 0
	}
	delay := g.delayOf(a.User, now)
	if !known && g.counts(a.Address) {
		ours, _ := g.addresses.Get(who.address)
		delay = max(delay, g.turn(ours, now))
	}
	switch {
	case delay <= 0:
	case delay > 2*g.settings.MaxDelay || g.waiting >= maxWaiting:
		return TooMany, 0
	default:
		g.waiting++
	}
	return Proceed, delay
}

// turn is how long the next attempt of an address waits. They wait one after
// the other, or a hundred connections would guess a hundred times as fast.
func (g *Guard) turn(r *record, now time.Time) time.Duration {
	if r == nil || now.Sub(r.last) > g.settings.ForgetAfter {
		return 0
	}
	step := g.step(r.failures)
	if step == 0 {
		return 0
	}
	begin := now
	if r.free.After(now) {
		begin = r.free
	}
	if wait := begin.Add(step).Sub(now); wait > 2*g.settings.MaxDelay {
		return wait
	}
	r.free = begin.Add(step)
	return r.free.Sub(now)
}

// delayOf is how long attempts at a user wait. They do so side by side: nobody
// may keep an owner out by failing in their name.
func (g *Guard) delayOf(user string, now time.Time) time.Duration {
	r, ok := g.users.Get(user)
	if !ok || now.Sub(r.last) > g.settings.ForgetAfter {
		return 0
	}
	return g.step(r.failures)
}

// step is 1 s after the first failure that is not free, and doubles.
func (g *Guard) step(failures int) time.Duration {
	over := failures - g.settings.FreeFailures
	if over <= 0 {
		return 0
	}
	return min(time.Second<<min(over-1, 20), g.settings.MaxDelay)
}

// Passed notes that an attempt was right.
func (g *Guard) Passed(a Attempt) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if a.Address.IsValid() {
		g.known.Add(acquaintance{Counted(a.Address), a.User}, 0)
	}
	g.users.Remove(a.User)
}

// Failed notes that the password was wrong. It may be what an address is banned
// for; an error says that the ban holds, but could not be written down.
func (g *Guard) Failed(ctx context.Context, a Attempt) error {
	g.mu.Lock()
	now := g.now()
	if g.settings.WrongTime > 0 {
		g.wrong.Add(g.digest(a), now.Add(g.settings.WrongTime))
	}
	note(g.users, a.User, now, g.settings.ForgetAfter)
	address := Counted(a.Address)
	if failures, known := g.known.Get(acquaintance{address, a.User}); known {
		g.known.Add(acquaintance{address, a.User}, failures+1)
	}
	var ban Ban
	tell := g.tell
	if g.counts(a.Address) {
		r := note(g.addresses, address, now, g.settings.ForgetAfter)
		if g.settings.BanAfter > 0 && r.failures >= g.settings.BanAfter {
			ban = g.ban(address, r.failures, now)
			r.failures = g.settings.FreeFailures // the next comes sooner, and lasts longer
		}
	}
	g.mu.Unlock()
	if ban.Until.IsZero() {
		return nil
	}
	tell(ban, false)
	return g.keep(ctx, ban)
}

// counts tells whether an address is made to wait and banned. This machine is
// not: a webmail or a relay there speaks for everybody.
func (g *Guard) counts(a netip.Addr) bool {
	return a.IsValid() && !a.Unmap().IsLoopback() && !contains(g.settings.Allow, a)
}

// note counts a failure.
func note[K comparable](in *lru.LRU[K, *record], key K, now time.Time, forget time.Duration) *record {
	r, ok := in.Get(key)
	if !ok || now.Sub(r.last) > forget {
		r = new(record)
		in.Add(key, r)
	}
	r.failures++
	r.last = now
	return r
}

// digest stands for a user and a password. It cannot be turned back.
func (g *Guard) digest(a Attempt) (sum [32]byte) {
	mac := hmac.New(sha256.New, g.key[:])
	var length [8]byte
	binary.BigEndian.PutUint64(length[:], uint64(len(a.User)))
	mac.Write(length[:])
	mac.Write([]byte(a.User))
	mac.Write([]byte(a.Secret.Reveal()))
	mac.Sum(sum[:0])
	return sum
}

// Counted is the network that an address counts as: one IPv6 customer has a whole
// /64.
func Counted(a netip.Addr) netip.Prefix {
	a = a.Unmap().WithZone("")
	bits := 32
	if a.Is6() {
		bits = 64
	}
	p, _ := a.Prefix(bits) // the zero Prefix for the zero Addr
	return p
}

func contains(networks []netip.Prefix, a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	return slices.ContainsFunc(networks, func(p netip.Prefix) bool { return p.Contains(a) })
}
