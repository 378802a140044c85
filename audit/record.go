package audit

import "slices"

// A Recorder takes note of facts: the trail writes them down, metrics count
// them. It is safe for concurrent use, and is called where the fact happens, in
// a session's own goroutine: what it does when it is slow or fails is its own
// choice, so there is no error. It must not keep or change the event after
// Record has returned.
//
// Where nothing is recorded a Recorder is nil, and nobody makes events.
type Recorder interface{ Record(Event) }

// A Counter is a Recorder that only counts. For it alone nobody finds out what a
// message is called, what its header says, or its hash.
type Counter interface {
	Recorder
	OnlyCounts()
}

// Detailed tells whether somebody wants to know more than that a fact happened.
func Detailed(r Recorder) bool {
	if all, several := r.(Recorders); several {
		return slices.ContainsFunc(all, Detailed)
	}
	_, counts := r.(Counter)
	return r != nil && !counts
}

// Recorders gives each event to all of them, in order.
type Recorders []Recorder

// Record implements Recorder.
func (all Recorders) Record(e Event) {
	for _, r := range all {
		r.Record(e)
	}
}

// Join makes one Recorder of those that are not nil; nil if there are none.
func Join(recorders ...Recorder) Recorder {
	var all Recorders
	for _, r := range recorders {
		if r != nil {
			all = append(all, r)
		}
	}
	switch len(all) {
	case 0:
		return nil
	case 1:
		return all[0]
	}
	return all
}
