package gateway

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
)

// uidl names a message for ever: UID and UIDVALIDITY in hex, as Dovecot does by
// default, so that a Dovecot POP3 server can be replaced unnoticed. What a POP3
// upstream calls its messages is passed on.
//
// UIDs repeat from folder to folder, so outside the first one the folder's
// identity is part of the name.
//
// A message that was undeleted is a new one to the client, so that a client
// that remembers what it has fetches it again.
func (s *session) uidl(i int) string {
	m := &s.listed[i]
	folder := s.folders[m.ID.Folder]
	plain := m.UIDL
	if folder.UIDValidity != 0 {
		var name [8]byte
		binary.BigEndian.PutUint32(name[:4], m.ID.UID)
		binary.BigEndian.PutUint32(name[4:], folder.UIDValidity)
		plain = hex.EncodeToString(name[:])
		if m.ID.Folder > 0 {
			plain += "." + folderIdentity(folder.Name)
		}
	}
	if s.memory == nil || s.memory.lives == nil || s.memory.lives[i] == 0 {
		return plain
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\nlife %d", plain, s.memory.lives[i]))
	return hex.EncodeToString(sum[:16])
}

// folderIdentity is short, and differs between any two folders of a maildrop
// but for one case in 2^48.
func folderIdentity(name string) string {
	sum := sha256.Sum256([]byte(name))
	return hex.EncodeToString(sum[:6])
}
