package bridge

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/emersion/go-imap/v2"

	"github.com/restante-mail/restante/upstream"
)

const (
	// smallMessage is fetched whole even if only its beginning is wanted.
	smallMessage = maxDrain
	// Pieces of a large message of which the beginning is wanted. BODY[HEADER]
	// would not do: Zimbra gives another header than BODY[] has.
	minPiece    = 32 << 10
	maxPiece    = 1 << 20
	headerGuess = 16 << 10
	lineGuess   = 100
	// resumePiece is asked for at a time after a resumption.
	resumePiece = 1 << 20
)

// Open begins to read a message. The end of ctx ends the reading, too.
func (m *mailbox) Open(ctx context.Context, id upstream.ID, part upstream.Part) (io.ReadCloser, error) {
	m.closeReader()
	if err := m.checkID(id); err != nil {
		return nil, err
	}
	r := &reader{m: m, ctx: ctx, id: id, listed: -1, total: -1}
	if listed, ok := m.find(id); ok {
		r.listed = listed.Size
	}
	if part.Lines >= 0 {
		r.piece = firstPiece(part.Lines, r.listed)
	}
	m.course.Visit(m.course.Find(id), part.Lines)
	if !r.came() {
		m.willWait()
		m.settle(ctx) // what a jump costs must not look like a failure of the connection
		if err := m.with(ctx, id.Folder, r.fetch); err != nil {
			return nil, err
		}
	}
	if r.alone {
		m.course.Fault()
	}
	m.reader = r
	return r, nil
}

// came takes the message if it is on its way. If it does not come after all,
// that means nothing: it was not asked for alone.
func (r *reader) came() bool {
	if !r.m.came(r.ctx, r.id.Folder, r.want()) {
		return false
	}
	r.m.askAhead()
	b, err := r.m.link.begin(r.ctx)
	if err == nil && b.size == 0 && r.listed > 0 {
		_ = b.Close()
		err = errEmpty
	}
	if err != nil {
		r.alone = true
		return false
	}
	r.m.u.octets.ahead.Add(b.size)
	return r.accept(b) == nil
}

// firstPiece guesses how much of a message TOP needs; 0 means all of it.
func firstPiece(lines int, size int64) int64 {
	guess := max(headerGuess+int64(min(lines, math.MaxInt32))*lineGuess, minPiece)
	if size <= smallMessage || guess >= size {
		return 0
	}
	return min(guess, maxPiece)
}

func (m *mailbox) checkID(id upstream.ID) error {
	if id.Folder < 0 || id.Folder >= len(m.folders) || id.UID == 0 {
		return &upstream.Error{Kind: upstream.Gone, Doing: "fetch a message", Err: fmt.Errorf("there is no message %v", id)}
	}
	return nil
}

// reader reads a message in one piece, or in several: if only the beginning is
// wanted of a large one, and after the connection broke midway and was
// replaced. That happens once.
type reader struct {
	m       *mailbox
	ctx     context.Context
	id      upstream.ID
	listed  int64 // RFC822.SIZE; -1 if it was never listed
	total   int64 // octets that the message has; -1 if not known yet
	piece   int64 // octets to ask for at a time; 0: all at once
	off     int64 // octets given so far
	b       *body // nil between pieces
	resumed bool
	pieces  bool  // more of it is asked for piece by piece: nothing else goes behind one
	alone   bool  // reading ahead failed: nothing else is to be asked for with it
	err     error // final
}

// fetch asks for the message, or for its next piece. Before it believes that
// there is none, it asks again.
func (r *reader) fetch(l *link) error {
	for attempt := 0; ; attempt++ {
		b, err := l.fetch(r.ctx, r.wants(l))
		if err == nil && b.size == 0 && r.off == 0 && r.listed > 0 {
			_ = b.Close()
			err = errEmpty
		}
		if err == nil {
			return r.accept(b)
		}
		r.alone = r.alone || len(r.m.wants) > 1
		if !isNothing(err) {
			return err
		}
		there, unsure := l.present(r.ctx, imap.UIDSetNum(imap.UID(r.id.UID)))
		switch {
		case unsure != nil:
			return unsure
		case !there.Contains(imap.UID(r.id.UID)):
			return &upstream.Error{Kind: upstream.Gone, Doing: "fetch a message", Err: err}
		case attempt > 0:
			return &upstream.Error{Kind: upstream.Unavailable, Doing: "fetch a message", Err: err}
		}
	}
}

// isNothing tells whether the answer may mean that the message is gone.
func isNothing(err error) bool {
	return errors.Is(err, errNoMessage) || errors.Is(err, errNoText) || errors.Is(err, errEmpty) ||
		upstream.KindOf(err) == upstream.Gone
}

