package pop3

import (
	"bytes"
	"errors"
	"io"
	"os"
)

// lineBuffer is small because every idle session has one, and large enough
// for a hundred pipelined commands.
const lineBuffer = 1 << 10

// errLong tells that a line is longer than allowed. What was not read of it
// will be dropped.
var errLong = errors.New("line too long")

// lineReader cuts what a client sends into lines. LF ends a line, and a CR
// before it belongs to the line end. What comes before the end of the
// connection without a line end is not a line.
type lineReader struct {
	src      io.Reader
	buf      [lineBuffer]byte
	r, w     int    // buf[r:w] is not consumed
	long     []byte // the beginning of a line that did not fit buf
	skipping bool   // up to the next LF: the rest of a line that was too long
}

// line returns the next line without its line end; it is valid until the next
// call. A line longer than short octets, line end included, is only allowed if
// limit says so of its beginning. wait is called before each read from the
// client, also after one whose deadline passed: it fails when the time is over.
func (l *lineReader) line(short int, limit func(start []byte) int, wait func() error) ([]byte, error) {
	l.long = nil
	for {
		piece, whole := l.piece()
		n := len(l.long) + len(piece)
		switch {
		case l.skipping:
			l.r += len(piece)
			l.skipping = !whole
			if whole {
				continue
			}
		case n > short && n > limit(l.start(piece)):
			l.r += len(piece)
			l.long, l.skipping = nil, !whole
			return nil, errLong
		case whole:
			l.r += len(piece)
			return trimEnd(l.join(piece)), nil
		}
		if err := l.read(wait); err != nil {
			return nil, err
		}
	}
}

// piece is what there is of the line in buf, and whether its end is there.
func (l *lineReader) piece() (piece []byte, whole bool) {
	piece = l.buf[l.r:l.w]
	if end := bytes.IndexByte(piece, '\n'); end >= 0 {
		return piece[:end+1], true
	}
	return piece, false
}

// start is as much of the line's beginning as is known.
func (l *lineReader) start(piece []byte) []byte {
	if len(l.long) > 0 {
		return l.long
	}
	return piece
}

func (l *lineReader) join(piece []byte) []byte {
	if len(l.long) == 0 {
		return piece
	}
	return append(l.long, piece...)
}

// read makes room and reads once from the client.
func (l *lineReader) read(wait func() error) error {
	switch {
	case l.r == l.w:
		l.r, l.w = 0, 0
	case l.r > 0:
		l.r, l.w = 0, copy(l.buf[:], l.buf[l.r:l.w])
	case l.w == len(l.buf):
		l.long = append(l.long, l.buf[:]...)
		l.w = 0
	}
	for {
		if err := wait(); err != nil {
			return err
		}
		n, err := readSome(l.src, l.buf[l.w:])
		l.w += n
		if n > 0 {
			return nil // the error, if any, comes again
		}
		if !os.IsTimeout(err) {
			return err
		}
	}
}

// discard forgets everything that was received.
func (l *lineReader) discard() { l.r, l.w, l.long, l.skipping = 0, 0, nil, false }

// buffered is how many octets were received and not consumed.
func (l *lineReader) buffered() int { return l.w - l.r }

// trimEnd removes the line end.
func trimEnd(line []byte) []byte {
	line = line[:len(line)-1]
	if n := len(line); n > 0 && line[n-1] == '\r' {
		line = line[:n-1]
	}
	return line
}
