package bridge

import (
	"container/list"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/restante-mail/restante/upstream"
)

const (
	// maxPerIdentity is how many connections one identity has, the idle one
	// included: providers refuse more than 10 or 15 from all its programs.
	maxPerIdentity = 3
	// placeWait is how long more sign-ins of an identity wait for one.
	placeWait = 10 * time.Second
	// janitorInterval is how often the idle ones are looked through.
	janitorInterval = 5 * time.Second
)

// pool keeps signed-in connections for a while after their session, and counts
// the connections of each identity. An idle connection costs the upstream a
// process or so, and us no goroutine unless a message was read over it.
//
// Only who shows the very credentials that a connection signed in with gets
// it, and for no longer than the credential bound since: that is for how long
// a changed password still opens a mailbox. Other credentials are always
// checked by the upstream.
type pool struct {
	idleFor, lifetime time.Duration // idleFor < 0: nothing is kept
	maxIdle           int
	most              int // connections of one identity
	wait              time.Duration
	patience          time.Duration // with a connection that was idle
	tellsClient       bool
	now               func() time.Time
	key               [32]byte // of proofs; dies with the process

	mu      sync.Mutex
	tenants map[string]*tenant
	idle    *list.List // of *place, the longest idle first
	janitor *time.Timer
	closed  bool
	sweeps  sync.WaitGroup
}

// tenant is an identity with connections.
type tenant struct {
	name    string
	inUse   []*place
	idle    *list.Element // of pool.idle, or nil
	changed chan struct{} // closed when there may be room; nil if nobody waits
}

// place is a connection's right to exist. Its owner has it alone.
type place struct {
	pool   *pool
	tenant *tenant // nil as long as it is not taken
	name   string
	proof  proof
	warm   *link     // a connection that is signed in, or nil
	since  time.Time // idle
}

// proof stands for credentials. It cannot be turned back.
type proof [sha256.Size]byte

func newPool(o *Options) *pool {
	p := &pool{
		idleFor: o.WarmIdle, lifetime: o.CredentialBound, maxIdle: o.MaxIdle, most: maxPerIdentity, wait: placeWait, patience: warmPatience,
		tellsClient: o.TellClient, now: time.Now, tenants: map[string]*tenant{}, idle: list.New(),
	}
	_, _ = rand.Read(p.key[:]) // never fails
	return p
}

// prove hashes all that makes a connection somebody's, each with its length.
func (p *pool) prove(login upstream.Login) (sum proof) {
	mac := hmac.New(sha256.New, p.key[:])
	fields := []string{login.User, login.Identity, login.Secret.Reveal(), "password"}
	if login.Bearer {
		fields[3] = "token"
	}
	if login.External {
		fields[3] = "certificate"
	}
	if p.tellsClient {
		fields = append(fields, login.Client.String())
	}
	for _, field := range fields {
		var length [8]byte
		binary.BigEndian.PutUint64(length[:], uint64(len(field)))
		mac.Write(length[:])
		mac.Write([]byte(field))
	}
	mac.Sum(sum[:0])
	return sum
}

// reprove is for a session that goes on with another token.
func (k *place) reprove(login upstream.Login) {
	if k == nil {
		return
	}
	k.pool.mu.Lock()
	defer k.pool.mu.Unlock()
	k.proof = k.pool.prove(login)
}

// begin returns a place for a session. If it is not warm the upstream must
// check the credentials, and then take must be called: who knows no password
// must not keep others waiting.
func (p *pool) begin(ctx context.Context, login upstream.Login) (*place, error) {
	k := &place{pool: p, name: strings.ToLower(actAs(login)), proof: p.prove(login)}
	if p.knows(k) {
		return k, k.take(ctx)
	}
	return k, nil
}

// knows tells whether somebody with the same credentials is signed in now.
func (p *pool) knows(k *place) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	t := p.tenants[k.name]
	if t == nil {
		return false
	}
	for _, other := range t.inUse {
		if other.proof == k.proof {
			return true
		}
	}
	return t.idle != nil && t.idle.Value.(*place).proof == k.proof
}

// take waits until the identity has fewer than its connections, unless the
// place is taken already. It may find a warm one.
func (k *place) take(ctx context.Context) error {
	if k.tenant != nil {
		return nil
	}
	ctx, cancel := context.WithTimeoutCause(ctx, k.pool.wait, errFull)
	defer cancel()
	for {
		changed := k.pool.try(k)
		if changed == nil {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return &upstream.Error{Kind: upstream.Unavailable, Doing: signingIn, Err: context.Cause(ctx)}
		}
	}
}

var errFull = errors.New("the account has as many sessions as are allowed at once, and none ended in time")

// takeNow is take without waiting and without a warm connection.
func (k *place) takeNow() bool {
	if k.tenant != nil {
		return true
	}
	p := k.pool
	p.mu.Lock()
	t := p.tenant(k.name)
	victim := p.makeRoom(t)
	ok := len(t.inUse) < p.most
	if ok {
		k.enter(t)
	}
	p.leaveEmpty(t)
	p.mu.Unlock()
	victim.signOut()
	return ok
}

