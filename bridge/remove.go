package bridge

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/emersion/go-imap/v2"

	"github.com/restante-mail/restante/upstream"
)

// move moves the messages of the step: by MOVE, or else by COPY and removal of
// the original. Never by the library's fallback, which expunges too much.
func (s *step) move(l *link, target string) error {
	target, err := s.m.resolve(s.ctx, target)
	if err != nil {
		return err
	}
	if sameFolder(target, s.m.folders[s.batch.folder].name) {
		return nil // it is there
	}
	if l.has(imap.CapMove) {
		return s.moveTo(l, target)
	}
	if err := s.copyTo(l, target); err != nil {
		return err
	}
	if l.has(imap.CapUIDPlus) {
		return s.remove(l, s.uids)
	}
	return s.hide(l)
}

// moveTo may be repeated: what has moved is no longer there to move. A server
// that is still at it when it is asked again may make a second copy: rather
// twice than lost.
func (s *step) moveTo(l *link, target string) error {
	return l.run(s.ctx, "move to "+printable([]byte(target)), l.u.o.ListTimeout, func() error {
		data, err := l.client().Move(uidSet(s.uids), target).Wait()
		if err != nil {
			return err
		}
		s.note(data.UIDValidity, data.SourceUIDs, data.DestUIDs)
		return nil
	})
}

func (s *step) copyTo(l *link, target string) error {
	uids, err := s.uncopied(l, target)
	if err != nil || len(uids) == 0 {
		return err
	}
	s.copied = maybeCopied
	err = l.run(s.ctx, "copy to "+printable([]byte(target)), l.u.o.ListTimeout, func() error {
		data, err := l.client().Copy(uidSet(uids), target).Wait()
		if err != nil {
			return err
		}
		s.note(data.UIDValidity, data.SourceUIDs, data.DestUIDs)
		return nil
	})
	if err == nil {
		s.copied = wasCopied
	} else if !l.dead() {
		s.copied = notCopied // it was refused
	}
	return err
}

// uncopied are the messages of the step that have to be copied: not those that
// were, and not those of which an interrupted try has left a copy.
func (s *step) uncopied(l *link, target string) (uids []uint32, err error) {
	var doubtful []uint32
	for _, uid := range s.uids {
		if s.copied == maybeCopied || s.batch.again[uid] {
			doubtful = append(doubtful, uid)
		}
	}
	if s.copied == wasCopied {
		return nil, nil
	}
	if len(doubtful) == 0 {
		return s.uids, nil
	}
	if err := s.findCopies(l, target, doubtful); err != nil {
		return nil, err
	}
	for _, uid := range s.uids {
		if s.results[uid].UID == 0 {
			uids = append(uids, uid)
		}
	}
	return uids, nil
}

// note records where messages went (COPYUID of RFC 4315).
func (s *step) note(validity uint32, from, to imap.NumSet) {
	source, destination := unroll(from), unroll(to)
	if validity == 0 || len(source) != len(destination) {
		return
	}
	for i, uid := range source {
		s.results[uid] = upstream.Result{UIDValidity: validity, UID: destination[i]}
	}
}

// unroll lists a set of the server's, in its order, if it is not absurdly long.
func unroll(set imap.NumSet) (uids []uint32) {
	ranges, _ := set.(imap.UIDSet)
	for _, r := range ranges {
		if r.Stop < r.Start || int64(r.Stop)-int64(r.Start) > maxUIDs || len(uids) > maxUIDs {
			return nil
		}
		for uid := r.Start; ; uid++ {
			uids = append(uids, uint32(uid))
			if uid == r.Stop {
				break
			}
		}
	}
	return uids
}

// expunge removes the messages of the step for good, or comes as near to that
// as the server can without touching any other message.
func (s *step) expunge(l *link) error {
	switch {
	case l.has(gmail):
		return s.expungeGmail(l)
	case l.has(imap.CapUIDPlus):
		return s.remove(l, s.uids)
	case l.has(imap.CapMove):
		trash, err := s.m.resolve(s.ctx, `\Trash`)
		if err == nil && !s.m.shows(trash) {
			return s.moveToTrash(l, trash)
		}
		if err != nil && !errors.Is(err, upstream.ErrNoFolder) {
			return err
		}
	}
	return s.hide(l)
}

// moveToTrash is as near to removing as a server comes that has only MOVE.
func (s *step) moveToTrash(l *link, trash string) error {
	err := s.moveTo(l, trash)
	for _, uid := range s.uids {
		if err == nil {
			result := s.results[uid]
			result.Folder = trash
			s.results[uid] = result
		}
	}
	return err
}

