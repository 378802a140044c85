package gateway

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/sirupsen/logrus"

	"github.com/restante-mail/restante/pop3"
	"github.com/restante-mail/restante/store"
	"github.com/restante-mail/restante/uidl"
	"github.com/restante-mail/restante/upstream"
)

// maxKnown bounds how many messages of earlier lives are looked at: as many as
// the largest maildrop has.
const maxKnown = 1_000_000

// recognition is the question which messages of a folder's earlier lives its
// present ones are.
type recognition struct {
	s    *session
	i    int // the folder
	f    *folderLedger
	msgs []upstream.Message
	at   []int // of its messages, in msgs
	// taken are the names of messages whose names are decided.
	taken map[string]bool
	// remembered are the keys of names at a POP3 server that the view knows, of
	// messages that the ledger may not know.
	remembered map[uint64]bool
	// adopted are the earlier messages whose names are taken.
	adopted int
	// names of all earlier messages, also of those that are gone; passedOn are
	// those of them that a POP3 server gave.
	names    map[string]bool
	passedOn []string
	// anew: no client has been told any name here, and what an import before has
	// given, perhaps of the wrong server, is decided again. gone are the prints
	// of messages that were there then and are not any more, by name.
	anew     bool
	gone     map[string]uidl.Print
	old, now []uidl.Known
}

// recognise finds the names of the messages that have none yet in this life of
// the folder. What nobody can tell for certain gets a name that nothing had.
func (s *session) recognise(ctx context.Context, i int, msgs []upstream.Message, others []otherLife) error {
	r := &recognition{s: s, i: i, f: s.ledger.folders[i], msgs: msgs, taken: map[string]bool{}, names: map[string]bool{}, gone: map[string]uidl.Print{}}
	r.anew = s.imports && r.f.life.Settled == 0
	for at := range msgs {
		if msgs[at].ID.Folder == i {
			r.at = append(r.at, at)
		}
	}
	if err := r.readPresent(ctx); err != nil {
		return err
	}
	if err := r.readOthers(ctx, others); err != nil {
		return err
	}
	r.readView()
	if err := r.readHeaders(ctx); err != nil {
		return clientError(err)
	}
	matched := r.decide()
	s.log.WithFields(logrus.Fields{"folder": s.folders[i].Name, "messages": len(r.at), "recognised": matched}).
		Info("messages were looked for that had other UIDs, or another server, before")
	return s.keepRecognised(ctx, r)
}

// open tells whether a message has no name yet.
func (r *recognition) open(m *upstream.Message) bool {
	_, given := r.f.given[uint64(m.ID.UID)]
	return (r.anew || !given) && m.ID.UID >= r.f.life.Settled
}

// readPresent begins with what is known of the present messages.
func (r *recognition) readPresent(ctx context.Context) error {
	known := map[uint64]store.Entry{}
	if r.f.life.Entries > 0 {
		entries, err := r.s.ledger.store.Entries(ctx, r.f.key)
		if err != nil {
			return stateError(err)
		}
		for _, e := range entries {
			known[e.Key] = e
		}
	}
	r.now = make([]uidl.Known, len(r.at))
	for n, at := range r.at {
		m := &r.msgs[at]
		e := known[uint64(m.ID.UID)]
		r.now[n] = uidl.Known{Unique: uniqueText(uniqueHash(m.Unique)), Print: e.Print, Sizes: [2]int64{m.Size, e.True}}
		if !r.open(m) {
			r.taken[r.s.plainUIDL(m)] = true
		}
	}
	return nil
}

// uniqueText is what tells lasting names apart.
func uniqueText(hash uint64) string {
	if hash == 0 {
		return ""
	}
	return strconv.FormatUint(hash, 36)
}

// readOthers collects what is known of earlier messages. One that went through
// several lives has one name in all of them, and counts once.
func (r *recognition) readOthers(ctx context.Context, others []otherLife) error {
	count := 0
	for _, other := range others {
		if count += other.Entries; count > maxKnown {
			r.s.log.Warn("more earlier messages are known than are looked at; the oldest are not recognised")
			return nil
		}
		entries, err := r.s.ledger.store.Entries(ctx, other.key)
		if err != nil {
			return stateError(err)
		}
		formats := other.formats()
		for _, e := range entries {
			name := other.called(r.i, formats, e)
			if other.UIDValidity == 0 {
				r.passedOn = append(r.passedOn, name)
			}
			if r.names[name] {
				continue
			}
			r.names[name] = true
			switch {
			case e.Absent != 0:
				r.gone[name] = e.Print
			case r.taken[name]:
				r.adopted++
			default:
				r.old = append(r.old, uidl.Known{Name: name, Unique: uniqueText(e.Unique), Print: e.Print, Sizes: [2]int64{e.Listed, e.True}})
			}
		}
	}
	return nil
}

// readView collects the names that the view has seen at a POP3 server, hashed.
func (r *recognition) readView() {
	m := r.s.memory
	if m == nil {
		return
	}
	r.remembered = map[uint64]bool{}
	for _, v := range []*store.View{&m.view, &m.before} {
		for i := range v.Folders {
			if f := &v.Folders[i]; f.UIDValidity == 0 && sameName(f.Name, r.f.key.Folder) {
				for _, memory := range f.Memories {
					r.remembered[memory.Key] = true
				}
			}
		}
	}
}

