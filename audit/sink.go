package audit

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"
)

// An output is where a sink's lines go.
type output interface {
	// write hands lines to the system, in order, and returns how many it took,
	// which are not written again.
	write(lines [][]byte) (int, error)
	// sync makes sure of what was written.
	sync() error
	close() error
}

// A clock tells the time of day, which may be set, and the time since some
// moment, which only goes on.
type clock func() (day time.Time, since time.Duration)

func systemClock() clock {
	start := time.Now()
	return func() (time.Time, time.Duration) {
		now := time.Now()
		return now.Round(0), now.Sub(start)
	}
}

const (
	// batchOctets is how much is written at a time: enough to make a write's own
	// cost small, and little beside the queue.
	batchOctets = 256 << 10
	// linger lets the lines of one command, or of a whole poll, come together.
	linger = 20 * time.Millisecond
	// retryAfter a write that failed.
	retryAfter = time.Second
	// closeTime is how long a sink that ends may take for what is queued.
	closeTime = 5 * time.Second
	// signOffTime is how long all sinks together may take to tell their witnesses.
	signOffTime = 2 * time.Second
	// lookAfter is how often a file is looked after: whether it is still there,
	// too old, or kept for long enough.
	lookAfter = time.Minute
	// clockStep is by how much time of day and time gone by may drift apart
	// before the clock was set: more than NTP slews in a minute.
	clockStep = 2 * time.Second
)

// A sink writes lines to one output, as one chain. Its goroutine alone touches
// what is not atomic.
type sink struct {
	name, to, target string // as in set
	set              Settings
	queue            *queue
	out              output
	file             *file // out, if it is one
	clock            clock
	report           func(Trouble)
	witness          func(to string, line []byte)

	retuned  chan Settings
	closing  chan chan struct{} // all sinks are about to end
	stop     chan struct{}
	finished chan struct{}
	patience atomic.Int64 // of whoever records
	waits    atomic.Bool  // until it is on disk

	head    head
	pending pending
	// beginning are the first lines; nil when they are pending or written.
	beginning func(p *pending, day time.Time)

	plain      int           // lines since the last checkpoint
	plainSince time.Duration // when the first of them was written
	dirty      bool          // something was written and not made sure of
	dirtySince time.Duration
	waiting    []chan struct{} // closed when it was made sure of
	ended      bool            // a session ended since
	unsure     bool            // the last attempt to make sure failed
	used       bool            // the file has more than its beginning
	retry      time.Duration   // when to try again; 0: at once
	looked     time.Duration   // when old lines were looked for; 0: not yet

	rotateAfter time.Duration // no attempt to close the file before
	batch       []entry
	lastDay     time.Time
	lastSince   time.Duration

	counters
}

// counters are read by others.
type counters struct {
	lines, octets, errors, checkpoints atomic.Uint64
	failing                            atomic.Bool
	synced                             atomic.Int64 // nanoseconds since 1970
	told                               atomic.Int64 // when a drop was reported, in time gone by
}

// pending is what was linked to the chain and is not yet written.
type pending struct {
	lines [][]byte
	next  int // the first that is to be written
	head  head
	plain int
	waits []chan struct{}
	ended bool
	// then is done when all is written.
	then func()
}

func newSink(set Settings, out output, h head, c clock, report func(Trouble)) *sink {
	s := &sink{name: set.Name, to: set.To, target: set.Target, set: set, queue: newQueue(set.Queue), out: out, head: h, clock: c, report: report,
		retuned: make(chan Settings, 1), closing: make(chan chan struct{}), stop: make(chan struct{}), finished: make(chan struct{})}
	s.file, _ = out.(*file)
	s.tell(set)
	s.lastDay, s.lastSince = c()
	return s
}

// tell lets those who record know what is asked of them.
func (s *sink) tell(set Settings) {
	s.patience.Store(int64(set.Patience))
	s.waits.Store(set.Sync == SyncEvent)
}

// start begins to write. A file's leftovers of an earlier life are put in order.
func (s *sink) start() {
	if s.file != nil && s.set.Compress {
		s.file.packLeft(s.packFailed)
	}
	go s.run()
}

func (s *sink) packFailed(err error) { s.report(Trouble{s.name, err, 0}) }

// put is called by whoever has a line. It returns when the line is queued or
// dropped, or, if that is wanted, on disk.
func (s *sink) put(e entry) {
	patience := time.Duration(s.patience.Load())
	if e.witness {
		patience = 0 // two sinks must not wait for each other
	}
	taken, waited := s.queue.put(e, patience)
	if !taken || waited {
		s.tellFull()
	}
	if !taken || e.done == nil || s.queue.isStuck() {
		return
	}
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	select {
	case <-e.done:
	case <-timeout.C:
		s.queue.setStuck()
		s.tellFull()
	case <-s.finished:
	}
}

var errFull = errors.New("cannot keep up: sessions wait for it, or lines are dropped")

