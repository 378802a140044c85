package config

import (
	"crypto/tls"
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// Live is a configuration that may change while the program runs. It holds the
// current Snapshot; a reload replaces it as a whole or not at all.
type Live struct {
	load  func() (*Snapshot, error)
	apply func(old, new *Snapshot) error
	now   func() time.Time

	current atomic.Pointer[Snapshot]

	mu      sync.Mutex // held for a whole reload: they happen one by one
	status  atomic.Pointer[Status]
	sources *sources // of the last attempt, good or bad; guarded by mu
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

// Open loads the first Snapshot, with load, which may be LoadSnapshot of some
// path or the compilation of a Config made otherwise. apply carries a new
// Snapshot out (opens and closes sockets) before it becomes the current one; if
// it fails, it must have changed nothing, and nothing changes. Its old is nil
// the first time. It must not call the Live's methods but Current.
func Open(load func() (*Snapshot, error), apply func(old, new *Snapshot) error) (*Live, error) {
	return open(load, apply, time.Now)
}

func open(load func() (*Snapshot, error), apply func(old, new *Snapshot) error, now func() time.Time) (*Live, error) {
	l := &Live{load: load, apply: apply, now: now}
	l.status.Store(&Status{})
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
	return l.reload()
}

// reload needs mu.
func (l *Live) reload() error {
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
	return s.Err
}

// replace needs mu.
func (l *Live) replace() error {
	next, err := l.load()
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

// TLS returns a configuration for the listener with that name which follows
// reloads: each handshake uses the certificate that is current. Because it
// stays the same itself, so do its session ticket keys, and clients resume
// their TLS sessions across a reload.
func (l *Live) TLS(listener string) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
			for _, current := range l.Current().Listeners {
				if current.Name == listener && current.TLS != nil {
					return current.TLS, nil
				}
			}
			return nil, errors.New("this listener has no TLS any more")
		},
	}
}
