package gateway

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"

	"github.com/restante-mail/restante/store"
	"github.com/restante-mail/restante/uidl"
	"github.com/restante-mail/restante/upstream"
)

// defaultFormat is for routes that name none.
var defaultFormat, _ = uidl.Parse(uidl.Default) // it is good

// format is the one in which messages are named that have no name yet.
func (s *session) format() uidl.Format {
	if s.route.UIDL.String() == "" {
		return defaultFormat
	}
	return s.route.UIDL
}

// uidl names a message for ever. What a POP3 upstream calls its messages is
// passed on.
//
// A message that was undeleted is a new one to the client, so that a client
// that remembers what it has fetches it again.
func (s *session) uidl(i int) string {
	plain, ok := s.repeated[i]
	if !ok {
		plain = s.plainUIDL(&s.listed[i])
	}
	if s.memory == nil || s.memory.lives == nil || s.memory.lives[i] == 0 {
		return plain
	}
	return livedUIDL(plain, s.memory.lives[i])
}

func livedUIDL(plain string, life uint32) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\nlife %d", plain, life))
	return hex.EncodeToString(sum[:16])
}

// plainUIDL is what the message was given, or else what the format makes.
func (s *session) plainUIDL(m *upstream.Message) string {
	if s.folders[m.ID.Folder].UIDValidity == 0 {
		return m.UIDL
	}
	named := s.nameable(m)
	if s.ledger == nil {
		return s.format().Of(named)
	}
	return s.ledger.folders[m.ID.Folder].name(named)
}

// nameable is what a format is told of a message.
func (s *session) nameable(m *upstream.Message) uidl.Message {
	folder := s.folders[m.ID.Folder]
	return uidl.Message{UID: m.ID.UID, UIDValidity: folder.UIDValidity,
		Folder: folder.Name, Other: m.ID.Folder > 0, Unique: m.Unique}
}

// nameDistinctly gives another name to shown messages whose own an earlier one
// has, and sees to it that they keep it.
func (s *session) nameDistinctly() {
	s.repeated = nil
	if !s.mayRepeat() {
		return
	}
	taken := make(map[string]bool, len(s.index))
	for _, i := range s.index {
		m := &s.listed[i]
		name := s.plainUIDL(m)
		if name == "" || !taken[name] {
			taken[name] = true
			continue
		}
		if s.repeated == nil {
			s.repeated = map[int]string{}
		}
		s.repeated[i] = uidl.Hashed(name, s.nameable(m))
		taken[s.repeated[i]] = true
		if s.ledger != nil {
			s.ledger.folders[m.ID.Folder].rename(m, s.repeated[i])
		}
	}
}

// mayRepeat tells whether two messages may have been given one name.
func (s *session) mayRepeat() bool {
	if s.ledger == nil {
		return s.format().ByServer()
	}
	return slices.ContainsFunc(s.ledger.folders, func(f *folderLedger) bool {
		return len(f.given) > 0 || len(f.formats) > 1 || len(f.formats) == 1 && f.formats[0].format.ByServer()
	})
}

func (f *folderLedger) rename(m *upstream.Message, name string) {
	if f.given == nil {
		f.given = map[uint64]string{}
	}
	f.given[uint64(m.ID.UID)] = name
	f.changes.Entries = append(f.changes.Entries, store.Entry{Key: uint64(m.ID.UID), UIDL: name, Listed: m.Size, Unique: uniqueHash(m.Unique)})
	f.changes.Rename, f.dirty = true, true
}