// tellFull reports at most once a minute.
func (s *sink) tellFull() {
	_, now := s.clock()
	last := s.told.Load()
	if last != 0 && now-time.Duration(last) < time.Minute || !s.told.CompareAndSwap(last, int64(now)+1) {
		return
	}
	_, _, dropped := s.queue.counts()
	s.report(Trouble{s.name, errFull, dropped})
}

// retune gives a running sink other settings; its target stays.
func (s *sink) retune(set Settings) {
	s.tell(set)
	s.queue.resize(set.Queue)
	for {
		select {
		case s.retuned <- set:
			return
		case <-s.retuned: // one that was not taken up yet is overtaken
		}
	}
}

func (s *sink) run() {
	defer close(s.finished)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-s.queue.wake:
			s.linger()
		case <-timer.C:
		case set := <-s.retuned:
			s.set = set
		case done := <-s.closing:
			s.signOff()
			close(done)
		case <-s.stop:
			s.end()
			return
		}
		s.work()
		timer.Reset(s.rest())
	}
}

// linger waits for more lines, where nobody waits for these. It is not woken by
// each of them: that would cost a session more than its line does.
func (s *sink) linger() {
	wait := linger
	switch {
	case s.set.Sync == SyncEvent || s.queue.full():
		return
	case s.set.To == ToState && s.set.Sync == SyncInterval:
		wait = s.set.Interval // each write there is a commit
	}
	more := time.NewTimer(wait)
	defer more.Stop()
	select {
	case <-more.C:
	case <-s.stop:
	case <-s.queue.brim:
	}
}

// work writes what there is, and does what is due.
func (s *sink) work() {
	if _, now := s.clock(); s.retry > now {
		return
	}
	for s.step() {
	}
}

// step tells whether there may be more to do at once. Nothing is linked to the
// chain before all that was linked is written.
func (s *sink) step() bool {
	return s.begin() && s.flush() && s.duties() && s.rotate() && s.prune() && s.fill()
}

func (s *sink) begin() bool {
	if s.beginning == nil {
		return true
	}
	build := s.beginning
	s.beginning = nil
	var line []byte
	return s.write(func(p *pending, day time.Time) {
		build(p, day)
		line = p.lines[len(p.lines)-1]
	}, func() {
		s.plain = 0
		if s.set.Witness != "" {
			s.attest(line)
		}
	})
}

// duties makes sure of what was written, and signs it.
func (s *sink) duties() bool {
	_, now := s.clock()
	if s.plain > 0 && now-s.plainSince >= s.set.Within && !s.checkpoint(whyTime) {
		return false
	}
	return !s.syncDue(now) || s.sync()
}

func (s *sink) syncDue(now time.Duration) bool {
	switch s.set.Sync {
	case SyncSession:
		return s.dirty && s.ended
	case SyncInterval:
		return s.dirty && now-s.dirtySince >= s.set.Interval
	}
	return s.dirty
}

// rest is how long nothing is due, if nobody brings a line.
func (s *sink) rest() time.Duration {
	_, now := s.clock()
	wait := lookAfter
	if s.failing.Load() {
		wait = min(wait, s.retry-now)
	}
	if s.plain > 0 && !s.failing.Load() {
		wait = min(wait, s.plainSince+s.set.Within-now)
	}
	if s.dirty && s.set.Sync == SyncInterval && !s.failing.Load() {
		wait = min(wait, s.dirtySince+s.set.Interval-now)
	}
	return max(wait, time.Millisecond)
}

// fill takes the next lines from the queue, and tells whether there were any.
func (s *sink) fill() bool {
	s.batch = s.queue.take(s.batch[:0], batchOctets)
	if len(s.batch) == 0 {
		return false
	}
	day, since := s.clock()
	p := pending{head: s.head}
	s.noteClock(&p, day, since)
	for _, e := range s.batch {
		p.add(e, day)
	}
	clear(s.batch)
	s.pending = p
	return true
}

func (p *pending) add(e entry, day time.Time) {
	if e.object == nil {
		p.record(record{Event: kindGap, Gap: e.gap}, day)
	} else {
		p.lines = append(p.lines, p.head.link(e.object))
	}
	if !e.witness {
		p.plain++
	}
	if e.done != nil {
		p.waits = append(p.waits, e.done)
	}
	p.ended = p.ended || e.end
}

func (p *pending) record(r record, day time.Time) {
	p.lines = append(p.lines, p.head.link(r.encode(day)))
}

// noteClock writes down that the clock was set. Nothing but times of day
// depends on it: the order of lines is that of their numbers.
func (s *sink) noteClock(p *pending, day time.Time, since time.Duration) {
	step := day.Sub(s.lastDay) - (since - s.lastSince)
	if step.Abs() > clockStep {
		p.record(record{Event: kindClock, Seconds: step.Seconds()}, day)
		p.plain++
	}
	s.lastDay, s.lastSince = day, since
}

