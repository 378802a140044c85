package gateway

import (
	"cmp"
	"context"
	"fmt"

	"github.com/restante-mail/restante/store"
	"github.com/restante-mail/restante/upstream"
)

// bringBack moves back what an administrator undeleted, now that the password
// is at hand, and opens the mailbox again to see it. What cannot be moved is
// tried again at the next sign-in.
func (s *session) bringBack(ctx context.Context, login upstream.Login) error {
	m := s.memory
	if m == nil || m.readOnly || len(m.view.Back) == 0 {
		return nil
	}
	if m.dry {
		s.log.WithField("messages", len(m.view.Back)).Info("dry_run: what was undeleted is not moved back")
		return nil
	}
	byFolder := map[string][]store.Deed{}
	for _, deed := range m.view.Back {
		where := cmp.Or(deed.To.Folder, deed.Folder)
		byFolder[where] = append(byFolder[where], deed)
	}
	failed := 0
	for folder, deeds := range byFolder {
		err := s.bringBackFrom(ctx, login, folder, deeds)
		s.recordReturn(folder, len(deeds), err)
		if err != nil {
			failed++
			s.log.WithError(err).WithField("folder", folder).Error("undelete: cannot move messages back; it is tried again at the next sign-in")
		}
	}
	if failed > 0 {
		return nil
	}
	if err := s.remember(ctx, store.Changes{At: s.gateway.now().Unix(), Returned: true}); err != nil {
		s.log.WithError(err).Error("undelete: messages were moved back, and that could not be remembered; it is tried again")
	}
	_ = s.mailbox.Close() // nothing was changed through it
	mailbox, err := open(ctx, s.route.Server, login)
	if err != nil {
		s.mailbox = closed{}
		return clientError(err)
	}
	s.mailbox, s.folders = mailbox, mailbox.Folders()
	return nil
}

func (s *session) bringBackFrom(ctx context.Context, login upstream.Login, folder string, deeds []store.Deed) error {
	login.Folders = []string{folder}
	mailbox, err := open(ctx, s.route.Server, login)
	if err != nil {
		return err
	}
	defer mailbox.Close() // what was done is done
	var changes []upstream.Change
	validity := mailbox.Folders()[0].UIDValidity
	for _, deed := range deeds {
		change, valid := changeBack(deed)
		if valid != validity {
			s.log.WithField("uidl", deed.UIDL).Error("undelete: the folder that it is in has other UIDs now; look for it there")
			continue
		}
		changes = append(changes, change)
	}
	if _, err := mailbox.Messages(ctx); err != nil {
		return err
	}
	for i, result := range mailbox.Apply(ctx, changes) {
		if result.Err != nil {
			return fmt.Errorf("message %d of %d: %w", i+1, len(changes), result.Err)
		}
	}
	s.log.WithField("messages", len(changes)).Info("undelete: brought back")
	return nil
}

// changeBack is what brings a message back, and the UIDVALIDITY that it goes by:
// a move, or the flag \Deleted taken off where that is all that had been done.
func changeBack(d store.Deed) (c upstream.Change, validity uint32) {
	if d.Do == store.DoMark {
		return upstream.Change{ID: upstream.ID{UID: uint32(d.Key)}, Do: upstream.Unmark}, d.UIDValidity
	}
	return upstream.Change{ID: upstream.ID{UID: d.To.UID}, Do: upstream.Move, Target: d.Folder}, d.To.UIDValidity
}

// closed is a mailbox that is not open any more.
type closed struct{ upstream.Mailbox }

func (closed) Close() error { return nil }
