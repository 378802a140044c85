package pop3

import (
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// Answers are gathered in one buffer of this size, and a body leaves in
// writes of it.
const writeSize = 64 << 10

// tailKept is how much of what was gathered waits for what comes next, so that
// the terminator leaves in one packet with the end of the message. Some
// clients hang if it comes in pieces (cyrusimap/cyrus-imapd#4717).
const tailKept = 512

var writeBuffers = sync.Pool{New: func() any { return new([writeSize]byte) }}

// writer gathers answers into few writes. It holds a buffer only while there
// is something in it, so that an idle session holds none. After the first
// error it drops everything.
type writer struct {
	dst     net.Conn
	timeout time.Duration // of one write
	waiting *atomic.Int64 // since when the client is waited for; 0: it is not
	buf     *[writeSize]byte
	n       int // octets in buf
	err     error
	watcher Watcher // nil: nobody watches
}

func (w *writer) write(p []byte) {
	if w.watcher != nil {
		w.watcher.Said(p)
	}
	w.gather(p)
}

// gather is write for what a Watcher is not shown: the text of messages.
func (w *writer) gather(p []byte) {
	for len(p) > 0 && w.err == nil {
		n := copy(w.room()[w.n:], p)
		w.n, p = w.n+n, p[n:]
	}
}

func (w *writer) writeString(s string) {
	if w.watcher != nil {
		w.watcher.Said([]byte(s))
	}
	w.gatherString(s)
}

func (w *writer) gatherString(s string) {
	for len(s) > 0 && w.err == nil {
		n := copy(w.room()[w.n:], s)
		w.n, s = w.n+n, s[n:]
	}
}

// room returns the buffer, with room for at least one octet unless err is set.
// What makes room keeps a tail, so that no line end or terminator is cut off
// from what comes before it.
func (w *writer) room() *[writeSize]byte {
	if w.buf == nil {
		w.buf = writeBuffers.Get().(*[writeSize]byte)
	}
	if w.n == writeSize {
		w.push(tailKept)
	}
	return w.buf
}

// push sends all but the last keep octets. What is kept can leave in one
// packet with what comes next.
func (w *writer) push(keep int) {
	if w.n <= keep || w.err != nil {
		return
	}
	out := w.buf[:w.n-keep]
	w.err = w.dst.SetWriteDeadline(time.Now().Add(w.timeout))
	if w.err == nil {
		w.waiting.Store(time.Now().UnixNano())
		_, w.err = w.dst.Write(out)
		w.waiting.Store(0)
	}
	w.n = copy(w.buf[:], w.buf[len(out):w.n])
}

// flush sends everything and gives the buffer back.
func (w *writer) flush() error {
	w.push(0)
	w.drop()
	return w.err
}

// drop forgets what was not sent.
func (w *writer) drop() {
	if w.buf != nil {
		writeBuffers.Put(w.buf)
		w.buf, w.n = nil, 0
	}
}

// empty tells whether everything was sent.
func (w *writer) empty() bool { return w.n == 0 }
