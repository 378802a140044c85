package gateway

import (
	"slices"
	"strings"

	"github.com/restante-mail/restante/store"
)

// keepApart sees to it that a POP3 server which makes names as we do, with the same
// UIDVALIDITY (a mailbox that was copied together with its UIDs), gives none of
// ours to other mail: it goes on to get mail if the move is taken back, and a
// client would take that for what it has. Its own messages, as far as it is known
// to have had any, may keep their names here; what came later is named with a mark.
func (r *recognition) keepApart(matches []int) {
	f := r.f
	last, mark := f.formats[len(f.formats)-1].format, markOf(f.key)
	if r.i > 0 || last.ByServer() || strings.HasSuffix(last.String(), "-"+mark) {
		return
	}
	from, shared := r.firstOwn(matches)
	if !shared {
		return
	}
	from = max(from, f.life.Settled, 1)
	f.formats = slices.DeleteFunc(f.formats, func(n naming) bool { return n.from >= from })
	f.formats = append(f.formats, naming{from, last.WithMark(mark)})
	f.changes.Formats = nil
	for _, n := range f.formats {
		f.changes.Formats = append(f.changes.Formats, store.Naming{From: n.from, Format: n.format.String()})
	}
	f.dirty = true
}

// firstOwn is the first UID that the POP3 server before is not known to have
// given; 0 if it had other messages under these UIDs, or nothing proves that it
// had the same. shared tells that it gives names like ours.
func (r *recognition) firstOwn(matches []int) (from uint32, shared bool) {
	read := r.f.formats[len(r.f.formats)-1].format.Reader(r.f.key.UIDValidity)
	for _, name := range r.passedOn {
		if uid, ok := read(name); ok {
			from, shared = max(from, uid+1), true
		}
	}
	same := false
	for n, o := range matches {
		if o < 0 {
			continue
		}
		uid, ok := read(r.old[o].Name)
		if ok && uid != r.msgs[r.at[n]].ID.UID {
			return 0, true
		}
		same = same || ok
	}
	if !same {
		from = 0
	}
	return from, shared
}
