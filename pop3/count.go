package pop3

import "io"

// CountOctets reads a message to its end and returns how many octets RETR
// sends for it: line ends made CRLF, the last one added if it is missing, dots
// not stuffed.
func CountOctets(r io.Reader) (int64, error) {
	c := newCanonical(r)
	defer c.free()
	for n := int64(0); ; c.take() {
		err := c.more()
		n += int64(len(c.text))
		if err == io.EOF {
			return n, nil
		}
		if err != nil {
			return n, err
		}
	}
}
