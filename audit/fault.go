package audit

import (
	"errors"
	"fmt"
	"slices"
)

// first takes the first line of the chain that is there.
func (w *walk) first(i item) {
	w.start = i
	w.report.First, w.report.Begin = i.seq, i.time
	isCheckpoint := i.rec != nil && i.rec.Event == kindCheckpoint
	switch {
	case i.seq == 1 && i.prev != sum{}:
		w.find(Changed, i, "the first line of a chain names a line before it")
	case i.seq > 1 && !isCheckpoint:
		w.find(Removed, i, fmt.Sprintf("the trail begins with line %d of its chain, which is no checkpoint: lines before it were removed", i.seq))
	case i.seq > 1 && i.sign == nil:
		w.report.Proven = i.seq // it also proves that nothing before matters
	}
	w.take(i)
}

// checkpoint looks at a signature.
func (w *walk) checkpoint(i, before item) {
	r := w.report
	switch {
	case i.sign == nil:
		if i.rec.Why == whyResume && before.seq != 0 && (before.rec == nil || before.rec.Event != kindCheckpoint) {
			r.Late += i.seq - 1 - max(r.Proven, r.First-1)
		}
		r.Signed++
		r.Proven, r.ProvenAt, w.foreign = i.seq, i.time, nil
	case errors.Is(i.sign, errUnknownKey):
		r.Unknown++
		if w.foreign == nil {
			w.foreign = &i
		}
	case errors.Is(i.sign, errUnsigned) && r.Signed == 0:
		r.Unsigned++
	case errors.Is(i.sign, errUnsigned):
		r.Unsigned++
		w.find(Rewritten, i, "this checkpoint "+i.sign.Error()+", and one before it is: "+w.since())
	default:
		w.find(Rewritten, i, "this checkpoint "+i.sign.Error()+": "+w.since())
	}
	if len(w.marks) < maxMarks {
		w.marks[i.seq] = mark{i.hash, i.file, i.line}
	}
}

// maxMarks bounds memory: a checkpoint a minute for four years.
const maxMarks = 2_000_000

func (w *walk) since() string {
	if w.report.Proven == 0 {
		return "it, or something before it, was rewritten"
	}
	return fmt.Sprintf("it, or something behind the true checkpoint at line %d of the chain, was rewritten", w.report.Proven)
}

// junk tells what octets are that are no line, at the beginning of held, and
// returns how many items are settled by it.
func (w *walk) junk(held []item) int {
	j := held[0]
	if len(held) == 1 {
		w.junkAtEnd(j)
		return 1
	}
	next := held[1]
	switch {
	case w.last.seq == 0:
		w.find(Added, j, "this is not a line of an audit trail")
		return 1
	case next.follows(w.head) && j.torn.is(next.rec):
		w.take(next)
		return 2
	case next.follows(w.head):
		w.find(Added, j, fmt.Sprintf("this is not a line of the trail; line %d of the chain follows undisturbed", next.seq))
		w.take(next)
		return 2
	case next.seq == w.head.seq+2:
		j.seq = w.head.seq + 1
		w.find(Changed, j, fmt.Sprintf("line %d of the chain should be here, and this is no line of a trail", j.seq))
		w.take(next)
		return 2
	}
	w.find(Changed, j, "this is not a line of the trail")
	return 1
}

// junkAtEnd: half a line at the very end is what a running process, or a crash,
// leaves. It may also have been cut.
func (w *walk) junkAtEnd(j item) {
	if j.torn.open && j.torn.lines == 1 {
		w.report.HalfLine = true
		return
	}
	w.find(Added, j, "what is here behind the last line is not a line of the trail")
}

