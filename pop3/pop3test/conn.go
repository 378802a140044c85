package pop3test

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// patience is how long a test waits for the server before it fails.
const patience = time.Minute

// Conn is a POP3 client that shows everything and trusts nothing: a line that
// breaks the protocol fails the test.
type Conn struct {
	net.Conn
	// Greeting is the server's first line.
	Greeting string
	t        testing.TB
	r        *bufio.Reader
}

// Dial connects and reads the greeting. The connection is closed when the test
// ends.
func Dial(t testing.TB, address string) *Conn {
	t.Helper()
	nc, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	return Talk(t, nc)
}

// Talk reads the greeting from a connection that exists.
func Talk(t testing.TB, nc net.Conn) *Conn {
	t.Helper()
	c := &Conn{t: t}
	c.use(nc)
	t.Cleanup(func() { _ = c.Close() })
	if c.Greeting = c.Line(); !strings.HasPrefix(c.Greeting, "+OK") {
		t.Fatalf("the greeting is %q", c.Greeting)
	}
	return c
}

func (c *Conn) use(nc net.Conn) { c.Conn, c.r = nc, bufio.NewReader(nc) }

// StartTLS does the handshake that comes after STLS.
func (c *Conn) StartTLS(config *tls.Config) {
	c.t.Helper()
	conn := tls.Client(c.Conn, config)
	if err := conn.Handshake(); err != nil {
		c.t.Fatal(err)
	}
	c.use(conn)
}

// Send sends octets as they are.
func (c *Conn) Send(octets string) {
	c.t.Helper()
	_ = c.SetWriteDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(c.Conn, octets); err != nil {
		c.t.Fatalf("sending %s: %v", brief([]byte(octets)), err)
	}
}

// rawLine reads up to an LF.
func (c *Conn) rawLine() ([]byte, error) {
	_ = c.SetReadDeadline(time.Now().Add(patience))
	return c.r.ReadBytes('\n')
}

// Line reads one line of an answer: at most 512 octets of printable ASCII, and
// CRLF.
func (c *Conn) Line() string {
	c.t.Helper()
	line, err := c.rawLine()
	if err != nil {
		c.t.Fatalf("reading an answer: %v after %s", err, brief(line))
	}
	text, ok := bytes.CutSuffix(line, []byte("\r\n"))
	if !ok || len(line) > 512 || bytes.ContainsFunc(text, func(r rune) bool { return r < ' ' || r > '~' }) {
		c.t.Fatalf("the answer is not a line of POP3: %s", brief(line))
	}
	return string(text)
}

// Cmd sends a command and returns the first line of the answer.
func (c *Conn) Cmd(format string, args ...any) string {
	c.t.Helper()
	c.Send(fmt.Sprintf(format, args...) + "\r\n")
	line := c.Line()
	if line != "+OK" && line != "-ERR" && !strings.HasPrefix(line, "+OK ") && !strings.HasPrefix(line, "-ERR ") {
		c.t.Fatalf("neither +OK nor -ERR: %q", line)
	}
	return line
}

// OK sends a command that must succeed and returns what follows "+OK ".
func (c *Conn) OK(format string, args ...any) string {
	c.t.Helper()
	line := c.Cmd(format, args...)
	if !strings.HasPrefix(line, "+OK") {
		c.t.Fatalf("%s: %s, want +OK", brief(fmt.Appendf(nil, format, args...)), line)
	}
	return strings.TrimPrefix(line[len("+OK"):], " ")
}

// Err sends a command that must fail, and returns what follows "-ERR ".
func (c *Conn) Err(format string, args ...any) string {
	c.t.Helper()
	line := c.Cmd(format, args...)
	if !strings.HasPrefix(line, "-ERR") {
		c.t.Fatalf("%s: %s, want -ERR", brief(fmt.Appendf(nil, format, args...)), line)
	}
	return strings.TrimPrefix(line[len("-ERR"):], " ")
}

// Multi sends a command that must succeed with a multi-line answer. It returns
// what follows "+OK " and the lines, dots un-stuffed.
func (c *Conn) Multi(format string, args ...any) (status string, body []byte) {
	c.t.Helper()
	status = c.OK(format, args...)
	return status, c.Body()
}

// Body reads the rest of a multi-line answer (RFC 1939 section 3).
func (c *Conn) Body() []byte {
	c.t.Helper()
	var body []byte
	for {
		line, err := c.rawLine()
		if err != nil {
			c.t.Fatalf("reading a message: %v after %d octets", err, len(body)+len(line))
		}
		if string(line) == ".\r\n" {
			return body
		}
		text, ok := bytes.CutSuffix(line, []byte("\r\n"))
		if !ok || bytes.IndexByte(text, '\r') >= 0 {
			c.t.Fatalf("a line without CRLF, or with CR in it: %s", brief(line))
		}
		if line[0] == '.' {
			line = line[1:]
		}
		body = append(body, line...)
	}
}

// SignIn signs in with USER and PASS.
func (c *Conn) SignIn(user, password string) {
	c.t.Helper()
	c.OK("USER %s", user)
	c.OK("PASS %s", password)
}

// Quit must succeed, and end the connection.
func (c *Conn) Quit() {
	c.t.Helper()
	c.OK("QUIT")
	c.Closed()
}

// Closed waits for the server to hang up without another word.
func (c *Conn) Closed() {
	c.t.Helper()
	if line, err := c.rawLine(); err == nil || len(line) > 0 {
		c.t.Fatalf("the server says %s and should have hung up", brief(line))
	}
}

// brief shows the beginning of what may be megabytes.
func brief(p []byte) string {
	if len(p) > 200 {
		return fmt.Sprintf("%q and so on, %d octets", p[:200], len(p))
	}
	return fmt.Sprintf("%q", p)
}
