package bridge

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"github.com/restante-mail/restante/upstream"
)

// maxDrain is how much of a body that nobody wants is read rather than thrown
// away with its connection: less than a new TLS connection and sign-in cost.
const maxDrain = 256 << 10

// Outcomes of a FETCH that succeeds and brings nothing.
var (
	errNoMessage = errors.New("the server answered without the message")
	errNoText    = errors.New("the server answered without the message's text")
	errEmpty     = errors.New("the server gave an empty text for a message that has a size")
)

// body is the text of one message, or a part of it, on its way. It is the only
// code that touches a FetchCommand, because so much goes wrong around one:
//
//   - the library ends a truncated literal with a clean io.EOF. The framing
//     makes that an error, and body counts the octets as well;
//   - after an error the library must not be asked for anything until its
//     reader has gone, or the two race for one buffer;
//   - a literal that nobody reads blocks the connection for ever.
//
// A body that has given io.EOF was complete, and the server has said OK to it.
// Whatever way it ends, it leaves the connection either idle or dead.
type body struct {
	l    *link
	ctx  context.Context // of the Open that it belongs to: its end ends the connection
	stop func() bool
	cmd  *imapclient.FetchCommand
	lit  imap.LiteralReader // nil once it has failed
	size int64              // of the literal
	left int64
	// verified: the server has said the UID before the text. Otherwise it is
	// only at the end that the text is known to be the right one.
	verified bool
	err      error // final
}

// fetch begins to read a message's text. partial is nil for all of it.
func (l *link) fetch(ctx context.Context, uid uint32, partial *imap.SectionPartial) (*body, error) {
	if err := ctx.Err(); err != nil {
		return nil, refusal("fetch a message", err, upstream.Unavailable)
	}
	offset := int64(-1)
	if partial != nil {
		offset = partial.Offset
	}
	l.f.expectText(uid, offset)
	b := &body{l: l, ctx: ctx, stop: context.AfterFunc(ctx, func() { _ = l.f.Close() })}
	l.f.expect(l.u.o.ReplyTimeout)
	b.cmd = l.c.Fetch(imap.UIDSetNum(imap.UID(uid)), &imap.FetchOptions{
		UID:         true,
		BodySection: []*imap.FetchItemBodySection{{Peek: true, Partial: partial}},
	})
	if err := b.begin(); err != nil {
		return nil, b.release(err)
	}
	if partial != nil && b.size > partial.Size {
		return nil, b.abort(fmt.Errorf("asked for %d octets, the server sends %d", partial.Size, b.size))
	}
	return b, nil
}

// begin waits for the text. If there is none, the command is over.
func (b *body) begin() error {
	outcome := errNoMessage
	if msg := b.cmd.Next(); msg != nil {
		outcome = errNoText
		for item := msg.Next(); item != nil; item = msg.Next() {
			if text, ok := item.(imapclient.FetchItemDataBodySection); ok && text.Literal != nil {
				b.lit, b.size, b.left = text.Literal, text.Literal.Size(), text.Literal.Size()
				b.verified = b.l.f.textVerified()
				return nil
			}
		}
	}
	if err := b.cmd.Close(); err != nil {
		return err
	}
	return outcome
}

// Read never returns octets together with an error.
func (b *body) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	if b.left == 0 {
		return 0, b.end()
	}
	if len(p) == 0 {
		return 0, nil
	}
	n, err := b.lit.Read(p)
	b.left -= int64(n)
	if err == nil || (err == io.EOF && b.left == 0) {
		return n, nil
	}
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	b.lit = nil // it has failed, and must not be read again
	_ = b.abort(err)
	if n > 0 {
		return n, nil
	}
	return 0, b.err
}

// end waits until the server has said OK.
func (b *body) end() error {
	if n, err := b.lit.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		if err != nil {
			b.lit = nil
		}
		return b.abort(errors.New("a literal that does not end where it should"))
	}
	if err := b.cmd.Close(); err != nil {
		b.err = b.release(err)
		return b.err
	}
	b.err = io.EOF
	_ = b.release(nil)
	return b.err
}

// abort ends the connection, and waits until the library has let go of it. The
// order matters: the literal must have failed before the reader can go, and
// the reader must be gone before the command can be closed.
func (b *body) abort(cause error) error {
	if b.err != nil {
		return b.err
	}
	_ = b.l.f.fail(cause)
	if b.lit != nil {
		scrap := make([]byte, 4<<10)
		for err := error(nil); err == nil; {
			_, err = b.lit.Read(scrap)
		}
	}
	<-b.l.c.Closed()
	_ = b.cmd.Close()
	b.err = b.release(cause)
	return b.err
}

// release gives the connection back. It says what the error was about.
func (b *body) release(err error) error {
	b.stop()
	b.l.f.expect(0)
	if err == errNoMessage || err == errNoText {
		return err
	}
	return b.l.explain(b.ctx, "fetch a message", upstream.Unavailable, err)
}

// Close may come early. What little is left is then read, or the connection
// is given up.
func (b *body) Close() error {
	if b.err != nil {
		return nil
	}
	if b.left > maxDrain {
		_ = b.abort(errDropped)
		return nil
	}
	_, _ = io.Copy(io.Discard, b)
	return nil
}

var errDropped = errors.New("a message was not read to its end")
