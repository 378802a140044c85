package pop3

import (
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"time"
)

// socket is the client's connection beneath TLS. It counts what passes, and
// asks the kernel what is still on its way. It is used by the connection's
// goroutine alone, but for stop and the counts.
type socket struct {
	net.Conn
	in, out atomic.Int64 // octets read and written
	raw     syscall.RawConn
	stopped atomic.Bool
}

func newSocket(nc net.Conn) *socket { return &socket{Conn: nc, raw: rawConn(nc)} }

// stop makes what waits for the client fail, now and for ever. The flag is set
// before the deadline and looked at after a deadline was set, so none of the
// connection's own can undo it.
func (s *socket) stop() {
	s.stopped.Store(true)
	_ = s.SetDeadline(time.Unix(1, 0))
}

func (s *socket) Read(p []byte) (int, error) {
	if s.stopped.Load() {
		return 0, os.ErrDeadlineExceeded
	}
	n, err := s.Conn.Read(p)
	s.in.Add(int64(n))
	return n, err
}

func (s *socket) Write(p []byte) (int, error) {
	if s.stopped.Load() {
		return 0, os.ErrDeadlineExceeded
	}
	n, err := s.Conn.Write(p)
	s.out.Add(int64(n))
	return n, err
}

// received is how many octets the client's packets have brought so far, read
// or not. ok is false if the system does not tell.
func (s *socket) received() (octets int64, ok bool) {
	n, ok := unread(s.raw)
	return s.in.Load() + int64(n), ok
}

// acknowledged is how many octets the client's system has confirmed. ok is
// false if the system does not tell.
func (s *socket) acknowledged() (octets int64, ok bool) {
	n, ok := unacknowledged(s.raw)
	return s.out.Load() - int64(n), ok
}

// rawConn finds the system's socket below what a listener may have put around
// it, for instance to read a PROXY header. It is nil if there is none.
func rawConn(nc net.Conn) syscall.RawConn {
	for range 8 { // a wrapper may not wrap itself
		switch w := nc.(type) {
		case syscall.Conn:
			if raw, err := w.SyscallConn(); err == nil {
				return raw
			}
			return nil
		case interface{ Raw() net.Conn }:
			nc = w.Raw()
		case interface{ NetConn() net.Conn }:
			nc = w.NetConn()
		default:
			return nil
		}
	}
	return nil
}
