package audit

import (
	"sync"
	"time"
)

// An entry is a line that waits for its sink, or what is left of lines that
// were dropped.
type entry struct {
	object  []byte
	gap     uint64        // lines dropped here; object is nil then
	end     bool          // of a session
	witness bool          // another sink's checkpoint
	done    chan struct{} // closed when it is on disk; nil if nobody waits
}

// entryCost is what an entry takes beside its octets.
const entryCost = 96

func (e entry) cost() int { return len(e.object) + entryCost }

// A queue holds what waits for a sink: at most limit octets, and one entry more
// for what was dropped between two lines.
type queue struct {
	mu      sync.Mutex
	entries []entry
	octets  int
	limit   int
	// stuck: nothing was taken for as long as somebody was ready to wait. Until
	// something is, nobody waits.
	stuck   bool
	closed  bool
	dropped uint64        // in all
	room    chan struct{} // closed and replaced when room was made
	wake    chan struct{} // tells the sink that there is something
	brim    chan struct{} // tells the sink not to wait for more
}

func newQueue(limit int) *queue {
	return &queue{limit: limit, room: make(chan struct{}), wake: make(chan struct{}, 1), brim: make(chan struct{}, 1)}
}

// put appends an entry; one without an object is counted as dropped. If there is no room it waits for at most patience, and
// then drops the entry, which leaves a gap at its place. It tells whether the
// entry was taken, and whether it had to wait.
func (q *queue) put(e entry, patience time.Duration) (taken, waited bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if e.object == nil {
		q.drop()
		return false, false
	}
	var timeout <-chan time.Time
	for !q.fits(e) && !q.closed {
		if q.stuck || patience <= 0 {
			break
		}
		if timeout == nil {
			t := time.NewTimer(patience)
			defer t.Stop()
			timeout, waited = t.C, true
		}
		if !q.awaitRoom(timeout) {
			q.stuck = true
		}
	}
	if q.closed || !q.fits(e) {
		q.drop()
		return false, waited
	}
	q.add(e)
	return true, waited
}

// fits: a line that is larger than the whole queue goes in alone.
func (q *queue) fits(e entry) bool { return len(q.entries) == 0 || q.octets+e.cost() <= q.limit }

// awaitRoom lets go of the lock until somebody made room; false means that the
// time is over.
func (q *queue) awaitRoom(timeout <-chan time.Time) bool {
	room := q.room
	q.mu.Unlock()
	defer q.mu.Lock()
	select {
	case <-room:
		return true
	case <-timeout:
		return false
	}
}

func (q *queue) add(e entry) {
	q.entries = append(q.entries, e)
	q.octets += e.cost()
	q.signal()
	if q.octets > q.limit/2 {
		signal(q.brim)
	}
}

// drop counts a line that found no room, where it would have been.
func (q *queue) drop() {
	q.dropped++
	if last := len(q.entries) - 1; last >= 0 && q.entries[last].object == nil {
		q.entries[last].gap++
		return
	}
	q.add(entry{gap: 1})
}

func (q *queue) signal() { signal(q.wake) }

// signal leaves one signal, however many there were.
func signal(to chan struct{}) {
	select {
	case to <- struct{}{}:
	default:
	}
}

// take moves entries of up to most octets, at least one if there is any, to the
// end of into.
func (q *queue) take(into []entry, most int) []entry {
	q.mu.Lock()
	defer q.mu.Unlock()
	n, octets := 0, 0
	for n < len(q.entries) && (n == 0 || octets+q.entries[n].cost() <= most) {
		octets += q.entries[n].cost()
		n++
	}
	if n == 0 {
		return into
	}
	into = append(into, q.entries[:n]...)
	rest := copy(q.entries, q.entries[n:])
	clear(q.entries[rest:])
	q.entries = q.entries[:rest]
	q.octets -= octets
	q.stuck = false
	close(q.room)
	q.room = make(chan struct{})
	return into
}

// close lets nobody wait any more, and drops what comes from now on.
func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	close(q.room)
	q.room = make(chan struct{})
	q.signal()
}

// setStuck is for who has waited in vain for what was queued.
func (q *queue) setStuck() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.stuck = true
}

func (q *queue) isStuck() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.stuck
}

// resize lets more or less wait; what is there already stays.
func (q *queue) resize(limit int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.limit = limit
	close(q.room)
	q.room = make(chan struct{})
}

// full tells whether the sink should not wait for more.
func (q *queue) full() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.octets > q.limit/2
}

func (q *queue) counts() (lines, octets int, dropped uint64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.entries), q.octets, q.dropped
}
