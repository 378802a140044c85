package gateway

import (
	"github.com/restante-mail/restante/store"
	"github.com/restante-mail/restante/upstream"
)

// recover looks after sessions that ended between their changes upstream and
// the record of the outcome. What is still there was not done, whatever the
// reason, and is as if it had never been intended: the client was not told
// otherwise. What has vanished was done.
func (s *session) recover() {
	m := s.memory
	if m.dry {
		return // the next session that may write does it
	}
	var there []map[uint64]bool
	for _, intent := range m.view.Intents {
		if _, underWay := s.gateway.Shared.intents.Load(intent.ID); underWay {
			continue // of a session that runs beside this one
		}
		if there == nil {
			there = s.present()
		}
		s.log.WithField("made", intent.Made).Warn("a session ended while it changed the mailbox; what is gone is recorded as done")
		for _, deed := range intent.Deeds {
			s.recoverOne(intent, deed, there)
		}
		m.learned.Settled = append(m.learned.Settled, intent.ID)
		m.news = true
	}
}

// suspectMarks: a session that ended between its changes upstream and the
// record of them may have ended between marking and removing, too.
func (s *session) suspectMarks() {
	for _, intent := range s.memory.view.Intents {
		if _, underWay := s.gateway.Shared.intents.Load(intent.ID); underWay {
			continue
		}
		for _, deed := range intent.Deeds {
			for i, folder := range s.folders {
				if removing(deed) && folder.UIDValidity != 0 && folder.Name == deed.Folder && folder.UIDValidity == deed.UIDValidity {
					s.gateway.Shared.marks.note(mark{s.folderKey(i), uint32(deed.Key)}, true)
				}
			}
		}
	}
}

func removing(d store.Deed) bool {
	return d.Do == upstream.Move.String() || d.Do == upstream.Expunge.String()
}

func (s *session) recoverOne(intent store.Intent, deed store.Deed, there []map[uint64]bool) {
	if !removing(deed) {
		return
	}
	for i, folder := range s.folders {
		if folder.Name != deed.Folder || folder.UIDValidity != deed.UIDValidity || there[i][deed.Key] {
			continue
		}
		s.recordFound(deed)
		known := deed.Then
		known.Key, known.Removed, known.Absent = deed.Key, intent.Made, s.memory.learned.At
		f := &s.memory.learned.Folders[i]
		f.Memories = append(f.Memories, known)
	}
}
