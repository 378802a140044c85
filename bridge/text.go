package bridge

import (
	"fmt"
	"io"
	"slices"
)

// want is a message text that the server owes us.
type want struct {
	uid    uint32
	offset int64 // of a partial FETCH; negative for the whole message
	size   int64 // of a partial FETCH: at most so many octets
	length int64 // octets that it should have, by the listing
	cost   int64 // octets of the read-ahead budget that it holds

	command *injection
	alone   bool // the command asks for nothing else
}

// texts are the message texts that are due. Servers answer commands in the
// order in which they come, and one command by ascending UID; a text that
// comes while an earlier one has not means that the earlier one never will.
type texts struct {
	wanted []want       // in the order in which they must come
	asked  []*injection // the commands, until all are known to be done
	// refused: one of them was answered otherwise than with OK.
	refused bool
}

// forgetAnswered keeps the commands that are under way. f.mu is held.
func (f *framing) forgetAnswered() {
	f.asked = slices.DeleteFunc(f.asked, func(c *injection) bool {
		done := isClosed(c.done)
		f.refused = f.refused || done && c.status.kind != "OK"
		return done
	})
}

// takeRefused tells, once, whether a command for texts was refused. Its texts
// may have come all the same.
func (f *framing) takeRefused() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.forgetAnswered()
	refused := f.refused
	f.refused = false
	return refused
}

// arrival is the beginning of what the server sends.
type arrival struct {
	begun    bool
	passed   int // of wanted, that the server has passed over
	size     int64
	literal  bool   // and not a quoted string, or NIL
	verified bool   // the response has said the UID
	absent   bool   // NIL instead of a text
	quoted   []byte // what is left of a text that is no literal
}

// streams tells whether u is a FETCH response that ends where a text begins
// for which we wait.
func (f *framing) streams(u []byte) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	_, kind, rest := splitUntagged(u)
	if kind != "FETCH" || len(f.wanted) == 0 {
		return false
	}
	found, err := findText(rest)
	return err == nil && found.open && found.isOf(f.wanted[max(f.place(found.uid), 0)])
}

// fetch handles a FETCH response. A listing gets it whole; otherwise it must
// hold a text that is due. Everything else is dropped: another client's flag
// changes must not be taken for an answer.
func (f *framing) fetch(rest []byte, stream int64) error {
	if l := f.lister(); l != nil {
		return l.add(rest)
	}
	if len(f.wanted) == 0 {
		f.dropped++
		return nil
	}
	found, err := findText(rest)
	if err != nil {
		return err
	}
	place := f.place(found.uid)
	switch {
	case found.text == nil || found.uid == 0 && stream < 0 || !found.isOf(f.wanted[max(place, 0)]):
		f.dropped++
		return nil
	case place < 0:
		return fmt.Errorf("asked for UID %d, the server sent UID %d", f.wanted[0].uid, found.uid)
	}
	f.text = arrival{begun: true, passed: place, size: stream, literal: stream >= 0, verified: found.uid != 0}
	if stream < 0 {
		f.text.take(found.text)
		return nil
	}
	f.lit = stream
	return nil
}

// place finds a UID among what is wanted; -1 if it is not. Without a UID in
// front of it a text can only be the next: it is only at its end that we know.
func (f *framing) place(uid uint32) int {
	for i := range f.wanted {
		if uid == 0 || f.wanted[i].uid == uid {
			return i
		}
	}
	return -1
}

// found is what a FETCH response tells of a text.
type found struct {
	uid    uint32
	text   []byte // the value; nil if there is none
	origin int64
	open   bool // it goes on with the text
}

// isOf tells whether it is as much of the message as was asked for.
func (t found) isOf(w want) bool { return t.text != nil && t.origin == max(w.offset, -1) }

// findText reads what stands before a literal, or the whole response if there
// is none.
func findText(rest []byte) (t found, err error) {
	a := fetched(rest)
	for a.next() {
		switch {
		case a.name == "UID":
			if t.uid, err = parseUID(a.value); err != nil {
				return t, err
			}
		case a.isText():
			t.text, t.origin, t.open = a.value, a.origin, a.open
		}
		if a.open {
			return t, nil
		}
	}
	return t, a.err
}

// take keeps a text that came as a quoted string, or as NIL.
func (t *arrival) take(value []byte) {
	if len(value) < 2 || value[0] != '"' {
		t.size, t.absent = 0, true
		return
	}
	escaped := false
	for _, c := range value[1 : len(value)-1] {
		if c == '\\' && !escaped {
			escaped = true
			continue
		}
		escaped = false
		t.quoted = append(t.quoted, c)
	}
	t.size = int64(len(t.quoted))
}

// readText reads from the text that has begun.
func (f *framing) readText(p []byte) (int, error) {
	if len(f.text.quoted) > 0 {
		n := copy(p, f.text.quoted)
		f.text.quoted = f.text.quoted[n:]
		return n, nil
	}
	if f.lit == 0 {
		return 0, io.EOF
	}
	return f.readLiteral(p)
}

// finishText checks what follows the text. If the UID has not been told
// before, it must be there, and be the one that was asked for.
func (f *framing) finishText() error {
	if !f.text.literal {
		return f.nextWanted()
	}
	rest, err := f.remainder()
	if err != nil {
		return err
	}
	uid := f.wanted[0].uid
	a := attributes{rest: rest}
	for a.next() {
		if a.name != "UID" {
			continue
		}
		told, err := parseUID(a.value)
		if err != nil || told != uid {
			return fmt.Errorf("asked for UID %d, the server sent UID %s", uid, printable(a.value))
		}
		f.text.verified = true
	}
	if a.err != nil {
		return a.err
	}
	if !f.text.verified {
		return fmt.Errorf("asked for UID %d, and the server sent a message without saying which", uid)
	}
	return f.nextWanted()
}

// parseUID refuses 0, which is not a UID.
func parseUID(value []byte) (uint32, error) {
	n, err := number(value, 1<<32-1)
	if err != nil || n == 0 {
		return 0, fmt.Errorf("the server sent UID %q", printable(value))
	}
	return uint32(n), nil
}
