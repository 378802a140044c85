package bridge

import (
	"net"
	"syscall"
)

// socket is the connection beneath TLS. It can tell before it waits.
type socket struct {
	net.Conn
	raw syscall.RawConn
	// before is called before a read that has to wait; nil: nobody cares. It
	// belongs to whoever reads.
	before func()

	attempt func(fd uintptr) bool // tryRead, made once
	p       []byte
	n       int
	err     error
}

func newSocket(conn net.Conn) *socket {
	s := &socket{Conn: conn}
	if c, ok := conn.(syscall.Conn); ok {
		s.raw, _ = c.SyscallConn() // without it, any read may wait
		s.attempt = s.tryRead
	}
	return s
}

// Read says nothing beforehand if there is something to read.
func (s *socket) Read(p []byte) (int, error) {
	if s.before == nil || len(p) == 0 {
		return s.Conn.Read(p)
	}
	if s.raw != nil {
		s.p = p
		err := s.raw.Read(s.attempt)
		s.p = nil
		if err == nil && s.err == nil && s.n > 0 {
			return s.n, nil
		}
	}
	s.before()
	return s.Conn.Read(p)
}
