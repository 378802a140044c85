package pop3

import (
	"bytes"
	"io"
	"sync"
)

// readAhead is how much of a message is read before +OK: a message that fits
// is measured, and a failure that comes within it is an -ERR. It is also how
// much of a body is in memory at a time.
const readAhead = 64 << 10

// canonicalCap leaves room for the worst case, in which every octet read is a
// line end of one octet, and for the final line end.
const canonicalCap = 2*(readAhead+1) + 2

var canonicalBuffers = sync.Pool{New: func() any { return new([canonicalCap]byte) }}

// canonical reads a message and makes every line end CRLF: a bare LF, a bare
// CR, and the end of a message that does not end with one. Nothing else
// changes; NUL and 8-bit octets and lines of any length pass.
//
// Its text never ends between CR and LF. A CR becomes CRLF at once, and an LF
// that comes after it is dropped, so that no octet waits for the next read.
type canonical struct {
	from io.Reader
	buf  *[canonicalCap]byte
	text []byte // read and not yet taken, at the beginning of buf
	crlf bool   // the last octet read was a CR: an LF now belongs to it
	open bool   // the last line has no end yet
	err  error  // io.EOF when all is in text
}

func newCanonical(from io.Reader) canonical {
	return canonical{from: from, buf: canonicalBuffers.Get().(*[canonicalCap]byte)}
}

// free gives the memory back. text is not valid any more.
func (c *canonical) free() {
	if c.buf != nil {
		canonicalBuffers.Put(c.buf)
		c.buf, c.text = nil, nil
	}
}

// take empties text for the next piece.
func (c *canonical) take() { c.text = c.buf[:0] }

// more reads once and adds to text. After it returned an error there is
// nothing more; io.EOF says that the message is complete.
func (c *canonical) more() error {
	if c.err != nil {
		return c.err
	}
	start := len(c.text)
	n, err := readSome(c.from, c.buf[start:max(readAhead+1, start+1)])
	raw := c.buf[start : start+n]
	if c.isCanonical(raw) {
		c.text = c.buf[:start+n]
	} else {
		c.convert(raw)
	}
	if err == io.EOF && c.open {
		c.text = append(c.text, '\r', '\n')
		c.open = false
	}
	c.err = err
	return err
}

// readSome reads at least one octet or fails. A Reader that gives nothing for
// ever would otherwise hold the connection for ever.
func readSome(r io.Reader, p []byte) (n int, err error) {
	for range 100 {
		if n, err = r.Read(p); n > 0 || err != nil {
			return n, err
		}
	}
	return 0, io.ErrNoProgress
}

// isCanonical tells whether raw can stay as it is: each LF comes after a CR,
// and there are not more CRs than that. Most mail is, and then nothing is
// copied.
func (c *canonical) isCanonical(raw []byte) bool {
	if len(raw) == 0 {
		return true
	}
	if c.crlf || raw[len(raw)-1] == '\r' {
		return false
	}
	ends := 0
	for rest := raw; ; ends++ {
		i := bytes.IndexByte(rest, '\n')
		if i < 0 {
			break
		}
		if i == 0 || rest[i-1] != '\r' {
			return false
		}
		rest = rest[i+1:]
	}
	c.open = raw[len(raw)-1] != '\n'
	return bytes.Count(raw, []byte{'\r'}) == ends
}

// convert adds raw, which lies behind text in buf, to text. The text may grow
// over it, so it is moved to the end of buf first: even if every octet becomes
// two, writing does not overtake reading.
func (c *canonical) convert(raw []byte) {
	rest := c.buf[canonicalCap-len(raw):]
	copy(rest, raw)
	endsInCR := raw[len(raw)-1] == '\r'
	if c.crlf && rest[0] == '\n' {
		rest = rest[1:]
	}
	text := c.buf[:len(c.text)]
	at, cr, lf := 0, indexFrom(rest, 0, '\r'), indexFrom(rest, 0, '\n')
	for min(cr, lf) < len(rest) {
		end := min(cr, lf)
		text = append(append(text, rest[at:end]...), '\r', '\n')
		at = end + 1
		if cr == end && lf == at && lf < len(rest) {
			at++
		}
		if cr < at {
			cr = indexFrom(rest, at, '\r')
		}
		if lf < at {
			lf = indexFrom(rest, at, '\n')
		}
	}
	c.crlf, c.open = endsInCR, at < len(rest)
	c.text = append(text, rest[at:]...)
}

// indexFrom is the index of the first b in p[from:], or len(p).
func indexFrom(p []byte, from int, b byte) int {
	if i := bytes.IndexByte(p[from:], b); i >= 0 {
		return from + i
	}
	return len(p)
}
