package pop3

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Errors of the client that are not the server's -ERR.
var (
	// ErrMalformed: the server broke the protocol. The connection is closed.
	ErrMalformed = errors.New("malformed answer")
	// ErrArgument: what the caller passed cannot be sent as an argument.
	// Nothing was sent and the connection is as it was.
	ErrArgument = errors.New("argument cannot be sent over POP3")
	// ErrBodyOpen: a command was tried while a body was still being read.
	ErrBodyOpen = errors.New("a message is still being read")
)

// clientBuffer is what one read from a server can bring. Buffers are shared
// between clients and belong to one only while it awaits or reads an answer.
const clientBuffer = 64 << 10

var clientBuffers = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, clientBuffer) }}

// ClientOptions are the bounds of a Client. The zero value has the defaults.
type ClientOptions struct {
	// ReadTimeout is the longest silence of the server while an answer is
	// awaited or read; every octet that arrives starts it anew. Default 1 minute.
	ReadTimeout time.Duration
	// ListTimeout replaces ReadTimeout where a server opens, scans or updates
	// the maildrop before it answers: signing in, STAT, LIST, UIDL, QUIT.
	// Default 5 minutes.
	ListTimeout time.Duration
	// WriteTimeout is the longest time one write may take. Default 1 minute.
	WriteTimeout time.Duration
	// MaxMessages bounds a listing, so that a server cannot fill the memory.
	// Default 1,000,000.
	MaxMessages int
	// Pipelining: the server is known to take pipelined commands, even if it
	// does not announce PIPELINING.
	Pipelining bool
}

// A Client is one connection to a POP3 server. It believes nothing that the
// server says unless it can be parsed without a doubt, and after an answer
// that cannot be, it closes the connection: every later call returns the same
// error. A -ERR comes as a *ReplyError and leaves the connection usable.
//
// Every method takes a context, and cancelling it closes the connection, for a
// POP3 command cannot be taken back. A Client is used by one goroutine at a time.
type Client struct {
	options   ClientOptions
	conn      net.Conn
	raw       syscall.RawConn // under conn, and under its TLS; nil if it has none
	input     *bufio.Reader   // nil while nothing is awaited
	silence   time.Duration   // the read timeout of the present command
	deadline  time.Time       // instead of silence, if it is set
	greeting  string
	timestamp string
	caps      ServerCaps
	capsKnown bool
	body      *ClientBody // open, or nil
	asked     []Ask       // and not read yet
	reading   func()      // of BeforeRead
	broken    error       // why the connection cannot be used any more
}

// NewClient reads the greeting of a server that conn was just dialled to.
// Implicit TLS is conn's own business. It closes conn if it fails.
func NewClient(ctx context.Context, conn net.Conn, options ClientOptions) (*Client, error) {
	c := &Client{options: options.withDefaults(), conn: conn, raw: rawConn(conn)}
	err := c.converse(ctx, func() error {
		c.silence = c.options.ReadTimeout
		text, err := c.status("greeting")
		c.greeting, c.timestamp = clientPrintable(text), clientTimestamp(text)
		return err
	})
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	return c, nil
}

func (o ClientOptions) withDefaults() ClientOptions {
	if o.ReadTimeout <= 0 {
		o.ReadTimeout = time.Minute
	}
	if o.ListTimeout <= 0 {
		o.ListTimeout = 5 * time.Minute
	}
	if o.WriteTimeout <= 0 {
		o.WriteTimeout = time.Minute
	}
	if o.MaxMessages <= 0 {
		o.MaxMessages = 1_000_000
	}
	return o
}

// Greeting is what followed the +OK of the server's greeting, as printable ASCII.
func (c *Client) Greeting() string { return c.greeting }

// Timestamp is the greeting's, for APOP, with its angle brackets; "" if the
// server gave none.
func (c *Client) Timestamp() string { return c.timestamp }

// BeforeRead sets what is called, in the goroutine that called the Client or
// read a body, whenever it is about to wait for the server.
func (c *Client) BeforeRead(call func()) { c.reading = call }

// Err tells why the connection cannot be used any more, or nil.
func (c *Client) Err() error { return c.broken }

// Close hangs up without QUIT: the server deletes nothing (RFC 1939 section 6).
func (c *Client) Close() error {
	if c.broken == nil {
		c.broken = net.ErrClosed
	}
	return c.conn.Close()
}

