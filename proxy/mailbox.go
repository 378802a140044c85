package proxy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/restante-mail/restante/upstream"
	"github.com/restante-mail/restante/upstream/readahead"
)

// A Mailbox is one maildrop. If its connection is lost between two messages it
// signs in anew, once for each thing that it is asked to do, and goes on with
// those messages alone whose UIDL and size are the same as before.
type Mailbox struct {
	upstream *Upstream
	login    upstream.Login
	line     *line
	closed   bool
	noTop    bool // TOP was refused and RETR was not
	listing  *listing
	counted  *count // what STAT said
	// moved has today's number of each message by the one in its ID; nil as
	// long as they are the same.
	moved map[uint32]place

	course     readahead.Course
	pending    []pending // asked for and not read, in order
	held       int64     // of the read-ahead budget, for them
	last       int       // index into course.Order of what was asked for ahead last
	beforeWait func()
	// retrieved are the numbers that were asked for by RETR in this session of
	// a server that may have noticed, and whether the client has the message.
	retrieved map[int]bool
}

// A place is where a message is after signing in anew.
type place struct {
	number int
	proven bool // by a UIDL that nothing else has, and the size
}

// Folders is INBOX alone.
func (m *Mailbox) Folders() []upstream.Folder { return []upstream.Folder{{Name: "INBOX"}} }

// Close hangs up. It never says QUIT.
func (m *Mailbox) Close() error {
	if m.closed {
		return nil
	}
	m.closed = true
	_ = m.line.Close()
	m.forgetPending()
	return nil
}

// attempt does something that a lost connection leaves undone, and does it
// again in a new session if the connection turns out to be lost.
func (m *Mailbox) attempt(ctx context.Context, do func() error) error {
	if m.closed {
		return net.ErrClosed
	}
	if m.line.Err() != nil {
		if err := m.reopen(ctx); err != nil {
			return err
		}
		return do()
	}
	err := do()
	if m.line.Err() == nil || err == nil || ctx.Err() != nil || errors.Is(err, os.ErrDeadlineExceeded) {
		return err
	}
	if !errors.Is(err, errDropped) {
		m.upstream.options.Log.WithField("session", m.login.Session).WithError(err).
			Info("POP3 upstream hung up; signing in anew")
	}
	if err := m.reopen(ctx); err != nil {
		return err
	}
	return do()
}

// reopen signs in anew. The server may take a moment to see that the old
// connection, and with it the lock, is ours no more.
func (m *Mailbox) reopen(ctx context.Context) error {
	_ = m.line.Close()
	m.forgetPending()
	m.retrieved = nil
	m.willWait()
	l, err := m.upstream.signIn(ctx, m.login)
	for _, wait := range m.upstream.lockWaits {
		if err == nil || upstream.KindOf(err) != upstream.InUse {
			break
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return err
		}
		l, err = m.upstream.signIn(ctx, m.login)
	}
	if err != nil {
		return fmt.Errorf("sign in anew: %w", err)
	}
	m.line = l
	m.line.BeforeRead(m.beforeWait)
	if err := m.relocate(ctx); err != nil {
		_ = m.line.Close() // its numbers are not those that we know, and nothing must be asked for by them
		return err
	}
	return nil
}

func (m *Mailbox) willWait() {
	if m.beforeWait != nil {
		m.beforeWait()
	}
}

// relocate finds the listed messages in a new session's numbers.
func (m *Mailbox) relocate(ctx context.Context) error {
	if m.listing == nil {
		return nil
	}
	now, err := m.list(ctx)
	if err != nil {
		return err
	}
	m.moved = m.listing.find(now)
	return nil
}

// number is today's number of a message.
func (m *Mailbox) number(id upstream.ID) (int, error) {
	if m.listing == nil || !m.listing.has(id) {
		return 0, &upstream.Error{Kind: upstream.Gone, Doing: fmt.Sprintf("find message %d", id.UID), Err: errNotListed}
	}
	if m.moved == nil {
		return int(id.UID), nil
	}
	at, ok := m.moved[id.UID]
	if !ok {
		return 0, &upstream.Error{Kind: upstream.Gone, Doing: fmt.Sprintf("find message %d again", id.UID), Err: errVanished}
	}
	if !at.proven {
		return 0, &upstream.Error{Kind: upstream.Unavailable, Doing: fmt.Sprintf("find message %d again", id.UID), Err: errUnproven}
	}
	return at.number, nil
}

var (
	errNotListed = errors.New("the maildrop had no such message when it was listed")
	errVanished  = errors.New("the message is not in the maildrop any more")
	errUnproven  = errors.New("after signing in anew the server cannot prove which message it is: its UIDL is missing, repeated, or of another size")
)
