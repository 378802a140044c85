package policy

import (
	"time"

	"github.com/restante-mail/restante/upstream"
)

// A State is what is remembered of a view when a session begins. The zero
// State is that of a view nobody has signed in to. It is read-only.
type State struct {
	// Begun is the view's first sign-in; the zero time if this is it.
	Begun time.Time
	// Held: an administrator suspended every removal that is no client's DELE.
	Held bool
	// Approved tells of each rule of Retain whether it may act.
	Approved []bool
	// Folders are what is remembered of the mailbox's folders, by upstream.ID.Folder.
	Folders []Folder
	// Of is what is remembered of each message, by its index; nil where
	// nothing is. A nil slice stands for nothing at all.
	Of []*Memory
	// Others are the Of of the route's other views, if a removal has to wait
	// until all of them are done with a message.
	Others [][]*Memory
	// Fill is how full the account is.
	Fill Fill
	// Able is what the server can do.
	Able upstream.Abilities
}

// A Folder is what is remembered of one life of a folder.
type Folder struct {
	// First: UIDs from here on appeared after the view's first listing. 0: all
	// did, for the folder, or this life of it, came to the view later.
	First uint32
	// Edge: UIDs below it are not shown any more.
	Edge uint32
}

// A Memory is what is remembered of a message. Times are seconds since
// 1970-01-01 UTC, and 0 is never.
type Memory struct {
	// Seen is when it was first listed, where that matters.
	Seen int64
	// First and Last are the QUITs of the sessions that retrieved it.
	First, Last int64
	// Deleted is the QUIT of the session with its DELE, Hidden since when it
	// is not shown.
	Deleted, Hidden int64
	// Wish is what is to happen to it when all views are done with it.
	Wish Wish
}

// nothing is remembered of most messages.
var nothing Memory

func remembered(of []*Memory, i int) *Memory {
	if i < len(of) && of[i] != nil {
		return of[i]
	}
	return &nothing
}

// done: the client has it, or wants it no more.
func (m *Memory) done() bool { return m.First != 0 || m.Deleted != 0 }

// othersDone tells whether no other view waits for a message.
func (s *State) othersDone(i int) bool {
	for _, of := range s.Others {
		if !remembered(of, i).done() {
			return false
		}
	}
	return true
}

func (s *State) folder(m *upstream.Message) Folder {
	if m.ID.Folder < len(s.Folders) {
		return s.Folders[m.ID.Folder]
	}
	return Folder{}
}

// cameLater tells whether a message appeared after the view's first listing.
func (s *State) cameLater(m *upstream.Message) bool {
	return !s.Begun.IsZero() && m.ID.UID >= s.folder(m).First
}

// FirstUIDs is what a view's first listing teaches: of each folder the UID that
// the next message will have at least. It is UIDNEXT, or lower where no message
// is between.
func FirstUIDs(msgs []upstream.Message, folders int) []uint32 {
	first := make([]uint32, folders)
	for i := range first {
		first[i] = 1
	}
	for i := range msgs {
		if id := msgs[i].ID; id.UID >= first[id.Folder] && id.UID < 1<<32-1 {
			first[id.Folder] = id.UID + 1
		}
	}
	return first
}