// converse runs one exchange of commands and answers, ends it when ctx ends,
// and decides whether the connection is fit for another.
func (c *Client) converse(ctx context.Context, talk func() error) error {
	if c.broken != nil {
		return c.broken
	}
	if c.body != nil {
		return ErrBodyOpen
	}
	if len(c.asked) > 0 {
		return ErrAsked
	}
	return c.exchange(ctx, talk)
}

// exchange is converse for what may go on while messages are on their way.
func (c *Client) exchange(ctx context.Context, talk func() error) error {
	conn := c.conn
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	err := talk()
	return c.settle(ctx, stop(), err)
}

// settle sorts out what an exchange did to the connection. quiet tells that
// the context did not close it.
func (c *Client) settle(ctx context.Context, quiet bool, err error) error {
	var refused *ReplyError
	usable := err == nil || errors.As(err, &refused) || errors.Is(err, ErrArgument)
	if !quiet {
		c.fail(context.Cause(ctx))
		if !usable {
			return fmt.Errorf("%w (%w)", err, context.Cause(ctx))
		}
		return err
	}
	if !usable {
		return c.fail(err)
	}
	c.rest()
	return err
}

// fail makes err the answer to all that follows.
func (c *Client) fail(err error) error {
	if c.broken == nil {
		c.broken = err
	}
	_ = c.conn.Close()
	c.asked = nil
	if c.input != nil {
		c.giveBack()
	}
	return err
}

// rest gives the buffer back while nothing is awaited. What a server sent
// unasked is kept, to be found by the next command.
func (c *Client) rest() {
	if c.input != nil && c.input.Buffered() == 0 {
		c.giveBack()
	}
}

func (c *Client) giveBack() {
	c.input.Reset(nil)
	clientBuffers.Put(c.input)
	c.input = nil
}

// reader is the buffered input.
func (c *Client) reader() *bufio.Reader {
	if c.input == nil {
		c.input = clientBuffers.Get().(*bufio.Reader)
		c.input.Reset(clientInput{c})
	}
	return c.input
}

// clientInput reads from the server with the timeout of the present command.
// There is no place in the protocol where the server may hang up and be
// right, so that it never returns io.EOF.
type clientInput struct{ c *Client }

func (i clientInput) Read(p []byte) (int, error) {
	if i.c.reading != nil {
		i.c.reading()
	}
	until := i.c.deadline
	if until.IsZero() {
		until = time.Now().Add(i.c.silence)
	}
	// If this fails the connection is closed, and Read has more to say of it.
	_ = i.c.conn.SetReadDeadline(until)
	if len(i.c.asked) > 0 {
		quickAck(i.c.raw)
	}
	n, err := i.c.conn.Read(p)
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// clientSlow are the commands that let a server open, scan or update the
// maildrop before it answers.
var clientSlow = map[string]bool{
	"PASS": true, "APOP": true, "AUTH": true,
	"STAT": true, "LIST": true, "UIDL": true, "QUIT": true,
}

// send writes the lines of one or more commands at once. Whatever the server
// has sent before is an answer to nothing, and the connection unfit.
func (c *Client) send(command string, lines ...string) error {
	awaited := c.body != nil || len(c.asked) > 0
	if c.input != nil && c.input.Buffered() > 0 && !awaited {
		return fmt.Errorf("%s: %w: data that nothing asked for", command, ErrMalformed)
	}
	c.silence = c.options.ReadTimeout
	if clientSlow[command] {
		c.silence = c.options.ListTimeout
	}
	if err := clientArguments(command, lines...); err != nil {
		return err
	}
	if err := c.conn.SetWriteDeadline(time.Now().Add(c.options.WriteTimeout)); err != nil {
		return fmt.Errorf("%s: %w", command, err)
	}
	if _, err := io.WriteString(c.conn, strings.Join(lines, "\r\n")+"\r\n"); err != nil {
		return fmt.Errorf("%s: %w", command, err)
	}
	return nil
}

// clientArguments keeps what callers pass from becoming protocol.
func clientArguments(command string, lines ...string) error {
	for _, line := range lines {
		if strings.ContainsAny(line, "\r\n\x00") {
			return fmt.Errorf("%s: %w: it holds CR, LF or NUL", command, ErrArgument)
		}
	}
	return nil
}

// simple sends one command and returns the text of its one-line +OK.
func (c *Client) simple(ctx context.Context, command, line string) (text string, err error) {
	err = c.converse(ctx, func() error {
		if err := c.send(command, line); err != nil {
			return err
		}
		text, err = c.status(command)
		return err
	})
	return text, err
}

// Pipelining tells whether commands may follow each other without waiting.
func (c *Client) Pipelining() bool {
	return c.options.Pipelining || c.caps.Has("PIPELINING")
}
