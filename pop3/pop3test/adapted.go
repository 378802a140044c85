package pop3test

import (
	"bytes"

	"github.com/restante-mail/restante/pop3"
)

// Adapted is what a message becomes, in canonical form, under quirks.
func Adapted(message []byte, q pop3.Quirks) []byte {
	message = bytes.Clone(message)
	if q.NoNULs {
		message = bytes.ReplaceAll(message, []byte{0}, []byte{0x80})
	}
	if q.EndOfHeader && !bytes.HasPrefix(message, []byte("\r\n")) && !bytes.Contains(message, []byte("\r\n\r\n")) {
		message = append(message, "\r\n"...)
	}
	return message
}
