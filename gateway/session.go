package gateway

import (
	"context"
	"fmt"
	"io"

	"github.com/sirupsen/logrus"

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
	log      logrus.FieldLogger

	shown     []upstream.Message // message n of the client is shown[n-1]
	hidden    int
	retrieved map[int]bool       // proven, by index into shown
	learned   []map[uint32]int64 // true sizes, by folder and UID, that the upstream does not tell
	changed   int                // changes made upstream
	failed    int                // changes that could not be made
}

// Messages implements pop3.Session: the policy's view of the mailbox.
func (s *session) Messages(ctx context.Context) ([]pop3.Message, error) {
	msgs, err := s.mailbox.Messages(ctx)
	if err != nil {
		return nil, clientError(err)
	}
	for i, verdict := range s.route.Policy.View(msgs, s.gateway.now()) {
		if verdict.Show {
			s.shown = append(s.shown, msgs[i])
		} else {
			s.hidden++
		}
	}
	s.useKnownSizes(ctx)
	s.expect()
	if s.route.ExactSizes {
		s.measure(ctx)
		s.expect() // all of it again, by the client
	}
	return s.listing(), nil
}

// expect tells the mailbox what the client may retrieve.
func (s *session) expect() {
	if mailbox, ok := s.mailbox.(upstream.Predictor); ok {
		mailbox.Expect(s.shown)
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
	list := make([]pop3.Message, len(s.shown))
	for i := range s.shown {
		list[i] = pop3.Message{Size: s.shown[i].Size, UIDL: s.uidl(&s.shown[i])}
	}
	return list
}

// Open implements pop3.Session.
func (s *session) Open(ctx context.Context, i, lines int) (pop3.Body, error) {
	r, err := s.mailbox.Open(ctx, s.shown[i].ID, upstream.Part{Lines: lines})
	if err != nil {
		return nil, clientError(err)
	}
	return &body{ReadCloser: r, session: s, index: i, whole: lines < 0}, nil
}

// Update implements pop3.Session: decide, do, record.
func (s *session) Update(ctx context.Context, deleted []int) error {
	marked := make(map[int]bool, len(deleted))
	for _, i := range deleted {
		marked[i] = true
	}
	steps := s.route.Policy.Update(s.shown,
		func(i int) bool { return s.retrieved[i] },
		func(i int) bool { return marked[i] })
	changes := make([]upstream.Change, len(steps))
	for i := range steps {
		changes[i] = steps[i].Change
	}
	return s.record(steps, s.mailbox.Apply(ctx, changes))
}

// record logs each outcome and returns what the client is told of the whole.
func (s *session) record(steps []policy.Step, results []upstream.Result) error {
	var first error
	for i, result := range results {
		s.recordOne(steps[i], result)
		if result.Err != nil && first == nil {
			first = result.Err
		}
	}
	if s.failed == 0 {
		return nil
	}
	return &pop3.Error{Code: pop3.CodeSysTemp,
		Text: fmt.Sprintf("%d of %d changes could not be made; what was deleted may still be there", s.failed, len(steps)),
		Err:  first}
}

func (s *session) recordOne(step policy.Step, result upstream.Result) {
	log := s.log.WithFields(logrus.Fields{"uid": step.ID.UID, "do": step.Do.String(), "why": step.Why})
	switch {
	case result.Err != nil:
		s.failed++
		log.WithError(result.Err).Error("change failed upstream")
	case result.Hidden:
		s.changed++
		log.Warn("the upstream cannot remove single messages (no UIDPLUS): flagged \\Deleted and hidden instead")
	default:
		s.changed++
		log.Debug("changed upstream")
	}
}

// MayDelete implements pop3.DeleteRefuser.
func (s *session) MayDelete(int) error {
	if s.route.Policy.OnDelete.Do == policy.Refuse {
		return &pop3.Error{Text: "Messages in this maildrop cannot be deleted"}
	}
	return nil
}

// Capabilities implements pop3.Capable.
func (s *session) Capabilities() []string { return []string{"EXPIRE " + s.route.Policy.Expire()} }

// Close implements pop3.Session.
func (s *session) Close() error {
	defer s.lock.release()
	s.keepSizes()
	return s.mailbox.Close()
}

// A body is a message on its way from the upstream to the client.
type body struct {
	io.ReadCloser
	session *session
	index   int
	whole   bool // RETR rather than TOP
}

// Size implements pop3.Body.
func (b *body) Size() (int64, bool) {
	m := &b.session.shown[b.index]
	return m.Size, m.Exact && b.whole
}

// Done implements pop3.Body. What was seen to be the true size is listed from
// the next session on, for a listed size never changes within one.
func (b *body) Done(d pop3.Delivery) {
	if !b.whole || !d.Whole {
		return
	}
	b.session.learn(&b.session.shown[b.index], d.Octets)
	if d.Proven {
		b.session.retrieved[b.index] = true
	}
}
