package pop3

import "bytes"

// cutter ends a message after its header, the blank line and some lines of
// its body (TOP, RFC 1939 section 7). A message without a blank line is all
// header. It is fed canonical text in pieces that never end between CR and LF.
type cutter struct {
	lines  int  // of the body that may still pass
	body   bool // the blank line has passed
	inLine bool // the last piece ended within a line
}

// cut returns how much of p passes, and whether that was the last of it.
func (c *cutter) cut(p []byte) (n int, last bool) {
	for n < len(p) {
		if c.body && c.lines == 0 {
			return n, true
		}
		i := bytes.IndexByte(p[n:], '\n')
		if i < 0 {
			c.inLine = true
			return len(p), false
		}
		c.endLine(i == 1 && !c.inLine)
		n += i + 1
	}
	return n, c.body && c.lines == 0
}

// endLine counts a line; blank tells that it is nothing but its line end.
func (c *cutter) endLine(blank bool) {
	switch {
	case c.body:
		c.lines--
	case blank:
		c.body = true
	}
	c.inLine = false
}
