package proxy

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"

	"github.com/restante-mail/restante/pop3"
	"github.com/restante-mail/restante/upstream"
	"github.com/restante-mail/restante/upstream/readahead"
)

const (
	// defaultReadAhead bounds what all sessions together have asked for and not
	// read: kernel memory, in the sockets.
	defaultReadAhead = 256 << 20
	// overhead is what a message costs besides its octets, so that no number of
	// small ones is too large.
	overhead = 512
	// maxTop is what the top of a message is taken to cost at most, however
	// large the message: a long header.
	maxTop = 32 << 10
)

// A pending message was asked for and is not read yet.
type pending struct {
	ask  pop3.Ask
	size int64 // as listed
	cost int64 // of the budget; 0 for what the client waits for
}

// errDropped: what is under way and not wanted is more than it is worth to read.
var errDropped = errors.New("the client went elsewhere than was read ahead")

// ReadAhead counts octets of messages.
type ReadAhead struct {
	Read   int64 // given to sessions
	Ahead  int64 // of those, asked for before the client did
	Wasted int64 // asked for, and not wanted after all
}

type octets struct{ read, ahead, wasted atomic.Int64 }

// ReadAhead returns the counts since the Upstream was made.
func (u *Upstream) ReadAhead() ReadAhead {
	return ReadAhead{u.octets.read.Load(), u.octets.ahead.Load(), u.octets.wasted.Load()}
}

// Expect implements upstream.Predictor.
func (m *Mailbox) Expect(order []upstream.Message) { m.course = readahead.New(order) }

// BeforeWait implements upstream.Predictor.
func (m *Mailbox) BeforeWait(call func()) {
	m.beforeWait = call
	m.line.BeforeRead(call)
}

// neutral tells whether RETR upstream is known to have no consequences of its
// own, so that a message may be read that no client has asked for. EXPIRE 0
// (RFC 2449 section 6.7) says that the server removes at QUIT what was retrieved.
func (l *line) neutral() bool {
	expire := l.caps["EXPIRE"]
	if len(expire) > 0 && expire[0] == "0" {
		return false
	}
	if l.declared != nil {
		return *l.declared
	}
	return len(expire) > 0 && expire[0] == "NEVER"
}

// mayAhead tells whether messages may be asked for, by that kind of command,
// before the client does. If it then goes elsewhere the connection may have to
// be dropped, and without UIDLs nothing could be found again.
func (m *Mailbox) mayAhead(a pop3.Ask) bool {
	if !m.line.Pipelining() || m.listing.unprovable() || m.upstream.caps.knows(m.line.address).short {
		return false
	}
	return a.Lines >= 0 || m.line.neutral()
}

// predict returns what else to ask for together with, or after, a command of
// that kind.
func (m *Mailbox) predict(kind pop3.Ask, asking int) (more []pending) {
	c := &m.course
	window := c.Window()
	under := len(m.pending) + asking
	if window == 0 || m.held > window/2 || under > pop3.MaxAsked/2 || !m.mayAhead(kind) {
		return nil
	}
	from := c.At
	if m.held > 0 {
		from = m.last
	}
	for under+len(more) < pop3.MaxAsked-1 { // one is being read
		i := c.Next(from, c.Step)
		if i < 0 {
			break
		}
		p, ok := m.pendingFor(&c.Order[i], kind.Lines)
		if !ok || m.held+p.cost > window || !m.upstream.budget.TryTake(p.cost) {
			break
		}
		m.held += p.cost
		more = append(more, p)
		from, m.last = i, i
	}
	return more
}

// pendingFor is false for what must be asked for alone: a message that seems
// empty may be one whose first octet, a dot, the server has not stuffed, and
// what follows it would pass for other messages.
func (m *Mailbox) pendingFor(message *upstream.Message, lines int) (p pending, ok bool) {
	n, err := m.number(message.ID)
	if err != nil {
		return p, false
	}
	p = pending{ask: pop3.Ask{Number: n, Lines: lines}, size: m.listing.size(message.ID)}
	p.cost = min(p.size, maxMessage) + overhead
	if lines >= 0 {
		p.cost = min(p.size, maxTop) + overhead
	}
	return p, p.size > 0
}

