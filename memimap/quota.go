package memimap

import (
	"fmt"
	"slices"
	"strings"

	"github.com/emersion/go-imap/v2"
)

// A limit is one quota of a user.
type limit struct {
	root    string
	octets  int64
	folders []string // none: all that no other limit names
}

// SetQuota limits what folders hold together, or all those that no other quota
// names, to so many octets. It is only told, if the Server has QUOTA, and never
// enforced. A limit of 0 takes the quota of that name away.
func (u *User) SetQuota(root string, octets int64, folders ...string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.limits = slices.DeleteFunc(u.limits, func(l limit) bool { return l.root == root })
	if octets > 0 {
		u.limits = append(u.limits, limit{root, octets, folders})
	}
}

// quota answers GETQUOTAROOT; ok is false if there is no such folder.
func (u *User) quota(folder string) (answer string, ok bool) {
	if strings.EqualFold(folder, "INBOX") {
		folder = "INBOX"
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.boxes[folder] == nil {
		return "", false
	}
	l := u.limitOf(folder)
	if l == nil {
		return fmt.Sprintf("* QUOTAROOT %q\r\n", folder), true
	}
	var used int64
	for name, box := range u.boxes {
		if of := u.limitOf(name); of != nil && of.root == l.root {
			used += box.octets()
		}
	}
	kib := func(octets int64) int64 { return (octets + 1023) / 1024 }
	return fmt.Sprintf("* QUOTAROOT %q %q\r\n* QUOTA %q (STORAGE %d %d)\r\n", folder, l.root, l.root, kib(used), kib(l.octets)), true
}

// limitOf, and octets, are called with mu held.
func (u *User) limitOf(folder string) (found *limit) {
	for i := range u.limits {
		l := &u.limits[i]
		if slices.Contains(l.folders, folder) {
			return l
		}
		if len(l.folders) == 0 {
			found = l
		}
	}
	return found
}

func (b *Mailbox) octets() (n int64) {
	for _, m := range b.messages {
		n += int64(len(m.raw))
	}
	return n
}

// emailID is the name that a message keeps in all folders (RFC 8474); "" if
// there is no such message.
func (b *Mailbox) emailID(uid uint32) string {
	b.user.mu.Lock()
	defer b.user.mu.Unlock()
	if i := b.index(imap.UID(uid)); i >= 0 {
		return fmt.Sprint("M", b.messages[i].email)
	}
	return ""
}