// flush writes what is pending, and tells whether all of it is written.
func (s *sink) flush() bool {
	p := &s.pending
	if p.next == len(p.lines) {
		return true
	}
	n, err := s.out.write(p.lines[p.next:])
	for _, line := range p.lines[p.next : p.next+n] {
		s.lines.Add(1)
		s.octets.Add(uint64(len(line)))
	}
	p.next += n
	if err != nil {
		s.fail(err)
		return false
	}
	s.wrote(p)
	return true
}

// wrote is what follows when pending is written.
func (s *sink) wrote(p *pending) {
	s.succeed()
	_, now := s.clock()
	if s.plain == 0 {
		s.plainSince = now
	}
	if !s.dirty {
		s.dirty, s.dirtySince = true, now
	}
	s.head = p.head
	s.plain += p.plain
	s.used = s.used || p.plain > 0
	s.waiting = append(s.waiting, p.waits...)
	s.ended = s.ended || p.ended
	then := p.then
	s.pending = pending{}
	if then != nil {
		then()
	}
	if s.set.Every > 0 && s.plain >= s.set.Every {
		s.checkpoint(whyLines)
	}
}

func (s *sink) fail(err error) {
	_, now := s.clock()
	s.errors.Add(1)
	s.retry = now + retryAfter
	if !s.failing.Swap(true) {
		_, _, dropped := s.queue.counts()
		s.report(Trouble{s.name, err, dropped})
	}
}

func (s *sink) succeed() {
	if s.unsure {
		return
	}
	s.retry = 0
	if s.failing.Swap(false) {
		_, _, dropped := s.queue.counts()
		s.report(Trouble{s.name, nil, dropped})
	}
}

// write links records to the chain and writes them, followed by what was
// pending before. It tells whether all is written.
func (s *sink) write(build func(p *pending, day time.Time), then func()) bool {
	day, _ := s.clock()
	s.pending = pending{head: s.head, then: then}
	build(&s.pending, day)
	return s.flush()
}

// checkpoint signs all that was written.
func (s *sink) checkpoint(why string) bool {
	var line []byte
	return s.write(func(p *pending, day time.Time) {
		line = p.head.checkpoint(s.set.Signer, why, day)
		p.lines = append(p.lines, line)
	}, func() {
		s.plain = 0
		s.checkpoints.Add(1)
		s.attest(line)
	})
}

// attest gives a checkpoint that was written to the other sink, if it is on disk
// here: that one must not witness what a power cut takes away.
func (s *sink) attest(line []byte) {
	if s.sync() && s.set.Witness != "" {
		day, _ := s.clock()
		s.witness(s.set.Witness, record{Event: kindWitness, Sink: s.set.Name, Line: string(line)}.encode(day))
	}
}

// sync makes sure of what was written, and tells who waits for it.
func (s *sink) sync() bool {
	if s.dirty {
		err := s.out.sync()
		if s.unsure = err != nil; s.unsure {
			s.fail(fmt.Errorf("make sure of what was written: %w", err))
			return false
		}
		day, _ := s.clock()
		s.synced.Store(day.UnixNano())
		s.dirty, s.ended = false, false
		s.succeed()
	}
	for _, done := range s.waiting {
		close(done)
	}
	s.waiting = s.waiting[:0]
	return true
}

// end writes what is queued, as far as it can be written at once.
func (s *sink) end() {
	s.retry = 0
	s.work()
	left, _, dropped := s.queue.counts()
	if left += len(s.pending.lines) - s.pending.next; left > 0 || s.failing.Load() {
		s.report(Trouble{s.name, fmt.Errorf("ends, and %d lines are not written", left), dropped})
	} else {
		s.checkpoint(whyStop)
	}
	if err := s.out.close(); err != nil {
		s.report(Trouble{s.name, fmt.Errorf("close: %w", err), dropped})
	}
}

// signOff has the witness hear of all that was recorded, while it still listens.
func (s *sink) signOff() {
	if s.work(); s.set.Witness != "" && s.plain > 0 && !s.failing.Load() {
		s.checkpoint(whyWitness)
	}
}

// prepareClose is done for all sinks before the first is closed, within ctx.
func (s *sink) prepareClose(ctx context.Context) {
	signal(s.queue.brim)
	done := make(chan struct{})
	select {
	case s.closing <- done:
	case <-ctx.Done():
		return
	}
	select {
	case <-done:
	case <-ctx.Done():
	}
}

// close ends the sink, within ctx.
func (s *sink) close(ctx context.Context) error {
	s.queue.close()
	close(s.stop)
	select {
	case <-s.finished:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("audit sink %s: does not end: its output takes nothing", s.name)
	}
}

func (s *sink) stats() Stats {
	st := Stats{Name: s.name, To: s.to, Lines: s.lines.Load(), Octets: s.octets.Load(), Errors: s.errors.Load(),
		Checkpoints: s.checkpoints.Load(), Failing: s.failing.Load()}
	st.QueuedLines, st.QueuedOctets, st.Dropped = s.queue.counts()
	if at := s.synced.Load(); at != 0 {
		st.Synced = time.Unix(0, at)
	}
	return st
}
