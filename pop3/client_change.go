package pop3

import (
	"context"
	"errors"
)

// clientWindow is how many DELEs are under way at once: few enough that
// neither side's socket buffer can fill while the other still writes.
const clientWindow = 64

// Dele marks messages for removal at QUIT, pipelined if the server allows it.
// refused has an element for every number, nil or a *ReplyError. With err the
// connection is lost, or nothing was sent; either way nothing was removed.
func (c *Client) Dele(ctx context.Context, numbers ...int) (refused []error, err error) {
	lines := make([]string, len(numbers))
	for i, n := range numbers {
		if lines[i], err = clientMessage("DELE", n); err != nil {
			return nil, err
		}
	}
	err = c.converse(ctx, func() error {
		window := 1
		if c.Pipelining() {
			window = clientWindow
		}
		for len(lines) > 0 {
			some := lines[:min(window, len(lines))]
			lines = lines[len(some):]
			if err := c.send("DELE", some...); err != nil {
				return err
			}
			if refused, err = c.deleted(refused, len(some)); err != nil {
				return err
			}
		}
		return nil
	})
	return refused, err
}

// deleted reads n answers to DELE.
func (c *Client) deleted(refused []error, n int) ([]error, error) {
	for range n {
		_, err := c.status("DELE")
		var reply *ReplyError
		if err != nil && !errors.As(err, &reply) {
			return nil, err
		}
		refused = append(refused, err)
	}
	return refused, nil
}

// Reset takes all marks back (RSET).
func (c *Client) Reset(ctx context.Context) error {
	_, err := c.simple(ctx, "RSET", "RSET")
	return err
}

// Noop does nothing, and shows that the server is alive.
func (c *Client) Noop(ctx context.Context) error {
	_, err := c.simple(ctx, "NOOP", "NOOP")
	return err
}

// Quit makes the server remove what was marked, and hangs up. Only nil means
// that the server said it did; after any error some may be gone and some not.
func (c *Client) Quit(ctx context.Context) error {
	_, err := c.simple(ctx, "QUIT", "QUIT")
	_ = c.Close()
	return err
}
