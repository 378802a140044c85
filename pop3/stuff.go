package pop3

import "bytes"

// stuffer doubles the dot at the beginning of a line (RFC 1939 section 3). It
// is fed canonical text in pieces that never end between CR and LF. All
// between two such dots is copied in one go.
type stuffer struct {
	inLine bool // the last octet was not a line end; the first octet of a message begins a line
}

var dotLine = []byte("\n.")

// write stuffs p into w.
func (s *stuffer) write(w *writer, p []byte) {
	if len(p) == 0 {
		return
	}
	if p[0] == '.' && !s.inLine {
		w.gatherString(".")
	}
	s.inLine = p[len(p)-1] != '\n'
	for {
		i := bytes.Index(p, dotLine)
		if i < 0 {
			w.gather(p)
			return
		}
		w.gather(p[:i+1])
		w.gatherString(".")
		p = p[i+1:]
	}
}
