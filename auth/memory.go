package auth

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/restante-mail/restante/secret"
)

// Memory is what a process remembers of sign-ins, and what bounds the work that
// they cause. It outlives reloads, and nothing of it is on disk.
type Memory struct {
	key  []byte // of proofs
	salt string // of computations whose result nobody wants
	work work
	// compute and compare are what a hash costs; tests count them.
	compute func(cost, secret.Text) []byte
	compare func(htpasswdLine, secret.Text) bool

	// most is the largest work of argon2id that was seen: accounts of the state
	// file are known one by one.
	most atomic.Int64

	mu     sync.Mutex
	proofs map[proof]success
	used   map[[2]string]int64 // by account and label: the hour of its last use
}

type proof [sha256.Size]byte

// A success is a hash that a password was found to match.
type success struct {
	hash  string
	until time.Time
}

const (
	// remembered is for how long a password need not be hashed again.
	remembered = 10 * time.Minute
	// maxProofs bounds the memory: at some 200 octets each, 4 MiB.
	maxProofs = 20_000
	// maxUses bounds it likewise.
	maxUses = 100_000
)

// NewMemory returns an empty one.
func NewMemory() *Memory {
	return &Memory{
		key: random(32), salt: string(random(saltLength)), work: newWork(runtime.GOMAXPROCS(0), maxQueue),
		compute: cost.compute, compare: htpasswdLine.match,
		proofs: map[proof]success{}, used: map[[2]string]int64{},
	}
}

// prove hashes a name and a password with a key that dies with the process.
func (m *Memory) prove(name string, password secret.Text) (p proof) {
	h := hmac.New(sha256.New, m.key)
	var length [8]byte
	binary.BigEndian.PutUint64(length[:], uint64(len(name)))
	h.Write(length[:])
	h.Write([]byte(name))
	h.Write([]byte(password.Reveal()))
	h.Sum(p[:0])
	return p
}

// opened returns the secret that the password has opened lately. It must still
// be one of the account's.
func (m *Memory) opened(name string, password secret.Text, secrets []Secret, now time.Time) *Secret {
	p := m.prove(name, password)
	m.mu.Lock()
	known, ok := m.proofs[p]
	m.mu.Unlock()
	if !ok || now.After(known.until) {
		return nil
	}
	for i := range secrets {
		if secrets[i].Hash == known.hash {
			return &secrets[i]
		}
	}
	return nil
}

func (m *Memory) remember(name string, password secret.Text, hash string, now time.Time) {
	p := m.prove(name, password)
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.proofs) >= maxProofs {
		m.prune(now)
	}
	m.proofs[p] = success{hash, now.Add(remembered)}
}

// prune makes room: what is over goes, and if that is nothing, half of all.
func (m *Memory) prune(now time.Time) {
	for p, s := range m.proofs {
		if now.After(s.until) {
			delete(m.proofs, p)
		}
	}
	for p := range m.proofs {
		if len(m.proofs) <= maxProofs/2 {
			return
		}
		delete(m.proofs, p)
	}
}

// firstUse tells whether a secret has not been used yet in this hour.
func (m *Memory) firstUse(account, label string, now time.Time) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	hour := now.Unix() / 3600
	key := [2]string{account, label}
	if m.used[key] == hour {
		return false
	}
	if len(m.used) >= maxUses {
		clear(m.used) // then some are written twice
	}
	m.used[key] = hour
	return true
}

// mostWork notes work, and returns the most that was seen.
func (m *Memory) mostWork(work int) int {
	for {
		most := m.most.Load()
		if int64(work) <= most {
			return int(most)
		}
		if m.most.CompareAndSwap(most, int64(work)) {
			return work
		}
	}
}

// pad does so much work of argon2id for nothing.
func (m *Memory) pad(work int, password secret.Text) {
	for c := usual(m.salt); work > 0; work -= c.work() {
		c.memory = uint32(max(min(work/argonPasses, argonMemory), leastMemory))
		m.compute(c, password)
	}
}

// work lets a few compute hashes, each of which takes 19 MiB and a core for 20
// ms, and some more wait.
type work struct{ running, places chan struct{} }

// maxQueue is how many wait, for each that computes: a second or two. Who comes
// then is told to come later; a flood of wrong passwords must not be a queue
// that the owner of a right one stands in for minutes.
const maxQueue = 64

func newWork(cores, queue int) work {
	return work{make(chan struct{}, cores), make(chan struct{}, cores+cores*queue)}
}

// do does it when its turn has come.
func (w work) do(ctx context.Context, compute func()) error {
	select {
	case w.places <- struct{}{}:
	default:
		return fmt.Errorf("%w: too many passwords are being checked", ErrTryLater)
	}
	defer func() { <-w.places }()
	select {
	case w.running <- struct{}{}:
	case <-ctx.Done():
		return fmt.Errorf("%w: waiting to check a password: %w", ErrTryLater, ctx.Err())
	}
	defer func() { <-w.running }()
	compute()
	return nil
}
