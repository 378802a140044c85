package pop3

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"
)

// A clientScript is a server that says what is written, in order:
//
//	S: text     the server sends a line, CRLF added
//	R: "text"   the server sends these octets (a quoted Go string)
//	C: text     the client must send this line, and nothing behind it unless
//	            another C: follows
//
// After the last line the server hangs up.
type clientScript struct {
	text string
	// chunk is how many octets the server sends at once; 0 is all of a line.
	chunk int
	// stay: the server does not hang up, but waits for the client to do so.
	stay bool
}

// dial starts the script and returns the client's end of the connection.
func (s clientScript) dial(t *testing.T) net.Conn {
	t.Helper()
	client, server := net.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() { _ = server.Close() }()
		s.play(t, server)
	}()
	t.Cleanup(func() {
		_ = client.Close()
		<-done
	})
	return client
}

func (s clientScript) play(t *testing.T, conn net.Conn) {
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	in := bufio.NewReader(conn)
	lines := strings.Split(strings.Trim(s.text, "\n"), "\n")
	for i, line := range lines {
		kind, rest, _ := strings.Cut(strings.TrimLeft(line, "\t"), ":")
		rest = strings.TrimPrefix(rest, " ")
		switch kind {
		case "":
		case "S":
			if !s.say(conn, rest+"\r\n") {
				return
			}
		case "R":
			raw, err := strconv.Unquote(rest)
			if err != nil {
				t.Errorf("script line %q: %v", line, err)
				return
			}
			if !s.say(conn, raw) {
				return
			}
		case "C":
			got, err := in.ReadString('\n')
			if err != nil || got != rest+"\r\n" {
				t.Errorf("client sent %q (%v), want %q", got, err, rest)
				return
			}
			more := i+1 < len(lines) && strings.HasPrefix(strings.TrimLeft(lines[i+1], "\t"), "C:")
			if !more && in.Buffered() > 0 {
				t.Errorf("client did not wait for the answer to %q", rest)
			}
		default:
			t.Errorf("script line %q", line)
			return
		}
	}
	if s.stay {
		_, _ = io.Copy(io.Discard, in)
	}
}

// say is false if the client has hung up: it may, on hearing nonsense.
func (s clientScript) say(conn net.Conn, text string) bool {
	for len(text) > 0 {
		n := len(text)
		if s.chunk > 0 {
			n = min(n, s.chunk)
		}
		if _, err := io.WriteString(conn, text[:n]); err != nil {
			return false
		}
		text = text[n:]
	}
	return true
}

// client greets a scripted server.
func (s clientScript) client(t *testing.T) *Client {
	t.Helper()
	s.text = "S: +OK ready\n" + s.text
	c, err := NewClient(t.Context(), s.dial(t), ClientOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func clientSays(text string) clientScript { return clientScript{text: text} }

// mustRead reads a body to its end.
func mustRead(t *testing.T, b *ClientBody, err error) string {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	octets, err := io.ReadAll(b)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	return string(octets)
}

// wantMalformed is a check that a connection is given up for a broken answer.
func wantMalformed(t *testing.T, c *Client, err error) {
	t.Helper()
	if !errors.Is(err, ErrMalformed) {
		t.Errorf("error is %v, want a malformed answer", err)
	}
	if c.Err() == nil {
		t.Error("the connection is still in use")
	}
	if again := c.Noop(context.Background()); again == nil {
		t.Error("the connection takes another command")
	}
}