// fault tells why held[0], which is a link, does not follow.
func (w *walk) fault() {
	next := slices.IndexFunc(w.held, func(i item) bool { return !i.junk && i.follows(w.head) })
	i := w.held[0]
	switch expected := w.head.seq + 1; {
	case next > 0:
		w.intruder(next)
	case i.seq < expected:
		w.again(i)
	case i.seq == expected:
		w.changed(i)
	case len(w.held) > 1 && w.held[1].seq == expected+1:
		i.seq = expected
		w.find(Changed, i, fmt.Sprintf("line %d of the chain should be here, and this one says that it is another", expected))
		w.skipTo(1)
	default:
		missing := i
		missing.seq = expected
		w.find(Removed, missing, fmt.Sprintf("%s of the chain should be before this one, and %s not there", lines(expected, i.seq-1), isOrAre(expected, i.seq-1)))
		w.skipTo(0)
	}
}

// skipTo goes on from a held item as if it followed.
func (w *walk) skipTo(at int) {
	i := w.held[at]
	w.held = w.held[at+1:]
	w.take(i)
}

// intruder: the line that follows is there, at next; something stands before
// it. If what stands there continues some line that is farther on, its place is
// behind that one.
func (w *walk) intruder(next int) {
	i := w.held[0]
	parent := slices.IndexFunc(w.held, func(p item) bool { return !p.junk && p.hash == i.prev && p.seq+1 == i.seq })
	if parent < 0 || w.replaced(parent, i) {
		w.find(Added, i, fmt.Sprintf("line %d of the chain should be here, which comes later; this one is not of the chain", w.head.seq+1))
		w.held = w.held[1:]
		return
	}
	w.find(Reordered, i, fmt.Sprintf("this is line %d of the chain; line %d should be here, which comes later", i.seq, w.head.seq+1))
	if parent == next { // only that one is not at its place
		moved := w.held[next]
		w.held = slices.Insert(slices.Delete(slices.Clone(w.held), next, next+1), 0, moved)
		return
	}
	w.held = slices.Insert(slices.Clone(w.held[1:]), parent, i)
}

// replaced tells whether another line than i follows the held one at parent
// where it stands: then i is a second copy.
func (w *walk) replaced(parent int, i item) bool {
	return parent+1 < len(w.held) && !w.held[parent+1].junk && w.held[parent+1].hash == i.hash
}

// again: a number that was there already.
func (w *walk) again(i item) {
	goesOn := len(w.held) > 1 && !w.held[1].junk && w.held[1].follows(i.head())
	switch {
	case i.seq == w.last.seq && i.prev == w.last.prev && i.hash != w.last.hash && goesOn:
		w.find(Added, w.last, fmt.Sprintf("there are two lines %d of the chain, and it goes on from the other one", i.seq))
		w.skipTo(0)
	case goesOn:
		w.find(Added, i, fmt.Sprintf("line %d of the chain was there already; it goes on from here a second time", i.seq))
		w.skipTo(0)
	default:
		w.find(Added, i, fmt.Sprintf("line %d of the chain was there already", i.seq))
		w.held = w.held[1:]
	}
}

// changed: the number is right, and the hash of the line before is not. Which
// of the two was changed tells the line after: it holds the hash of this one.
func (w *walk) changed(i item) {
	broken := len(w.held) > 1 && !w.held[1].junk && w.held[1].seq == i.seq+1 && w.held[1].prev != i.hash
	sound := w.last.rec != nil && w.last.rec.Event == kindCheckpoint && w.last.sign == nil
	switch {
	case sound:
		w.find(Changed, i, fmt.Sprintf("line %d of the chain is not as it was written", i.seq))
	case broken:
		w.find(Changed, i, fmt.Sprintf("line %d of the chain is not as it was written; whether the line before it is cannot be told", i.seq))
	default:
		w.find(Changed, w.last, fmt.Sprintf("line %d of the chain is not as it was written: the next line holds another hash of it", w.last.seq))
	}
	w.skipTo(0)
}

func lines(from, to uint64) string {
	if from == to {
		return fmt.Sprintf("line %d", from)
	}
	return fmt.Sprintf("lines %d to %d", from, to)
}

func isOrAre(from, to uint64) string {
	if from == to {
		return "is"
	}
	return "are"
}
