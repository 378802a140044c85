package proxy

import (
	"context"
	"errors"
	"fmt"

	"github.com/restante-mail/restante/upstream"
)

// Apply sends a DELE for each Expunge and then QUIT, and hangs up. Unless the
// server answers +OK to QUIT every result is an error. If the connection is
// lost before QUIT was sent nothing was deleted, and all is tried once more in
// a new session.
func (m *Mailbox) Apply(ctx context.Context, changes []upstream.Change) []upstream.Result {
	results := make([]upstream.Result, len(changes))
	if err := m.update(ctx, changes, results); err != nil {
		for i := range results {
			results[i].Err = &upstream.Error{Kind: kindOf(err, updating), Doing: "update the maildrop", Err: err}
		}
	}
	_ = m.Close()
	return results
}

// update makes the changes; its error is that of them all.
func (m *Mailbox) update(ctx context.Context, changes []upstream.Change, results []upstream.Result) error {
	var doomed []upstream.ID
	for i, change := range changes {
		if change.Do == upstream.Expunge {
			doomed = append(doomed, change.ID)
		} else if !Supports(change.Do) {
			err := fmt.Errorf("%q is not possible over POP3", change.Do)
			results[i].Err = &upstream.Error{Kind: upstream.Denied, Doing: "change message", Err: err}
		}
	}
	m.tidy(ctx)
	if len(doomed) == 0 && m.line.Err() != nil {
		return nil // there is no session left to say QUIT in, and nothing to do
	}
	var outcome map[upstream.ID]error
	err := m.attempt(ctx, func() (err error) {
		outcome, err = m.mark(ctx, doomed)
		return err
	})
	if err != nil {
		return err
	}
	if err := m.line.Quit(ctx); err != nil {
		return err
	}
	for i, change := range changes {
		if change.Do == upstream.Expunge {
			results[i].Err = outcome[change.ID]
		}
	}
	return nil
}

// tidy makes the connection fit for DELE and QUIT, or drops it: if a QUIT would
// tell the server that the client has messages which it has not, the DELEs are
// sent in a fresh session.
func (m *Mailbox) tidy(ctx context.Context) {
	if m.closed || m.line.Err() != nil {
		return
	}
	if m.mustNotQuit() {
		m.drop(errUndelivered)
		return
	}
	_ = m.discard(ctx, len(m.pending)) // if it fails the connection is lost
}

var errUndelivered = errors.New("messages were read that the client has not retrieved, and the server may have noticed")

// mark sends the DELEs and returns what came of each message: nil if it is
// marked or already gone. Its error is that of the connection.
func (m *Mailbox) mark(ctx context.Context, ids []upstream.ID) (map[upstream.ID]error, error) {
	outcome := make(map[upstream.ID]error, len(ids))
	var sent []upstream.ID
	var numbers []int
	for _, id := range ids {
		if _, twice := outcome[id]; twice {
			continue
		}
		n, err := m.number(id)
		outcome[id] = forgiven(err)
		if err == nil {
			sent, numbers = append(sent, id), append(numbers, n)
		}
	}
	refused, err := m.line.Dele(ctx, numbers...)
	if err != nil {
		return nil, err
	}
	for i, err := range refused {
		if err != nil {
			outcome[sent[i]] = forgiven(&upstream.Error{
				Kind: kindOf(err, reading), Doing: fmt.Sprintf("delete message %d", sent[i].UID), Err: err,
			})
		}
	}
	return outcome, nil
}

// forgiven makes nil of an error which says that the message was gone before.
func forgiven(err error) error {
	if err != nil && upstream.KindOf(err) == upstream.Gone && !errors.Is(err, errNotListed) {
		return nil
	}
	return err
}