// shows tells whether a folder is part of the mailbox: what is moved there is
// not gone.
func (m *mailbox) shows(name string) bool {
	return slices.ContainsFunc(m.folders, func(f folder) bool { return sameFolder(f.name, name) })
}

// hide marks the messages and leaves the rest to their owner.
func (s *step) hide(l *link) error {
	if err := l.store(s.ctx, uidSet(s.uids), imap.StoreFlagsAdd, imap.FlagDeleted); err != nil {
		return err
	}
	for _, uid := range s.uids {
		result := s.results[uid]
		result.Hidden = true
		s.results[uid] = result
	}
	return nil
}

// remove marks and expunges the messages, in the folder that is selected, and
// believes in it when they are not found any more.
func (s *step) remove(l *link, uids []uint32) error {
	set := uidSet(uids)
	if err := l.store(s.ctx, set, imap.StoreFlagsAdd, imap.FlagDeleted); err != nil {
		return err
	}
	err := l.expunge(s.ctx, set)
	if err == nil {
		err = s.verify(l, uids)
	}
	if err != nil && !l.dead() && s.ctx.Err() == nil {
		s.unmark(l)
	}
	return err
}

func (l *link) expunge(ctx context.Context, set imap.UIDSet) error {
	return l.run(ctx, "expunge", l.u.o.ListTimeout, func() error { return l.client().UIDExpunge(set).Close() })
}

func (s *step) verify(l *link, uids []uint32) error {
	there, err := l.present(s.ctx, uidSet(uids))
	if err != nil {
		return err
	}
	var left int
	for _, uid := range uids {
		if there.Contains(imap.UID(uid)) {
			left++
		}
	}
	if left == 0 {
		return nil
	}
	return &upstream.Error{Kind: upstream.Unavailable, Doing: "expunge",
		Err: fmt.Errorf("the server says OK, and still has %d of the messages", left)}
}

// unmark takes \Deleted off what could not be expunged, for a message with it
// is not shown, and so its owner could never ask for it again. It leaves alone
// what somebody else had marked.
func (s *step) unmark(l *link) {
	if s.m.selected != s.batch.folder {
		return
	}
	var set imap.UIDSet
	for _, uid := range s.uids {
		listed, ok := s.m.find(upstream.ID{Folder: s.batch.folder, UID: uid})
		if ok && !listed.Flags.Has(upstream.Deleted) {
			set.AddNum(imap.UID(uid))
		}
	}
	if len(set) == 0 {
		return
	}
	if err := l.store(s.ctx, set, imap.StoreFlagsDel, imap.FlagDeleted); err != nil {
		l.u.o.Log.WithError(err).WithField("session", s.m.login.Session).
			Warn("messages that could not be expunged are left marked \\Deleted")
	}
}

// expungeGmail goes by way of the trash: expunging a message elsewhere only
// takes a label off it.
func (s *step) expungeGmail(l *link) error {
	trash, err := s.m.resolve(s.ctx, `\Trash`)
	switch {
	case errors.Is(err, upstream.ErrNoFolder):
		return &upstream.Error{Kind: upstream.Denied, Doing: "expunge",
			Err: errors.New("mail can only be removed from the Trash of Gmail, and that is hidden; show it in Gmail's label settings")}
	case err != nil:
		return err
	case sameFolder(trash, s.m.folders[s.batch.folder].name):
		return s.remove(l, s.uids)
	}
	if !s.moved {
		again := s.moving
		s.moving = true
		if err := s.moveTo(l, trash); err != nil {
			return err
		}
		s.moved, s.lost = true, again
	}
	return s.emptyTrash(l, trash)
}

// emptyTrash removes from the trash what the step moved there.
func (s *step) emptyTrash(l *link, trash string) error {
	var validity uint32
	var uids []uint32
	for _, uid := range s.uids {
		if to := s.results[uid]; to.UID != 0 {
			validity, uids = to.UIDValidity, append(uids, to.UID)
		}
	}
	if len(uids) == 0 && s.lost {
		return &upstream.Error{Kind: upstream.Unavailable, Doing: "expunge",
			Err: errors.New("the connection broke before the server said where in the trash the messages are; they may be there still")}
	}
	if len(uids) == 0 {
		return nil // gone before we came
	}
	s.m.selected = -1
	selected, err := l.selectFolder(s.ctx, trash)
	if err != nil {
		return err
	}
	if selected.uidValidity != validity {
		return &upstream.Error{Kind: upstream.Unavailable, Doing: "expunge",
			Err: errors.New("the messages are in the trash, whose UIDVALIDITY changed")}
	}
	return s.remove(l, uids)
}
