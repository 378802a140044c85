package pop3

import "bytes"

// stuffer doubles the dot at the beginning of a line (RFC 1939 section 3). It
// is fed canonical text in pieces that never end between CR and LF.
//
// Dots are what it looks for, not lines: most text has few of them, encoded
// attachments none, and all between two of them is copied in one go.
type stuffer struct {
	inLine bool // the last octet was not a line end; the first octet of a message begins a line
}

// write stuffs p into w.
func (s *stuffer) write(w *writer, p []byte) {
	start, at := 0, 0 // p[:start] is written, p[:at] has been looked at
	for {
		i := bytes.IndexByte(p[at:], '.')
		if i < 0 {
			break
		}
		at += i
		if s.beginsLine(p, at) {
			w.write(p[start:at])
			w.writeString(".")
			start = at
		}
		at++
	}
	w.write(p[start:])
	if len(p) > 0 {
		s.inLine = p[len(p)-1] != '\n'
	}
}

func (s *stuffer) beginsLine(p []byte, i int) bool {
	if i == 0 {
		return !s.inLine
	}
	return p[i-1] == '\n'
}