// try takes the place, or returns what to wait for.
func (p *pool) try(k *place) (changed <-chan struct{}) {
	p.mu.Lock()
	t := p.tenant(k.name)
	var victim *place
	if t.idle != nil && p.usable(t.idle.Value.(*place), k.proof) {
		k.warm = p.unlist(t).warm
	} else {
		victim = p.makeRoom(t)
	}
	if len(t.inUse) < p.most {
		k.enter(t)
	} else {
		if t.changed == nil {
			t.changed = make(chan struct{})
		}
		changed = t.changed
	}
	p.mu.Unlock()
	victim.signOut()
	return changed
}

func (p *pool) usable(idle *place, wanted proof) bool {
	return idle.proof == wanted && !idle.warm.dead() && !p.expired(idle, p.now())
}

// makeRoom ends the idle connection if it is one too many, or of no use.
func (p *pool) makeRoom(t *tenant) (victim *place) {
	if t.idle != nil && len(t.inUse)+1 >= p.most {
		return p.unlist(t)
	}
	return nil
}

// enter, tenant, leaveEmpty and unlist are called with p.mu held.
func (k *place) enter(t *tenant) {
	k.tenant = t
	t.inUse = append(t.inUse, k)
}

func (p *pool) tenant(name string) *tenant {
	t := p.tenants[name]
	if t == nil {
		t = &tenant{name: name}
		p.tenants[name] = t
	}
	return t
}

func (p *pool) leaveEmpty(t *tenant) {
	if len(t.inUse) == 0 && t.idle == nil && t.changed == nil {
		delete(p.tenants, t.name)
	}
}

func (p *pool) unlist(t *tenant) *place {
	k := p.idle.Remove(t.idle).(*place)
	t.idle = nil
	return k
}

// leave gives the place back, and the connection with it, if it has one. It is
// kept only if it is quiet: every command answered, no literal open.
func (k *place) leave(l *link) {
	p := k.pool
	k.warm = nil
	keep := l != nil && k.tenant != nil && p.idleFor > 0 && l.f.quiet()
	if keep {
		l.waits = nil // it holds the session, password included
	}
	p.mu.Lock()
	var victims []*place
	if t := k.tenant; t != nil {
		victims = p.left(k, t, l, keep && !p.closed && p.now().Before(l.ends))
		keep = t.idle != nil && t.idle.Value.(*place).warm == l
	}
	p.mu.Unlock()
	for _, victim := range victims {
		victim.signOut()
	}
	if l != nil && !keep {
		l.logout()
	}
}

// left takes the place from the tenant; what must go is returned.
func (p *pool) left(k *place, t *tenant, l *link, keep bool) (victims []*place) {
	t.inUse = without(t.inUse, k)
	k.tenant = nil
	if keep {
		if t.idle != nil {
			victims = append(victims, p.unlist(t))
		}
		t.idle = p.idle.PushBack(&place{pool: p, name: t.name, proof: k.proof, warm: l, since: p.now()})
		victims = append(victims, p.tooMany()...)
		p.clean()
	}
	if t.changed != nil {
		close(t.changed)
		t.changed = nil
	}
	p.leaveEmpty(t)
	return victims
}

func without(places []*place, k *place) []*place {
	for i, other := range places {
		if other == k {
			return append(places[:i], places[i+1:]...)
		}
	}
	return places
}

// tooMany takes out the longest idle ones. p.mu is held, as for all below that
// return victims.
func (p *pool) tooMany() (victims []*place) {
	for p.idle.Len() > p.maxIdle {
		victims = append(victims, p.evict(p.idle.Front()))
	}
	return victims
}

func (p *pool) evict(at *list.Element) *place {
	t := p.tenants[at.Value.(*place).name]
	k := p.unlist(t)
	p.leaveEmpty(t)
	return k
}

// end is how long a connection may be used by other sessions: for the credential
// bound, and not beyond the end of the token that it signed in with.
func (p *pool) end(born time.Time, login upstream.Login) time.Time {
	end := born.Add(p.lifetime)
	if !login.Expires.IsZero() && login.Expires.Before(end) {
		return login.Expires
	}
	return end
}

func (p *pool) expired(k *place, now time.Time) bool {
	return now.Sub(k.since) >= p.idleFor || !now.Before(k.warm.ends)
}

// clean makes sure that somebody looks after the idle ones.
func (p *pool) clean() {
	if p.janitor == nil {
		p.janitor = time.AfterFunc(janitorInterval, p.sweep)
	}
}

// sweep ends what has been idle for long enough, and comes again as long as
// there is more.
func (p *pool) sweep() {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return
	}
	p.sweeps.Add(1)
	defer p.sweeps.Done()
	var victims []*place
	now := p.now()
	for at := p.idle.Front(); at != nil; {
		next := at.Next()
		if k := at.Value.(*place); p.expired(k, now) || k.warm.dead() {
			victims = append(victims, p.evict(at))
		}
		at = next
	}
	if p.janitor = nil; p.idle.Len() > 0 {
		p.clean()
	}
	p.mu.Unlock()
	for _, victim := range victims {
		victim.signOut()
	}
}

// signOut ends an idle connection; a nil place has none.
func (k *place) signOut() {
	if k != nil {
		k.warm.logout()
	}
}

// close ends all idle connections, and keeps none from now on.
func (p *pool) close() {
	p.mu.Lock()
	p.closed = true
	if p.janitor != nil {
		p.janitor.Stop()
	}
	var victims []*place
	for p.idle.Len() > 0 {
		victims = append(victims, p.evict(p.idle.Front()))
	}
	p.mu.Unlock()
	for _, victim := range victims {
		victim.signOut()
	}
	p.sweeps.Wait()
}
