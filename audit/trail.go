package audit

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"sync/atomic"
)

// A Trail gives lines to sinks. It is a Recorder. Its sinks may be replaced
// while it is in use; those that stay the same notice nothing.
type Trail struct {
	report func(Trouble)
	clock  clock
	host   string
	stdout *os.File

	mu      sync.RWMutex // held for reading while an event is given to sinks
	encoder *Encoder
	list    atomic.Pointer[[]*sink] // changes with mu; a sink's own goroutine reads it without
}

// NewTrail returns a trail without sinks. report is called when a sink gets into
// trouble and when it is out of it, from several goroutines.
func NewTrail(report func(Trouble)) *Trail {
	host, err := os.Hostname()
	if err != nil {
		host = "-"
	}
	t := &Trail{report: report, clock: systemClock(), host: host, stdout: os.Stdout, encoder: &Encoder{}}
	t.list.Store(new([]*sink))
	return t
}

func (t *Trail) sinks() []*sink { return *t.list.Load() }

// Record implements Recorder.
func (t *Trail) Record(e Event) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if len(t.sinks()) == 0 {
		return
	}
	object := t.encoder.Append(make([]byte, 0, 1024), e)
	t.give(object, e.Kind() == KindSessionEnded)
}

// give needs mu for reading. Sinks that make nobody wait come first.
func (t *Trail) give(object []byte, end bool) {
	if len(object) > MaxLine {
		object = nil // it leaves a gap
	}
	for _, s := range t.sinks() {
		e := entry{object: object, end: end}
		if s.waits.Load() {
			e.done = make(chan struct{})
		}
		s.put(e)
	}
}

// attest gives a sink's checkpoint to another one.
func (t *Trail) attest(to string, object []byte) {
	for _, s := range t.sinks() {
		if s.name == to {
			s.put(entry{object: object, witness: true})
		}
	}
}

// A Change is what Prepare has made ready. Changes are made one by one.
type Change struct {
	trail   *Trail
	next    []*sink
	retuned map[*sink]Settings
	opened  []*sink
}

// Prepare opens the sinks that are not open yet. Nothing else changes before
// the Change is made.
func (t *Trail) Prepare(all []Settings) (*Change, error) {
	c := &Change{trail: t, retuned: map[*sink]Settings{}}
	for _, set := range all {
		s := t.running(set)
		if s != nil {
			c.retuned[s] = set
			c.next = append(c.next, s)
			continue
		}
		s, err := t.open(set)
		if err != nil {
			c.Discard()
			return nil, fmt.Errorf("audit sink %s: %w", set.Name, err)
		}
		c.opened = append(c.opened, s)
		c.next = append(c.next, s)
	}
	slices.SortStableFunc(c.next, func(a, b *sink) int { return cmp.Compare(a.patience.Load(), b.patience.Load()) })
	return c, nil
}

// running returns the sink that set is about, if there is one.
func (t *Trail) running(set Settings) *sink {
	for _, s := range t.sinks() {
		if s.name == set.Name && s.to == set.To && s.target == set.Target {
			return s
		}
	}
	return nil
}

// open opens a sink, and does not start it.
func (t *Trail) open(set Settings) (*sink, error) {
	var out output
	var err error
	r := &recovered{whole: true}
	switch set.To {
	case ToFile:
		out, r, err = openFile(set.Path)
	case ToState:
		out, r, err = openTable(set.Table)
	case ToSyslog:
		out = newSyslog(set, t.host)
	case ToStdout:
		out = &stream{w: t.stdout}
	default:
		err = fmt.Errorf("%q is nothing that a sink can write to", set.To)
	}
	if err != nil {
		return nil, err
	}
	if r.head.seq == 0 {
		r.head = newHead()
	}
	s := newSink(set, out, r.head, t.clock, t.report)
	s.witness, s.beginning = t.attest, r.beginning(set, t.host)
	s.used = r.head.seq > 0 && !r.anew
	return s, nil
}

// Discard closes what Prepare has opened.
func (c *Change) Discard() {
	for _, s := range c.opened {
		_ = s.out.close() // nothing was written
	}
}

// Make replaces the sinks and the encoder. Sinks that are left out write what
// they have, and end.
func (c *Change) Make(encoder *Encoder) error {
	t := c.trail
	t.mu.Lock()
	left := slices.DeleteFunc(slices.Clone(t.sinks()), func(s *sink) bool { return slices.Contains(c.next, s) })
	t.encoder = encoder
	t.list.Store(&c.next)
	t.mu.Unlock()
	for _, s := range c.opened {
		s.start() // its first checkpoint looks for its witness among the new ones
	}
	for s, set := range c.retuned {
		s.retune(set)
	}
	return closeAll(left)
}

// Close ends all sinks. Nothing is recorded any more. What was recorded is
// witnessed before: a tail could be cut off while nothing runs.
func (t *Trail) Close() error {
	signOffAll(t.sinks())
	t.mu.Lock()
	sinks := t.sinks()
	t.list.Store(new([]*sink))
	t.mu.Unlock()
	return closeAll(sinks)
}

func signOffAll(sinks []*sink) {
	ctx, cancel := context.WithTimeout(context.Background(), signOffTime)
	defer cancel()
	var all sync.WaitGroup
	for _, s := range sinks {
		all.Go(func() { s.prepareClose(ctx) })
	}
	all.Wait()
}

// closeAll ends sinks side by side.
func closeAll(sinks []*sink) error {
	ctx, cancel := context.WithTimeout(context.Background(), closeTime)
	defer cancel()
	errs := make([]error, len(sinks))
	var all sync.WaitGroup
	for i, s := range sinks {
		all.Go(func() { errs[i] = s.close(ctx) })
	}
	all.Wait()
	return errors.Join(errs...)
}

// Stats returns the counters of all sinks.
func (t *Trail) Stats() []Stats {
	var all []Stats
	for _, s := range t.sinks() {
		all = append(all, s.stats())
	}
	return all
}
