package gateway

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/restante-mail/restante/audit"
	"github.com/restante-mail/restante/policy"
	"github.com/restante-mail/restante/pop3"
	"github.com/restante-mail/restante/upstream"
)

// session is a pop3.Session over an upstream mailbox.
type session struct {
	gateway  *Gateway
	route    Route
	maildrop lockKey
	mailbox  upstream.Mailbox
	folders  []upstream.Folder
	lock     *lock
	leave    func() // counts the session no more
	log      logrus.FieldLogger
	head     *audit.Header  // of every event; nil if nothing is recorded
	names    map[int]string // Message-IDs that passed by, by index into listed

	ledger    *ledger            // nil if nothing is known of names
	repeated  map[int]string     // names of messages whose own another one has, by index into listed
	looksOnly bool               // nothing is written
	imports   bool               // it is no client that looks
	sweeps    bool               // it is no client, and retention acts
	adoption  *Adoption          // what an import comes to
	memory    *memory            // nil if nothing is remembered
	intent    int64              // remembered, and its outcome not yet
	listed    []upstream.Message // all that there is
	shown     []upstream.Message // message n of the client is shown[n-1]
	index     []int              // shown[i] is listed[index[i]]
	hidden    int
	warm      *bool              // the upstream connection had been there before; nil until the end, and if nobody can tell
	begun     []pop3.Message     // the listing, if the sign-in has made it
	retrieved map[int]bool       // proven, by index into shown
	notice    string             // the notice's octets, if it is shown: message len(shown)
	dismissed bool               // the client deleted it
	learned   []map[uint32]int64 // true sizes, by folder and UID, that the upstream does not tell
	gone      map[int]bool       // removed by this session, by index into listed
	changed   int                // changes made upstream
	hid       int                // messages that will not be shown again
	marked    int                // changes that only flagged \Deleted
	failed    int                // changes that could not be made
}

// Messages implements pop3.Session: the policy's view of the mailbox.
func (s *session) Messages(ctx context.Context) ([]pop3.Message, error) {
	if s.begun != nil {
		s.recordListing(time.Now())
		return s.begun, nil
	}
	began := time.Now()
	msgs, err := s.mailbox.Messages(ctx)
	if err != nil {
		return nil, clientError(err)
	}
	if err := s.look(ctx, s.withoutOurMarks(msgs)); err != nil {
		return nil, err
	}
	s.useKnownSizes(ctx)
	s.expect()
	if s.route.ExactSizes {
		s.measure(ctx)
		s.expect() // all of it again, by the client
	}
	s.recordListing(began)
	return s.listing(), nil
}

// expect tells the mailbox what the client may retrieve.
func (s *session) expect() {
	if mailbox, ok := s.mailbox.(upstream.Predictor); ok {
		mailbox.Expect(s.fresh())
	}
}

// BeforeWait implements pop3.Waiter.
func (s *session) BeforeWait(call func()) bool {
	mailbox, ok := s.mailbox.(upstream.Predictor)
	if ok {
		mailbox.BeforeWait(call)
	}
	return ok
}

// listing is what LIST and UIDL say.
func (s *session) listing() []pop3.Message {
	list := make([]pop3.Message, len(s.shown), len(s.shown)+1)
	for i := range s.shown {
		list[i] = pop3.Message{Size: s.shown[i].Size, UIDL: s.uidl(s.index[i])}
	}
	if s.notice != "" {
		list = append(list, s.noticeMessage())
	}
	return list
}

// Open implements pop3.Session.
func (s *session) Open(ctx context.Context, i, lines int) (pop3.Body, error) {
	if s.isNotice(i) {
		return s.openNotice(), nil
	}
	if err := s.mayFetch(i, lines); err != nil {
		return nil, err
	}
	began := time.Now()
	r, err := s.mailbox.Open(ctx, s.shown[i].ID, upstream.Part{Lines: lines})
	if err != nil {
		s.recordUnopened(i, lines, began, err)
		return nil, clientError(err)
	}
	b := &body{ReadCloser: r, session: s, index: i, whole: lines < 0}
	if b.tap = s.tapFor(r, i); b.tap != nil {
		b.ReadCloser = b.tap
	}
	switch {
	case !s.recording():
		return b, nil
	case audit.Detailed(s.gateway.Recorder):
		return observe(b, lines, began), nil
	}
	return &tallied{b, lines}, nil
}

// MayDelete implements pop3.DeleteRefuser.
func (s *session) MayDelete(i int) error {
	if s.memory != nil && s.memory.readOnly {
		return stateError(errReadOnly)
	}
	if s.route.Policy.OnDelete.Do == policy.Refuse && !s.isNotice(i) {
		return &pop3.Error{Text: "Messages in this maildrop cannot be deleted"}
	}
	return nil
}

// Capabilities implements pop3.Capable.
func (s *session) Capabilities() (lines []string) {
	if expire := s.route.Policy.Expire(s.route.Beside...); expire != "" {
		lines = append(lines, "EXPIRE "+expire)
	}
	if delay := s.route.Policy.DelaySeconds(); delay > 0 {
		lines = append(lines, fmt.Sprint("LOGIN-DELAY ", delay))
	}
	return lines
}

// Close implements pop3.Session.
func (s *session) Close() error {
	defer s.lock.release()
	defer s.leave()
	s.keepSizes()
	s.endMemory()
	s.keepLedger()
	if u, ok := s.mailbox.(warmable); ok {
		warm := u.Warm()
		s.warm = &warm
	}
	err := s.mailbox.Close()
	listed := len(s.listed)
	s.mailbox, s.listed, s.shown, s.index, s.names = nil, nil, nil, nil, nil // what is left of the session waits for its line in the log
	s.gateway.Shared.memory.after(listed)
	return err
}

// A body is a message on its way from the upstream to the client.
type body struct {
	io.ReadCloser
	session *session
	index   int
	whole   bool    // RETR rather than TOP
	tap     *tapped // nil if its header is known
}

// Size implements pop3.Body.
func (b *body) Size() (int64, bool) {
	m := &b.session.shown[b.index]
	return m.Size, m.Exact && b.whole
}

// Done implements pop3.Body. What was seen to be the true size is listed from
// the next session on, for a listed size never changes within one.
func (b *body) Done(d pop3.Delivery) {
	if b.tap != nil {
		octets := int64(0)
		if b.whole && d.Whole {
			octets = d.Octets
		}
		b.session.notePassed(b.tap, b.index, octets)
	}
	if !b.whole || !d.Whole {
		return
	}
	b.session.learn(&b.session.shown[b.index], d.Octets)
	if d.Proven {
		b.session.retrieved[b.index] = true
	}
}
