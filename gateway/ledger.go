package gateway

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"strings"
	"time"

	"github.com/restante-mail/restante/store"
	"github.com/restante-mail/restante/uidl"
	"github.com/restante-mail/restante/upstream"
)

// ledger is what a session knows of the names that messages have been given,
// and what it will add to that. There is none without a state file.
type ledger struct {
	store   store.Ledger
	folders []*folderLedger
	// lives are those of the maildrop, before those of the one that it succeeds.
	lives, before []store.Life
	// prints are what passed by, by index into the listing.
	prints map[int]passed
	// listed: the session has all messages of the folders. Otherwise none of
	// them is known to be missing.
	listed bool
	at     time.Time // when that was: what is learned when the client has gone is of then
}

// passed is what a message that passed by taught.
type passed struct {
	print  uidl.Print
	octets int64 // 0: not all of it was seen
}

// folderLedger is the part for one folder in its present life.
type folderLedger struct {
	key     store.FolderKey
	life    store.Life
	known   bool // life has been there before
	formats []naming
	given   map[uint64]string // by key
	changes store.LedgerChanges
	dirty   bool // changes are worth a transaction by themselves
}

// naming is the format of messages from a UID on.
type naming struct {
	from   uint32
	format uidl.Format
}

// name is what a message was given, or what its format makes.
func (f *folderLedger) name(m uidl.Message) string {
	if name, ok := f.given[uint64(m.UID)]; ok {
		return name
	}
	return formatOf(f.formats, m.UID).Of(m)
}

// worthKeeping is the name to write for a message: none if the UID will tell
// for ever. given is the one that it has been given; "" for what is made.
func (f *folderLedger) worthKeeping(uid uint32, given, made string) string {
	switch {
	case formatOf(f.formats, uid).ByServer():
		return cmp.Or(given, made)
	case given == made:
		return ""
	}
	return given
}

func formatOf(formats []naming, uid uint32) uidl.Format {
	for i := len(formats) - 1; i > 0; i-- {
		if uid >= formats[i].from {
			return formats[i].format
		}
	}
	return formats[0].format
}

// openLedger finds out what the listed messages are called. In a folder whose
// UIDs have changed messages are recognised, and that is remembered before
// anybody is told: the mailbox may be another a moment later.
func (s *session) openLedger(ctx context.Context, msgs []upstream.Message) (err error) {
	db := s.gateway.Shared.Store
	if db == nil {
		return nil
	}
	l := &ledger{store: db}
	if l.lives, err = db.Lives(ctx, s.maildropName()); err != nil {
		return stateError(err)
	}
	if s.route.Before != "" {
		if l.before, err = db.Lives(ctx, s.route.Before); err != nil {
			return stateError(err)
		}
	}
	for i := range s.folders {
		f := &folderLedger{key: s.folderKey(i)}
		f.life, f.known = findLife(l.lives, s.folders[i])
		l.folders = append(l.folders, f)
	}
	s.ledger = l
	for i := range l.folders {
		if err := s.openFolder(ctx, i, msgs); err != nil {
			s.ledger = nil
			return err
		}
	}
	return nil
}

func findLife(lives []store.Life, folder upstream.Folder) (store.Life, bool) {
	for _, life := range lives {
		if life.Folder == folder.Name && life.UIDValidity == folder.UIDValidity {
			return life, true
		}
	}
	return store.Life{}, false
}

// openFolder reads what is known of a folder's present life.
func (s *session) openFolder(ctx context.Context, i int, msgs []upstream.Message) error {
	f, l := s.ledger.folders[i], s.ledger
	came := !f.known || f.life.Lapsed != 0 // it was not the folder's life a while ago
	f.dirty = came && f.known
	if f.key.UIDValidity == 0 {
		return nil // names are passed on
	}
	if f.life.Given > 0 {
		given, err := l.store.UIDLs(ctx, f.key)
		if err != nil {
			return stateError(err)
		}
		f.given = given
	}
	if err := s.sameServer(ctx, i, msgs); err != nil {
		return err
	}
	others := s.otherLives(i)
	s.chooseFormats(f, highestUID(msgs, i), others)
	if len(others) > 0 && (came || f.life.Settled == 0 || s.imports) {
		return s.recognise(ctx, i, msgs, others)
	}
	return nil
}

