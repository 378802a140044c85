package gateway

import (
	"slices"
	"sync"

	"github.com/restante-mail/restante/policy"
	"github.com/restante-mail/restante/store"
	"github.com/restante-mail/restante/upstream"
)

// marks are messages that a failed QUIT of ours may have left flagged \Deleted:
// removing is marking first, and the upstream may be lost between the two.
// Messages with that flag are not shown, so their owner, who was told that they
// may still be there, could never delete them again. These are shown all the
// same. The memory ends with the process.
type marks struct {
	mu   sync.Mutex
	left map[mark]struct{}
}

// maxMarks bounds the memory; what is beyond stays hidden until somebody takes
// the flag off.
const maxMarks = 100_000

type mark struct {
	folder store.FolderKey
	uid    uint32
}

func (k *marks) note(m mark, left bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !left {
		delete(k.left, m)
	} else if len(k.left) < maxMarks {
		if k.left == nil {
			k.left = map[mark]struct{}{}
		}
		k.left[m] = struct{}{}
	}
}

func (k *marks) empty() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.left) == 0
}

func (k *marks) has(m mark) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	_, has := k.left[m]
	return has
}

// noteMark remembers whether a removal may have ended half way.
func (s *session) noteMark(step policy.Step, result upstream.Result) {
	if step.Do == upstream.Expunge || step.Do == upstream.Move {
		s.gateway.Shared.marks.note(mark{s.folderKey(step.ID.Folder), step.ID.UID}, result.Err != nil)
	}
}

// half tells whether an earlier try to make the change may have ended half way.
func (s *session) half(c upstream.Change) bool {
	return c.Do == upstream.Move && s.gateway.Shared.marks.has(mark{s.folderKey(c.ID.Folder), c.ID.UID})
}

// withoutOurMarks returns the messages with the flag taken off where it may be
// of our own making.
func (s *session) withoutOurMarks(msgs []upstream.Message) []upstream.Message {
	ours := &s.gateway.Shared.marks
	if ours.empty() {
		return msgs
	}
	copied := false
	for i := range msgs {
		if !msgs[i].Flags.Has(upstream.Deleted) || !ours.has(mark{s.folderKey(msgs[i].ID.Folder), msgs[i].ID.UID}) {
			continue
		}
		if !copied { // the mailbox keeps its own
			msgs, copied = slices.Clone(msgs), true
		}
		msgs[i].Flags &^= upstream.Deleted
	}
	return msgs
}
