package memimap

import (
	"bytes"
	"slices"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"
)

// Message is a stored message.
type Message struct {
	UID   uint32
	Flags []string  // system flags begin with a backslash
	Date  time.Time // INTERNALDATE
	Raw   []byte    // shared with the server: not to be changed
}

// Mailbox is one folder. Its methods act as another client would: open
// sessions see the change.
type Mailbox struct {
	user *User // its mu guards everything below
	name string

	validity uint32
	next     imap.UID
	messages []*message
	// tracker tells the sessions that have this folder open of changes. A
	// session with another tracker than this one holds UIDs of an older
	// UIDVALIDITY.
	tracker *imapserver.MailboxTracker
}

// A message's raw and the elements of its flags are never changed, so that a
// copy of the struct, taken under the lock, can be read without it.
type message struct {
	uid   imap.UID
	flags []imap.Flag
	date  time.Time
	raw   []byte
	email uint64 // its EMAILID, which copies have too; 0: not given yet
}

// newMailbox is called with the user's mu held.
func newMailbox(u *User, name string) *Mailbox {
	return &Mailbox{
		user:     u,
		name:     name,
		validity: u.nextValidity(),
		next:     1,
		tracker:  imapserver.NewMailboxTracker(0),
	}
}

// Copy puts a copy of one message into another folder of the user, as the same
// message to a Server that has OBJECTID, and tells whether it was there.
func (b *Mailbox) Copy(uid uint32, to *Mailbox) bool {
	b.user.mu.Lock()
	defer b.user.mu.Unlock()
	i := b.index(imap.UID(uid))
	if i < 0 {
		return false
	}
	to.append(*b.messages[i])
	return true
}

// Append delivers a copy of raw and returns its UID. A zero date is now.
func (b *Mailbox) Append(raw []byte, flags []string, date time.Time) uint32 {
	if date.IsZero() {
		date = b.user.now()
	}
	m := message{flags: imapFlags(flags), date: date, raw: bytes.Clone(raw)}
	b.user.mu.Lock()
	defer b.user.mu.Unlock()
	return uint32(b.append(m))
}

// Messages lists the folder in order of UID.
func (b *Mailbox) Messages() []Message {
	b.user.mu.Lock()
	defer b.user.mu.Unlock()
	list := make([]Message, len(b.messages))
	for i, m := range b.messages {
		list[i] = Message{UID: uint32(m.uid), Flags: flagNames(m.flags), Date: m.date, Raw: m.raw}
	}
	return list
}

// Remove expunges one message and tells whether it was there.
func (b *Mailbox) Remove(uid uint32) bool {
	b.user.mu.Lock()
	defer b.user.mu.Unlock()
	i := b.index(imap.UID(uid))
	if i < 0 {
		return false
	}
	b.remove(i)
	return true
}

// SetFlags replaces the flags of one message and tells whether it was there.
func (b *Mailbox) SetFlags(uid uint32, flags ...string) bool {
	b.user.mu.Lock()
	defer b.user.mu.Unlock()
	i := b.index(imap.UID(uid))
	if i < 0 {
		return false
	}
	b.setFlags(i, imapFlags(flags), nil)
	return true
}

// UIDValidity gives the UIDs their meaning.
func (b *Mailbox) UIDValidity() uint32 {
	b.user.mu.Lock()
	defer b.user.mu.Unlock()
	return b.validity
}

// Renumber gives the folder a new UIDVALIDITY and its messages new UIDs, as a
// restore from backup does. To a session that has it open, every message seems
// expunged.
func (b *Mailbox) Renumber() {
	b.user.mu.Lock()
	defer b.user.mu.Unlock()
	for i := len(b.messages); i > 0; i-- {
		b.tracker.QueueExpunge(uint32(i))
	}
	b.tracker = imapserver.NewMailboxTracker(uint32(len(b.messages)))
	b.validity = b.user.nextValidity()
	for i, m := range b.messages {
		m.uid = imap.UID(i + 1)
	}
	b.next = imap.UID(len(b.messages) + 1)
}

// The methods below are called with the user's mu held.

func (b *Mailbox) append(m message) imap.UID {
	m.uid = b.next
	b.next++
	if m.email == 0 {
		b.user.email++
		m.email = b.user.email
	}
	b.messages = append(b.messages, &m)
	b.tracker.QueueNumMessages(uint32(len(b.messages)))
	return m.uid
}

func (b *Mailbox) remove(i int) {
	b.messages = slices.Delete(b.messages, i, i+1)
	b.tracker.QueueExpunge(uint32(i + 1))
}

// setFlags tells everybody but the session that did it. No UID goes with the
// news: clients that are waiting for the body of this message could take it
// for the answer.
func (b *Mailbox) setFlags(i int, flags []imap.Flag, by *imapserver.SessionTracker) {
	b.messages[i].flags = flags
	b.tracker.QueueMessageFlags(uint32(i+1), 0, flags, by)
}

func (b *Mailbox) index(uid imap.UID) int {
	return slices.IndexFunc(b.messages, func(m *message) bool { return m.uid == uid })
}

func (b *Mailbox) count(flag imap.Flag) uint32 {
	var n uint32
	for _, m := range b.messages {
		if hasFlag(m.flags, flag) {
			n++
		}
	}
	return n
}
