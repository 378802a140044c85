package store

// A ViewKey names a view: one client's own state over a maildrop.
type ViewKey struct {
	// Maildrop is whose it is, as in FolderKey.
	Maildrop string
	// View is its declared name; "" is the view that every maildrop has.
	View string
}

// View is all that is remembered of a view. Times here and below are seconds
// since 1970-01-01 UTC, and 0 is never.
type View struct {
	// Begun is the view's first sign-in; 0 if nothing is remembered.
	Begun int64
	// Held: removals from the maildrop are suspended, by an administrator.
	Held    bool
	Folders []ViewFolder
	// Undo is what the last session did that changed anything.
	Undo []Deed
	// Back is what was moved away and is to be moved back.
	Back []Deed
	// Intents are changes whose outcome was not recorded.
	Intents []Intent
	// Notice warns of a full mailbox; the zero Notice if there is none.
	Notice Notice
	// Reclaimed is when room was last made in a full mailbox.
	Reclaimed Reclaimed
}

// A Notice warns of a full mailbox for as long as that is full: an episode.
type Notice struct {
	// Begun is when it was full at first, which names the episode.
	Begun int64 `json:"begun"`
	// Dismissed is when the client deleted the notice.
	Dismissed int64 `json:"dismissed,omitempty"`
	// Text is the whole message, octet for octet. It is ASCII.
	Text string `json:"text"`
}

// merge adds what is new: of two sessions that found the mailbox full at once
// the first begins the episode, and a dismissal is of one episode. A notice that
// has not Begun ends any.
func (n Notice) merge(later Notice) Notice {
	switch {
	case later.Begun == 0 || n.Begun == 0:
		return later
	case n.Begun == later.Begun:
		n.Dismissed = earliest(n.Dismissed, later.Dismissed)
	}
	return n
}

// Reclaimed says when room was made in a full mailbox.
type Reclaimed struct {
	At int64 `json:"at"`
	// Used is what was in use before, by quota.
	Used []Used `json:"used"`
}

// Used is how much of a quota was used up.
type Used struct {
	Root string `json:"root"`
	// Messages were counted, and not octets.
	Messages bool  `json:"messages,omitempty"`
	Used     int64 `json:"used"`
}

// A ViewFolder is one life of a folder in a view.
type ViewFolder struct {
	Name        string
	UIDValidity uint32
	// First: UIDs from here on appeared after the view's first listing of the
	// folder; 0 if there was none.
	First uint32
	// Edge: UIDs below it are not shown any more; it never moves back.
	Edge uint32
	// Lapsed is since when the folder has another life; 0: it has not.
	Lapsed int64
	// Memories by Key.
	Memories []Memory
}

// A Memory is what is remembered of one message.
type Memory struct {
	// Key names the message in its folder: its UID, or, where there is no
	// UIDVALIDITY, a hash of its UIDL.
	Key uint64
	// Seen is when it was first listed, where that matters.
	Seen int64
	// First and Last are when it was retrieved: the QUIT of those sessions.
	First, Last int64
	// Deleted is the QUIT of the session with its DELE, Hidden since when it is
	// not shown.
	Deleted, Hidden int64
	// Removed is when we removed or moved it upstream.
	Removed int64
	// Absent is since when it is known to be missing.
	Absent int64
	// Wish is what is to happen to it when all views are done with it.
	Wish string
	// Lives is how often it was undeleted: each time it gets another UIDL.
	Lives uint32
	// Carried is when the message was last recognised under a new UID.
	Carried int64
	// Moved is where it was moved to; the zero Place if it was not, or nobody
	// knows where.
	Moved Place
}

// A Place is a message's address upstream.
type Place struct {
	Folder           string
	UIDValidity, UID uint32
}

// Merge adds what is new to what was known. A session tells facts, and facts
// add up: sessions that ran side by side do not overwrite each other. What is
// zero in later is not known to it, but for Absent: whoever writes of a message
// has looked for it.
func (m Memory) Merge(later Memory) Memory {
	m.Key = later.Key
	m.Seen = earliest(m.Seen, later.Seen)
	m.First = earliest(m.First, later.First)
	m.Last = max(m.Last, later.Last)
	m.Deleted = earliest(m.Deleted, later.Deleted)
	m.Hidden = earliest(m.Hidden, later.Hidden)
	m.Removed = earliest(m.Removed, later.Removed)
	m.Absent = later.Absent
	m.Lives = max(m.Lives, later.Lives)
	m.Carried = max(m.Carried, later.Carried)
	if later.Wish != "" {
		m.Wish = later.Wish
	}
	if later.Moved != (Place{}) {
		m.Moved = later.Moved
	}
	return m
}

func earliest(a, b int64) int64 {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}

// What only we do, and no upstream does for us.
const (
	DoHide = "hide"
	// DoMark is a hiding of what the upstream could only flag \Deleted.
	DoMark = "mark"
)

// A Deed is one thing done to one message, or about to be.
type Deed struct {
	Folder      string `json:"folder"`
	UIDValidity uint32 `json:"validity,omitempty"`
	Key         uint64 `json:"key"`
	UIDL        string `json:"uidl,omitempty"`
	// Do is what it is: DoHide, DoMark, "expunge", "move", "seen", "flag".
	Do     string `json:"do"`
	Target string `json:"target,omitempty"` // the folder of move, the keyword of flag
	// To is where it was moved to, if the server said so.
	To Place `json:"to,omitzero"`
	// Then is what is to be remembered if it was done.
	Then Memory `json:"then,omitzero"`
}

// An Intent is what a session was about to change upstream.
type Intent struct {
	ID    int64
	Made  int64
	Deeds []Deed
}

// Changes are what a session adds to a view, in one transaction.
type Changes struct {
	// At is the time of the change.
	At int64
	// Begun is when a view that begins with the change really began; 0: now.
	Begun int64
	// Folders, with what is to be added to their Memories; First only
	// shrinks once it is not 0, Edge only grows. Another life of the same folder lapses.
	Folders []ViewFolder
	// Purge are Memories to forget, before what is in Folders is added: they
	// were absent for long enough, or are of other messages than they seemed.
	Purge []ViewFolder
	// Undo replaces the undo record, if it is not nil.
	Undo []Deed
	// Notice begins, dismisses or ends an episode, if it is not nil.
	Notice *Notice
	// Reclaimed replaces what was remembered, if it is not nil, and not older.
	Reclaimed *Reclaimed
	// Returned: what was to be moved back has been dealt with.
	Returned bool
	// Settled are intents whose outcome is now known.
	Settled []int64
}

// Tombstone is how long an absent message, or another life of a folder, is
// remembered, in seconds: mail stores come back from backups.
const Tombstone = 90 * 24 * 60 * 60

// blockOf says in which row a message's memory is. UIDs that are near are
// together; hashes are spread.
func blockOf(validity uint32, key uint64) uint64 {
	if validity == 0 {
		return key % 256
	}
	return key / 256
}
