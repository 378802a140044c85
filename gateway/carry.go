package gateway

import (
	"cmp"
	"context"
	"slices"

	"github.com/restante-mail/restante/store"
	"github.com/restante-mail/restante/upstream"
)

// A message whose UID has changed is the same to its view: what the client
// retrieved, deleted and hid goes on under the new one. What was recognised has
// kept its name, so that the name leads from one life of a folder to the next.

// carry finds what is remembered in this view under earlier UIDs of messages
// in folders that have others now, and adds it to what is remembered.
func (s *session) carry(ctx context.Context, msgs []upstream.Message) error {
	m := s.memory
	m.undo = nil
	m.carried = make([][]store.Memory, len(s.folders))
	if s.ledger == nil {
		return nil
	}
	for i, folder := range s.folders {
		present := m.folder(folder)
		if present != nil && present.Lapsed == 0 {
			continue
		}
		earlier := m.earlier(s, i, present)
		if len(earlier) == 0 {
			continue
		}
		carried, err := s.carryFolder(ctx, i, msgs, earlier)
		if err != nil {
			return stateError(err)
		}
		m.carried[i] = append([]store.Memory{}, carried...) // not nil: it was looked for
		m.adopt(folder, carried)
	}
	return nil
}

// An earlierFolder is what a view remembers of another life of a folder.
type earlierFolder struct {
	*store.ViewFolder
	maildrop string
}

// earlier are the lives to carry from: all, the latest last, if this one is new to the
// view, and the one before if this one has come back.
func (m *memory) earlier(s *session, i int, present *store.ViewFolder) (all []earlierFolder) {
	folder := s.folders[i]
	add := func(v *store.View, maildrop string) {
		for n := range v.Folders {
			f := &v.Folders[n]
			same := sameName(f.Name, folder.Name) && (maildrop != m.key.Maildrop || f.UIDValidity != folder.UIDValidity)
			if same && (present == nil || f.Lapsed == 0) {
				all = append(all, earlierFolder{f, maildrop})
			}
		}
	}
	if present == nil {
		add(&m.before, s.route.Before)
	}
	add(&m.view, m.key.Maildrop)
	slices.SortStableFunc(all, func(a, b earlierFolder) int { return cmp.Compare(a.until(), b.until()) })
	return all
}

func (f earlierFolder) until() int64 {
	if f.Lapsed == 0 {
		return 1<<63 - 1
	}
	return f.Lapsed
}

// adopt adds carried memories to what the view remembers of the folder's
// present life.
func (m *memory) adopt(folder upstream.Folder, carried []store.Memory) {
	present := m.folder(folder)
	if present == nil {
		m.view.Folders = append(m.view.Folders, store.ViewFolder{Name: folder.Name, UIDValidity: folder.UIDValidity})
		present = &m.view.Folders[len(m.view.Folders)-1]
	}
	present.Lapsed = 0
	byKey := make(map[uint64]int, len(present.Memories))
	for i := range present.Memories {
		byKey[present.Memories[i].Key] = i
	}
	for _, memory := range carried {
		if i, known := byKey[memory.Key]; known {
			present.Memories[i] = present.Memories[i].Merge(memory)
			continue
		}
		present.Memories = append(present.Memories, memory)
	}
	slices.SortFunc(present.Memories, func(a, b store.Memory) int { return cmp.Compare(a.Key, b.Key) })
}

