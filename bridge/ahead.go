package bridge

import (
	"context"
	"sync/atomic"

	"github.com/restante-mail/restante/upstream"
	"github.com/restante-mail/restante/upstream/readahead"
)

const (
	// defaultReadAhead bounds what all sessions together have asked for and
	// not read: kernel memory, in the sockets.
	defaultReadAhead = 256 << 20
	// overhead is what a text costs besides its octets, so that no number of
	// empty messages is too large.
	overhead = 512
	// maxWanted bounds the texts under way. If each needs a command of its own,
	// as downwards, it is maxCommands: a server that cannot write does not read.
	maxWanted   = 2048
	maxCommands = 256
)

// ReadAhead counts octets of messages.
type ReadAhead struct {
	Read   int64 // given to sessions
	Ahead  int64 // of those, asked for before the client did
	Wasted int64 // asked for, and not wanted after all
}

type readAhead struct{ read, ahead, wasted atomic.Int64 }

// ReadAhead returns the counts since the Upstream was made.
func (u *Upstream) ReadAhead() ReadAhead {
	return ReadAhead{u.octets.read.Load(), u.octets.ahead.Load(), u.octets.wasted.Load()}
}

// Expect implements upstream.Predictor. Until it is called nothing is read
// ahead.
func (m *mailbox) Expect(order []upstream.Message) { m.course = readahead.New(order) }

// BeforeWait implements upstream.Predictor.
func (m *mailbox) BeforeWait(call func()) { m.beforeWait = call }

func (m *mailbox) willWait() {
	if m.beforeWait != nil {
		m.beforeWait()
	}
}

// predict adds to wants what else to ask for now. A server that refused what
// was asked for, even if it sent it, is asked for the next message alone.
func (m *mailbox) predict(l *link, wants []want) []want {
	c := &m.course
	window := c.Window()
	most := maxWanted
	if c.Step < 0 {
		most = maxCommands
	}
	if window == 0 || l.held > window/2 || l.pending() > most/2 {
		return wants
	}
	if l.f.takeRefused() {
		c.Fault()
		return wants
	}
	from := c.At
	if l.pending() > 0 && l.held > 0 {
		from = m.asked
	}
	for l.pending()+len(wants) < most {
		i := c.Next(from, c.Step)
		if i < 0 || c.Order[i].ID.Folder != m.selected {
			break
		}
		w := m.wantOf(&c.Order[i])
		if l.held+w.cost > window || !m.u.budget.TryTake(w.cost) {
			break
		}
		l.held += w.cost
		wants = append(wants, w)
		from, m.asked = i, i
	}
	return wants
}

// wantOf is as much of a message as the client takes of each.
func (m *mailbox) wantOf(message *upstream.Message) want {
	listed, _ := m.find(message.ID) // message may know better, but Open asks by this
	w := want{uid: message.ID.UID, offset: -1, length: bounded(listed.Size)}
	if m.course.Lines >= 0 {
		if piece := firstPiece(m.course.Lines, listed.Size); piece > 0 {
			w.offset, w.size, w.length = 0, piece, piece
		}
	}
	w.cost = w.length + overhead
	return w
}

// bounded makes a size that a server tells fit to be added to others: no
// message is larger.
func bounded(size int64) int64 { return min(max(size, 0), maxLiteral) }

// askAhead asks for more when half of what may be asked for has been read. If
// that fails, whoever reads next will know.
func (m *mailbox) askAhead() {
	l := m.link
	if l == nil || l.dead() || m.course.Step == 0 {
		return
	}
	if wants := m.predict(l, m.wants[:0]); len(wants) > 0 {
		m.wants = wants
		_ = l.send(wants)
	}
}

// settle is for the end of the session, and for whoever has the connection next.
func (m *mailbox) settle(ctx context.Context) {
	if m.link != nil && !m.link.dead() {
		m.link.settle(ctx)
	}
}

// came tells whether the message is on its way already, and makes it the next:
// what little was asked for before it and is not wanted is read.
func (m *mailbox) came(ctx context.Context, folder int, w want) bool {
	l := m.link
	if l == nil || l.dead() || m.selected != folder || m.changed != nil {
		return false
	}
	place, before := l.find(w)
	if place < 0 || before > maxDrain {
		return false
	}
	l.waits = m.beforeWait
	return l.discard(ctx, place)
}

// find looks for a text under way, and counts the octets before it.
func (l *link) find(w want) (place int, before int64) {
	l.f.mu.Lock()
	defer l.f.mu.Unlock()
	for i, under := range l.f.wanted {
		if under.uid == w.uid && under.sameAs(w) {
			return i, before
		}
		before += under.length
	}
	return -1, 0
}

// pending is how many texts are under way.
func (l *link) pending() int {
	l.f.mu.Lock()
	defer l.f.mu.Unlock()
	return len(l.f.wanted)
}

// settle makes the connection fit for other commands: what was asked for and
// is not wanted any more is read, or if it is much, given up together with the
// connection.
func (l *link) settle(ctx context.Context) {
	l.f.mu.Lock()
	n, octets := len(l.f.wanted), int64(0)
	for _, w := range l.f.wanted {
		octets += w.length
	}
	l.f.mu.Unlock()
	switch {
	case n == 0:
	case octets > maxDrain:
		_ = l.f.fail(errDropped)
		l.forgetTexts()
	default:
		l.discard(ctx, n)
	}
}

// discard reads n texts that nobody wants. It tells whether the connection is
// still good.
func (l *link) discard(ctx context.Context, n int) bool {
	for budget := int64(maxDrain); n > 0 && !l.dead(); n-- {
		b, err := l.begin(ctx)
		if err != nil {
			continue // it does not come, or the connection is dead
		}
		if budget -= b.size; budget < 0 {
			_ = b.abort(errDropped)
		}
		_ = b.Close()
		l.u.octets.wasted.Add(b.size)
	}
	if l.dead() {
		l.forgetTexts()
	}
	return !l.dead()
}

// forgetTexts is for a connection that is given up.
func (l *link) forgetTexts() {
	for _, w := range l.f.forgetTexts() {
		if w.cost > 0 {
			l.u.octets.wasted.Add(w.length)
		}
	}
	l.u.budget.GiveBack(l.held)
	l.held = 0
}
