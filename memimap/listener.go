package memimap

import (
	"net"
	"sync"
)

// A listener remembers the connections it gave out. imapserver.Server.Close
// misses those that were accepted and whose goroutine has not begun yet.
type listener struct {
	net.Listener
	server *Server
}

func (l *listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	tracked := &conn{Conn: c, server: l.server}
	l.server.mu.Lock()
	defer l.server.mu.Unlock()
	if l.server.closed {
		c.Close()
		return nil, net.ErrClosed
	}
	l.server.conns[tracked] = struct{}{}
	return tracked, nil
}

// A conn takes itself off its server's list when it is closed.
type conn struct {
	net.Conn
	server *Server
	once   sync.Once
	err    error
}

func (c *conn) Close() error {
	c.once.Do(func() {
		c.server.mu.Lock()
		delete(c.server.conns, c)
		c.server.mu.Unlock()
		c.err = c.Conn.Close()
	})
	return c.err
}

func (s *Server) closeConns() {
	s.mu.Lock()
	var open []net.Conn
	for c := range s.conns {
		open = append(open, c)
	}
	s.mu.Unlock()
	for _, c := range open {
		c.Close()
	}
}