// carryFolder returns what the listed messages of a folder bring along, under
// their new keys. What counts is the last life that a message was in: what was
// undeleted there must not be hidden again.
func (s *session) carryFolder(ctx context.Context, i int, msgs []upstream.Message, earlier []earlierFolder) (carried []store.Memory, err error) {
	found := map[int]store.Memory{} // by index into msgs
	for _, f := range earlier {
		keys, err := s.keysIn(ctx, i, f, msgs)
		if err != nil {
			return nil, err
		}
		memories := make(map[uint64]store.Memory, len(f.Memories))
		for _, memory := range f.Memories {
			memories[memory.Key] = memory
		}
		s.carryUndo(i, f, keys, msgs)
		for at, key := range keys {
			memory, known := memories[key]
			if s.leftOut(f, key) {
				memory.Hidden, known = cmp.Or(memory.Hidden, s.gateway.now().Unix()), true
			}
			if known {
				found[at] = memory
			} else if f.UIDValidity != 0 { // it was there, and nothing was remembered of it any more
				delete(found, at)
			}
		}
	}
	for at, memory := range found {
		memory.Key, memory.Carried = s.keyOf(&msgs[at]), s.gateway.now().Unix()
		memory.Absent, memory.Moved = 0, store.Place{}
		carried = append(carried, memory)
	}
	slices.SortFunc(carried, func(a, b store.Memory) int { return cmp.Compare(a.Key, b.Key) })
	return carried, nil
}

// carryUndo puts what the last session did into the words of now, so that it can
// be undone.
func (s *session) carryUndo(i int, f earlierFolder, keys map[int]uint64, msgs []upstream.Message) {
	m, folder := s.memory, s.folders[i]
	if f.maildrop != m.key.Maildrop || len(m.view.Undo) == 0 {
		return
	}
	if m.undo == nil {
		m.undo = slices.Clone(m.view.Undo)
	}
	now := make(map[uint64]uint64, len(keys))
	for at, key := range keys {
		now[key] = s.keyOf(&msgs[at])
	}
	for n, deed := range m.view.Undo {
		if key := now[deed.Key]; key != 0 && deed.Folder == f.Name && deed.UIDValidity == f.UIDValidity {
			m.undo[n].Folder, m.undo[n].UIDValidity, m.undo[n].Key = folder.Name, folder.UIDValidity, key
		}
	}
}

// leftOut tells whether a message was out of the view's sight for ever, by its
// UID then.
func (s *session) leftOut(f earlierFolder, key uint64) bool {
	return f.UIDValidity != 0 && (key < uint64(f.Edge) || s.route.Policy.FromNowOn && key < uint64(f.First))
}

// keysIn returns the keys that the listed messages of folder i had in an earlier
// life of it, by index. A name alone proves nothing: the ledger must know it.
func (s *session) keysIn(ctx context.Context, i int, f earlierFolder, msgs []upstream.Message) (map[int]uint64, error) {
	keys, err := s.earlierKeys(ctx, i, f)
	if err != nil || len(keys) == 0 {
		return nil, err
	}
	all := map[int]uint64{}
	begin, end := folderRange(msgs, i)
	for at := begin; at < end; at++ {
		if key, known := keys[s.plainUIDL(&msgs[at])]; known {
			all[at] = key
		}
	}
	return all, nil
}

// earlierKeys finds messages of an earlier life by their names.
func (s *session) earlierKeys(ctx context.Context, i int, f earlierFolder) (map[string]uint64, error) {
	for _, other := range s.otherLives(i) {
		if other.key.Maildrop != f.maildrop || other.Folder != f.Name || other.UIDValidity != f.UIDValidity {
			continue
		}
		entries, err := s.ledger.store.Entries(ctx, other.key)
		if err != nil {
			return nil, err
		}
		keys, formats := make(map[string]uint64, len(entries)), other.formats()
		for _, e := range entries {
			keys[other.called(i, formats, e)] = e.Key
		}
		return keys, nil
	}
	return nil, nil
}

// learnCarried notes what was carried, to be written.
func (s *session) learnCarried() {
	m := s.memory
	for i, memories := range m.carried {
		if memories != nil { // so that it is looked for once
			m.learned.Folders[i].Memories = append(m.learned.Folders[i].Memories, memories...)
			m.news = true
		}
	}
	m.learned.Undo = m.undo
}

// hasCarried tells whether anything was.
func (m *memory) hasCarried() bool {
	return slices.ContainsFunc(m.carried, func(memories []store.Memory) bool { return len(memories) > 0 })
}
