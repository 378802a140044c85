package pop3

import (
	"context"
	"errors"
	"fmt"
)

// MaxAsked bounds the messages that a Client has asked for and not begun to
// read: commands of some 5 KiB in all, which fit every socket's buffers, so
// that neither side can block the other.
const MaxAsked = 256

// ErrAsked: a command was tried while messages that were asked for are on
// their way, or one more was asked for than allowed.
var ErrAsked = errors.New("messages that were asked for are still to be read")

// An Ask is a message to be read.
type Ask struct {
	Number int
	// Lines of the body after the header, by TOP; negative for the whole
	// message, by RETR.
	Lines int
}

// name is the command's.
func (a Ask) name() string {
	if a.Lines < 0 {
		return "RETR"
	}
	return "TOP"
}

func (a Ask) line() (string, error) {
	if a.Lines < 0 {
		return clientMessage("RETR", a.Number)
	}
	return clientMessage("TOP", a.Number, a.Lines)
}

// Ask sends commands for messages, all at once. Next reads the answers in the
// same order, and until all are read no other command can be sent. If a server
// is not known to take pipelined commands one message can be asked for at a time.
func (c *Client) Ask(ctx context.Context, asks ...Ask) error {
	if c.broken != nil {
		return c.broken
	}
	lines := make([]string, len(asks))
	for i, a := range asks {
		var err error
		if lines[i], err = a.line(); err != nil {
			return err
		}
	}
	under := len(c.asked) + len(asks)
	if c.body != nil {
		under++
	}
	if under > MaxAsked || under > 1 && !c.Pipelining() {
		return fmt.Errorf("%s: %w", asks[0].name(), ErrAsked)
	}
	return c.exchange(ctx, func() error {
		if err := c.send(asks[0].name(), lines...); err != nil {
			return err
		}
		c.asked = append(c.asked, asks...)
		return nil
	})
}

// Asked are the messages that Next has still to read, oldest first. The slice
// is valid until the next call of Ask or Next.
func (c *Client) Asked() []Ask { return c.asked }

// Next begins to read the message that was asked for first. A *ReplyError says
// that the server refused this one.
func (c *Client) Next(ctx context.Context) (*ClientBody, error) {
	if c.broken != nil {
		return nil, c.broken
	}
	if c.body != nil || len(c.asked) == 0 {
		return nil, ErrBodyOpen
	}
	a := c.asked[0]
	c.asked = append(c.asked[:0], c.asked[1:]...)
	conn := c.conn
	b := &ClientBody{c: c, command: a.name(), ctx: ctx, start: true}
	b.stop = context.AfterFunc(ctx, func() { _ = conn.Close() })
	if err := b.begin(); err != nil {
		return nil, c.settle(ctx, b.stop(), err)
	}
	c.body = b
	return b, nil
}

// begin reads the status line.
func (b *ClientBody) begin() error {
	b.c.silence = b.c.options.ReadTimeout
	status, lone, err := b.c.line(clientMaxLine)
	if err != nil {
		return fmt.Errorf("%s: %w", b.command, err)
	}
	b.lone = lone
	return clientIsOK(b.command, status)
}

// AnswerFollows tells whether what comes next begins like an answer to a
// command. It waits for it, and takes nothing.
func (c *Client) AnswerFollows() bool {
	ahead, err := c.reader().Peek(len("+OK"))
	return err == nil && (string(ahead) == "+OK" || string(ahead) == "-ER")
}