// chooseFormats: names that were given stay, so another format is for messages
// that come from now on.
func (s *session) chooseFormats(f *folderLedger, highest uint32, others []otherLife) {
	for _, n := range f.life.Formats {
		if format, err := uidl.Parse(n.Format); err == nil {
			f.formats = append(f.formats, naming{n.From, format})
		}
	}
	wanted := distinct(s.format(), f.key, others)
	from := uint32(1)
	if n := len(f.formats); n > 0 {
		last := f.formats[n-1].format.String()
		if last == wanted.String() || last == s.format().String() || last == s.format().WithValidity().String() ||
			last == s.format().WithValidity().WithMark(markOf(f.key)).String() {
			return
		}
		from = highest + 1
	}
	f.formats = append(f.formats, naming{from, wanted})
	for _, n := range f.formats {
		f.changes.Formats = append(f.changes.Formats, store.Naming{From: n.from, Format: n.format.String()})
	}
	f.dirty = f.dirty || f.known
}

// distinct is a format that gives no name which another life of the folder
// may have given, also to messages that nobody knows any more.
func distinct(format uidl.Format, own store.FolderKey, others []otherLife) uidl.Format {
	if len(others) == 0 {
		return format
	}
	format = format.WithValidity()
	if slices.ContainsFunc(others, func(o otherLife) bool { return o.UIDValidity == own.UIDValidity }) {
		return format.WithMark(markOf(own))
	}
	return format
}

// markOf tells maildrops apart.
func markOf(key store.FolderKey) string { return uidl.FolderIdentity(key.Maildrop)[:6] }

func highestUID(msgs []upstream.Message, folder int) (highest uint32) {
	for i := range msgs {
		if msgs[i].ID.Folder == folder {
			highest = max(highest, msgs[i].ID.UID)
		}
	}
	return highest
}

// An otherLife is a life of a folder that is not its present one.
type otherLife struct {
	store.Life
	key store.FolderKey
}

// otherLives are those of the same folder, here and at the server before, the
// latest first.
func (s *session) otherLives(i int) (all []otherLife) {
	l, own := s.ledger, s.ledger.folders[i].key
	add := func(maildrop string, lives []store.Life) {
		for _, life := range lives {
			key := store.FolderKey{Maildrop: maildrop, Folder: life.Folder, UIDValidity: life.UIDValidity}
			if key != own && sameName(life.Folder, own.Folder) {
				all = append(all, otherLife{life, key})
			}
		}
	}
	add(own.Maildrop, l.lives)
	add(s.route.Before, l.before)
	slices.SortStableFunc(all, func(a, b otherLife) int { return cmp.Compare(b.present(), a.present()) })
	return all
}

// sameName: only INBOX may be written in any case (RFC 3501 section 5.1).
func sameName(a, b string) bool {
	return a == b || strings.EqualFold(a, "INBOX") && strings.EqualFold(b, "INBOX")
}

// present is until when the life was the folder's.
func (o otherLife) present() int64 {
	if o.Lapsed == 0 {
		return 1<<63 - 1
	}
	return o.Lapsed
}

// formats of a life that is over, as far as they can be read.
func (o otherLife) formats() (all []naming) {
	for _, n := range o.Formats {
		if format, err := uidl.Parse(n.Format); err == nil {
			all = append(all, naming{n.From, format})
		}
	}
	if all == nil {
		all = []naming{{1, defaultFormat}}
	}
	return all
}

// nameIn is what a message was called in another life of folder i.
func (o otherLife) nameIn(i int, formats []naming, key uint64) string {
	uid := uint32(key)
	return formatOf(formats, uid).Of(uidl.Message{UID: uid, UIDValidity: o.UIDValidity, Folder: o.Folder, Other: i > 0})
}

// called is what an entry's message was called.
func (o otherLife) called(i int, formats []naming, e store.Entry) string {
	if e.UIDL != "" {
		return e.UIDL
	}
	return o.nameIn(i, formats, e.Key)
}

// uniqueHash shortens a server's lasting name; 0 is none.
func uniqueHash(name string) uint64 {
	if name == "" {
		return 0
	}
	sum := sha256.Sum256([]byte(name))
	return binary.BigEndian.Uint64(sum[:]) | 1
}
