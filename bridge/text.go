package bridge

import "fmt"

// want is the message text that a FETCH of the library's is waiting for.
type want struct {
	uid      uint32
	offset   int64 // of a partial FETCH; negative for the whole message
	answered bool
	verified bool // the response has said the UID
}

// expectText announces a FETCH of a message's text.
func (f *framing) expectText(uid uint32, offset int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.want = &want{uid: uid, offset: offset}
}

// textVerified tells whether the response has said the UID that was asked for.
func (f *framing) textVerified() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.want.verified
}

// streams tells whether u is a FETCH response that ends where the text begins
// for which we wait.
func (f *framing) streams(u []byte) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	_, kind, rest := splitUntagged(u)
	if kind != "FETCH" || f.want == nil || f.want.answered {
		return false
	}
	for a := fetched(rest); a.next(); {
		if a.open {
			return a.isText(f.want.offset)
		}
	}
	return false
}

// fetch handles a FETCH response. A listing gets it whole; otherwise it must
// hold the text that is due. Everything else is dropped: another client's flag
// changes would be taken for the answer, and the text that comes after them
// would be lost.
//
// The library sees the text in one plain form, whatever the server calls it
// and in whatever order it tells things: UID first, for the library loses a
// message whose UID comes last, as Exchange sends it.
func (f *framing) fetch(rest []byte, stream int64) error {
	if l := f.lister(); l != nil {
		return l.add(rest)
	}
	if f.want == nil || f.want.answered {
		f.dropped++
		return nil
	}
	uid, text, err := findText(rest, f.want.offset)
	if err != nil {
		return err
	}
	switch {
	case text == nil || (uid == 0 && stream < 0):
		f.dropped++
		return nil
	case uid != 0 && uid != f.want.uid:
		return fmt.Errorf("asked for UID %d, the server sent UID %d", f.want.uid, uid)
	}
	f.want.answered, f.want.verified = true, uid != 0
	f.offer(text, stream)
	return nil
}

// findText reads what stands before a literal, or the whole response if there
// is none.
func findText(rest []byte, offset int64) (uid uint32, text []byte, err error) {
	a := fetched(rest)
	for a.next() {
		switch {
		case a.name == "UID":
			if uid, err = parseUID(a.value); err != nil {
				return 0, nil, err
			}
		case a.isText(offset):
			text = a.value
		}
		if a.open {
			return uid, text, nil
		}
	}
	return uid, text, a.err
}

// offer writes the response in the library's words.
func (f *framing) offer(text []byte, stream int64) {
	origin := ""
	if f.want.offset >= 0 {
		origin = fmt.Sprintf("<%d>", f.want.offset)
	}
	if stream < 0 {
		f.out = fmt.Appendf(nil, "* 1 FETCH (UID %d BODY[]%s %s)\r\n", f.want.uid, origin, text)
		return
	}
	f.out = fmt.Appendf(nil, "* 1 FETCH (UID %d BODY[]%s {%d}\r\n", f.want.uid, origin, stream)
	f.lit, f.tail = stream, true
}

// finishText checks what follows the text. If the UID has not been told
// before, it must be there, and be the one that was asked for.
func (f *framing) finishText() error {
	rest, err := f.remainder()
	if err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	a := attributes{rest: rest}
	for a.next() {
		if a.name != "UID" {
			continue
		}
		uid, err := parseUID(a.value)
		if err != nil || uid != f.want.uid {
			return fmt.Errorf("asked for UID %d, the server sent UID %s", f.want.uid, printable(a.value))
		}
		f.want.verified = true
	}
	if a.err != nil {
		return a.err
	}
	if !f.want.verified {
		return fmt.Errorf("asked for UID %d, and the server sent a message without saying which", f.want.uid)
	}
	f.tail = false
	f.out = []byte(")\r\n")
	return nil
}

// parseUID refuses 0, which is not a UID.
func parseUID(value []byte) (uint32, error) {
	n, err := number(value, 1<<32-1)
	if err != nil || n == 0 {
		return 0, fmt.Errorf("the server sent UID %q", printable(value))
	}
	return uint32(n), nil
}
