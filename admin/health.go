package admin

import (
	"context"
	"sync"
	"time"
)

const (
	// checkBound is how long all checks together may take: who asks is a load
	// balancer, which does not wait long itself.
	checkBound = 5 * time.Second
	// checkKept is how long what they found is believed. A server behind sees a
	// connection from us so often at most, however many ask.
	checkKept = 10 * time.Second
)

// health runs the checks for whoever asks, and not too often.
type health struct {
	checks      func() []Check
	bound, kept time.Duration
	now         func() time.Time

	mu   sync.Mutex // held while they run, so that they run once for all who wait
	last findings
}

// findings are what all checks came to.
type findings struct {
	at  time.Time // the zero time if nothing was checked yet
	all []Finding
}

func newHealth(checks func() []Check) *health {
	return &health{checks: checks, bound: checkBound, kept: checkKept, now: time.Now}
}

// find returns what was found lately, or looks. Who is waiting for a look waits
// for its bound at most.
func (h *health) find() findings {
	h.mu.Lock()
	defer h.mu.Unlock()
	if now := h.now(); h.last.at.IsZero() || now.Sub(h.last.at) >= h.kept || now.Before(h.last.at) {
		h.last = findings{all: h.look()}
		h.last.at = h.now()
	}
	return h.last
}

// look does all checks at once. No request's end ends them, for others wait for
// the same.
func (h *health) look() []Finding {
	ctx, cancel := context.WithTimeout(context.Background(), h.bound)
	defer cancel()
	checks := h.checks()
	found := make([]Finding, len(checks))
	var all sync.WaitGroup
	for i, check := range checks {
		all.Go(func() {
			start := h.now()
			err := check.Do(ctx)
			found[i] = Finding{Kind: check.Kind, Name: check.Name, Seconds: h.now().Sub(start).Seconds()}
			if err != nil {
				found[i].Error = err.Error()
			}
		})
	}
	all.Wait()
	return found
}

// ready tells whether mail can go through: all listeners, the state file, and
// at least one server behind. If none of those works, which of them would be
// needed does not matter; if some do, their users are served.
func (f findings) ready() bool {
	upstreams, working := 0, 0
	for _, one := range f.all {
		switch {
		case one.Kind == CheckUpstream:
			upstreams++
			if one.Error == "" {
				working++
			}
		case one.Error != "":
			return false
		}
	}
	return upstreams == 0 || working > 0
}
