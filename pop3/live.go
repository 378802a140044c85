package pop3

import (
	"errors"
	"maps"
	"slices"
	"time"
)

// Live is what there is to say of a connection that goes on.
type Live struct {
	Peer    Peer
	User    string // who has signed in, or is about to; "" if nobody
	Start   time.Time
	State   string        // one of the State constants
	Command string        // the latest verb, "other" if it is none; "" before the first
	Idle    time.Duration // how long the client has been waited for; 0 while it is being answered
	In, Out int64         // octets on the wire, TLS included
}

// The states of RFC 1939, for Live.State.
const (
	StateAuthorization = "authorization" // before sign-in
	StateTransaction   = "transaction"
	StateUpdate        = "update" // QUIT is being done
)

// Live lists the connections there are now, in no order.
func (s *Server) Live() []Live {
	s.mu.Lock()
	conns := slices.Collect(maps.Keys(s.conns))
	s.mu.Unlock()
	all := make([]Live, len(conns))
	for i, c := range conns {
		all[i] = c.live()
	}
	return all
}

// Kick closes the connection with this Peer.ID. Nothing is deleted, for there
// was no QUIT. It returns false if there is none such, or if it has said QUIT
// and that is being done, which nothing interrupts.
func (s *Server) Kick(id string) bool {
	s.mu.Lock()
	conns := slices.Collect(maps.Keys(s.conns))
	s.mu.Unlock()
	at := slices.IndexFunc(conns, func(c *conn) bool { return c.peer.ID == id })
	return at >= 0 && conns[at].stop(everybody, EndKicked)
}

func (c *conn) live() Live {
	c.mu.Lock()
	l := Live{Peer: c.peer, User: c.sum.User, Start: c.sum.Start,
		State: [...]string{StateAuthorization, StateTransaction, StateUpdate}[c.phase]}
	c.mu.Unlock()
	if cmd := c.latest.Load(); cmd != nil {
		l.Command = cmd.verb
	}
	l.Idle = (*control)(c).Idle()
	l.In, l.Out = c.sock.in.Load(), c.sock.out.Load()
	return l
}

// change changes what Live reads.
func (c *conn) change(what func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	what()
}

// outcome sorts what a command returned.
func outcome(err error) Outcome {
	if err == nil { // by far the most, and costs no memory
		return AnsweredOK
	}
	var r *refusal
	var e *ending
	switch {
	case errors.As(err, &r):
		return AnsweredErr
	case errors.As(err, &e) && e.how == EndQuit:
		return AnsweredOK
	case errors.As(err, &e) && e.how == EndFailed:
		return AnsweredErr
	}
	return Unanswered
}
