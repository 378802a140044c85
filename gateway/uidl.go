package gateway

import (
	"encoding/binary"
	"encoding/hex"

	"github.com/restante-mail/restante/upstream"
)

// uidl names a message for ever: UID and UIDVALIDITY in hex, as Dovecot does by
// default, so that a Dovecot POP3 server can be replaced unnoticed. What a POP3
// upstream calls its messages is passed on.
func (s *session) uidl(m *upstream.Message) string {
	folder := s.folders[m.ID.Folder]
	if folder.UIDValidity == 0 {
		return m.UIDL
	}
	var name [8]byte
	binary.BigEndian.PutUint32(name[:4], m.ID.UID)
	binary.BigEndian.PutUint32(name[4:], folder.UIDValidity)
	return hex.EncodeToString(name[:])
}
