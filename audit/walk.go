package audit

import (
	"crypto/sha256"
	"hash"
	"slices"
)

// An item is a line that was read: a link of a chain, or several octets that
// are none (junk).
type item struct {
	link
	junk bool
	file string
	line int
	rec  *record // if it is a record of the trail's own
	sign error   // what is wrong with a checkpoint's signature
	time string
	torn *torn // of junk
}

// torn adds up octets that are no line, to compare them with a record of what a
// crash left.
type torn struct {
	octets int64
	hash   hash.Hash
	lines  int
	open   bool // the last piece had no line end
}

func newTorn() *torn { return &torn{hash: sha256.New()} }

// add appends a piece. Line ends between pieces count, the last one does not:
// whoever wrote on has set it.
func (t *torn) add(line []byte, whole bool) {
	if t.lines > 0 && !t.open {
		t.hash.Write([]byte("\n"))
		t.octets++
	}
	t.hash.Write(line)
	t.octets += int64(len(line))
	t.lines++
	t.open = !whole
}

func (t *torn) is(r *record) bool {
	var s sum
	t.hash.Sum(s[:0])
	return r != nil && r.Event == kindTorn && r.Torn == t.octets && r.SHA256 == s.String()
}

// window is how many lines after a fault are looked at to tell what it is. A
// line that was moved farther counts as removed at one place and added at the
// other.
const window = 1000

// A walk follows one chain. What follows the line before is accepted at once;
// from the first that does not, lines are held back until there are enough to
// tell why.
type walk struct {
	report *ChainReport
	head   head
	start  item // the first that is there
	last   item // the last that was accepted; its seq is 0 before the first
	held   []item
	marks  map[uint64]mark // checkpoints that were accepted
	// foreign is the first checkpoint behind the last true one that is signed with
	// a key that was not given.
	foreign *item
}

// A mark is a checkpoint's hash, and where it is.
type mark struct {
	hash sum
	file string
	line int
}

func newWalk(chain string) *walk {
	return &walk{report: &ChainReport{Chain: chain, Findings: []Finding{}}, head: head{chain: chain}, marks: map[uint64]mark{}}
}

func (w *walk) feed(i item) {
	switch {
	case len(w.held) > 0:
		if w.held = append(w.held, i); len(w.held) >= window {
			w.settle(window / 2)
		}
	case !i.junk && w.last.seq == 0 && w.head.seq == 0:
		w.first(i)
	case !i.junk && i.follows(w.head):
		w.accept(i)
	default:
		w.held = append(w.held, i)
	}
}

// finish is called behind the last line. keys tells that keys were given: then
// what is signed with none of them is what somebody without a key would leave.
func (w *walk) finish(keys bool) {
	w.settle(0)
	switch {
	case !keys || w.last.seq == 0:
	case w.foreign != nil:
		w.find(Rewritten, *w.foreign, "this checkpoint "+w.foreign.sign.Error()+", and none after it is signed with one that was: "+
			w.since()+". If the key was changed, give the new public key too")
	case w.report.Signed == 0:
		w.find(Rewritten, w.start, "no checkpoint of this chain is signed with a key that was given: anybody may have written it")
	}
	w.report.Unproven = w.report.Last - min(w.report.Last, max(w.report.Proven, w.report.First-1))
}

// settle tells what is wrong with what is held, until at most rest items are.
func (w *walk) settle(rest int) {
	for len(w.held) > rest {
		next := w.held[0]
		switch {
		case !next.junk && w.last.seq == 0:
			w.held = w.held[1:]
			w.first(next)
		case !next.junk && next.follows(w.head):
			w.held = w.held[1:]
			w.accept(next)
		case next.junk:
			w.held = w.held[w.junk(w.held):]
		default:
			w.fault()
		}
	}
	w.held = slices.Clone(w.held) // let go of what was settled
}

func (w *walk) find(kind string, at item, text string) {
	w.report.find(Finding{Kind: kind, File: at.file, Line: at.line, Seq: at.seq, Text: text})
}

// accept takes the next line of the chain.
func (w *walk) accept(i item) {
	if i.rec != nil && i.rec.Event == kindTorn {
		w.find(Changed, i, "what a crash has left before this line, as it says, is not there any more")
	}
	w.take(i)
}

// unannounced looks for what somebody has written while no process did: where
// one has ended, or a crash was noticed, a checkpoint comes first.
func (w *walk) unannounced(i, before item) {
	if before.rec == nil || i.prev != before.hash || i.rec != nil && (i.rec.Event == kindCheckpoint || i.rec.Event == kindTorn) {
		return
	}
	switch {
	case before.rec.Event == kindCheckpoint && before.rec.Why == whyStop:
		w.find(Added, i, "the process had ended in good order, and did not write this line: a checkpoint would be here")
	case before.rec.Event == kindTorn:
		w.find(Added, i, "a crash was noticed before this line, and a checkpoint would follow that")
	}
}

// take goes on from a line, whether or not it follows.
func (w *walk) take(i item) {
	r := w.report
	before := w.last
	w.unannounced(i, before)
	w.head, w.last = i.head(), i
	r.Last, r.End = i.seq, i.time
	if i.rec == nil {
		return
	}
	switch i.rec.Event {
	case kindChain:
		r.Sink = i.rec.Sink
	case kindCheckpoint:
		w.checkpoint(i, before)
	case kindGap:
		r.Gaps++
		r.Dropped += i.rec.Gap
	case kindTorn:
		r.Torn++
	case kindFileLost:
		r.LostFiles++
	case kindPruned:
		r.Pruned = max(r.Pruned, i.rec.Last)
	case kindClock:
		r.ClockSet++
	}
	r.Stopped = i.rec.Event == kindCheckpoint && i.rec.Why == whyStop
}
