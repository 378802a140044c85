package bridge

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/emersion/go-imap/v2"

	"github.com/restante-mail/restante/upstream"
)

// selection is what SELECT told of a folder.
type selection struct {
	uidValidity uint32
	uidNext     uint32 // 0 if the server did not say
	exists      uint32
}

// selectFolder selects a folder, for writing: Courier repairs UIDVALIDITY only
// then, and changes are to come at QUIT.
func (l *link) selectFolder(ctx context.Context, name string) (selection, error) {
	doing := "select " + printable([]byte(name))
	l.f.leaveFolder()
	var s selection
	err := l.run(ctx, doing, l.u.o.ListTimeout, func() error {
		data, err := l.c.Select(name, nil).Wait()
		s = selection{data.UIDValidity, uint32(data.UIDNext), data.NumMessages}
		return err
	})
	if err == nil && s.uidValidity == 0 {
		return s, &upstream.Error{Kind: upstream.Unavailable, Doing: doing,
			Err: errors.New("the server tells no UIDVALIDITY, so its UIDs mean nothing")}
	}
	return s, err
}

// leaveFolder forgets what was noted of the folder that was selected.
func (f *framing) leaveFolder() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.permanent, f.removed = nil, 0
}

// keeps tells whether the selected folder keeps the flag for good.
func (f *framing) keeps(flag string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.permanent == nil || slices.ContainsFunc(f.permanent, func(kept string) bool {
		return kept == `\*` || strings.EqualFold(kept, flag)
	})
}

// list lists the selected folder.
func (l *link) list(ctx context.Context, folder int, s selection) (listing, error) {
	if s.exists == 0 {
		return listing{selection: s}, nil
	}
	to := &lister{folder: folder, messages: make([]upstream.Message, 0, min(s.exists, 1<<17))}
	if err := l.ask(ctx, "list", listCommand("1:*", l.uniqueAttribute()), to); err != nil {
		return listing{}, err
	}
	messages := to.finish()
	if missing := int(s.exists) - l.f.countRemoved() - len(messages); missing > 0 {
		l.u.o.Log.WithField("missing", missing).Warn("the upstream lists fewer messages than it has; the rest is not shown")
	}
	return listing{s, messages}, nil
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

func (f *framing) countRemoved() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.removed
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
		data, err := l.c.UIDSearch(&imap.SearchCriteria{UID: []imap.UIDSet{set}}, nil).Wait()
		if err == nil {
			present, _ = data.All.(imap.UIDSet)
		}
		return err
	})
	return present, err
}

// errNoFolder says that no folder has the special use.
var errNoFolder = errors.New("no folder of that use")

// special finds the folder with a special-use attribute (RFC 6154), such as
// \Junk. Providers translate the names, so the attribute alone counts.
func (l *link) special(ctx context.Context, attribute string) (name string, err error) {
	var options *imap.ListOptions
	if l.has(imap.CapSpecialUse) && l.has(imap.CapListExtended) {
		options = &imap.ListOptions{ReturnSpecialUse: true}
	}
	l.f.look(attribute)
	defer l.f.look("")
	err = l.run(ctx, "look for "+printable([]byte(attribute)), l.u.o.ListTimeout, func() error {
		cmd := l.c.List("", "*", options)
		for data := cmd.Next(); data != nil; data = cmd.Next() {
			if name == "" && hasUse(data.Attrs, attribute) {
				name = data.Mailbox
			}
		}
		return cmd.Close()
	})
	if err == nil && name == "" {
		err = &upstream.Error{Kind: upstream.Denied, Doing: "look for " + printable([]byte(attribute)), Err: errNoFolder}
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
