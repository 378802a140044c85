package config

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// Live is a configuration that may change while the program runs. It holds the
// current Snapshot; a reload replaces it as a whole or not at all.
type Live struct {
	load  func() (*Config, error)
	apply func(old, next *Snapshot) error
	now   func() time.Time

	current atomic.Pointer[Snapshot]

	status atomic.Pointer[Status]

	mu       sync.Mutex // held for a whole reload: they happen one by one
	sources  *sources   // of the last attempt, good or bad; guarded by mu
	reloaded chan struct{}
}

// Status tells how reloading went, for metrics.
type Status struct {
	// Loaded is when the current Snapshot was taken into use.
	Loaded time.Time
	// Failed is when the last reload failed, and Err why; zero and nil if the
	// last one succeeded.
	Failed time.Time
	Err    error
	// Reloads and Failures count what was tried since the start, the first
	// load not counted.
	Reloads, Failures int
}

// NewLive loads the first configuration. load is Load of some path, or makes a
// Config otherwise; it is called again for each reload. apply carries a new
// Snapshot out (opens and closes sockets) before it becomes the current one; if
// it fails, it must have changed nothing, and nothing changes. Its old is nil
// the first time. Of the Live's methods it may call only Current.
func NewLive(load func() (*Config, error), apply func(old, next *Snapshot) error) (*Live, error) {
	return newLive(load, apply, time.Now)
}

func newLive(load func() (*Config, error), apply func(old, next *Snapshot) error, now func() time.Time) (*Live, error) {
	l := &Live{load: load, apply: apply, now: now, reloaded: make(chan struct{}, 1)}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.replace(); err != nil {
		return nil, err
	}
	l.status.Store(&Status{Loaded: now()})
	return l, nil
}

// Current returns the Snapshot in use. It never waits.
func (l *Live) Current() *Snapshot { return l.current.Load() }

// Status returns how the last reload went.
func (l *Live) Status() Status { return *l.status.Load() }

// Reload loads everything again, certificates too. On an error the current
// Snapshot stays.
func (l *Live) Reload() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.Status()
	s.Reloads++
	s.Failed, s.Err = time.Time{}, l.replace()
	if s.Err != nil {
		s.Failures++
		s.Failed = l.now()
	} else {
		s.Loaded = l.now()
	}
	l.status.Store(&s)
	select {
	case l.reloaded <- struct{}{}:
	default: // one signal says it all
	}
	return s.Err
}

// replace needs mu.
func (l *Live) replace() error {
	next, err := l.loadNext()
	var wrong *Error
	switch {
	case err == nil:
		l.sources = next.sources
	case errors.As(err, &wrong) && wrong.sources != nil:
		l.sources = wrong.sources
		return err
	default:
		return err
	}
	if err := l.apply(l.Current(), next); err != nil {
		return err
	}
	l.current.Store(next)
	return nil
}

func (l *Live) loadNext() (*Snapshot, error) {
	c, err := l.load()
	if err != nil {
		return nil, err
	}
	return c.Compile()
}
