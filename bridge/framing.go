package bridge

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"
)

const (
	// idleBuffer is what an idle connection costs here. Most lines are shorter.
	idleBuffer = 4 << 10
	// bulkBuffer saves system calls while a listing of many lines arrives.
	bulkBuffer = 64 << 10
	// maxUnit bounds one response with all its literals but a message's text.
	// The longest that we ask for is a SEARCH of one chunk of UIDs, under 64 KiB;
	// but for one of a whole folder, for which expectUIDs makes room.
	maxUnit = 256 << 10
	// maxLiteral bounds a message. Nothing that mail passes through carries
	// more; a server that announces more is broken or hostile.
	maxLiteral = 16 << 30
)

var (
	bulkBuffers = sync.Pool{New: func() any { b := make([]byte, bulkBuffer); return &b }}
	idleBuffers = sync.Pool{New: func() any { b := make([]byte, idleBuffer); return &b }}
)

// framing is the net.Conn under imapclient. It knows where lines and literals
// end, and hands the library one response at a time, in words that the library
// understands (response.go); answers to commands of our own never reach it.
//
// It keeps its own time: a read may last as long as expect said, counted anew
// for each read and only while something is due. The library's deadlines are
// ignored; they are absolute, and would cut a slow client's long download.
//
// Errors are final. The first one is kept, for the library loses the cause.
type framing struct {
	conn net.Conn
	raw  net.Conn // conn without TLS: closing it never waits

	// These belong to whoever has the turn to read.
	buf  []byte // buf[r:w] is read but not framed; nil while nobody reads
	r, w int
	out  []byte  // what the library gets next
	lit  int64   // octets left of the literal of text
	text arrival // the message text that has begun
	turn turn
	// waits is called before whoever reads texts has to wait; may be nil.
	waits  func()
	before func() // tellWaits, made once
	// alone: the library is not there, so that whoever waits reads.
	alone bool

	mu      sync.Mutex
	err     error         // final
	dead    chan struct{} // closed when err is set
	timeout time.Duration // 0: nothing is due
	write   time.Duration // how long a write may take
	texts
	notes
	commands
}

func newFraming(conn, raw net.Conn, write time.Duration) *framing {
	f := &framing{conn: conn, raw: raw, write: write, dead: make(chan struct{}), turn: newTurn()}
	f.before = f.tellWaits
	return f
}

// Read gives the library its next octets. Messages' texts are not among them:
// while one is due that has begun, somebody else has the turn.
func (f *framing) Read(p []byte) (int, error) {
	for {
		if err := f.cause(); err != nil {
			return 0, err
		}
		if len(f.out) > 0 {
			n := copy(p, f.out)
			f.out = f.out[n:]
			return n, nil
		}
		if err := f.next(); err != nil {
			return 0, f.fail(err)
		}
		if f.textComes() {
			f.lend()
		}
	}
}

// readLiteral passes a message's text through, past our buffer if it is empty.
func (f *framing) readLiteral(p []byte) (int, error) {
	p = p[:min(int64(len(p)), f.lit)]
	var n int
	var err error
	if f.r == f.w && f.lit < bulkBuffer/2 {
		err = f.fill() // together with what follows it
	}
	switch {
	case f.r < f.w:
		n = copy(p, f.buf[f.r:f.w])
		f.r += n
	case err == nil:
		n, err = f.read(p)
	}
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return 0, f.fail(err)
	}
	f.lit -= int64(n)
	return n, nil
}

// read reads from the socket, and fails if that takes too long while
// something is due.
func (f *framing) read(p []byte) (int, error) {
	for {
		f.sayBefore()
		if err := f.arm(); err != nil {
			return 0, err
		}
		n, err := f.conn.Read(p)
		if n > 0 || err == nil {
			return n, nil
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return 0, err
		}
		// The deadline may be that of a command that was answered meanwhile.
		if waited := f.waiting(); waited > 0 {
			return 0, fmt.Errorf("the server said nothing for %v: %w", waited, err)
		}
	}
}

