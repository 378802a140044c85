package audit

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
)

// A Verification reads lines and tells whether they are as they were written.
type Verification struct {
	// Keys that checkpoints may be signed with.
	Keys Verifier
	// Whole: all that there is is read. Lines before the first one are missed
	// then, unless the trail says that retention has removed them.
	Whole bool
	// Sinks are the names of those whose lines are all read: a chain of theirs that
	// another one witnesses must be there.
	Sinks []string
	// Cut takes what a syslog server has put before a line away, and passes over
	// lines of others.
	Cut bool

	report    Report
	walks     map[string]*walk
	current   *walk
	witnesses []witnessed
	junk      *item
	file      string
	number    int
}

// witnessed is a checkpoint that another chain has a copy of.
type witnessed struct {
	link
	sink string
	file string
	line int
}

// maxChains bounds memory. A file has one chain; what a syslog server collects
// has one for each start of each instance.
const maxChains = 10_000

var errChains = fmt.Errorf("there are more than %d chains; verify fewer files at a time", maxChains)

// Files reads files, compressed or not, in the order of their chains, whatever
// the order they are named in.
func (v *Verification) Files(paths []string) error {
	ordered, err := v.order(paths)
	if err != nil {
		return err
	}
	for _, path := range ordered {
		err := v.readFile(path)
		if damaged(err) {
			v.damage(err)
		} else if err != nil {
			return err
		}
	}
	return nil
}

