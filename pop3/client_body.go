package pop3

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// errAbandoned: a body was closed with too much of it unread.
var errAbandoned = errors.New("a message was given up midway")

// A ClientBody is a message as it arrives, dots un-stuffed and line ends as
// the server sends them. It ends with io.EOF only after the terminator; a
// connection that ends before gives io.ErrUnexpectedEOF. Lines have no bound.
type ClientBody struct {
	c       *Client
	command string
	ctx     context.Context
	stop    func() bool
	lone    bool // the server ends its lines with LF alone
	start   bool // at the start of a line
	afterCR bool // the last octet was CR
	octets  int64
	err     error
}

// Octets is how many were read up to now, by Read and by Close.
func (b *ClientBody) Octets() int64 { return b.octets }

// Retr reads message n. The connection takes no command until the body is closed.
func (c *Client) Retr(ctx context.Context, n int) (*ClientBody, error) {
	return c.open(ctx, Ask{n, -1})
}

// Top reads the header of message n and the first lines of its body.
func (c *Client) Top(ctx context.Context, n, lines int) (*ClientBody, error) {
	if lines < 0 {
		return nil, fmt.Errorf("TOP: %w: %d lines", ErrArgument, lines)
	}
	return c.open(ctx, Ask{n, lines})
}

func (c *Client) open(ctx context.Context, a Ask) (*ClientBody, error) {
	if c.body != nil {
		return nil, ErrBodyOpen
	}
	if len(c.asked) > 0 {
		return nil, ErrAsked
	}
	if err := c.Ask(ctx, a); err != nil {
		return nil, err
	}
	return c.Next(ctx)
}

// clientMessage writes a command about message n.
func clientMessage(command string, n int, more ...int) (string, error) {
	if n < 1 {
		return "", fmt.Errorf("%s: %w: no message %d", command, ErrArgument, n)
	}
	return clientCommand(command, append([]int{n}, more...)...)
}

// Empty tells, before the first Read, whether the terminator is all there is. It
// waits for the first octets.
func (b *ClientBody) Empty() bool {
	input := b.c.reader()
	ahead, err := input.Peek(len(".\n"))
	if err != nil || ahead[0] != '.' {
		return false // whatever it is, Read will find it
	}
	if ahead[1] == '\n' {
		return b.lone
	}
	ahead, err = input.Peek(len(".\r\n"))
	return err == nil && string(ahead) == ".\r\n"
}

// TakeDot makes the first line, if it is a dot, a part of the message: Dovecot
// and Courier do not stuff a dot that is the very first octet. To be called
// before the first Read, if the message is known not to be empty and nothing
// else is on its way: otherwise what follows could pass for other answers.
func (b *ClientBody) TakeDot() { b.start = false }

// Read un-stuffs dots run by run. It waits for the server only while it has
// nothing to give.
func (b *ClientBody) Read(p []byte) (n int, err error) {
	for b.err == nil && n < len(p) {
		input := b.c.reader()
		if n > 0 && input.Buffered() < len("\r\n.") {
			break
		}
		if b.start {
			b.err = b.lineStart(input)
			continue
		}
		n += b.run(input, p[n:])
	}
	b.octets += int64(n)
	if n > 0 || len(p) == 0 {
		return n, nil
	}
	return 0, b.err
}

// lineStart looks for a dot. A dot is taken away only before another dot, for
// a server that stuffs sends no other; one that forgot to stuff loses nothing.
func (b *ClientBody) lineStart(input *bufio.Reader) error {
	b.start = false
	ahead, err := input.Peek(1)
	if err != nil || ahead[0] != '.' {
		return b.broke(err)
	}
	if ahead, err = input.Peek(2); err != nil {
		return b.broke(err)
	}
	switch {
	case ahead[1] == '.':
		return b.skip(input, 1)
	case ahead[1] == '\n' && b.lone:
		return b.finish(input, 2)
	case ahead[1] == '\r':
		if ahead, err = input.Peek(3); err == nil && ahead[2] == '\n' {
			return b.finish(input, 3)
		}
	}
	return b.broke(err)
}

// run copies what is buffered up to the next line that begins with a dot.
func (b *ClientBody) run(input *bufio.Reader, p []byte) int {
	if _, err := input.Peek(1); err != nil {
		b.err = b.broke(err)
		return 0
	}
	ahead, _ := input.Peek(min(input.Buffered(), len(p)))
	length, start := clientRun(ahead, b.afterCR, b.lone)
	copy(p, ahead[:length])
	b.start, b.afterCR = start, ahead[length-1] == '\r'
	b.err = b.skip(input, length)
	return length
}

// clientRun is the length of the octets of p that can be copied as they are:
// up to the end of a line that is followed by a dot, else all of p. start
// tells that the octet after it begins a line.
//
// A line of a server that speaks CRLF ends with CRLF only. To take a bare LF
// for one would let "LF . CRLF" within a message end it early, and the rest of
// the message pass for the server's answers.
func clientRun(p []byte, afterCR, lone bool) (length int, start bool) {
	for i := 0; ; {
		next := bytes.IndexByte(p[i:], '\n')
		if next < 0 {
			return len(p), false
		}
		i += next + 1
		ended := lone || i == 1 && afterCR || i > 1 && p[i-2] == '\r'
		if ended && (i == len(p) || p[i] == '.') {
			return i, true
		}
	}
}

func (b *ClientBody) skip(input *bufio.Reader, n int) error {
	_, err := input.Discard(n)
	return b.broke(err)
}

// finish takes the terminator away.
func (b *ClientBody) finish(input *bufio.Reader, terminator int) error {
	if err := b.skip(input, terminator); err != nil {
		return err
	}
	if len(b.c.asked) == 0 && input.Buffered() > 0 { // then it may not have been the end
		return b.broke(fmt.Errorf("%w: data behind the end of a message", ErrMalformed))
	}
	b.c.body = nil
	b.c.deadline = time.Time{}
	if err := b.c.settle(b.ctx, b.stop(), nil); err != nil {
		return err
	}
	return io.EOF
}

// broke ends the connection if err says that it failed.
func (b *ClientBody) broke(err error) error {
	if err == nil {
		return nil
	}
	b.c.body = nil
	return b.c.settle(b.ctx, b.stop(), fmt.Errorf("%s: %w", b.command, err))
}

// Close makes the connection ready for the next command. If the body was not
// read to its end, up to 256 KiB more are taken from the server; if that is
// not enough the connection is closed, and Client.Err says so.
func (b *ClientBody) Close() error { return b.CloseWithin(256 << 10) }

// CloseWithin is Close with a limit of its own, in octets.
func (b *ClientBody) CloseWithin(limit int64) error {
	if b.c.body != b {
		return nil
	}
	b.c.deadline = time.Now().Add(b.c.options.ReadTimeout)
	_, err := io.CopyN(io.Discard, b, limit)
	if b.c.body == b { // as much was read as allowed, and the end was not met
		_ = b.broke(errAbandoned)
	}
	b.c.deadline = time.Time{}
	b.err = errAbandoned
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}
