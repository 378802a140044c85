package pop3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

const terminator = ".\r\n"

var (
	errPatience = errors.New("the backend took too long")
	errCut      = errors.New("enough lines") // TOP has all it wants
)

// retr answers RETR (RFC 1939 section 5).
func (c *conn) retr(arg string) error {
	i, err := c.message(arg)
	if err != nil {
		return err
	}
	return c.retrieve(i, -1)
}

// top answers TOP (RFC 1939 section 7).
func (c *conn) top(arg string) error {
	number, count, _ := strings.Cut(arg, " ")
	lines, ok := parseNumber(strings.Trim(count, " \t"))
	if !ok {
		return bad("a message number and a number of lines are needed")
	}
	i, err := c.message(number)
	if err != nil {
		return err
	}
	return c.retrieve(i, lines)
}

// retrieve sends message i, or with lines >= 0 the top of it.
func (c *conn) retrieve(i, lines int) error {
	if !c.maildrop.waits {
		c.beforeWait()
	}
	if c.w.err != nil {
		return c.lost(c.w.err)
	}
	ctx, cancel := context.WithCancelCause(c.ctx)
	defer cancel(context.Canceled)
	patience := time.AfterFunc(c.limits.BackendTime, func() { cancel(errPatience) })
	defer patience.Stop()

	body, err := c.maildrop.session.Open(ctx, i, lines)
	if err == nil && body == nil {
		err = errors.New("the backend gave no body")
	}
	if err != nil {
		return c.failed(fmt.Sprintf("open message %d", i+1), err)
	}
	t := transfer{c: c, i: i, body: body, patience: patience, cancel: cancel, retr: lines < 0}
	t.cut.lines = lines
	t.adapter.quirks = c.quirks
	t.sniffer, _ = body.(Sniffer)
	defer t.finish()
	return t.run()
}

// beforeWait sends what was answered so far. Within a message that has begun
// to be sent, it is stream that does so, and keeps its tail.
func (c *conn) beforeWait() {
	if !c.streaming {
		_ = c.flush() // w keeps the error
	}
}

// transfer is one message on its way, in one pass and bounded memory:
//
//	Body → canonical line ends → quirks → cut for TOP → Sniffer → dots → writer
type transfer struct {
	c        *conn
	i        int
	body     Body
	retr     bool // else TOP
	patience *time.Timer
	cancel   context.CancelCauseFunc // of what body was opened with
	ended    bool                    // body was read to its end
	text     canonical
	cut      cutter
	adapter  adapter
	sniffer  Sniffer
	stuff    stuffer
	fate     Delivery
}

// Read reads from the backend, in bounded time.
func (t *transfer) Read(p []byte) (int, error) {
	t.patience.Reset(t.c.limits.BackendTime)
	defer t.patience.Stop()
	return t.body.Read(p)
}

// run reads as much ahead as it may, answers, and sends the rest.
func (t *transfer) run() error {
	size, exact := t.body.Size()
	t.text = newCanonical(t)
	defer t.text.free()
	var err error
	for err == nil && len(t.text.text) <= readAhead {
		err = t.more()
	}
	if broken(err) {
		return t.c.failed(t.doing(), err)
	}
	t.answer(size, exact, err == io.EOF)
	t.c.streaming = true
	defer func() { t.c.streaming = false }()
	if err = t.stream(err); err != nil {
		return err
	}
	if exact && t.retr && t.fate.Octets != size {
		t.c.tell(t.doing(), fmt.Errorf("the size was announced as %d and is %d", size, t.fate.Octets))
	}
	return nil
}

// stream sends what was read and reads on, until the message ends.
func (t *transfer) stream(err error) error {
	w := &t.c.w
	for {
		t.pass()
		if err != nil {
			break
		}
		if w.push(tailKept); w.err != nil {
			return t.c.lost(w.err)
		}
		if err = t.more(); broken(err) {
			w.drop() // no terminator may ever follow
			if !t.c.isStopped() {
				t.c.tell(t.doing(), err)
			}
			return &ending{EndBody, err}
		}
	}
	if w.watcher != nil {
		w.watcher.Said(fmt.Appendf(nil, "(%d octets of the message)\r\n", t.fate.Octets))
	}
	w.writeString(terminator)
	t.fate.Octets -= t.adapter.added // what is stored is what is learned
	t.fate.Whole = err == io.EOF && w.err == nil
	return nil
}

// broken tells an error from the end of a message.
func broken(err error) bool { return err != nil && err != io.EOF && err != errCut }

// more reads once, and cuts what TOP does not want.
func (t *transfer) more() error {
	start := len(t.text.text)
	err := t.text.more()
	t.ended = err == io.EOF
	if t.adapter.quirks != (Quirks{}) && !broken(err) {
		t.text.text = t.adapter.adapt(t.text.text, start, t.ended)
	}
	if t.retr || broken(err) {
		return err
	}
	n, last := t.cut.cut(t.text.text[start:])
	t.text.text = t.text.text[:start+n]
	if last && err == nil {
		err = errCut
	}
	return err
}

// answer writes +OK. The number of octets is only told if it is true.
func (t *transfer) answer(size int64, exact, complete bool) {
	if complete {
		size, exact = int64(len(t.text.text)), true
	}
	switch {
	case !t.retr:
		t.c.sum.Tops++
		t.c.ok("top of message follows")
	case exact && !t.adapter.mayAdd():
		t.c.w.writeString("+OK ")
		t.c.number(size)
		t.c.w.writeString(" octets\r\n")
	default:
		t.c.ok("")
	}
}

// pass sends the text that was read.
func (t *transfer) pass() {
	text := t.text.text
	if t.sniffer != nil && len(text) > 0 {
		t.sniffer.Sniff(text)
	}
	t.stuff.write(&t.c.w, text)
	t.fate.Octets += int64(len(text))
	t.text.take()
}

// closeEarly makes ready for a Close that may have to read the rest: the client
// must not wait for that, and nobody needs it if the client has gone.
func (t *transfer) closeEarly() {
	if _ = t.c.flush(); t.c.w.err != nil {
		t.cancel(t.c.w.err)
		return
	}
	t.patience.Reset(t.c.limits.CloseTime)
}

// finish lets go of the body. What became of it is told now if it failed, and
// else when the client has proven that it has it.
func (t *transfer) finish() {
	c := t.c
	if !t.ended {
		t.closeEarly()
	}
	if err := t.body.Close(); err != nil {
		c.tell(t.doing(), err)
	}
	if t.retr {
		c.sum.RetrOctets += t.fate.Octets
	}
	if t.retr && t.fate.Whole {
		c.sum.Retrieved++
		c.maildrop.last = max(c.maildrop.last, t.i+1)
	}
	c.deliver(t.body, t.fate, t.retr)
}

func (t *transfer) doing() string { return fmt.Sprintf("read message %d", t.i+1) }
