package gateway

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/restante-mail/restante/policy"
	"github.com/restante-mail/restante/pop3"
	"github.com/restante-mail/restante/store"
)

// A notice warns the mail user of a mailbox that is nearly full. It is the last
// message of the maildrop and is nowhere upstream: it is neither in s.shown nor
// in s.listed. From its first listing to the end of the episode its octets are
// in the state file, so that its size and name never change.

// learnNotice begins or ends an episode, by how full the mailbox is. Where the
// server does not tell, what was goes on.
func (s *session) learnNotice(now time.Time) {
	m := s.memory
	q, known := m.state.Fill.Fullest()
	warns := s.warns()
	switch {
	case m.view.Notice.Begun != 0 && (!warns || known && q.Percent() < int64(s.route.Policy.QuotaWarn)):
		m.learned.Notice, m.news = &store.Notice{}, true
	case m.view.Notice.Begun == 0 && warns && known && q.Percent() >= int64(s.route.Policy.QuotaWarn) && !m.readOnly && !m.dry:
		n := store.Notice{Begun: now.Unix()}
		n.Text = noticeText(s.route, q, now)
		m.learned.Notice, m.news = &n, true
		s.log.WithField("percent", q.Percent()).Warn("the mailbox is nearly full: its user is shown a notice")
		s.recordQuota("warn", q, 0)
	}
}

// warns tells whether this view shows notices.
func (s *session) warns() bool {
	return s.route.Policy.QuotaWarn > 0 && s.route.View == "" && !s.route.Forget
}

// beginsNotice: one was made for this listing, and is not remembered yet.
func (s *session) beginsNotice() bool {
	n := s.memory.learned.Notice
	return n != nil && n.Begun != 0
}

// keepNotice remembers a new notice before anybody sees it. A session beside
// this one may have been first.
func (s *session) keepNotice(ctx context.Context) error {
	if err := s.keepLearned(ctx); err != nil {
		return err
	}
	v, err := s.memory.store.View(ctx, s.memory.key)
	if err != nil {
		return stateError(err)
	}
	s.memory.view.Notice = v.Notice
	return nil
}

// showNotice puts the notice at the end of the maildrop, if there is one.
func (s *session) showNotice() {
	n := &s.memory.view.Notice
	s.notice = ""
	if ends := s.memory.learned.Notice != nil; s.warns() && n.Dismissed == 0 && !ends {
		s.notice = n.Text
	}
}

// isNotice tells whether the client's message i is the notice.
func (s *session) isNotice(i int) bool { return s.notice != "" && i == len(s.shown) }

// noticeMessage is what LIST and UIDL say of it.
func (s *session) noticeMessage() pop3.Message {
	return pop3.Message{Size: int64(len(s.notice)), UIDL: noticeUIDL(&s.memory.view.Notice)}
}

func noticeUIDL(n *store.Notice) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%d\n%s", n.Begun, n.Text))
	return "quota-" + hex.EncodeToString(sum[:16])
}

// takeNotice takes the notice out of what was deleted.
func (s *session) takeNotice(deleted []int) (messages []int) {
	s.dismissed = slices.ContainsFunc(deleted, s.isNotice)
	return slices.DeleteFunc(slices.Clone(deleted), s.isNotice)
}

// dismissal is what is to be remembered if the client deleted the notice.
func (s *session) dismissal() *store.Notice {
	if !s.dismissed {
		return nil
	}
	n := s.memory.view.Notice
	n.Dismissed = s.gateway.now().Unix()
	return &n
}

// noticeBody is the notice being read.
type noticeBody struct {
	io.Reader
	octets int64
}

func (s *session) openNotice() pop3.Body {
	return noticeBody{strings.NewReader(s.notice), int64(len(s.notice))}
}

func (noticeBody) Close() error          { return nil }
func (b noticeBody) Size() (int64, bool) { return b.octets, true }
func (noticeBody) Done(pop3.Delivery)    {}

// makesRoom tells whether what a client deletes leaves the mailbox, or comes to
// where it is thrown away.
func makesRoom(a policy.Act) bool { return a.Do == policy.Expunge || a.Do == policy.Trash }
