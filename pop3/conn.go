package pop3

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"
)

// conn is one client's connection. All of it belongs to one goroutine, but for
// what mu guards, and what Server.Live reads, which change changes.
type conn struct {
	server *Server
	limits Limits
	nc     net.Conn // as it was given to us
	sock   *socket  // around nc
	tls    *tls.Conn
	lines  lineReader
	w      writer
	place  place // in the Crowd
	peer   Peer
	sum    Summary

	ctx    context.Context // ends with the connection
	cancel context.CancelCauseFunc

	commands    map[string]*command // what is valid now: the state
	latest      atomic.Pointer[command]
	loginBefore time.Time     // sign-in must be done by then
	timed       bool          // the deadline for this line is set
	until       time.Time     // the deadline
	pause       time.Duration // until proof is looked for again; 0: it is not
	plain       plainState
	user        string // of USER, until PASS
	timestamp   string // of the greeting; "" if APOP is not offered
	bad         int    // bad commands in a row
	quirks      Quirks
	maildrop    maildrop
	streaming   bool // a message is being sent
	unproven    []delivery
	waiting     atomic.Int64 // since when the client has been waited for, Unix time in ns; 0: it is not

	mu      sync.Mutex
	phase   phase
	stopped string // an End constant; "" while the connection may go on
}

// phase tells Shutdown what may be interrupted.
type phase uint8

const (
	strangers phase = iota // not signed in
	everybody              // signed in
	updating               // QUIT is being done: never interrupted
)

var errStopped = errors.New("the server is shutting down")

// ending is the error that ends a connection.
type ending struct {
	how string // an End constant
	err error
}

func (e *ending) Error() string { return e.how }

func newConn(s *Server, nc net.Conn) *conn {
	c := &conn{server: s, limits: s.Limits.withDefaults(), nc: nc, sock: newSocket(nc)}
	c.sum.Start = time.Now()
	c.peer = Peer{ID: newID(), Listener: s.Name, Control: (*control)(c)}
	c.loginBefore = c.sum.Start.Add(c.limits.LoginTime)
	c.ctx, c.cancel = context.WithCancelCause(context.Background())
	c.commands = authorization
	c.lines.src = c.sock
	c.w = writer{dst: c.sock, timeout: c.limits.WriteTime, waiting: &c.waiting}
	return c
}

// newID is short enough to be read out over a telephone.
func newID() string {
	var b [4]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// stop ends the connection if it is in the given phase or before it, and tells
// whether it did. how is an End constant.
func (c *conn) stop(last phase, how string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.phase > last || c.stopped != "" {
		return false
	}
	c.stopped = how
	c.cancel(errStopped)
	c.sock.stop()
	return true
}

// enter moves to a phase, unless the connection was stopped before.
func (c *conn) enter(p phase) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stopped != "" {
		return &ending{c.stopped, nil}
	}
	c.phase = p
	return nil
}

func (c *conn) isStopped() bool { return c.stoppedHow() != "" }

func (c *conn) stoppedHow() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.stopped
}

// serve runs the connection from its first octet to the end.
func (c *conn) serve() {
	defer c.report()
	defer c.guard(c.leave)
	c.guard(func() {
		err := c.greet()
		if err == nil {
			err = c.converse()
		}
		c.ended(err)
	})
}

// guard keeps a panic in a backend from ending the other sessions.
func (c *conn) guard(f func()) {
	defer func() {
		if p := recover(); p != nil {
			err := fmt.Errorf("panic: %v\n%s", p, debug.Stack())
			c.sum.End, c.sum.Err = EndPanic, err
			c.tell("serve", err)
		}
	}()
	f()
}

// ended notes for the summary how the conversation ended.
func (c *conn) ended(err error) {
	var e *ending
	if !errors.As(err, &e) {
		e = &ending{EndDropped, err}
	}
	c.sum.End, c.sum.Err = e.how, e.err
	if c.isStopped() && e.how != EndQuit && e.how != EndFailed {
		c.sum.End = c.stoppedHow()
	}
}

// greet finds out who is there, and says hello.
func (c *conn) greet() error {
	_ = c.sock.SetDeadline(c.loginBefore)
	remote, local := c.nc.RemoteAddr(), c.nc.LocalAddr() // waits for a PROXY header
	c.change(func() { c.peer.Remote, c.peer.Local = remote, local })
	var room bool
	if c.place, room = c.server.Crowd.admit(c.peer.Remote, c.limits); !room {
		if !c.server.Implicit { // who is refused is not worth a handshake
			c.refuse(&refusal{code: CodeSysTemp, text: "too many connections, try again later"})
		}
		return c.hangUp(EndRefused)
	}
	if c.server.Admit != nil {
		if reason := c.server.Admit(c.peer.Remote); reason != "" {
			if !c.server.Implicit {
				c.refuse(&refusal{code: CodeSysPerm, text: "no connections from your address"})
			}
			_ = c.flush()
			return &ending{EndBarred, errors.New(reason)}
		}
	}
	if c.server.Hooks.Watch != nil {
		c.w.watcher = c.server.Hooks.Watch(c.peer)
	}
	if c.server.Hooks.Start != nil {
		c.server.Hooks.Start(c.peer)
	}
	if c.server.Implicit {
		if err := c.startTLS(); err != nil {
			return err
		}
	}
	if c.server.Quirks != nil {
		c.quirks = c.server.Quirks(remote)
	}
	greeting := c.server.banner() + " ready"
	if c.server.APOP && !c.quirks.NoAPOP {
		c.timestamp = newTimestamp()
		greeting += " " + c.timestamp
	}
	c.ok(greeting)
	return nil
}

