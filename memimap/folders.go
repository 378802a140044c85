package memimap

import (
	"slices"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"
)

const delimiter = '/'

func (s *session) List(w *imapserver.ListWriter, ref string, patterns []string, options *imap.ListOptions) error {
	if len(patterns) == 0 { // asks for the delimiter, RFC 3501 section 6.3.8
		return w.WriteList(&imap.ListData{Attrs: []imap.MailboxAttr{imap.MailboxAttrNoSelect}, Delim: delimiter})
	}
	for _, box := range s.user.folders() {
		if !matches(box.name, ref, patterns) {
			continue
		}
		attrs := s.attributes(box.name)
		if options.SelectSpecialUse && len(attrs) == 0 {
			continue
		}
		if options.ReturnSubscribed {
			attrs = append(attrs, imap.MailboxAttrSubscribed)
		}
		data := &imap.ListData{Mailbox: box.name, Delim: delimiter, Attrs: attrs}
		if options.ReturnStatus != nil {
			data.Status = box.status()
		}
		if err := w.WriteList(data); err != nil {
			return err
		}
	}
	return nil
}

// attributes are given whether asked for or not (RFC 6154 section 2 allows it).
func (s *session) attributes(name string) []imap.MailboxAttr {
	attr, ok := specialUse[name]
	if !ok || !s.offers(imap.CapSpecialUse) {
		return nil
	}
	return []imap.MailboxAttr{attr}
}

func matches(name, ref string, patterns []string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		return imapserver.MatchList(name, delimiter, ref, pattern)
	})
}

func (s *session) Status(name string, _ *imap.StatusOptions) (*imap.StatusData, error) {
	box, err := s.folder(name, imap.ResponseCodeNonExistent)
	if err != nil {
		return nil, err
	}
	return box.status(), nil
}

// status fills every field: imapserver writes those that were asked for.
func (b *Mailbox) status() *imap.StatusData {
	b.user.mu.Lock()
	defer b.user.mu.Unlock()
	var size, deletedSize int64
	for _, m := range b.messages {
		size += int64(len(m.raw))
		if hasFlag(m.flags, imap.FlagDeleted) {
			deletedSize += int64(len(m.raw))
		}
	}
	total, deleted := uint32(len(b.messages)), b.count(imap.FlagDeleted)
	unseen := total - b.count(imap.FlagSeen)
	return &imap.StatusData{
		Mailbox:        b.name,
		NumMessages:    &total,
		NumRecent:      new(uint32),
		UIDNext:        b.next,
		UIDValidity:    b.validity,
		NumUnseen:      &unseen,
		NumDeleted:     &deleted,
		Size:           &size,
		DeletedStorage: &deletedSize,
	}
}

// selectData is called with the user's mu held.
func (b *Mailbox) selectData() *imap.SelectData {
	flags := systemFlags
	var firstUnseen uint32
	for i, m := range b.messages {
		flags = withFlags(flags, m.flags)
		if firstUnseen == 0 && !hasFlag(m.flags, imap.FlagSeen) {
			firstUnseen = uint32(i + 1)
		}
	}
	return &imap.SelectData{
		Flags:             flags,
		PermanentFlags:    withFlags(flags, []imap.Flag{imap.FlagWildcard}),
		NumMessages:       uint32(len(b.messages)),
		FirstUnseenSeqNum: firstUnseen,
		UIDNext:           b.next,
		UIDValidity:       b.validity,
	}
}
