package bridge

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/emersion/go-imap/v2"

	"github.com/restante-mail/restante/upstream"
)

// selection is what SELECT told of a folder.
type selection struct {
	uidValidity uint32
	uidNext     uint32 // 0 if the server did not say
	exists      uint32
	mailboxID   string // of RFC 8474; "" if the server did not say
	// permanent are the flags that the folder keeps; nil if it did not say,
	// which means all (RFC 3501 section 7.1).
	permanent []string
}

// learn takes a response code.
func (s *selection) learn(said status) {
	switch n, err := number(said.args, 1<<32-1); {
	case said.code == "MAILBOXID":
		s.mailboxID = parseUnique(said.args)
	case err != nil:
	case said.code == "UIDVALIDITY":
		s.uidValidity = uint32(n)
	case said.code == "UIDNEXT":
		s.uidNext = uint32(n)
	}
}

// count takes an EXISTS or EXPUNGE.
func (s *selection) count(kind string, n int64) {
	switch {
	case kind == "EXISTS":
		s.exists = uint32(n)
	case s.exists > 0:
		s.exists--
	}
}

// selectFolder selects a folder, for writing: Courier repairs UIDVALIDITY only
// then, and changes are to come at QUIT.
func (l *link) selectFolder(ctx context.Context, name string) (s selection, err error) {
	err = l.run(ctx, selecting(name), l.u.o.ListTimeout, func() error {
		c := l.queueSelect(name)
		if err := l.f.flush(); err != nil {
			return err
		}
		return c.wait()
	})
	if err != nil {
		return s, err
	}
	return l.selected(name)
}

func selecting(name string) string { return "select " + printable([]byte(name)) }

// queueSelect begins with a new folder. What was noted of the one before is
// forgotten.
func (l *link) queueSelect(name string) *injection {
	l.f.mu.Lock()
	l.f.selected = selection{}
	l.f.mu.Unlock()
	return l.f.queue("SELECT "+folderName(name, l.has(imap.CapIMAP4rev2)), injection{selects: true})
}

// selected returns what has become known of the folder.
func (l *link) selected(name string) (selection, error) {
	l.f.mu.Lock()
	s := l.f.selected
	l.f.mu.Unlock()
	if s.uidValidity == 0 {
		return s, &upstream.Error{Kind: upstream.Unavailable, Doing: selecting(name),
			Err: errors.New("the server tells no UIDVALIDITY, so its UIDs mean nothing")}
	}
	return s, nil
}

// keeps tells whether the selected folder keeps the flag for good.
func (f *framing) keeps(flag string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return keeps(f.selected.permanent, flag)
}

func keeps(permanent []string, flag string) bool {
	return permanent == nil || slices.ContainsFunc(permanent, func(kept string) bool {
		return kept == `\*` || strings.EqualFold(kept, flag)
	})
}

// list lists the selected folder.
func (l *link) list(ctx context.Context, folder int, s selection) (listing, error) {
	if s.exists == 0 {
		return listing{selection: s}, nil
	}
	to := &lister{folder: folder, messages: make([]upstream.Message, 0, min(s.exists, 1<<17))}
	if err := l.ask(ctx, "list", listCommand("1:*", l.uniqueAttribute(), true), to); err != nil {
		return listing{}, err
	}
	messages := to.finish()
	err := l.run(ctx, "list", l.u.o.ListTimeout, func() error { return l.checkWhole(len(messages)) })
	return listing{s, messages}, err
}

// checkWhole asks, where the folder has more messages than were listed, whether
// these exist. A listing that leaves out what exists is an error: shown as the
// whole, it would make clients forget messages and fetch them again. An EXISTS
// that counts what is gone is none.
func (l *link) checkWhole(listed int) error {
	l.f.mu.Lock()
	exists := int(l.f.selected.exists)
	l.f.mu.Unlock()
	if exists <= listed {
		return nil
	}
	var found uids
	l.f.expectUIDs(exists)
	defer l.f.expectUIDs(0)
	// Not ESEARCH, whose answer may cover UIDs that do not exist.
	all := l.f.queue("UID SEARCH ALL", injection{uids: &found})
	err := l.f.flush()
	if err == nil {
		err = all.wait()
	}
	if err != nil {
		return err
	}
	if _, there := found.count(0); there > uint64(listed) {
		return fmt.Errorf("the server has %d messages and lists only %d", there, listed)
	}
	return nil
}

// ask runs a FETCH of our own.
func (l *link) ask(ctx context.Context, doing, command string, to *lister) error {
	return l.run(ctx, doing, l.u.o.ListTimeout, func() error {
		c, err := l.f.inject(command, to)
		if err != nil {
			return err
		}
		return c.wait()
	})
}

// size asks for the RFC822.SIZE of one message; found is false if it is gone.
func (l *link) size(ctx context.Context, uid uint32) (size int64, found bool, err error) {
	to := new(lister)
	if err = l.ask(ctx, "ask for a size", fmt.Sprintf("UID FETCH %d (UID RFC822.SIZE)", uid), to); err != nil {
		return 0, false, err
	}
	for _, m := range to.finish() {
		if m.ID.UID == uid {
			return m.Size, true, nil
		}
	}
	return 0, false, nil
}

// present asks which messages of the set exist. The answer is a set that need
// not be one of UIDs that we know: ask it, do not unroll it.
func (l *link) present(ctx context.Context, set imap.UIDSet) (present imap.UIDSet, err error) {
	err = l.run(ctx, "look for messages", l.u.o.ListTimeout, func() error {
		data, err := l.client().UIDSearch(&imap.SearchCriteria{UID: []imap.UIDSet{set}}, nil).Wait()
		if err == nil {
			present, _ = data.All.(imap.UIDSet)
		}
		return err
	})
	return present, err
}

// special finds the folder with a special-use attribute (RFC 6154), such as
// \Junk. Providers translate the names, so the attribute alone counts.
func (l *link) special(ctx context.Context, attribute string, timeout time.Duration) (name string, err error) {
	var options *imap.ListOptions
	if l.has(imap.CapSpecialUse) && l.has(imap.CapListExtended) {
		options = &imap.ListOptions{ReturnSpecialUse: true}
	}
	l.f.look(attribute)
	defer l.f.look("")
	err = l.run(ctx, "look for "+printable([]byte(attribute)), timeout, func() error {
		cmd := l.client().List("", "*", options)
		for data := cmd.Next(); data != nil; data = cmd.Next() {
			if name == "" && hasUse(data.Attrs, attribute) {
				name = data.Mailbox
			}
		}
		return cmd.Close()
	})
	if err == nil && name == "" {
		err = &upstream.Error{Kind: upstream.Denied, Doing: "look for " + printable([]byte(attribute)), Err: upstream.ErrNoFolder}
	}
	return name, err
}

func hasUse(attributes []imap.MailboxAttr, want string) bool {
	found := false
	for _, attribute := range attributes {
		switch {
		case attribute == imap.MailboxAttrNonExistent, attribute == imap.MailboxAttrNoSelect:
			return false
		case strings.EqualFold(string(attribute), want):
			found = true
		}
	}
	return found
}

// look says which attribute LIST is to find. Folders without it are none of the
// library's affair: it closes the connection on a name that it cannot read.
func (f *framing) look(attribute string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.special = strings.ToLower(attribute)
}
