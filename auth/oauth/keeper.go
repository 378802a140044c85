package oauth

import (
	"context"
	"crypto/rand"
	"errors"
	"sync"
	"time"
)

// Options of a Keeper.
type Options struct {
	// Vault keeps what users granted; nil: there is no state file, and nothing
	// of the kind User can be kept.
	Vault Vault
	// Event, if not nil, is told what happens. It must not block.
	Event func(Event)
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// A Keeper has one Source for each account, whatever sessions there are. It
// is safe for concurrent use.
type Keeper struct {
	o     Options
	ctx   context.Context
	stop  context.CancelFunc
	after func(time.Duration) <-chan time.Time

	mu      sync.Mutex
	sources map[string]*Source
	counts  map[string]*Counts // by provider
	flights sync.WaitGroup
	closed  bool
}

// New returns an empty Keeper.
func New(o Options) *Keeper {
	if o.Now == nil {
		o.Now = time.Now
	}
	k := &Keeper{o: o, sources: map[string]*Source{}, counts: map[string]*Counts{}, after: time.After}
	k.ctx, k.stop = context.WithCancel(context.Background())
	return k
}

// Source is where tokens for an account come from; subject is the user
// upstream that a service account acts for. It is the same one for as long as
// the provider's settings, and the user, are.
func (k *Keeper) Source(p *Provider, account, subject string) *Source {
	name := sourceName(p, account, subject)
	print := p.fingerprint()
	k.mu.Lock()
	defer k.mu.Unlock()
	s := k.sources[name]
	if s == nil || s.print != print {
		s = k.newSource(p, account)
		s.print, s.subject = print, subject
		k.sources[name] = s
	}
	return s
}

// newSource is one that nobody knows of. Each takes leases in its own name: one
// that a reload has replaced may still be at work.
func (k *Keeper) newSource(p *Provider, account string) *Source {
	return &Source{k: k, p: p, account: account, holder: rand.Text()}
}

// sourceName: a program's own token is for everybody, one of a service account
// for a subject, a user's for the account.
func sourceName(p *Provider, account, subject string) string {
	switch p.Grant {
	case ClientCredentials:
		return "provider " + p.Name
	case ServiceAccount:
		return "subject " + p.Name + " " + subject
	}
	return "account " + account + " " + subject
}

// Close ends what is under way and waits for it: a token that was granted is
// still kept.
func (k *Keeper) Close() {
	k.mu.Lock()
	k.closed = true
	k.mu.Unlock()
	k.stop()
	k.flights.Wait()
	ctx, cancel := context.WithTimeout(context.Background(), keepTime)
	defer cancel()
	for _, s := range k.all() {
		if _, unsaved, _ := s.now(); unsaved {
			_ = s.keep(ctx) // that it could not be kept was told already
		}
	}
}

var errClosed = errors.New("tokens are not given any more: the process is stopping")

// fly begins a flight, which Close waits for.
func (k *Keeper) fly(work func(context.Context)) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.closed {
		return errClosed
	}
	k.flights.Add(1)
	go func() {
		defer k.flights.Done()
		ctx, cancel := context.WithTimeout(k.ctx, flightTime)
		defer cancel()
		work(ctx)
	}()
	return nil
}

func (k *Keeper) all() (all []*Source) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, s := range k.sources {
		all = append(all, s)
	}
	return all
}
