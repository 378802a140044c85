package bridge

import (
	"context"
	"slices"

	"github.com/restante-mail/restante/upstream"
)

// worthRemembering is the least number of messages for which a proof and a
// look for new mail cost less than listing everything again: Dovecot spends
// about a millisecond on either at 1,000 messages, and the network 70 KiB.
const worthRemembering = 1000

// learned is what a session found out about a folder's listing.
type learned struct {
	last *header // for the next proof; nil if nothing can be remembered
	same bool    // nothing has changed since it was remembered
	// removed are messages that this session has removed.
	removed map[uint32]bool
}

func (m *mailbox) listingKey(folder string) string {
	return listingKey(actAs(m.login), folder)
}

// noteRemoved takes note of what is not in the folders any more.
func (m *mailbox) noteRemoved(changes []upstream.Change, results []upstream.Result) {
	for i, c := range changes {
		gone := results[i].Err == nil && !results[i].Hidden && (c.Do == upstream.Expunge || c.Do == upstream.Move)
		if !gone || c.ID.Folder >= len(m.learned) || m.stays(c) {
			continue
		}
		l := &m.learned[c.ID.Folder]
		if l.removed == nil {
			l.removed = map[uint32]bool{}
		}
		l.removed[c.ID.UID] = true
	}
}

// stays tells whether it is a move to where the message is: nothing is done.
func (m *mailbox) stays(c upstream.Change) bool {
	target := c.Target
	if found, ok := m.uses[target]; ok {
		target = found
	}
	return c.Do == upstream.Move && sameFolder(target, m.folders[c.ID.Folder].name)
}

// remember keeps the listings for the next session.
func (m *mailbox) remember() {
	for i := range m.learned {
		key := m.listingKey(m.folders[i].name)
		switch r, small := m.toRemember(i); {
		case small:
			m.u.listings.keepSmall(key)
		case r == nil:
			m.u.listings.forget(key)
		case !m.learned[i].same || len(m.learned[i].removed) > 0:
			m.u.listings.keep(key, r)
		}
	}
}

// save writes them to disk, when nobody waits.
func (m *mailbox) save() {
	for i := range m.learned {
		m.u.listings.save(context.Background(), m.listingKey(m.folders[i].name))
	}
}

// toRemember is what there is to remember of a folder; nil if it cannot be
// proved the next time, or is not worth it.
func (m *mailbox) toRemember(i int) (r *remembered, small bool) {
	list, l := &m.lists[i], &m.learned[i]
	messages := list.messages
	next := nextUID(list.uidNext, messages)
	if len(l.removed) > 0 {
		messages = slices.DeleteFunc(slices.Clone(messages), func(m upstream.Message) bool { return l.removed[m.ID.UID] })
	}
	n := len(messages)
	switch {
	case n < max(m.u.worthwhile, 1):
		return nil, true
	case l.last == nil || l.last.uid != messages[n-1].ID.UID || list.uidNext == 0 || next == 0:
		return nil, false
	}
	return &remembered{
		uidValidity: list.uidValidity, next: next, mailboxID: list.mailboxID,
		last: l.last.hash, messages: messages,
	}, false
}
