package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/restante-mail/restante/pop3"
	"github.com/restante-mail/restante/upstream"
)

// Open reads a message by RETR, or by TOP if only a part is wanted and the
// server has it. A body that was cut cannot be resumed over POP3.
func (m *Mailbox) Open(ctx context.Context, id upstream.ID, part upstream.Part) (io.ReadCloser, error) {
	var body *pop3.ClientBody
	err := m.attempt(ctx, func() error {
		n, err := m.number(id)
		if err != nil {
			return err
		}
		body, err = m.read(ctx, n, part)
		return err
	})
	doing := fmt.Sprintf("read message %d", id.UID)
	if err != nil {
		return nil, &upstream.Error{Kind: kindOf(err, reading), Doing: doing, Err: err}
	}
	return &reader{mailbox: m, body: body, doing: doing, size: m.listing.size(id)}, nil
}

// read sends RETR or TOP. A server that did not announce TOP and refuses it is
// asked for all of the message; if it gives that, TOP is not tried again.
func (m *Mailbox) read(ctx context.Context, n int, part upstream.Part) (*pop3.ClientBody, error) {
	announced := m.line.caps.Has("TOP")
	if part.Lines < 0 || m.noTop || m.line.caps != nil && !announced {
		return m.line.Retr(ctx, n)
	}
	body, err := m.line.Top(ctx, n, part.Lines)
	var refused *pop3.ReplyError
	if announced || !errors.As(err, &refused) || refused.Code != "" {
		return body, err
	}
	body, err = m.line.Retr(ctx, n)
	m.noTop = err == nil
	return body, err
}

// A reader is a message on its way. Every error it gives is an
// *upstream.Error or io.EOF.
type reader struct {
	mailbox *Mailbox
	body    *pop3.ClientBody
	doing   string
	size    int64 // as listed
	octets  int64
	err     error
}

// errEmpty: Dovecot and Courier do not stuff a dot that is the very first
// octet, so that a message that begins with a line of one dot looks like an
// empty one, and its rest like answers to commands.
var errEmpty = errors.New("the server sent nothing of a message that is not empty")

func (r *reader) Read(p []byte) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	n, err := r.body.Read(p)
	r.octets += int64(n)
	if errors.Is(err, io.EOF) && r.octets == 0 && r.size > 0 {
		_ = r.mailbox.line.Close()
		err = errEmpty
	}
	if err != nil && !errors.Is(err, io.EOF) {
		err = &upstream.Error{Kind: upstream.Unavailable, Doing: r.doing, Err: err}
	}
	r.err = err
	return n, err
}

// Close takes the rest of a message that was not read to its end off the
// connection, or drops the connection if that is too much. Without UIDLs a new
// session could not prove which message is which, and everything is taken.
func (r *reader) Close() error {
	limit := int64(closeLimit)
	if !r.mailbox.listing.hasUIDL() {
		limit = math.MaxInt64
	}
	if r.err == nil {
		r.err = &upstream.Error{Kind: upstream.Unavailable, Doing: r.doing, Err: io.ErrClosedPipe}
	}
	// A failure ends the connection, which the next use of it will notice.
	_ = r.body.CloseWithin(limit)
	return nil
}

// closeLimit is how many octets are read in vain to keep a connection: about
// what a new one costs over a fast line.
const closeLimit = 256 << 10
