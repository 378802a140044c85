package memimap

import (
	"slices"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"
)

var errReadOnly = refuse(imap.ResponseCodeNoPerm, "Mailbox was opened by EXAMINE")

func (s *session) Store(w *imapserver.FetchWriter, set imap.NumSet, change *imap.StoreFlags, _ *imap.StoreOptions) error {
	if s.view.readOnly {
		return errReadOnly
	}
	s.user.mu.Lock()
	for _, c := range s.view.choose(set) {
		s.view.box.setFlags(c.index, storeFlags(c.flags, change), s.view.tracker)
	}
	s.user.mu.Unlock()
	if change.Silent {
		return nil
	}
	return s.Fetch(w, set, &imap.FetchOptions{Flags: true})
}

// Expunge leaves the EXPUNGE responses to Poll, which follows every command.
func (s *session) Expunge(_ *imapserver.ExpungeWriter, uids *imap.UIDSet) error {
	if uids != nil && !s.offers(imap.CapUIDPlus) {
		return unknown("UID EXPUNGE")
	}
	if s.view.readOnly { // not an error: CLOSE after EXAMINE comes here, too
		return nil
	}
	s.user.mu.Lock()
	defer s.user.mu.Unlock()
	list := s.view.visible()
	if uids != nil {
		list = s.view.choose(*uids)
	}
	for _, c := range slices.Backward(list) {
		if hasFlag(c.flags, imap.FlagDeleted) {
			s.view.box.remove(c.index)
		}
	}
	return nil
}

func (s *session) Copy(set imap.NumSet, dest string) (*imap.CopyData, error) {
	box, err := s.folder(dest, imap.ResponseCodeTryCreate)
	if err != nil {
		return nil, err
	}
	s.user.mu.Lock()
	defer s.user.mu.Unlock()
	return s.copy(s.view.choose(set), box), nil
}

// Move leaves the EXPUNGE responses to Poll.
func (s *session) Move(w *imapserver.MoveWriter, set imap.NumSet, dest string) error {
	if !s.offers(imap.CapMove) {
		return unknown("MOVE")
	}
	if s.view.readOnly {
		return errReadOnly
	}
	box, err := s.folder(dest, imap.ResponseCodeTryCreate)
	if err != nil {
		return err
	}
	if data := s.move(set, box); data != nil {
		return w.WriteCopyData(data)
	}
	return nil
}

func (s *session) move(set imap.NumSet, box *Mailbox) *imap.CopyData {
	s.user.mu.Lock()
	defer s.user.mu.Unlock()
	list := s.view.choose(set)
	data := s.copy(list, box)
	for _, c := range slices.Backward(list) {
		s.view.box.remove(c.index)
	}
	return data
}

// copy returns nil if there is nothing to tell: an empty COPYUID is not
// allowed. It is called with the user's mu held.
func (s *session) copy(list []choice, box *Mailbox) *imap.CopyData {
	data := &imap.CopyData{UIDValidity: box.validity}
	for _, c := range list {
		uid := box.append(*c.message)
		data.SourceUIDs.AddNum(c.uid)
		data.DestUIDs.AddNum(uid)
	}
	if len(list) == 0 || !s.offers(imap.CapUIDPlus) {
		return nil
	}
	return data
}
