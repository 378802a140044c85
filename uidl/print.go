package uidl

import (
	"bytes"
	"crypto/sha256"
)

// A Print recognises a message by its header, wherever a copy of it lies. The
// zero Print recognises nothing.
type Print [12]byte

// MaxHeader is how many octets of a header are looked at.
const MaxHeader = 64 << 10

// PrintOf makes a Print of a message's header: of its first Message-ID and Date
// fields, without what differs from server to server in how they are folded and
// spaced. Both must be there.
//
// Of a message that lacks one of them all of the header is taken, if whole says
// that it is all.
func PrintOf(header []byte, whole bool) Print {
	id, date := field(header, "message-id"), field(header, "date")
	if len(id) > 0 && len(date) > 0 {
		return hashed('m', id, date)
	}
	header = bytes.TrimSpace(bytes.ReplaceAll(header, []byte("\r\n"), []byte("\n")))
	if !whole || len(header) == 0 {
		return Print{}
	}
	return hashed('h', header, nil)
}

func hashed(kind byte, a, b []byte) (p Print) {
	h := sha256.New()
	for _, text := range [][]byte{{kind}, a, b} {
		h.Write(text)
		h.Write([]byte{'\n'})
	}
	copy(p[:], h.Sum(nil))
	return p
}

// field returns the value of the first field of that name, which is in lower
// case: its words, with one space between.
func field(header []byte, name string) []byte {
	for len(header) > 0 {
		var line []byte
		line, header = cutField(header)
		if len(bytes.TrimRight(line, "\r\n")) == 0 {
			return nil // the header's end
		}
		key, value, found := bytes.Cut(line, []byte{':'})
		if found && bytes.EqualFold(bytes.TrimSpace(key), []byte(name)) {
			return bytes.Join(bytes.Fields(value), []byte{' '})
		}
	}
	return nil
}

// cutField cuts a field with its folded lines off.
func cutField(header []byte) (line, rest []byte) {
	for at := 0; ; {
		i := bytes.IndexByte(header[at:], '\n')
		if i < 0 {
			return header, nil
		}
		at += i + 1
		if at == len(header) || header[at] != ' ' && header[at] != '\t' {
			return header[:at], header[at:]
		}
	}
}

// A Tap takes the header off a message that passes.
type Tap struct {
	header []byte
	done   bool // the header has ended
	over   bool // it is longer than MaxHeader
}

// Write takes what passes. It never fails, and keeps the header alone.
func (t *Tap) Write(p []byte) (int, error) {
	if t.done || t.over {
		return len(p), nil
	}
	from := max(0, len(t.header)-3)
	t.header = append(t.header, p[:min(len(p), MaxHeader-len(t.header))]...)
	if end := headerEnd(t.header, from); end >= 0 {
		t.header, t.done = t.header[:end], true
	}
	t.over = !t.done && len(t.header) == MaxHeader
	return len(p), nil
}

// headerEnd finds the empty line, looking from somewhere on; -1: there is none.
func headerEnd(b []byte, from int) int {
	for at := from; ; {
		i := bytes.IndexByte(b[at:], '\n')
		if i < 0 {
			return -1
		}
		at += i + 1
		if rest := b[at:]; bytes.HasPrefix(rest, []byte{'\n'}) || bytes.HasPrefix(rest, []byte("\r\n")) {
			return at
		}
	}
}

// Begun tells whether anything has passed.
func (t *Tap) Begun() bool { return len(t.header) > 0 }

// Print is that of the header that has passed; whole tells that the message
// has, so that one without a body has ended.
func (t *Tap) Print(whole bool) Print {
	if t.over || !t.done && !whole {
		return Print{}
	}
	return PrintOf(t.header, true)
}
