package gateway

import (
	"context"
	"maps"
	"sync"
	"time"

	"github.com/restante-mail/restante/pop3"
	"github.com/restante-mail/restante/store"
	"github.com/restante-mail/restante/upstream"
)

// sizes remembers how many octets RETR sent for a message. In memory is what
// was seen since the process began, and it has a bound; the state file, if
// there is one, gets only what the upstream says otherwise, and remembers it
// for good.
type sizes struct {
	mu    sync.Mutex
	known map[store.FolderKey]map[messageName]int64
	wrong map[store.FolderKey]bool // the upstream says otherwise of some message
	count int
}

// maxSizes bounds the memory of sizes: about 50 octets each.
const maxSizes = 200_000

// messageName names a message of a folder for longer than a session. Over POP3
// the number means nothing in another one, and the UIDL takes its place.
type messageName struct {
	uid  uint32
	uidl string
}

func newSizes() sizes {
	return sizes{known: map[store.FolderKey]map[messageName]int64{}, wrong: map[store.FolderKey]bool{}}
}

// learn remembers a true size, and whether the upstream's is another.
func (s *sizes) learn(folder store.FolderKey, name messageName, octets int64, wrong bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.count >= maxSizes {
		for any, sizes := range s.known { // whichever comes first: all are equally cheap to learn again
			s.count -= len(sizes)
			delete(s.known, any)
			delete(s.wrong, any)
			break
		}
	}
	if s.known[folder] == nil {
		s.known[folder] = map[messageName]int64{}
	}
	before := len(s.known[folder])
	s.known[folder][name] = octets
	s.count += len(s.known[folder]) - before
	if wrong {
		s.wrong[folder] = true
	}
}

// corrects tells whether the upstream is known to be wrong about some message.
func (s *sizes) corrects(folder store.FolderKey) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.wrong[folder]
}

// of returns what is known of a folder; the map is a copy.
func (s *sizes) of(folder store.FolderKey) map[messageName]int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.known[folder])
}

// nameOf is the message's lasting name; ok is false if it has none.
func (s *session) nameOf(m *upstream.Message) (name messageName, ok bool) {
	if s.folders[m.ID.Folder].UIDValidity != 0 {
		return messageName{uid: m.ID.UID}, true
	}
	return messageName{uidl: m.UIDL}, m.UIDL != ""
}

// useKnownSizes puts true sizes in the place of what the upstream says. What
// the store cannot tell is unknown, and no reason to fail.
func (s *session) useKnownSizes(ctx context.Context) {
	known := make([]map[messageName]int64, len(s.folders))
	for i := range s.folders {
		known[i] = s.gateway.Shared.sizes.of(s.folderKey(i))
		for uid, octets := range s.storedSizes(ctx, i) {
			if known[i] == nil {
				known[i] = map[messageName]int64{}
			}
			known[i][messageName{uid: uid}] = octets
		}
	}
	for i := range s.shown {
		m := &s.shown[i]
		sizes := known[m.ID.Folder]
		if len(sizes) == 0 {
			continue
		}
		if name, ok := s.nameOf(m); ok {
			if octets, ok := sizes[name]; ok {
				m.Size, m.Exact = octets, true
			}
		}
	}
}

func (s *session) storedSizes(ctx context.Context, folder int) map[uint32]int64 {
	db := s.gateway.Shared.Store
	if db == nil || s.folders[folder].UIDValidity == 0 {
		return nil
	}
	known, err := db.Sizes(ctx, s.folderKey(folder))
	if err != nil {
		s.log.WithError(err).Warn("true sizes cannot be looked up; the upstream's are listed")
	}
	return known
}

func (s *session) folderKey(i int) store.FolderKey {
	return store.FolderKey{Maildrop: s.maildropName(),
		Folder: s.folders[i].Name, UIDValidity: s.folders[i].UIDValidity}
}

// measured is what the POP3 server measures itself before it names a size, so
// that knowing an upstream's figure to be true is of no use.
const measured = 64 << 10

// learn remembers a true size: at once for this process, and at the end of the
// session in the state file if the upstream says otherwise.
func (s *session) learn(m *upstream.Message, octets int64) {
	if m.Size == octets && (m.Exact || octets <= measured) {
		return
	}
	name, ok := s.nameOf(m)
	if !ok {
		return
	}
	s.gateway.Shared.sizes.learn(s.folderKey(m.ID.Folder), name, octets, m.Size != octets)
	if m.Size == octets || name.uid == 0 || s.gateway.Shared.Store == nil {
		return
	}
	if s.learned == nil {
		s.learned = make([]map[uint32]int64, len(s.folders))
	}
	if s.learned[m.ID.Folder] == nil {
		s.learned[m.ID.Folder] = map[uint32]int64{}
	}
	s.learned[m.ID.Folder][name.uid] = octets
}

// storeTime bounds what a session's end may wait for the state file.
const storeTime = 10 * time.Second

// keepSizes writes what was learned to the state file.
func (s *session) keepSizes() {
	ctx, cancel := context.WithTimeout(context.Background(), storeTime)
	defer cancel()
	for i, octets := range s.learned {
		if octets == nil {
			continue
		}
		if err := s.gateway.Shared.Store.LearnSizes(ctx, s.folderKey(i), octets); err != nil {
			s.log.WithError(err).Warn("true sizes could not be remembered; they will be learned again")
		}
	}
}

// The budget for learning exact sizes at one listing: what it does not reach
// keeps the upstream's figure until another session. It bounds how long a
// client waits for its first STAT.
const (
	exactMessages = 1000
	exactOctets   = 64 << 20
	exactTime     = 20 * time.Second
)

// measure reads the newest messages whose true size is unknown, within the budget.
func (s *session) measure(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, exactTime)
	defer cancel()
	messages, octets := 0, int64(0)
	for i := len(s.shown) - 1; i >= 0 && messages < exactMessages && ctx.Err() == nil; i-- {
		m := &s.shown[i]
		if m.Exact || m.Size > exactOctets-octets {
			continue
		}
		messages, octets = messages+1, octets+m.Size
		if err := s.measureOne(ctx, m); err != nil {
			s.log.WithError(err).Warn("learning exact sizes: stopped early")
			return
		}
	}
}

func (s *session) measureOne(ctx context.Context, m *upstream.Message) error {
	r, err := s.mailbox.Open(ctx, m.ID, upstream.Whole)
	if err != nil && upstream.KindOf(err) == upstream.Gone {
		return nil // it stays listed, and RETR will say that it is gone
	}
	if err != nil {
		return err
	}
	defer r.Close()
	octets, err := pop3.CountOctets(r)
	if err != nil {
		return err
	}
	s.learn(m, octets)
	m.Size, m.Exact = octets, true
	return nil
}