// maxMessage makes a size that a server tells fit to be added to others.
const maxMessage = 1 << 40

// ask sends the commands for these messages.
func (m *Mailbox) ask(ctx context.Context, these []pending) error {
	asks := make([]pop3.Ask, len(these))
	for i, p := range these {
		asks[i] = p.ask
	}
	if err := m.line.Ask(ctx, asks...); err != nil {
		return err
	}
	for _, p := range these {
		if p.ask.Lines < 0 {
			m.fetched(p.ask.Number)
		}
	}
	m.pending = append(m.pending, these...)
	return nil
}

// next begins to read what was asked for first, and first asks for more if half
// of what may be asked for has been read.
func (m *Mailbox) next(ctx context.Context) (p pending, body *pop3.ClientBody, err error) {
	p = m.pending[0]
	m.pending = slices.Delete(m.pending, 0, 1)
	m.giveBack(p.cost)
	if more := m.predict(p.ask, 1); len(more) > 0 {
		if err := m.ask(ctx, more); err != nil {
			return p, nil, err
		}
	}
	body, err = m.line.Next(ctx)
	return p, body, err
}

func (m *Mailbox) giveBack(cost int64) {
	m.held -= cost
	m.upstream.budget.GiveBack(cost)
}

// came makes a message that is on its way the next one. What little was asked
// for before it and is not wanted is read. If it is not on its way, nothing is
// afterwards.
func (m *Mailbox) came(ctx context.Context, want pop3.Ask) (bool, error) {
	place := slices.IndexFunc(m.pending, func(p pending) bool { return p.ask == want })
	if place < 0 {
		return false, m.discard(ctx, len(m.pending))
	}
	return true, m.discard(ctx, place)
}

// discard reads n messages that nobody wants, or drops the connection if that
// is too much.
func (m *Mailbox) discard(ctx context.Context, n int) error {
	var sum int64
	for _, p := range m.pending[:n] {
		sum += p.cost
	}
	if sum > closeLimit {
		m.drop(errDropped)
		return errDropped
	}
	for ; n > 0; n-- {
		p := m.pending[0]
		m.pending = slices.Delete(m.pending, 0, 1)
		m.giveBack(p.cost)
		m.upstream.octets.wasted.Add(p.size)
		if err := m.skip(ctx, p); err != nil {
			return err
		}
	}
	return nil
}

// skip reads a message that nobody wants. That the server refuses it is no error.
func (m *Mailbox) skip(ctx context.Context, p pending) error {
	body, err := m.line.Next(ctx)
	var refused *pop3.ReplyError
	if errors.As(err, &refused) {
		return nil
	}
	if err != nil {
		return err
	}
	r := &reader{mailbox: m, body: body, pending: p}
	r.drain(closeLimit)
	return m.line.Err()
}

// drop hangs up, for a reason that is not the server's.
func (m *Mailbox) drop(why error) {
	m.upstream.options.Log.WithField("session", m.login.Session).WithError(why).Debug("POP3 upstream connection is given up")
	_ = m.line.Close()
	m.forgetPending()
}

// forgetPending is for a connection that is lost.
func (m *Mailbox) forgetPending() {
	for _, p := range m.pending {
		if p.cost > 0 {
			m.upstream.octets.wasted.Add(p.size)
		}
	}
	m.pending = nil
	m.giveBack(m.held)
}

// fetched notes that the server was asked for a message by RETR; delivered, that
// the client has read all of it.
func (m *Mailbox) fetched(number int) {
	if m.line.neutral() {
		return
	}
	if m.retrieved == nil {
		m.retrieved = map[int]bool{}
	}
	if !m.retrieved[number] {
		m.retrieved[number] = false
	}
}

func (m *Mailbox) delivered(number int) {
	if m.retrieved != nil {
		m.retrieved[number] = true
	}
}

// mustNotQuit tells whether the server may take a message for retrieved that no
// client has: what it does about it at QUIT would not be what the client wants.
func (m *Mailbox) mustNotQuit() bool {
	for _, had := range m.retrieved {
		if !had {
			return true
		}
	}
	return false
}
