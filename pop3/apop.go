package pop3

import (
	"crypto/rand"
	"strings"

	"github.com/restante-mail/restante/secret"
)

// digestLength is that of MD5 in hexadecimal.
const digestLength = 32

// newTimestamp is what a client's digest is made with (RFC 1939 section 7): in
// the form of a message-id, and never the same twice.
func newTimestamp() string { return "<" + rand.Text() + "@restante>" }

// apop answers APOP (RFC 1939 section 7). The secret itself is not sent, so it
// needs no TLS: a Server that offers APOP has been told to.
func (c *conn) apop(arg string) error {
	at := strings.LastIndexByte(arg, ' ')
	switch {
	case c.timestamp == "":
		return bad("APOP is not offered here")
	case at < 1 || len(arg)-at-1 != digestLength || strings.Trim(arg[at+1:], "0123456789abcdefABCDEF") != "":
		return bad("a name and a digest are needed")
	}
	c.user = ""
	return c.signIn(Credentials{Mechanism: mechAPOP, User: arg[:at], Secret: secret.New(arg[at+1:]), Challenge: c.timestamp})
}
