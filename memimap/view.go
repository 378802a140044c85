package memimap

import (
	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"
)

// A view is a folder as one session sees it: with sequence numbers that change
// only when the session is told so (RFC 3501 section 7.4.1).
type view struct {
	box      *Mailbox
	opened   *imapserver.MailboxTracker // box.tracker at the time of SELECT
	tracker  *imapserver.SessionTracker
	readOnly bool
}

// newView is called with the user's mu held.
func newView(box *Mailbox, readOnly bool) *view {
	return &view{box: box, opened: box.tracker, tracker: box.tracker.NewSession(), readOnly: readOnly}
}

// A choice is a message that a command is about.
type choice struct {
	index int    // in the folder
	seq   uint32 // the number that the session knows it by
	*message
	reflagged bool // the command has changed its flags
}

// visible are the messages that the session knows of and that still exist. It
// is called with the user's mu held, and good for as long as that is.
func (v *view) visible() []choice {
	if v.box.tracker != v.opened {
		return nil
	}
	list := make([]choice, 0, len(v.box.messages))
	for i, m := range v.box.messages {
		if seq := v.tracker.EncodeSeqNum(uint32(i + 1)); seq != 0 {
			list = append(list, choice{index: i, seq: seq, message: m})
		}
	}
	return list
}

// choose is visible, reduced to a set of sequence numbers or UIDs.
func (v *view) choose(set imap.NumSet) []choice {
	all := v.visible()
	in := within(set, all)
	var list []choice
	for _, c := range all {
		if in(c) {
			list = append(list, c)
		}
	}
	return list
}

// within makes the test for a set; * stands for the last of all messages.
func within(set imap.NumSet, all []choice) func(choice) bool {
	var last choice
	if len(all) > 0 {
		last = all[len(all)-1]
	} else {
		return func(choice) bool { return false }
	}
	switch set := set.(type) {
	case imap.UIDSet:
		ranges := make([]span, len(set))
		for i, r := range set {
			ranges[i] = newSpan(uint32(r.Start), uint32(r.Stop), uint32(last.uid))
		}
		return func(c choice) bool { return anySpan(ranges, uint32(c.uid)) }
	case imap.SeqSet:
		ranges := make([]span, len(set))
		for i, r := range set {
			ranges[i] = newSpan(r.Start, r.Stop, last.seq)
		}
		return func(c choice) bool { return anySpan(ranges, c.seq) }
	}
	return func(choice) bool { return false }
}

// A span is a range of numbers, both ends included.
type span struct{ from, to uint32 }

// newSpan resolves *, which go-imap writes as 0. n:* means the last message
// even if n is larger (RFC 3501 section 6.4.8).
func newSpan(from, to, last uint32) span {
	if from == 0 {
		from = last
	}
	if to == 0 {
		to = last
	}
	return span{min(from, to), max(from, to)}
}

func anySpan(spans []span, n uint32) bool {
	for _, s := range spans {
		if s.from <= n && n <= s.to {
			return true
		}
	}
	return false
}