func (v *Verification) readFile(path string) error {
	v.begin(path)
	f, err := openLines(path)
	if err != nil {
		return err
	}
	if err := errors.Join(v.read(f), f.Close()); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// damage tells of a file that cannot be read to its end.
func (v *Verification) damage(err error) {
	v.endJunk()
	v.inChain().find(Changed, item{file: v.file, line: v.number + 1}, "nothing from here on can be read: "+err.Error())
}

// order puts files of one chain in the order of their first lines. Files that
// do not begin with a line of a trail keep their places behind.
func (v *Verification) order(paths []string) ([]string, error) {
	type start struct {
		path string
		rank int // of its chain, in the order of naming
		seq  uint64
	}
	ranks := map[string]int{}
	starts := make([]start, len(paths))
	for i, path := range paths {
		l, err := v.firstLink(path)
		if err != nil {
			return nil, err
		}
		rank, known := ranks[l.chain]
		if !known {
			rank = len(ranks)
			ranks[l.chain] = rank
		}
		starts[i] = start{path, rank, l.seq}
	}
	slices.SortStableFunc(starts, func(a, b start) int {
		return cmp.Or(cmp.Compare(a.rank, b.rank), cmp.Compare(a.seq, b.seq))
	})
	ordered := make([]string, len(paths))
	for i, s := range starts {
		ordered[i] = s.path
	}
	return ordered, nil
}

var errEnough = errors.New("enough was read")

// firstLink returns the first link of a file; the zero link if there is none
// among the first lines.
func (v *Verification) firstLink(path string) (first link, err error) {
	err = readFile(path, func(line []byte, number int) error {
		l, err := parseLink(v.cut(line))
		if err == nil {
			first = l
		}
		if err == nil || number == 100 {
			return errEnough
		}
		return nil
	})
	if errors.Is(err, errEnough) || damaged(err) {
		err = nil
	}
	return first, err
}

// cut returns the line that somebody has put something before.
func (v *Verification) cut(line []byte) []byte {
	if at := bytes.Index(line, []byte(`{"chain":"`)); v.Cut && at > 0 {
		return line[at:]
	}
	return line
}

// Read reads lines. name is what findings call them.
func (v *Verification) Read(name string, r io.Reader) error {
	v.begin(name)
	return v.read(r)
}

func (v *Verification) read(r io.Reader) error {
	if err := readLines(r, v.line); err != nil {
		return err
	}
	v.endJunk()
	return nil
}

// Line reads one line of something that has only whole ones.
func (v *Verification) Line(name string, line []byte) error {
	if v.file != name {
		v.begin(name)
	}
	return v.line(line, true)
}

func (v *Verification) begin(name string) {
	if v.walks == nil {
		v.walks = map[string]*walk{}
	}
	v.file, v.number = name, 0
	v.report.Files = append(v.report.Files, name)
}

func (v *Verification) line(line []byte, whole bool) error {
	v.number++
	v.report.Lines++
	line = v.cut(line)
	l, err := parseLink(line)
	if err != nil || !json.Valid(line) {
		v.noLine(line, whole)
		return nil
	}
	v.endJunk()
	i := item{link: l, file: v.file, line: v.number, time: timeOf(line)}
	if r, ok := readRecord(line); ok {
		i.rec = &r
		v.look(&i, line)
	}
	return v.give(i)
}

// look checks what a record of the trail's own holds.
func (v *Verification) look(i *item, line []byte) {
	switch i.rec.Event {
	case kindCheckpoint:
		i.sign = v.Keys.check(line, *i.rec)
	case kindWitness:
		if l, err := parseLink([]byte(i.rec.Line)); err == nil && len(v.witnesses) < maxMarks {
			v.witnesses = append(v.witnesses, witnessed{l, i.rec.Sink, i.file, i.line})
		}
	}
}

func (v *Verification) give(i item) error {
	w := v.walks[i.chain]
	if w == nil {
		if len(v.walks) == maxChains {
			return errChains
		}
		w = newWalk(i.chain)
		v.walks[i.chain] = w
		v.report.Chains = append(v.report.Chains, w.report)
	}
	v.current = w
	w.feed(i)
	return nil
}

// noLine gathers what is no line until there is one again.
func (v *Verification) noLine(line []byte, whole bool) {
	if v.Cut {
		return
	}
	if v.junk == nil {
		v.junk = &item{junk: true, file: v.file, line: v.number, torn: newTorn()}
	}
	v.junk.torn.add(line, whole)
}

// endJunk gives it to the chain that it stands in.
func (v *Verification) endJunk() {
	if v.junk == nil {
		return
	}
	v.inChain().feed(*v.junk)
	v.junk = nil
}

// inChain is the chain of the line before; one without a name if there is none.
func (v *Verification) inChain() *walk {
	if v.current == nil {
		v.current = newWalk("")
		v.walks[""] = v.current
		v.report.Chains = append(v.report.Chains, v.current.report)
	}
	return v.current
}

// Report ends the reading.
func (v *Verification) Report() *Report {
	for _, w := range v.walks {
		w.finish(len(v.Keys) > 0)
		if r := w.report; v.Whole && r.First > 1 && r.Pruned < r.First-1 && len(r.Findings) == 0 {
			r.find(Finding{Kind: Removed, File: w.start.file, Line: w.start.line, Seq: r.Pruned + 1,
				Text: fmt.Sprintf("%s of the chain should be before this one, and the trail does not say that retention has removed them", lines(r.Pruned+1, r.First-1))})
		}
	}
	for _, seen := range v.witnesses {
		v.compare(seen)
	}
	return &v.report
}

// compare looks for what another sink has witnessed.
func (v *Verification) compare(seen witnessed) {
	w := v.walks[seen.chain]
	if w == nil && slices.Contains(v.Sinks, seen.sink) {
		w = v.gone(seen)
	}
	if w == nil || seen.seq < w.report.First {
		return
	}
	r := w.report
	if r.Last == 0 {
		r.Witnessed = max(r.Witnessed, seen.seq)
		return
	}
	r.Witnessed = max(r.Witnessed, seen.seq)
	at, known := w.marks[seen.seq]
	switch {
	case seen.seq > r.Last:
		r.find(Finding{Kind: Truncated, File: w.last.file, Line: w.last.line, Seq: r.Last,
			Text: fmt.Sprintf("the chain ends here with line %d, and %s line %d witnesses that it had got to line %d", r.Last, seen.file, seen.line, seen.seq)})
	case known && at.hash != seen.hash:
		r.find(Finding{Kind: Rewritten, File: at.file, Line: at.line, Seq: seen.seq,
			Text: fmt.Sprintf("%s line %d witnesses another checkpoint than this", seen.file, seen.line)})
	case !known && len(w.marks) < maxMarks:
		r.find(Finding{Kind: Rewritten, File: w.last.file, Line: w.last.line, Seq: seen.seq,
			Text: fmt.Sprintf("%s line %d witnesses a checkpoint at line %d of the chain, and there is none", seen.file, seen.line, seen.seq)})
	}
}

// gone makes a report of a chain that nothing is left of.
func (v *Verification) gone(seen witnessed) *walk {
	w := newWalk(seen.chain)
	w.report.Sink = seen.sink
	w.report.find(Finding{Kind: Removed, File: seen.file, Line: seen.line, Seq: seen.seq,
		Text: fmt.Sprintf("this witnesses line %d of a chain of sink %s, and nothing of that chain is there", seen.seq, seen.sink)})
	v.walks[seen.chain] = w
	v.report.Chains = append(v.report.Chains, w.report)
	return w
}

// Row reads one row of a table. What the row is looked for by must be what its
// line says, for else a search passes over the line.
func (v *Verification) Row(name string, r Row) error {
	if err := v.Line(name, r.Line); err != nil {
		return err
	}
	says, err := rowOf(r.Line)
	if err == nil && !says.foundAs(r) {
		v.current.find(Changed, item{link: link{seq: says.Seq}, file: name, line: v.number},
			fmt.Sprintf("line %d of the chain is kept as something else than it says, so that a search does not find it", says.Seq))
	}
	return nil
}

// timeOf returns the time of a line, as it is written; "" if it is none.
func timeOf(line []byte) string {
	_, rest, _ := bytes.Cut(line, []byte(`,"time":"`))
	text, _, _ := bytes.Cut(rest, []byte(`"`))
	if len(text) != len(timeFormat) || bytes.ContainsFunc(text, func(r rune) bool { return r < '-' || r > 'Z' }) {
		return ""
	}
	return string(text)
}
