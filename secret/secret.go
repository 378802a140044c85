// Package secret holds passwords and tokens so that they cannot be printed by
// accident. It is a type, not a vault: it keeps a secret out of logs, errors,
// JSON and %v, and out of nothing else.
package secret

import "fmt"

// mask is what every way of printing a Text yields. It has a fixed length, so
// that it does not tell the length of what it hides.
const mask = "********"

// Text is a password or a token. Every formatting verb, encoder and logger
// shows the mask; only Reveal shows the secret.
//
// The pointer is not for sharing: package fmt calls no method of a field it
// may not export, and prints such a field's strings, but of a pointer it
// prints the address only.
type Text struct{ plain *string }

// New wraps a secret that came from a client or a file.
func New(plain string) Text { return Text{&plain} }

// Reveal returns the secret itself. Each call is a place to look at in a
// review: what comes out may go to a peer that needs it, and nowhere else.
func (t Text) Reveal() string {
	if t.plain == nil {
		return ""
	}
	return *t.plain
}

// Empty tells whether there is no secret at all.
func (t Text) Empty() bool { return t.Reveal() == "" }

// Format masks the secret for every verb and flag of package fmt.
func (t Text) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(mask)) }

// String masks the secret for loggers that do not use package fmt.
func (t Text) String() string { return mask }

// MarshalText masks the secret for JSON, XML and TOML.
func (t Text) MarshalText() ([]byte, error) { return []byte(mask), nil }
