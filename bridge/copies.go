package bridge

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/emersion/go-imap/v2"

	"github.com/restante-mail/restante/upstream"
)

// Without MOVE a message is copied and then removed, and whoever is interrupted
// in between, by a broken connection or a crash, would make a second copy. Who
// may have been looks for the first: a message of the same size, date and
// Message-ID. One without a Message-ID is copied again: rather twice than lost.

const (
	// searchesAtOnce are under way together.
	searchesAtOnce = 100
	// maxCandidates of one size are looked at.
	maxCandidates = 100
	// maxField is more than a Message-ID has.
	maxField = 1000
)

const copyAttributes = " (UID INTERNALDATE RFC822.SIZE BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)])"

// print is what a message and its copy have in common.
type print struct {
	size int64
	date time.Time
	id   string
}

// findCopies notes where copies of messages are already, and comes back to the
// folder.
func (s *step) findCopies(l *link, target string, uids []uint32) error {
	prints, err := s.prints(l, uidList(uids))
	if err != nil {
		return err
	}
	s.m.selected = -1
	there, err := l.selectFolder(s.ctx, target)
	if err != nil {
		return err
	}
	sizes := map[int64]bool{}
	for _, p := range prints {
		sizes[p.size] = true
	}
	copies, err := s.copiesOf(l, sizes)
	if err != nil {
		return err
	}
	for _, uid := range uids {
		p, ok := prints[uid]
		if at := copies[p]; ok && len(at) > 0 {
			s.results[uid] = upstream.Result{UIDValidity: there.uidValidity, UID: at[0]}
			copies[p] = at[1:] // it is of one message
		}
	}
	return s.m.ready(s.ctx, s.batch.folder)
}

// copiesOf returns the UIDs of messages of such sizes in the selected folder, by
// what else they can be told by.
func (s *step) copiesOf(l *link, sizes map[int64]bool) (copies map[print][]uint32, err error) {
	copies = map[print][]uint32{}
	var all []int64
	for size := range sizes {
		all = append(all, size)
	}
	for part := range slices.Chunk(all, searchesAtOnce) {
		found, err := s.ofSizes(l, part)
		if err != nil || len(found) == 0 {
			if err != nil {
				return nil, err
			}
			continue
		}
		prints, err := s.prints(l, uidList(found))
		if err != nil {
			return nil, err
		}
		for _, uid := range found {
			if p, ok := prints[uid]; ok {
				copies[p] = append(copies[p], uid)
			}
		}
	}
	return copies, nil
}

// ofSizes returns the UIDs of messages that have one of the sizes.
func (s *step) ofSizes(l *link, sizes []int64) (found []uint32, err error) {
	err = l.run(s.ctx, "look for copies", l.u.o.ListTimeout, func() error {
		var searches []*search
		for _, size := range sizes {
			of := new(search)
			of.injection = l.f.queue(fmt.Sprintf("UID SEARCH LARGER %d SMALLER %d", max(size-1, 0), size+1), injection{uids: &of.found})
			searches = append(searches, of)
		}
		err := l.f.flush()
		for _, of := range searches {
			if err == nil {
				err = of.wait()
			}
			for _, r := range of.found.ranges {
				for uid := uint64(r.first); uid <= uint64(r.last) && len(found) < maxCandidates*len(sizes); uid++ {
					found = append(found, uint32(uid))
				}
			}
		}
		return err
	})
	slices.Sort(found)
	return slices.Compact(found), err
}

// prints asks what messages of the selected folder can be told by. Those without
// a Message-ID, or a date, are left out.
func (s *step) prints(l *link, set string) (map[uint32]print, error) {
	to := &lister{small: true, fields: map[uint32]string{}}
	if err := l.ask(s.ctx, "look for copies", "UID FETCH "+set+copyAttributes, to); err != nil {
		return nil, err
	}
	prints := map[uint32]print{}
	for _, m := range to.finish() {
		if id := to.fields[m.ID.UID]; id != "" && !m.Arrived.IsZero() {
			prints[m.ID.UID] = print{m.Size, m.Arrived, id}
		}
	}
	return prints, nil
}

// uidList writes a set of UIDs.
func uidList(uids []uint32) string {
	var set imap.UIDSet
	for _, uid := range uids {
		set.AddNum(imap.UID(uid))
	}
	return set.String()
}

// fieldOf is a Message-ID field as it came, or "" if there is none.
func fieldOf(value []byte) string {
	_, field, isLiteral := strings.Cut(string(value), "\n")
	if !isLiteral {
		field = strings.Trim(string(value), `"`)
	}
	field = strings.TrimSpace(field)
	if len(field) > maxField || !strings.HasPrefix(strings.ToLower(field), "message-id:") {
		return ""
	}
	return field
}
