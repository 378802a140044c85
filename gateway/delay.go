package gateway

import (
	"fmt"
	"sync"
	"time"

	"github.com/restante-mail/restante/pop3"
)

// delays remember, for as long as the process runs, when a view was last signed
// in to, where a policy limits polls.
type delays struct {
	mu   sync.Mutex
	last map[lockKey]time.Time
}

const (
	// maxDelays bounds the memory; when it is full, what is older than any delay
	// can be goes, and if that is nothing, polls are not limited.
	maxDelays = 100_000
	// longestDelay is the most that a policy may ask for.
	longestDelay = 24 * time.Hour
)

// check refuses a sign-in because the one before was too short a time ago. A
// refused one does not count: impatience does not make it longer.
func (d *delays) check(key lockKey, delay time.Duration, now time.Time) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.tooEarly(key, delay, now)
}

// pass is check, and notes a sign-in that succeeded otherwise.
func (d *delays) pass(key lockKey, delay time.Duration, now time.Time) error {
	if delay <= 0 {
		return nil
	}
	key.session = ""
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.tooEarly(key, delay, now); err != nil {
		return err
	}
	if d.last == nil {
		d.last = map[lockKey]time.Time{}
	}
	if len(d.last) >= maxDelays {
		d.prune(now)
	}
	if len(d.last) < maxDelays {
		d.last[key] = now
	}
	return nil
}

func (d *delays) tooEarly(key lockKey, delay time.Duration, now time.Time) error {
	key.session = ""
	if wait := delay - now.Sub(d.last[key]); wait > 0 && !d.last[key].After(now) {
		return &pop3.Error{Code: pop3.CodeLoginDelay, Text: fmt.Sprintf("The maildrop may be polled again in %d seconds", int64(wait/time.Second)+1)}
	}
	return nil
}

func (d *delays) prune(now time.Time) {
	for key, at := range d.last {
		if now.Sub(at) > longestDelay {
			delete(d.last, key)
		}
	}
}
