package bridge

import (
	"bytes"
	"errors"
)

var errAttributes = errors.New("a FETCH response that makes no sense")

// attributes goes through what one FETCH response tells of a message (RFC 3501
// section 7.4.2), in any order, skipping what it does not know. It allocates
// nothing; value and section are slices of the response.
type attributes struct {
	rest []byte // not read yet

	name    string // upper case; "" if the name means nothing to us
	section []byte // of BODY[section], with nil for no brackets at all
	origin  int64  // of BODY[]<origin>, or -1
	value   []byte // as it stands on the wire; a literal with its {n} CRLF
	// open: value is a literal that begins where the response was cut, because
	// it is streamed.
	open bool
	// closed: the list has ended as it should.
	closed bool
	err    error
}

// fetched begins with what follows the word FETCH.
func fetched(list []byte) attributes {
	a := attributes{rest: skipSpaces(list)}
	if len(a.rest) == 0 || a.rest[0] != '(' {
		a.err = errAttributes
		return a
	}
	a.rest = a.rest[1:]
	return a
}

// next advances to the next attribute. It returns false at the end of the
// list, and if err is set.
func (a *attributes) next() bool {
	a.rest = skipSpaces(a.rest)
	if a.err != nil || len(a.rest) == 0 {
		return a.fail()
	}
	if a.rest[0] == ')' {
		a.rest = a.rest[1:]
		a.closed = len(trimLineEnd(skipSpaces(a.rest))) == 0
		if !a.closed {
			a.fail()
		}
		return false
	}
	if !a.readName() {
		return a.fail()
	}
	a.rest = skipSpaces(a.rest)
	n, open := valueLength(a.rest)
	if n == 0 {
		return a.fail()
	}
	a.value, a.rest, a.open = a.rest[:n], a.rest[n:], open
	return true
}

func (a *attributes) fail() bool {
	if a.err == nil {
		a.err = errAttributes
	}
	return false
}

// readName reads a name, a [section] and an <origin>.
func (a *attributes) readName() bool {
	i := 0
	for i < len(a.rest) && a.rest[i] > ' ' && a.rest[i] != '[' && a.rest[i] != '(' && a.rest[i] != ')' {
		i++
	}
	a.name, a.section, a.origin = attributeName(a.rest[:i]), nil, -1
	known := i > 0
	a.rest = a.rest[i:]
	if len(a.rest) == 0 || a.rest[0] != '[' {
		return known
	}
	end := bytes.IndexByte(a.rest, ']')
	if end < 0 {
		return false
	}
	a.section, a.rest = a.rest[1:end:end], a.rest[end+1:]
	return known && a.readOrigin()
}

func (a *attributes) readOrigin() bool {
	if len(a.rest) == 0 || a.rest[0] != '<' {
		return true
	}
	end := bytes.IndexByte(a.rest, '>')
	if end < 0 {
		return false
	}
	origin, err := number(a.rest[1:end], 1<<62)
	a.origin, a.rest = origin, a.rest[end+1:]
	return err == nil
}

// isText tells whether the attribute is the text of the whole message, or of
// the part of it that begins at origin.
func (a *attributes) isText() bool {
	return (a.name == "BODY" || a.name == "BODY.PEEK") && a.section != nil && len(a.section) == 0
}

// attributeName avoids an allocation for each name of a long listing.
func attributeName(name []byte) string {
	var upper [12]byte
	if len(name) > len(upper) {
		return ""
	}
	for i, c := range name {
		if 'a' <= c && c <= 'z' {
			c -= 'a' - 'A'
		}
		upper[i] = c
	}
	switch string(upper[:len(name)]) {
	case "UID":
		return "UID"
	case "FLAGS":
		return "FLAGS"
	case "RFC822.SIZE":
		return "RFC822.SIZE"
	case "INTERNALDATE":
		return "INTERNALDATE"
	case "BODY":
		return "BODY"
	case "BODY.PEEK":
		return "BODY.PEEK"
	case "EMAILID":
		return "EMAILID"
	case "X-GM-MSGID":
		return "X-GM-MSGID"
	}
	return ""
}

func skipSpaces(b []byte) []byte {
	for len(b) > 0 && b[0] == ' ' {
		b = b[1:]
	}
	return b
}

// valueLength measures the value at the beginning of b: an atom, a quoted
// string, a literal, or a list of those. 0 means that there is none. open
// tells that it is a literal whose octets are not in b.
func valueLength(b []byte) (n int, open bool) {
	if len(b) == 0 {
		return 0, false
	}
	switch b[0] {
	case '(':
		return listLength(b), false
	case '"':
		return quotedLength(b), false
	case '{', '~':
		return literalLength(b)
	}
	for n < len(b) && b[n] > ' ' && b[n] != ')' {
		n++
	}
	return n, false
}

// listLength counts depth instead of calling itself, so that no nesting can
// exhaust the stack.
func listLength(b []byte) int {
	depth := 0
	for n := 0; n < len(b); {
		switch b[n] {
		case '(':
			depth++
		case ')':
			depth--
			if depth == 0 {
				return n + 1
			}
		case '"', '{':
			skip, open := valueLength(b[n:])
			if skip == 0 || open {
				return 0
			}
			n += skip
			continue
		}
		n++
	}
	return 0
}

func quotedLength(b []byte) int {
	for n := 1; n < len(b); n++ {
		switch b[n] {
		case '\\':
			n++
		case '"':
			return n + 1
		}
	}
	return 0
}

// literalLength measures {n} CRLF octets, also as ~{n} of RFC 3516.
func literalLength(b []byte) (n int, open bool) {
	end := bytes.IndexByte(b, '\n')
	if end < 0 {
		return 0, false
	}
	size, ok := literalAt(b[:end+1])
	if !ok {
		return 0, false
	}
	if end+1 == len(b) {
		return len(b), true
	}
	if size > int64(len(b)-end-1) {
		return 0, false
	}
	return end + 1 + int(size), false
}
