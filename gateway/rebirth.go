package gateway

import (
	"time"

	"github.com/restante-mail/restante/policy"
	"github.com/restante-mail/restante/store"
	"github.com/restante-mail/restante/upstream"
)

// clockSlack is how far the server's clock and ours, and the zone in a
// carelessly written date, may be apart.
const clockSlack = 25 * time.Hour

// another tells whether a message cannot be the one that is remembered under
// its name: it arrived after that was handled. A mailbox that was restored from
// a backup gives UIDs to new mail that other mail had before, under the same
// UIDVALIDITY. A date in the future proves nothing.
func (s *session) another(m *upstream.Message, known *store.Memory) bool {
	since := max(handled(known), known.Carried) // it was recognised then, whatever date the copy has
	if since == 0 || m.Arrived.IsZero() {
		return false
	}
	slack := int64(clockSlack / time.Second)
	if known.Absent != 0 || known.Removed != 0 { // gone once already: less proof is needed
		slack = 0
	}
	// The clock comes last: asking it for each of 50,000 messages takes a fifth of a poll.
	return m.Arrived.Unix()-since > slack && !m.Arrived.After(s.gateway.now().Add(clockSlack))
}

// handled is the first time that is known of a message; 0 if none is.
func handled(m *store.Memory) (first int64) {
	for _, at := range []int64{m.Seen, m.First, m.Deleted, m.Hidden, m.Removed} {
		if at != 0 && (first == 0 || at < first) {
			first = at
		}
	}
	return first
}

// unretired is what the policy is told of a message that was removed and is
// there again: somebody put it back, so no time runs against it.
func unretired(m policy.Memory) policy.Memory {
	m.First, m.Deleted = 0, 0
	return m
}

// learnReborn forgets what is remembered of other messages under the names of
// these, and gives them a life, and so a UIDL, of their own.
func (s *session) learnReborn(msgs []upstream.Message) {
	m := s.memory
	forget := make([]store.ViewFolder, len(s.folders))
	for _, i := range m.reborn {
		f := &forget[msgs[i].ID.Folder]
		f.Memories = append(f.Memories, store.Memory{Key: s.keyOf(&msgs[i])})
		s.note(&m.learned, &msgs[i], store.Memory{Lives: m.lives[i]})
	}
	for i, folder := range s.folders {
		if forget[i].Memories != nil {
			forget[i].Name, forget[i].UIDValidity = folder.Name, folder.UIDValidity
			m.learned.Purge = append(m.learned.Purge, forget[i])
		}
	}
	if len(m.reborn) > 0 {
		m.news = true
		s.log.WithField("messages", len(m.reborn)).Warn("messages arrived after what is remembered under their UIDs: the mailbox was restored from a backup, and they are taken for new ones")
	}
}
