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

// closeLimit is how many octets are read in vain to keep a connection: about
// what a new one costs over a fast line.
const closeLimit = 256 << 10

// Open reads a message by RETR, or by TOP if only a part is wanted and the
// server has it. A body that was cut cannot be resumed over POP3.
func (m *Mailbox) Open(ctx context.Context, id upstream.ID, part upstream.Part) (io.ReadCloser, error) {
	m.course.Visit(m.course.Find(id), linesOf(part))
	r := &reader{mailbox: m, id: id, whole: part.Lines < 0}
	err := m.attempt(ctx, func() error {
		n, err := m.number(id)
		if err != nil {
			return err
		}
		return m.read(ctx, r, pending{ask: pop3.Ask{Number: n, Lines: linesOf(part)}, size: m.listing.size(id)})
	})
	if err != nil {
		return nil, &upstream.Error{Kind: kindOf(err, reading), Doing: r.doing(), Err: err}
	}
	return r, nil
}

// linesOf is what a server is asked for. Courier's numbers wrap at 2^31.
func linesOf(part upstream.Part) int { return min(part.Lines, math.MaxInt32) }

// read takes the message if it is on its way, or asks for it. A server that did
// not announce TOP and refuses it is asked for all of the message; if it gives
// that, TOP is not tried again.
func (m *Mailbox) read(ctx context.Context, r *reader, want pending) (err error) {
	announced := m.line.caps.Has("TOP")
	if !r.whole && (m.noTop || m.line.caps != nil && !announced) {
		want.ask.Lines = -1
	}
	if err = m.fetch(ctx, r, want); want.ask.Lines < 0 || announced {
		return err
	}
	var refused *pop3.ReplyError
	if !errors.As(err, &refused) || refused.Code != "" {
		return err
	}
	want.ask.Lines = -1
	err = m.fetch(ctx, r, want)
	m.noTop = err == nil
	return err
}

func (m *Mailbox) fetch(ctx context.Context, r *reader, want pending) error {
	came, err := m.came(ctx, want.ask)
	if err != nil {
		return err
	}
	if !came {
		if err := m.ask(ctx, append([]pending{want}, m.predict(want.ask, 1)...)); err != nil {
			return err
		}
	}
	if r.pending, r.body, err = m.next(ctx); err != nil || r.size == 0 || !r.body.Empty() {
		return err
	}
	if len(m.pending) > 0 { // what comes next may be this message's, and is asked for anew, alone
		m.course.Fault()
		m.drop(errEmpty)
		return errEmpty
	}
	r.body.TakeDot()
	return nil
}

// A reader is a message on its way. Every error it gives is an
// *upstream.Error or io.EOF.
type reader struct {
	pending
	mailbox *Mailbox
	body    *pop3.ClientBody
	id      upstream.ID
	whole   bool // the client retrieves it
	closed  bool
	err     error
}

var (
	// errEmpty: Dovecot and Courier do not stuff a dot that is the very first
	// octet, so that a message that begins with a line of one dot looks like an
	// empty one, and its rest like answers to commands.
	errEmpty = errors.New("the server sent nothing of a message that is not empty")
	// errShort: the same may be so of a dot elsewhere; but some servers' sizes are
	// just too large.
	errShort = errors.New("the server sent less of a message than it announced, so that what comes behind it cannot be trusted")
)

func (r *reader) Read(p []byte) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	n, err := r.body.Read(p)
	if errors.Is(err, io.EOF) {
		if err = r.ended(); errors.Is(err, io.EOF) && r.whole {
			r.mailbox.delivered(r.ask.Number)
		}
	}
	if err != nil && !errors.Is(err, io.EOF) {
		err = &upstream.Error{Kind: upstream.Unavailable, Doing: r.doing(), Err: err}
	}
	r.err = err
	return n, err
}

func (r *reader) doing() string { return fmt.Sprintf("read message %d", r.id.UID) }

// ended judges the end of a message: io.EOF if it can be one.
func (r *reader) ended() error {
	m := r.mailbox
	switch octets := r.body.Octets(); {
	case octets == 0 && r.size > 0:
		m.course.Fault()
		m.drop(errEmpty)
		return errEmpty
	case octets < r.size && r.ask.Lines < 0 && len(m.pending) > 0:
		return r.short()
	}
	return io.EOF
}

// short: the message may have ended at a dot that the server forgot to stuff. If
// what follows is no answer, it has. Otherwise its sender may have meant it to
// pass for one: the answers behind it are not believed, and from this server
// nothing is read ahead any more.
func (r *reader) short() error {
	m := r.mailbox
	answer := m.line.AnswerFollows()
	m.upstream.caps.learn(m.line.address, func(f *facts) { f.short = true })
	m.drop(errShort)
	if !answer {
		return errShort
	}
	return io.EOF
}

// Close takes the rest of a message that was not read to its end off the
// connection, or drops the connection if that is too much. Without UIDLs a new
// session could not prove which message is which, and everything is taken.
func (r *reader) Close() error {
	if r.closed {
		return nil
	}
	r.closed = true
	limit := int64(closeLimit)
	if r.mailbox.listing.unprovable() {
		limit = math.MaxInt64
	}
	u, served := r.mailbox.upstream, r.body.Octets()
	u.octets.read.Add(served)
	if r.cost > 0 {
		u.octets.ahead.Add(served)
	}
	if r.err == nil {
		r.err = &upstream.Error{Kind: upstream.Unavailable, Doing: r.doing(), Err: io.ErrClosedPipe}
		r.drain(limit)
	}
	return nil
}

// drain reads the rest, of at most so many octets. A failure ends the
// connection, which the next use of it will notice.
func (r *reader) drain(limit int64) {
	if r.body.CloseWithin(limit) == nil && r.mailbox.line.Err() == nil {
		_ = r.ended()
	}
}
