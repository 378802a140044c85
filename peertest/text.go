package peertest

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"strings"
)

// Canonical is a message as POP3 transmits it, before dot-stuffing: every line
// end CRLF, the last line with one.
func Canonical(message []byte) []byte {
	m := bytes.ReplaceAll(message, []byte("\r\n"), []byte("\n"))
	m = bytes.ReplaceAll(m, []byte("\r"), []byte("\n"))
	if len(m) > 0 && m[len(m)-1] != '\n' {
		m = append(m, '\n')
	}
	return bytes.ReplaceAll(m, []byte("\n"), []byte("\r\n"))
}

// Sum is the SHA-256 of a message's canonical form, in hexadecimal.
func Sum(message []byte) string {
	sum := sha256.Sum256(Canonical(message))
	return hex.EncodeToString(sum[:])
}

// header is what every generated message begins with; number and size make
// each one different.
const header = "From: Sender <sender@example.org>\r\n" +
	"To: Alice <alice@example.com>\r\n" +
	"Subject: Message %d of %d octets\r\n" +
	"Message-ID: <%d.%d@example.org>\r\n" +
	"Date: Mon, 02 Mar 2026 10:00:00 +0000\r\n" +
	"MIME-Version: 1.0\r\n" +
	"Content-Type: text/plain; charset=us-ascii\r\n\r\n"

// Text makes message number n of size octets, CRLF lines and a final CRLF
// included: ordinary mail, which every client stores unchanged.
func Text(n, size int) []byte {
	var b bytes.Buffer
	b.Grow(size)
	fmt.Fprintf(&b, header, n, size, n, size)
	if b.Len() > size {
		size = b.Len()
	}
	_, _ = io.CopyN(&b, &pattern{line: n}, int64(size-b.Len()))
	m := b.Bytes()
	if !bytes.HasSuffix(m, []byte("\r\n")) {
		copy(m[len(m)-2:], "\r\n")
		if m[len(m)-3] == '\r' {
			m[len(m)-3] = 'x'
		}
	}
	return m
}

// NewText is a reader of a message of size octets, less a part of a line, for
// messages that do not fit memory.
func NewText(size int64) io.Reader {
	head := fmt.Sprintf(header, 0, size, 0, size)
	lines := max(0, size-int64(len(head))) / lineLength
	return io.MultiReader(strings.NewReader(head), io.LimitReader(&pattern{}, lines*lineLength))
}

// lineLength is that of a line of pattern with its CRLF.
const lineLength = 76

// pattern is an endless text of CRLF lines; every hundredth begins with a dot.
type pattern struct {
	line int
	rest []byte
}

func (p *pattern) Read(b []byte) (int, error) {
	n := 0
	for n < len(b) {
		if len(p.rest) == 0 {
			p.rest = p.next()
		}
		k := copy(b[n:], p.rest)
		p.rest = p.rest[k:]
		n += k
	}
	return n, nil
}

func (p *pattern) next() []byte {
	p.line++
	start := byte('x')
	if p.line%100 == 0 {
		start = '.'
	}
	line := bytes.Repeat([]byte{byte('a' + p.line%26)}, lineLength)
	line[0] = start
	copy(line[2:], fmt.Sprintf(" %09d ", p.line))
	copy(line[lineLength-2:], "\r\n")
	return line
}