// sayBefore sees to it that whoever reads texts hears of it before the socket
// waits.
func (f *framing) sayBefore() {
	if s, ok := f.raw.(*socket); ok {
		s.before = nil
		if f.hasTurn() && f.waits != nil {
			s.before = f.before
		}
	}
}

// tellWaits counts the time that the server has from when everybody has been
// told: a client that is slow to take what it is sent is not a silent server.
func (f *framing) tellWaits() {
	f.waits()
	_ = f.arm() // fails only on a closed connection, which the read then tells
}

// arm sets the deadline of the next read.
func (f *framing) arm() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err != nil {
		return f.err
	}
	return f.setDeadline()
}

func (f *framing) setDeadline() error {
	if f.timeout == 0 {
		return f.conn.SetReadDeadline(time.Time{})
	}
	return f.conn.SetReadDeadline(time.Now().Add(f.timeout))
}

func (f *framing) waiting() time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.timeout
}

// expect says that the server owes us something, and how long it may be
// silent; 0 says that nothing is due. It also binds a read that has begun.
func (f *framing) expect(timeout time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.timeout = timeout
	if f.err == nil {
		_ = f.setDeadline() // fails only on a closed connection, which the read then tells
	}
}

// Write sends what the library wrote.
func (f *framing) Write(p []byte) (int, error) {
	if err := f.sending(p); err != nil {
		return 0, f.fail(err)
	}
	_ = f.conn.SetWriteDeadline(time.Now().Add(f.write)) // as in expect
	if _, err := f.conn.Write(f.sasl(p)); err != nil {
		return 0, f.fail(err)
	}
	return len(p), nil
}

// sending looks at what is about to be sent.
func (f *framing) sending(p []byte) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.literalSent && isTagged(p) {
		f.due++
	}
	_, f.literalSent = literalAt(p)
	if removesAll(p) {
		return errRemovesAll
	}
	return f.err
}

// isTagged tells whether p begins with a tag of the library's.
func isTagged(p []byte) bool {
	n := 1
	for n < len(p) && p[n] >= '0' && p[n] <= '9' {
		n++
	}
	return n > 1 && n < len(p) && p[0] == 'T' && p[n] == ' '
}

var errRemovesAll = errors.New("EXPUNGE and CLOSE remove mail that others marked, and are never sent")

// removesAll tells whether p is a command that removes whatever is marked. The
// library has them, and falls back to one; this is the place where none passes.
func removesAll(p []byte) bool {
	tag, command, _ := bytes.Cut(trimLineEnd(p), []byte{' '})
	return bytes.HasPrefix(tag, []byte{'T'}) && (string(command) == "EXPUNGE" || string(command) == "CLOSE")
}

// fail keeps the first error, closes the connection and wakes everyone up. It
// returns the error that is kept.
func (f *framing) fail(err error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err == nil {
		f.err = err
		close(f.dead)
		_ = f.raw.Close() // there is nothing to be done about it
	}
	return f.err
}

// Close ends the connection at once. It is also how a read is cancelled.
func (f *framing) Close() error {
	_ = f.fail(net.ErrClosed)
	return nil
}

// cause returns why the connection ended, or nil if it has not.
func (f *framing) cause() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.err
}

// LocalAddr and RemoteAddr make a net.Conn, as do the deadlines, which are the
// library's and ignored.
func (f *framing) LocalAddr() net.Addr { return f.conn.LocalAddr() }

// RemoteAddr is the server's address.
func (f *framing) RemoteAddr() net.Addr { return f.conn.RemoteAddr() }

// SetDeadline does nothing.
func (f *framing) SetDeadline(time.Time) error { return nil }

// SetReadDeadline does nothing.
func (f *framing) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline does nothing.
func (f *framing) SetWriteDeadline(time.Time) error { return nil }
