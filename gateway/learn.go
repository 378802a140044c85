package gateway

import (
	"context"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/restante-mail/restante/store"
	"github.com/restante-mail/restante/uidl"
	"github.com/restante-mail/restante/upstream"
)

const (
	// maxLearn is how many headers a session asks for when its client has left,
	// and learnTime how long that may take: it is done before a client of most
	// mailboxes comes again, and a mailbox of 100,000 is known after 50 visits.
	maxLearn  = 2000
	learnTime = 15 * time.Second
	// tidyTime is how often the ledger of a folder is compared with the folder.
	tidyTime = 24 * 60 * 60
	// maxPassed bounds what a session keeps of what passes by.
	maxPassed = 10_000
)

// tapped is a message on its way whose header is taken note of.
type tapped struct {
	io.ReadCloser
	tap   uidl.Tap
	ended bool
}

func (t *tapped) Read(p []byte) (int, error) {
	n, err := t.ReadCloser.Read(p)
	_, _ = t.tap.Write(p[:n]) // it never fails
	t.ended = t.ended || err == io.EOF
	return n, err
}

// tapFor returns what takes note of a message as it passes; nil if what it is
// recognised by is known.
func (s *session) tapFor(r io.ReadCloser, i int) *tapped {
	l := s.ledger
	if l == nil || len(l.prints) >= maxPassed {
		return nil
	}
	m := &s.shown[i]
	if f := l.folders[m.ID.Folder]; f.key.UIDValidity != 0 && m.ID.UID < f.life.Next || s.keyOf(m) == 0 {
		return nil
	}
	return &tapped{ReadCloser: r}
}

// notePassed remembers what has passed of a message; octets are all of it, or 0.
func (s *session) notePassed(t *tapped, i int, octets int64) {
	print := t.tap.Print(t.ended)
	if print == (uidl.Print{}) || s.ledger == nil {
		return
	}
	if s.ledger.prints == nil {
		s.ledger.prints = map[int]passed{}
	}
	before := s.ledger.prints[s.index[i]]
	s.ledger.prints[s.index[i]] = passed{print, max(octets, before.octets)}
}

// keepLedger writes what the session has learned of its messages, and asks for
// what it has not seen. The client has left, and its maildrop is free again
// before anything is asked.
func (s *session) keepLedger() {
	l := s.ledger
	if l == nil || !l.listed || s.looksOnly || s.gateway.Shared.ailing.Load() {
		return
	}
	for i, f := range l.folders {
		if err := s.keepFolder(i, f); err != nil {
			s.log.WithError(err).WithField("folder", f.key.Folder).Warn("what messages are recognised by could not be remembered; it is tried again")
		}
	}
	s.ledger = nil
}

func (s *session) keepFolder(i int, f *folderLedger) error {
	ctx, cancel := context.WithTimeout(context.Background(), learnTime+storeTime)
	defer cancel()
	c := &f.changes
	c.At = s.ledger.at.Unix()
	c.Present = !f.known || f.life.Lapsed != 0
	c.Origin = s.route.Origin
	begin, end := folderRange(s.listed, i)
	seen := s.entriesPassed(f, begin, end)
	var err error
	if f.key.UIDValidity != 0 {
		err = s.learnHeaders(ctx, f, seen, begin, end)
	}
	for _, at := range slices.Sorted(maps.Keys(seen)) {
		c.Entries = append(c.Entries, seen[at])
	}
	if tidied := s.tidyLedger(ctx, f, begin, end); tidied != nil {
		err = tidied
	}
	if !f.dirty && len(c.Entries) == 0 && c.Next <= f.life.Next && !c.Tidied {
		return err
	}
	if written := s.ledger.store.Enter(ctx, f.key, *c); written != nil {
		return written
	}
	return err
}

// folderRange is where a folder's messages are in a listing.
func folderRange(msgs []upstream.Message, folder int) (begin, end int) {
	for begin < len(msgs) && msgs[begin].ID.Folder < folder {
		begin++
	}
	for end = begin; end < len(msgs) && msgs[end].ID.Folder == folder; {
		end++
	}
	return begin, end
}