// wants are the message, or its next piece, and what comes behind it. What
// failed once is asked for alone.
func (r *reader) wants(l *link) []want {
	m := r.m
	l.waits = m.beforeWait
	m.wants = append(m.wants[:0], r.want())
	if r.alone || r.off > 0 || m.wants[0].length > m.course.Window() {
		return m.wants
	}
	l.settle(r.ctx)
	m.wants = m.predict(l, m.wants)
	return m.wants
}

func (r *reader) want() want {
	w := want{uid: r.id.UID, offset: -1, length: bounded(r.listed)}
	if r.piece > 0 {
		w.offset, w.size = r.off, r.expected()
		w.length = w.size
	}
	return w
}

func (r *reader) expected() int64 {
	if r.total < 0 {
		return r.piece
	}
	return min(r.piece, r.total-r.off)
}

// accept takes a piece, if it is what was asked for.
func (r *reader) accept(b *body) error {
	switch {
	case r.piece == 0:
		r.total = b.size
	case r.total >= 0 && b.size != r.expected():
		_ = b.Close()
		return &upstream.Error{Kind: upstream.Unavailable, Doing: "resume a message",
			Err: fmt.Errorf("%d octets were left, and the server has only %d", r.expected(), b.size)}
	}
	r.b = b
	return nil
}

func (r *reader) Read(p []byte) (int, error) {
	for r.err == nil {
		if r.b == nil {
			r.err = r.nextPiece()
			continue
		}
		n, err := r.b.Read(p)
		r.off += int64(n)
		if err == nil {
			r.given(n)
			return n, nil
		}
		if err == io.EOF {
			r.err = r.pieceDone()
			continue
		}
		r.err = r.resume(err)
	}
	return 0, r.err
}

// given counts, and asks for more before the connection has nothing to do.
func (r *reader) given(n int) {
	r.m.u.octets.read.Add(int64(n))
	if !r.pieces && r.b.left <= r.m.course.Window() {
		r.m.askAhead()
	}
}

// pieceDone returns io.EOF after the last piece.
func (r *reader) pieceDone() error {
	got := r.b.size
	r.b = nil
	if r.piece == 0 || r.off == r.total || (r.total < 0 && got < r.piece) {
		return io.EOF
	}
	if r.total < 0 {
		r.piece = maxDrain // more is wanted than was guessed; may still be closed cheaply
	}
	if !r.pieces {
		r.pieces = true
		r.m.course.Fault() // what comes behind the piece is in the way of the next
	}
	return nil
}

func (r *reader) nextPiece() error {
	r.m.willWait()
	if r.off > math.MaxUint32 {
		return &upstream.Error{Kind: upstream.Unavailable, Doing: "resume a message",
			Err: errors.New("IMAP cannot ask for what lies beyond 4 GiB")}
	}
	if r.resumed {
		return r.m.once(r.ctx, r.id.Folder, r.fetch)
	}
	return r.m.with(r.ctx, r.id.Folder, r.fetch)
}

// resume goes on where the connection broke, over a new one, if the message is
// still what it was, and what has come of it is beyond doubt. Otherwise it
// returns what broke it.
func (r *reader) resume(broke error) error {
	verified := r.b.verified
	r.b = nil
	if r.resumed || !verified || r.listed < 0 || !r.m.broke(r.ctx, broke) || !r.m.link.cut() {
		return broke
	}
	r.m.willWait()
	r.resumed, r.piece, r.pieces = true, resumePiece, true
	err := r.m.once(r.ctx, r.id.Folder, r.unchanged)
	if err == nil && r.off == r.total {
		err = io.EOF // all had come but the server's OK
	}
	if err != nil && err != io.EOF {
		return fmt.Errorf("%w; %w", broke, err)
	}
	return err
}

// unchanged asks whether the message is the one that was listed. The caller
// has made sure of UIDVALIDITY.
func (r *reader) unchanged(l *link) error {
	size, found, err := l.size(r.ctx, r.id.UID)
	switch {
	case err != nil:
		return err
	case !found:
		return &upstream.Error{Kind: upstream.Gone, Doing: "resume a message", Err: errNoMessage}
	case size != r.listed:
		return &upstream.Error{Kind: upstream.Unavailable, Doing: "resume a message",
			Err: fmt.Errorf("its size was %d and is %d", r.listed, size)}
	}
	return nil
}

// Close may come at any time.
func (r *reader) Close() error {
	if r.b != nil {
		_ = r.b.Close()
	}
	r.forget()
	return nil
}

// abandon is Close without reading what is left.
func (r *reader) abandon() {
	if r.b != nil {
		_ = r.b.abort(errDropped)
	}
	r.forget()
}

func (r *reader) forget() {
	r.b = nil
	if r.err == nil {
		r.err = errors.New("read from a closed message")
	}
	if r.m.reader == r {
		r.m.reader = nil
	}
}
