package bridge

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

var errTooLong = fmt.Errorf("a response of more than %d KiB that is not a message", maxUnit>>10)

// unit returns the next response, from its first octet to its last line end,
// literals and all. The slice is good until the next call.
//
// There is one exception: a FETCH response that holds the text of the message
// we wait for ends at the literal, and stream is how long that is; otherwise
// stream is negative.
func (f *framing) unit() (u []byte, stream int64, err error) {
	end := 0
	for {
		from := end
		if end, err = f.line(from); err != nil {
			return nil, 0, err
		}
		u = f.buf[f.r : f.r+end]
		size, ok := literalAt(u[from:])
		if !ok || (from == 0 && !mayHoldLiteral(u)) {
			f.r += end
			return u, -1, nil
		}
		if f.streams(u) {
			f.r += end
			return u, size, checkLiteral(size)
		}
		if size > int64(f.longest()-end) {
			return nil, 0, errTooLong
		}
		end += int(size)
	}
}

// remainder returns what follows a streamed literal, up to the end of its
// response. It may hold literals too.
func (f *framing) remainder() ([]byte, error) {
	for from := 0; ; {
		end, err := f.line(from)
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return nil, err
		}
		u := f.buf[f.r : f.r+end]
		size, ok := literalAt(u[from:])
		if !ok {
			f.r += end
			return u, nil
		}
		if size > int64(maxUnit-end) {
			return nil, errTooLong
		}
		from = end + int(size)
	}
}

func checkLiteral(size int64) error {
	if size > maxLiteral {
		return fmt.Errorf("the server announces a message of %d octets", size)
	}
	return nil
}

// line finds the end of the line that begins from octets after r, and reads as
// much as that takes.
func (f *framing) line(from int) (end int, err error) {
	for scanned := from; ; {
		if have := f.w - f.r; have > scanned {
			if i := bytes.IndexByte(f.buf[f.r+scanned:f.w], '\n'); i >= 0 {
				return scanned + i + 1, nil
			}
			scanned = have
		}
		begun := f.r < f.w
		if err = f.fill(); err == nil {
			continue
		}
		if err == io.EOF && begun {
			err = io.ErrUnexpectedEOF
		}
		return 0, err
	}
}

// fill reads once, keeping what is not framed yet.
func (f *framing) fill() error {
	switch {
	case f.r == f.w:
		f.r, f.w = 0, 0
		f.fitBuffer()
	case f.r > 0:
		f.w = copy(f.buf, f.buf[f.r:f.w])
		f.r = 0
	}
	if f.w == len(f.buf) {
		if len(f.buf) >= f.longest() {
			return errTooLong
		}
		f.buf = append(f.buf, make([]byte, len(f.buf))...)
	}
	n, err := f.read(f.buf[f.w:])
	f.w += n
	return err
}

// fitBuffer makes the empty buffer as large as what comes needs: an idle
// connection keeps little, a listing is read in large pieces.
func (f *framing) fitBuffer() {
	from, want := &idleBuffers, idleBuffer
	if f.bulk() {
		from, want = &bulkBuffers, bulkBuffer
	}
	if len(f.buf) == want {
		return
	}
	f.freeBuffer()
	f.buf = *from.Get().(*[]byte)
}

// rest gives the empty buffer back while nobody reads: thousands of
// connections may be idle.
func (f *framing) rest() {
	if f.alone && f.r == f.w && f.cause() == nil {
		f.r, f.w = 0, 0
		f.freeBuffer()
	}
}

func (f *framing) freeBuffer() {
	full := f.buf
	f.buf = nil
	switch len(full) {
	case idleBuffer:
		idleBuffers.Put(&full)
	case bulkBuffer:
		bulkBuffers.Put(&full)
	}
}

// mayHoldLiteral tells whether a literal may follow this line. Human-readable
// text ends a status line and a continuation, and may look like anything.
func mayHoldLiteral(line []byte) bool {
	if len(line) == 0 || line[0] != '*' {
		return false
	}
	_, kind, _ := splitUntagged(line)
	switch kind {
	case "LIST", "FETCH":
		return true
	}
	return !isStatus(kind)
}

// literalAt returns the octets of the literal that the line announces at its
// end: {n} CRLF, or {n+} CRLF of RFC 7888.
func literalAt(line []byte) (size int64, ok bool) {
	line = trimLineEnd(line)
	if len(line) < 3 || line[len(line)-1] != '}' {
		return 0, false
	}
	line = line[:len(line)-1]
	if line[len(line)-1] == '+' {
		line = line[:len(line)-1]
	}
	open := bytes.LastIndexByte(line, '{')
	if open < 0 {
		return 0, false
	}
	size, err := number(line[open+1:], 1<<62)
	return size, err == nil
}

func trimLineEnd(line []byte) []byte {
	line = bytes.TrimSuffix(line, []byte{'\n'})
	return bytes.TrimSuffix(line, []byte{'\r'})
}

var errNumber = errors.New("not a number, or too large a one")

// number reads digits and nothing else: no sign, no space, no wrap.
func number(digits []byte, limit int64) (int64, error) {
	if len(digits) == 0 || len(digits) > 19 {
		return 0, errNumber
	}
	var n int64
	for _, c := range digits {
		if c < '0' || c > '9' {
			return 0, errNumber
		}
		d := int64(c - '0')
		if n > (limit-d)/10 {
			return 0, errNumber
		}
		n = n*10 + d
	}
	return n, nil
}