// readHeaders asks for what the present messages are recognised by.
func (r *recognition) readHeaders(ctx context.Context) error {
	reader, ok := r.s.mailbox.(upstream.HeaderReader)
	if !ok || len(r.old) == 0 {
		return nil
	}
	var ids []upstream.ID
	place := map[upstream.ID]int{}
	for n, at := range r.at {
		if id := r.msgs[at].ID; r.now[n].Print == (uidl.Print{}) {
			ids, place[id] = append(ids, id), n
		}
	}
	return reader.Headers(ctx, ids, func(id upstream.ID, header []byte, whole bool) {
		if n, asked := place[id]; asked {
			r.now[n].Print = uidl.PrintOf(header, whole)
		}
	})
}

// decide gives the names, and returns how many messages were recognised.
func (r *recognition) decide() (matched int) {
	f := r.f
	if f.given == nil {
		f.given = map[uint64]string{}
	}
	matches := uidl.Match(r.old, r.now)
	r.tell(matches)
	r.keepApart(matches)
	for n, o := range matches {
		m := &r.msgs[r.at[n]]
		e := store.Entry{Key: uint64(m.ID.UID), Print: r.now[n].Print, Unique: uniqueHash(m.Unique), Listed: m.Size}
		if r.open(m) {
			named := r.s.nameable(m)
			name := f.name(named)
			switch {
			case o >= 0:
				matched++
				e.UIDL = r.old[o].Name
			case r.keeps(n, name):
			case r.names[name] || r.taken[name] || r.remembered[NameKey(name)]: // another message's, perhaps
				e.UIDL = uidl.Hashed(name, named)
			}
			if e.UIDL = f.worthKeeping(m.ID.UID, e.UIDL, name); e.UIDL != "" {
				f.given[e.Key] = e.UIDL
			}
		}
		f.changes.Entries = append(f.changes.Entries, e)
	}
	f.changes.Settled = highestUID(r.msgs, r.i) + 1
	f.changes.Next, f.changes.Rename = f.changes.Settled, f.changes.Rename || r.anew
	return matched
}

// keeps tells whether the name that an import before gave to a message stays, for
// the message that it is of has gone from the other server since.
func (r *recognition) keeps(n int, name string) bool {
	print, gone := r.gone[name]
	given := r.f.given[uint64(r.msgs[r.at[n]].ID.UID)] == name
	return given && gone && print == r.now[n].Print && print != (uidl.Print{})
}

// keepRecognised writes what was decided.
func (s *session) keepRecognised(ctx context.Context, r *recognition) error {
	if s.looksOnly {
		return nil
	}
	f := r.f
	f.changes.Present, f.changes.At, f.changes.Origin = !s.imports, s.gateway.now().Unix(), s.route.Origin
	if s.imports { // no client has been told anything yet
		f.changes.Settled = 0
	}
	if err := s.ledger.store.Enter(ctx, f.key, f.changes); err != nil {
		s.gateway.Shared.ailing.Store(true)
		return stateError(err)
	}
	f.life.Next, f.life.Settled, f.life.Lapsed = f.changes.Next, f.changes.Settled, 0
	f.life.Entries += len(f.changes.Entries)
	f.known, f.dirty, f.changes = true, false, store.LedgerChanges{}
	return nil
}

// probes are how many messages prove that a server is the same.
const probes = 50

// sameServer finds out, once, whether a server at another address that has a
// folder with the same UIDVALIDITY is the same server. If it is another one, all
// that is remembered by UID would be of other messages, and mail would be hidden
// that nobody has seen.
func (s *session) sameServer(ctx context.Context, i int, msgs []upstream.Message) error {
	f := s.ledger.folders[i]
	reader, ok := s.mailbox.(upstream.HeaderReader)
	if !ok || !f.known || f.life.Origin == "" || f.life.Origin == s.route.Origin || f.life.Entries == 0 {
		return nil
	}
	entries, err := s.ledger.store.Entries(ctx, f.key)
	if err != nil {
		return stateError(err)
	}
	known, ids := map[uint32]uidl.Print{}, []upstream.ID(nil)
	for _, e := range entries {
		if e.Print != (uidl.Print{}) {
			known[uint32(e.Key)] = e.Print
		}
	}
	for at := range msgs {
		if id := msgs[at].ID; id.Folder == i && known[id.UID] != (uidl.Print{}) {
			ids = append(ids, id)
		}
	}
	differ := 0
	err = reader.Headers(ctx, ids[max(0, len(ids)-probes):], func(id upstream.ID, header []byte, whole bool) {
		if print := uidl.PrintOf(header, whole); print != (uidl.Print{}) && print != known[id.UID] {
			differ++
		}
	})
	if err != nil {
		return clientError(err)
	}
	if differ > 0 {
		return &pop3.Error{Code: pop3.CodeSysPerm, Text: "This maildrop is on another server now and must be set up anew; ask your administrator",
			Err: fmt.Errorf("%w (was %s, is %s; %d of %d messages differ)", errOtherServer, f.life.Origin, s.route.Origin, differ, min(len(ids), probes))}
	}
	f.changes.Origin, f.dirty = s.route.Origin, true
	return nil
}

var errOtherServer = errors.New("the server has other mail under the UIDVALIDITY of the one before: give it an [[upstream]] of its own, whose route succeeds the old one (docs/migration.md)")
