package bridge

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/restante-mail/restante/upstream"
)

// maxDrain is how much text that nobody wants is read rather than thrown away
// with its connection: less than a new TLS connection and sign-in cost.
const maxDrain = 256 << 10

// Outcomes of a FETCH that succeeds and brings nothing.
var (
	errNoMessage = errors.New("the server answered without the message")
	errNoText    = errors.New("the server answered without the message's text")
	errEmpty     = errors.New("the server gave an empty text for a message that has a size")
)

var errDropped = errors.New("a message was not read to its end")

// body is the text of one message, or a part of it, on its way. It is read
// from the connection as it is asked for, and what waits behind it waits in
// the socket.
//
// A body that has given io.EOF was complete. If nothing was asked for behind
// it, the server has said OK to it, too, and the connection is idle.
type body struct {
	l    *link
	ctx  context.Context // of the Open that it belongs to: its end ends the connection
	want want
	size int64
	left int64
	// verified: the server has said the UID before the text. Otherwise it is
	// only at the end that the text is known to be the right one.
	verified bool
	err      error // final
}

// fetch begins to read the first of the texts.
func (l *link) fetch(ctx context.Context, wants []want) (*body, error) {
	if err := ctx.Err(); err != nil {
		return nil, refusal("fetch a message", err, upstream.Unavailable)
	}
	l.settle(ctx)
	if err := l.send(wants); err != nil {
		return nil, l.explain(ctx, "fetch a message", upstream.Unavailable, err)
	}
	return l.begin(ctx)
}

// send asks for texts. UIDs that ascend go in one command.
func (l *link) send(wants []want) error {
	if l.f.waits == nil {
		l.f.waits = l.beforeWait
	}
	l.f.mu.Lock()
	l.f.forgetAnswered()
	l.f.mu.Unlock()
	for len(wants) > 0 {
		set, n := uidRun(wants)
		c := l.f.queue("UID FETCH "+set+" (UID BODY.PEEK[]"+wants[0].partial()+")", injection{})
		for i := range wants[:n] {
			wants[i].command, wants[i].alone = c, n == 1
		}
		l.f.mu.Lock()
		l.f.wanted = append(l.f.wanted, wants[:n]...)
		l.f.asked = append(l.f.asked, c)
		l.f.mu.Unlock()
		wants = wants[n:]
	}
	l.f.expect(l.u.o.ReplyTimeout)
	return l.f.flush()
}

// uidRun writes the set of the first n texts, which can go in one command: the
// server answers in the order of UIDs, whatever the order of the set.
func uidRun(wants []want) (set string, n int) {
	var b []byte
	for n < len(wants) && len(b) < maxSet {
		first := n
		for n++; n < len(wants) && wants[n].uid == wants[n-1].uid+1 && wants[n].sameAs(wants[first]); n++ {
		}
		b = strconv.AppendUint(b, uint64(wants[first].uid), 10)
		if n-first > 1 {
			b = strconv.AppendUint(append(b, ':'), uint64(wants[n-1].uid), 10)
		}
		if n == len(wants) || wants[n].uid <= wants[n-1].uid || !wants[n].sameAs(wants[first]) {
			break
		}
		b = append(b, ',')
	}
	return string(trimComma(b)), n
}

func trimComma(set []byte) []byte {
	if set[len(set)-1] == ',' {
		return set[:len(set)-1]
	}
	return set
}

// sameAs tells whether as much is wanted of both.
func (w want) sameAs(other want) bool { return w.offset == other.offset && w.size == other.size }

// partial is what makes a FETCH partial.
func (w want) partial() string {
	if w.offset < 0 {
		return ""
	}
	return fmt.Sprintf("<%d.%d>", w.offset, w.size)
}

// begin waits for the text that comes next.
func (l *link) begin(ctx context.Context) (*body, error) {
	l.attend(ctx)
	w := l.next()
	t, err := l.f.nextText()
	b := &body{l: l, ctx: ctx, want: w, size: t.size, left: t.size, verified: t.verified}
	switch {
	case err != nil:
	case !t.begun || t.passed > 0:
		err = l.missing(w)
	case t.absent:
		if err = l.f.nextWanted(); err == nil {
			err = errNoText
		}
	case w.offset >= 0 && t.size > w.size:
		return nil, b.abort(fmt.Errorf("asked for %d octets, the server sends %d", w.size, t.size))
	default:
		return b, nil
	}
	return nil, b.release(err)
}

// next is the text that comes next. It holds none of the budget any more.
func (l *link) next() want {
	l.f.mu.Lock()
	defer l.f.mu.Unlock()
	w := l.f.wanted[0]
	l.f.wanted[0].cost = 0
	l.held -= w.cost
	l.u.budget.GiveBack(w.cost)
	return w
}

// missing says why a text does not come.
func (l *link) missing(w want) error {
	if err := l.f.nextWanted(); err != nil {
		return err
	}
	if w.alone && isClosed(w.command.done) && w.command.status.kind != "OK" {
		return w.command.status.reply()
	}
	return errNoMessage
}

// Read never returns octets together with an error.
func (b *body) Read(p []byte) (int, error) {
	switch {
	case b.err != nil:
		return 0, b.err
	case b.ctx.Err() != nil:
		return 0, b.abort(b.ctx.Err())
	case b.left == 0:
		return 0, b.end()
	case len(p) == 0:
		return 0, nil
	}
	n, err := b.l.f.readText(p)
	b.left -= int64(n)
	if err != nil {
		return 0, b.abort(err)
	}
	return n, nil
}

// end makes sure that the text ends where it should.
func (b *body) end() error {
	if err := b.l.f.finishText(); err != nil {
		return b.abort(err)
	}
	if c := b.want.command; b.want.alone && isClosed(c.done) && c.status.kind != "OK" {
		b.err = b.release(c.status.reply())
		return b.err
	}
	_ = b.release(nil)
	b.err = io.EOF
	return b.err
}

// abort ends the connection.
func (b *body) abort(cause error) error {
	if b.err == nil {
		_ = b.l.f.fail(cause)
		b.err = b.release(cause)
	}
	return b.err
}

// release says what the error was about.
func (b *body) release(err error) error {
	b.l.leave()
	if err == nil || err == errNoMessage || err == errNoText {
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

// attend makes the end of ctx end the connection, from the moment on when
// something must be waited for: most small messages are here already when they
// are asked for.
func (l *link) attend(ctx context.Context) {
	l.leave()
	l.ctx = ctx
}

func (l *link) leave() {
	if l.stop != nil {
		l.stop()
	}
	l.ctx, l.stop = nil, nil
}

// beforeWait is called before the socket is read for a text.
func (l *link) beforeWait() {
	if l.ctx == nil {
		return
	}
	if l.waits != nil {
		l.waits()
	}
	if l.stop == nil {
		l.stop = context.AfterFunc(l.ctx, func() { _ = l.f.Close() })
	}
}
