// Package memimap is an IMAP server (RFC 3501) that keeps its mail in memory
// and serves every message octet for octet as it was given: bare LFs, NULs, no
// header at all. It stands behind `restante demo` and behind quick tests.
//
// It is not a mail store: nothing outlives the process. And it knows nothing of
// MIME: ENVELOPE, BODYSTRUCTURE and the parts of a message are refused, because
// a server that understands a message is tempted to mend it.
package memimap

import (
	"crypto/tls"
	"errors"
	"net"
	"sync"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"

	"github.com/restante-mail/restante/secret"
)

// Server is an IMAP server. Its fields are read when it first serves, and must
// not be changed after that. All methods are safe for concurrent use.
type Server struct {
	// TLS is the server's certificate for ServeTLS and STARTTLS; nil offers
	// neither.
	TLS *tls.Config
	// InsecureAuth lets clients sign in without TLS. Otherwise LOGINDISABLED
	// is announced.
	InsecureAuth bool
	// Lacks names capabilities that are neither announced nor obeyed, out of
	// UIDPLUS, MOVE, ESEARCH, SPECIAL-USE, LIST-EXTENDED, LIST-STATUS,
	// STATUS=SIZE and LITERAL+.
	Lacks []string
	// Has names capabilities that are announced and obeyed besides, out of QUOTA
	// and OBJECTID (of which EMAILID alone is there).
	Has []string
	// Now tells the INTERNALDATE of a message that comes without one; nil is
	// time.Now.
	Now func() time.Time
	// Log is told of broken connections; nil keeps silent.
	Log imapserver.Logger

	mu       sync.Mutex
	users    map[string]*User
	imap     *imapserver.Server // nil until the first Serve
	caps     imap.CapSet        // set with imap, and not changed after that
	conns    map[net.Conn]struct{}
	sessions sync.WaitGroup // Add only under mu and while not closed
	closed   bool
}

// New makes a server with no users.
func New() *Server {
	return &Server{users: make(map[string]*User), conns: make(map[net.Conn]struct{})}
}

// AddUser adds a user with an empty INBOX and the folders Trash, Archive and
// Junk. A user of the same name is replaced, and its open sessions live on.
func (s *Server) AddUser(name string, password secret.Text) *User {
	u := newUser(name, password, s.now)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.users[name] = u
	return u
}

// Serve accepts connections until Close, which makes it return nil. It closes
// the listener.
func (s *Server) Serve(l net.Listener) error {
	return s.serve(l, func(l net.Listener) net.Listener { return l })
}

// ServeTLS is Serve with TLS from the first octet (imaps).
func (s *Server) ServeTLS(l net.Listener) error {
	if s.TLS == nil {
		return errors.Join(errors.New("memimap: TLS without a certificate"), l.Close())
	}
	return s.serve(l, func(l net.Listener) net.Listener { return tls.NewListener(l, s.TLS) })
}

func (s *Server) serve(l net.Listener, wrap func(net.Listener) net.Listener) error {
	defer l.Close()
	server := s.start()
	if server == nil {
		return nil
	}
	var connections net.Listener = wrap(&listener{l, s})
	if len(s.Has) > 0 {
		connections = &extender{connections, s.Has}
	}
	if err := server.Serve(connections); err != nil && !s.isClosed() {
		return err
	}
	return nil
}

// start makes the IMAP server at the first call; nil if s is closed.
func (s *Server) start() *imapserver.Server {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.imap != nil {
		return s.imap
	}
	s.caps = capabilities(s.Lacks)
	logger := s.Log
	if logger == nil {
		logger = silent{}
	}
	s.imap = imapserver.New(&imapserver.Options{
		NewSession:   s.newSession,
		Caps:         s.caps,
		Logger:       logger,
		TLSConfig:    s.TLS,
		InsecureAuth: s.InsecureAuth,
	})
	return s.imap
}

func (s *Server) newSession(c *imapserver.Conn) (imapserver.Session, *imapserver.GreetingData, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, nil, net.ErrClosed
	}
	s.sessions.Add(1)
	made := &session{server: s}
	if e, ok := c.NetConn().(*extended); ok {
		e.session = made
	}
	return made, nil, nil
}

// Close stops listening, ends all connections and waits for their sessions. It
// may be called more than once.
func (s *Server) Close() error {
	s.mu.Lock()
	first := !s.closed
	server := s.imap
	s.closed = true
	s.imap = nil
	s.mu.Unlock()
	s.closeConns()
	var err error
	if first && server != nil {
		err = server.Close()
	}
	s.sessions.Wait()
	return err
}

func (s *Server) isClosed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

func (s *Server) user(name string) *User {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.users[name]
}

func (s *Server) now() time.Time {
	if s.Now == nil {
		return time.Now()
	}
	return s.Now()
}

// capabilities are those that imapserver leaves to its sessions, without the
// ones to be lacked.
func capabilities(lacks []string) imap.CapSet {
	caps := imap.CapSet{
		imap.CapIMAP4rev1:    {},
		imap.CapUIDPlus:      {},
		imap.CapMove:         {},
		imap.CapESearch:      {},
		imap.CapSpecialUse:   {},
		imap.CapListExtended: {},
		imap.CapListStatus:   {},
		imap.CapStatusSize:   {},
		imap.CapLiteralPlus:  {},
	}
	for _, name := range lacks {
		delete(caps, imap.Cap(name))
	}
	return caps
}

// silent is a Logger that logs nothing.
type silent struct{}

func (silent) Printf(string, ...any) {}
