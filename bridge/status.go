package bridge

import (
	"bytes"
	"strings"
)

// status is a status response (RFC 3501 section 7.1), taken apart.
type status struct {
	kind string // OK, NO, BAD, BYE, PREAUTH
	code string // upper case; "" if there is none that makes sense
	args []byte // of the code
	text string // printable
}

// parseStatus takes what follows the kind. A code that is none, such as
// Exchange's [Error="..." Proxy=...], becomes part of the text.
func parseStatus(kind string, rest []byte) status {
	s := status{kind: kind}
	rest = trimLineEnd(rest)
	if len(rest) > 0 && rest[0] == '[' {
		end := bytes.IndexByte(rest, ']')
		name, args := cutCode(rest, end)
		if isCode(name) {
			s.code, s.args = strings.ToUpper(string(name)), args
			rest = rest[end+1:]
		}
	}
	s.text = printable(bytes.TrimSpace(rest))
	switch {
	case s.text == "":
		s.text = "-" // the library wants some
	case s.text[0] == '[':
		s.text = "- " + s.text // and would take this for a code
	}
	return s
}

func cutCode(rest []byte, end int) (name, args []byte) {
	if end < 0 {
		return nil, nil
	}
	name, args, _ = bytes.Cut(rest[1:end], []byte{' '})
	return name, bytes.TrimSpace(args)
}

func isCode(name []byte) bool {
	for _, c := range name {
		if !isAtom(c) {
			return false
		}
	}
	return len(name) > 0 && bytes.IndexByte(name, '=') < 0
}

// isAtom tells whether c may stand in an atom (RFC 3501 section 9).
func isAtom(c byte) bool {
	return c > ' ' && c < 0x7f && !strings.ContainsRune(`(){%*"\]`, rune(c))
}

// passes tells whether the library gets the code with its arguments. It closes
// the connection on malformed ones, so those go no further.
func (s status) passes() bool {
	switch s.code {
	case "CAPABILITY":
		return len(s.args) > 0
	case "UIDVALIDITY", "UIDNEXT":
		_, err := number(s.args, 1<<32-1)
		return err == nil
	case "COPYUID":
		words := bytes.Fields(s.args)
		return len(words) == 3 && isUIDSet(words[0]) && isUIDSet(words[1]) && isUIDSet(words[2])
	}
	return false
}

// hasArguments tells whether the code is meaningless, or unreadable to the
// library, without them.
func (s status) hasArguments() bool {
	switch s.code {
	case "CAPABILITY", "UIDVALIDITY", "UIDNEXT", "COPYUID", "APPENDUID", "PERMANENTFLAGS", "HIGHESTMODSEQ":
		return true
	}
	return false
}

// isUIDSet tells whether b is a set of UIDs without a star, in ascending order.
// The library sorts sets; of others it would lose which UID became which.
func isUIDSet(b []byte) bool {
	last := int64(0)
	for _, word := range bytes.FieldsFunc(b, func(r rune) bool { return r == ',' || r == ':' }) {
		n, err := number(word, 1<<32-1)
		if err != nil || n <= last {
			return false
		}
		last = n
	}
	return len(b) > 0 && b[0] >= '0' && b[0] <= '9' && b[len(b)-1] >= '0' && b[len(b)-1] <= '9'
}

// maxText bounds what a server can write into our log with one reply.
const maxText = 300

// printable makes server's text fit for a log: printable ASCII, not too long.
func printable(text []byte) string {
	if len(text) > maxText {
		text = text[:maxText]
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, string(text))
}
