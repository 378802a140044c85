package memimap

import (
	"crypto/subtle"
	"sort"
	"strings"
	"sync"
	"time"

	"github.com/emersion/go-imap/v2"

	"github.com/restante-mail/restante/secret"
)

// specialUse tells the attribute of the folders that every user begins with
// (RFC 6154).
var specialUse = map[string]imap.MailboxAttr{
	"Trash":   imap.MailboxAttrTrash,
	"Archive": imap.MailboxAttrArchive,
	"Junk":    imap.MailboxAttrJunk,
}

// User is an account with its folders.
type User struct {
	name     string
	password secret.Text
	now      func() time.Time

	// mu guards the folders and all that is in them, so that COPY and MOVE
	// are one step. Nobody holds it while waiting for the network.
	mu       sync.Mutex
	boxes    map[string]*Mailbox
	validity uint32 // the last UIDVALIDITY given away
	email    uint64 // the last EMAILID given away
	limits   []limit
}

func newUser(name string, password secret.Text, now func() time.Time) *User {
	u := &User{name: name, password: password, now: now, boxes: make(map[string]*Mailbox)}
	for _, box := range []string{"INBOX", "Trash", "Archive", "Junk"} {
		u.Mailbox(box)
	}
	return u
}

// Mailbox returns the folder of that name, made now if there was none.
func (u *User) Mailbox(name string) *Mailbox {
	if strings.EqualFold(name, "INBOX") {
		name = "INBOX"
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	box := u.boxes[name]
	if box == nil {
		box = newMailbox(u, name)
		u.boxes[name] = box
	}
	return box
}

func (u *User) accepts(password string) bool {
	return subtle.ConstantTimeCompare([]byte(password), []byte(u.password.Reveal())) == 1
}

// find returns nil if there is no folder of that name.
func (u *User) find(name string) *Mailbox {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.boxes[name]
}

// folders are sorted by name.
func (u *User) folders() []*Mailbox {
	u.mu.Lock()
	defer u.mu.Unlock()
	boxes := make([]*Mailbox, 0, len(u.boxes))
	for _, box := range u.boxes {
		boxes = append(boxes, box)
	}
	sort.Slice(boxes, func(i, j int) bool { return boxes[i].name < boxes[j].name })
	return boxes
}

// nextValidity is called with mu held.
func (u *User) nextValidity() uint32 {
	u.validity++
	return u.validity
}