// entriesPassed are those of messages that passed by, by index.
func (s *session) entriesPassed(f *folderLedger, begin, end int) map[int]store.Entry {
	seen := map[int]store.Entry{}
	for at, p := range s.ledger.prints {
		if at >= begin && at < end && !s.gone[at] {
			e := s.newEntry(f, at)
			e.Print, e.True = p.print, p.octets
			seen[at] = e
		}
	}
	return seen
}

// newEntry is what the listing tells of a message.
func (s *session) newEntry(f *folderLedger, at int) store.Entry {
	m := &s.listed[at]
	e := store.Entry{Key: s.keyOf(m), Unique: uniqueHash(m.Unique), Listed: m.Size}
	if f.key.UIDValidity == 0 {
		e.UIDL = m.UIDL
		return e
	}
	e.UIDL = f.worthKeeping(m.ID.UID, f.given[e.Key], formatOf(f.formats, m.ID.UID).Of(s.nameable(m)))
	return e
}

// learnHeaders asks for what the messages are recognised by that came since,
// some of them if they are many.
func (s *session) learnHeaders(ctx context.Context, f *folderLedger, seen map[int]store.Entry, begin, end int) error {
	reader, ok := s.mailbox.(upstream.HeaderReader)
	for begin < end && (s.listed[begin].ID.UID < f.life.Next || s.gone[begin]) {
		begin++
	}
	if !ok || begin == end {
		return nil
	}
	end = min(end, begin+maxLearn)
	var ids []upstream.ID
	place := map[upstream.ID]int{}
	for at := begin; at < end; at++ {
		if _, passed := seen[at]; !passed && !s.gone[at] {
			ids, place[s.listed[at].ID] = append(ids, s.listed[at].ID), at
		}
	}
	if err := s.askHeaders(ctx, f, reader, ids, place, seen); err != nil {
		return err
	}
	f.changes.Next = s.listed[end-1].ID.UID + 1
	f.changes.Settled = highestUID(s.listed, s.listed[begin].ID.Folder) + 1
	return nil
}

func (s *session) askHeaders(ctx context.Context, f *folderLedger, reader upstream.HeaderReader, ids []upstream.ID, place map[upstream.ID]int, seen map[int]store.Entry) error {
	if len(ids) == 0 {
		return nil
	}
	s.lock.release()
	ctx, cancel := context.WithTimeout(ctx, learnTime)
	defer cancel()
	return reader.Headers(ctx, ids, func(id upstream.ID, header []byte, whole bool) {
		if at, asked := place[id]; asked {
			e := s.newEntry(f, at)
			e.Print = uidl.PrintOf(header, whole)
			seen[at] = e
		}
	})
}

// tidyLedger finds, once a day, what is known of messages that are not there any
// more. Only what has been missing for long is forgotten: mail stores come back
// from backups.
func (s *session) tidyLedger(ctx context.Context, f *folderLedger, begin, end int) error {
	now := f.changes.At
	if f.life.Entries == 0 || now-f.life.Tidied < tidyTime || f.key.UIDValidity != 0 && f.life.Entries+len(f.changes.Entries) <= end-begin {
		return nil
	}
	entries, err := s.ledger.store.Entries(ctx, f.key)
	if err != nil {
		return err
	}
	there := make(map[uint64]bool, end-begin)
	for at := begin; at < end; at++ {
		there[s.keyOf(&s.listed[at])] = true
	}
	for _, e := range entries {
		switch listed := there[e.Key]; {
		case listed && e.Absent != 0:
			f.changes.Entries = append(f.changes.Entries, store.Entry{Key: e.Key})
		case !listed && e.Absent == 0:
			f.changes.Entries = append(f.changes.Entries, store.Entry{Key: e.Key, Absent: now})
		case !listed && now-e.Absent > store.Tombstone:
			f.changes.Purge = append(f.changes.Purge, e.Key)
		}
	}
	f.changes.Tidied = true
	return nil
}