// converse answers one command after the other.
func (c *conn) converse() error {
	for {
		line, err := c.readLine(c.commandLimit)
		if err == errLong {
			c.trace("(a line that is too long)")
			err = bad("line too long")
		} else if err != nil {
			return c.lost(err)
		} else {
			err = c.execute(line)
		}
		if err = c.answer(err); err != nil {
			return err
		}
	}
}

// answer deals with what a command came to. What it returns ends the
// connection.
func (c *conn) answer(err error) error {
	var r *refusal
	if err == nil {
		c.bad = 0
		return nil
	}
	if !errors.As(err, &r) {
		return err
	}
	if r.bad {
		c.bad++
		if reached(c.bad, c.limits.BadCommands) {
			r = &refusal{text: "too many bad commands, goodbye", end: EndCommands}
		}
	}
	c.refuse(r)
	if r.end != "" {
		return c.hangUp(r.end)
	}
	return nil
}

// readLine returns the client's next line, of at most Limits.Line octets or
// what limit allows.
func (c *conn) readLine(limit func([]byte) int) ([]byte, error) {
	c.timed = false
	line, err := c.lines.line(c.limits.Line, limit, c.wait)
	c.waiting.Store(0)
	if len(c.unproven) > 0 {
		c.proveByInput()
	}
	return line, err
}

// wait gets ready to wait for the client. The time is for a whole line, so
// that nobody gains any by sending it octet by octet. While something is not
// proven it is for a part of that: what a client has must be told before it says
// its next word, for it may say nothing for minutes.
func (c *conn) wait() error {
	if err := c.flush(); err != nil {
		return err
	}
	now := time.Now()
	switch {
	case !c.timed:
		c.timed, c.pause = true, proofPause
		c.waiting.Store(now.UnixNano())
		c.until = c.loginBefore
		if c.maildrop.session != nil {
			c.until = now.Add(c.limits.IdleTime)
		}
	case c.sock.stopped.Load() || !now.Before(c.until):
		return os.ErrDeadlineExceeded
	case c.pause == 0:
		return nil
	case !c.proveByQueue():
		c.pause = 0
	}
	return c.sock.SetReadDeadline(c.nextLook(now))
}

// flush hands everything that was answered to the kernel.
func (c *conn) flush() error {
	if c.w.empty() {
		return c.w.err
	}
	err := c.w.flush()
	if err == nil && len(c.unproven) > 0 {
		c.markSent()
	}
	return err
}

// lost says how a connection ended that failed with err.
func (c *conn) lost(err error) error {
	switch {
	case c.w.err != nil && os.IsTimeout(c.w.err):
		return &ending{EndStalled, err}
	case c.w.err != nil || !os.IsTimeout(err):
		if err == io.EOF {
			err = nil // the usual way to hang up
		}
		return &ending{EndDropped, err}
	case c.maildrop.session != nil:
		return &ending{EndIdle, nil}
	}
	return &ending{EndLogin, nil}
}

// hangUp ends the connection after its last answer.
func (c *conn) hangUp(how string) error {
	_ = c.flush()
	c.linger()
	return &ending{how, nil}
}

// lingerTime is how long, and lingerOctets how much, we let a client talk on
// that we have said goodbye to.
const (
	lingerTime   = time.Second
	lingerOctets = 1 << 20
)

// linger lets the last answer arrive. Closing a socket with unread input
// resets the connection, and a reset overtakes what was sent before it.
func (c *conn) linger() {
	n, _ := unread(c.sock.raw)
	if n+c.lines.buffered() == 0 || c.w.err != nil {
		return
	}
	if w, ok := c.nc.(interface{ CloseWrite() error }); ok && w.CloseWrite() == nil {
		_ = c.sock.SetReadDeadline(time.Now().Add(lingerTime))
		_, _ = io.CopyN(io.Discard, c.sock, lingerOctets)
	}
}

// leave lets go of everything, the client first.
func (c *conn) leave() {
	defer c.closeSession()
	c.w.drop()
	if len(c.unproven) > 0 {
		c.proveByQueue()
	}
	if c.tls != nil && c.sum.End == EndQuit {
		_ = c.tls.Close() // tells the client that nothing was cut off
	}
	_ = c.sock.Close()
	c.cancel(net.ErrClosed)
	c.settle(len(c.unproven), false)
}

// report tells of the whole connection.
func (c *conn) report() {
	c.sum.Peer = c.peer
	c.sum.Duration = time.Since(c.sum.Start)
	c.sum.In, c.sum.Out = c.sock.in.Load(), c.sock.out.Load()
	c.summarize()
	if c.w.watcher != nil {
		c.w.watcher.End(c.sum)
	}
	if c.server.Hooks.End != nil {
		c.server.Hooks.End(c.sum)
	}
}

// tell reports a failure of the backend.
func (c *conn) tell(doing string, err error) {
	if c.server.Hooks.Error != nil {
		user := c.sum.User
		if user == "" {
			user = c.user
		}
		c.server.Hooks.Error(c.peer, user, doing, err)
	}
}

// backendContext bounds one wait for the backend.
func (c *conn) backendContext() (context.Context, context.CancelFunc) {
	return context.WithTimeout(c.ctx, c.limits.BackendTime)
}

// reached tells whether n is as much as max allows.
func reached(n, max int) bool { return max >= 0 && n >= max }
