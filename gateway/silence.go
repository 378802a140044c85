package gateway

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"strconv"
	"strings"

	"github.com/restante-mail/restante/secret"
	"github.com/restante-mail/restante/upstream"
)

// open opens a mailbox. It is where all secrets go upstream.
func open(ctx context.Context, server upstream.Server, login upstream.Login) (upstream.Mailbox, error) {
	mailbox, err := server.Open(ctx, login)
	return mailbox, silence(err, login.Secret)
}

// silence keeps a secret out of an error: some servers repeat what they refuse,
// and what they say is logged and recorded. What holds the secret, in whatever
// form it went upstream, is not shown at all.
func silence(err error, s secret.Text) error {
	if err == nil || !holds(err.Error(), s.Reveal()) {
		return err
	}
	return &silenced{err}
}

// silenced is what it was to a program, and tells a person nothing.
type silenced struct{ err error }

func (s *silenced) Error() string {
	return "the server repeated the password or token in its answer, so that is not shown"
}

func (s *silenced) Unwrap() error { return s.err }

// holds tells whether a text holds a secret as it is, quoted, in base64 or in
// hex. The text may have been cut, so that a part of a long secret counts.
func holds(text, plain string) bool {
	if plain == "" {
		return false
	}
	forms := []string{plain, strconv.Quote(plain), strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(plain), hex.EncodeToString([]byte(plain))}
	for before := range 3 { // it may stand anywhere in what was encoded
		forms = append(forms, inBase64(plain, before))
	}
	for _, form := range forms {
		if form != "" && holdsPart(text, form) {
			return true
		}
	}
	return false
}

// inBase64 is what a secret looks like within base64 that has some octets before
// it, without the digits that depend on what is before and behind it.
func inBase64(plain string, before int) string {
	encoded := base64.RawStdEncoding.EncodeToString([]byte(strings.Repeat("\x00", before) + plain))
	first := (8*before + 5) / 6
	last := 8 * (before + len(plain)) / 6
	if first >= last {
		return ""
	}
	return encoded[first:last]
}

// partLength is how much of a long secret gives it away.
const partLength = 12

func holdsPart(text, form string) bool {
	if len(form) <= partLength {
		return strings.Contains(text, form)
	}
	for i := range len(form) - partLength + 1 {
		if strings.Contains(text, form[i:i+partLength]) {
			return true
		}
	}
	return false
}
