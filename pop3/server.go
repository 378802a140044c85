package pop3

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
	"syscall"
	"time"
)

// A Server serves POP3 to any number of connections. Its fields must not be
// changed once it serves. What can be reloaded is reloaded by making a new
// Server: ServeConn lets two of them share a listener.
type Server struct {
	// Name is told to the Backend as Peer.Listener.
	Name    string
	Backend Backend
	// TLS is the configuration for STLS or, if Implicit, for the whole
	// connection; nil means that there is no TLS.
	TLS *tls.Config
	// Implicit: TLS begins with the first octet (RFC 8314 section 3). It needs
	// TLS.
	Implicit bool
	// AllowPlain tells whether a client may sign in without TLS. nil allows
	// this machine only. It is asked in the connection's goroutine, so it may
	// wait for a PROXY header.
	AllowPlain func(net.Conn) bool
	// Admit tells why a client is not let in; nil, or "", lets it in. It is told
	// only that it is not. It is asked before anything is said, and must be quick.
	Admit func(remote net.Addr) (reason string)
	// Implementation is the greeting's text and CAPA's IMPLEMENTATION.
	Implementation string
	// Capabilities are extra lines of CAPA before sign-in, like "EXPIRE 30
	// USER". After sign-in a Capable session says its own.
	Capabilities []string
	// Mechanisms are the SASL mechanisms offered, of PLAIN, LOGIN, XOAUTH2,
	// OAUTHBEARER and EXTERNAL; nil offers all of them. Others are not offered,
	// nor is EXTERNAL to a client whose certificate TLS has not verified.
	Mechanisms []string
	// Offers, if not nil, tells which of these can work at the moment.
	Offers func(mechanism string) bool
	// APOP puts a timestamp into the greeting and takes digests made with it,
	// with or without TLS.
	APOP bool
	// Quirks, if not nil, tells which liberties to take for a client. It is asked
	// once, and must be quick.
	Quirks func(remote net.Addr) Quirks
	Limits Limits
	// Crowd is whose connections Limits counts; nil: this Server's alone.
	Crowd *Crowd
	Hooks Hooks

	mu        sync.Mutex
	closing   bool
	listeners map[net.Listener]struct{}
	conns     map[*conn]struct{}
	ended     chan struct{} // closed when the last connection ends while closing
}

// Serve accepts connections until the listener is closed or Shutdown is
// called, which makes it return nil. A lack of files or memory is waited out.
func (s *Server) Serve(l net.Listener) error {
	if !s.listen(l, true) {
		_ = l.Close()
		return nil
	}
	defer s.listen(l, false)
	return Accept(l, s.ServeConn)
}

// Accept gives every connection of l to serve, in a goroutine of its own, until
// l is closed, which makes it return nil. A lack of files or memory is waited
// out.
func Accept(l net.Listener, serve func(net.Conn)) error {
	pause := time.Duration(0)
	for {
		c, err := l.Accept()
		switch {
		case err == nil:
			pause = 0
			go serve(c)
		case errors.Is(err, net.ErrClosed):
			return nil
		case temporary(err):
			pause = min(max(2*pause, 5*time.Millisecond), time.Second)
			time.Sleep(pause)
		default:
			return err
		}
	}
}

// Connections is how many there are now.
func (s *Server) Connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns)
}

// temporary tells whether accepting may work again by itself.
func temporary(err error) bool {
	for _, e := range []syscall.Errno{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS,
		syscall.ENOMEM, syscall.ECONNABORTED, syscall.EINTR} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// listen notes or forgets a listener for Shutdown. It returns false if the
// server has ended.
func (s *Server) listen(l net.Listener, on bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !on {
		delete(s.listeners, l)
		return true
	}
	if s.closing {
		return false
	}
	if s.listeners == nil {
		s.listeners = make(map[net.Listener]struct{})
	}
	s.listeners[l] = struct{}{}
	return true
}

// ServeConn serves one connection in the caller's goroutine, closes it and
// returns when it is over.
func (s *Server) ServeConn(nc net.Conn) {
	c := newConn(s, nc)
	if !s.enter(c) {
		_ = nc.Close()
		return
	}
	defer s.leave(c)
	c.serve()
}

// enter notes a connection. It returns false if the server has ended.
func (s *Server) enter(c *conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing {
		return false
	}
	if s.conns == nil {
		s.conns = make(map[*conn]struct{})
	}
	if s.Crowd == nil {
		s.Crowd = new(Crowd)
	}
	s.conns[c] = struct{}{}
	return true
}

func (s *Server) leave(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
	c.place.leave()
	if s.closing && len(s.conns) == 0 {
		close(s.ended)
	}
}

// Shutdown ends the server. There are no new sessions, connections that have
// not signed in end at once, and the others may go on until they QUIT or ctx
// ends; then they are closed without UPDATE. A QUIT that has begun is always
// finished. Shutdown returns when all are gone: nil, or ctx's error if it had
// to close some.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	if !s.closing {
		s.close()
	}
	s.mu.Unlock()

	select {
	case <-s.ended:
		return nil
	case <-ctx.Done():
	}
	s.mu.Lock()
	closed := 0
	for c := range s.conns {
		if c.stop(everybody, EndShutdown) {
			closed++
		}
	}
	s.mu.Unlock()
	<-s.ended
	if closed == 0 {
		return nil
	}
	return fmt.Errorf("%d sessions were closed: %w", closed, ctx.Err())
}

// close lets nobody in any more. The caller holds the lock.
func (s *Server) close() {
	s.closing, s.ended = true, make(chan struct{})
	for l := range s.listeners {
		_ = l.Close()
	}
	for c := range s.conns {
		c.stop(strangers, EndShutdown)
	}
	if len(s.conns) == 0 {
		close(s.ended)
	}
}
