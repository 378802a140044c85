package policy

import "strings"

// A Wish is a removal that waits until all views are done with a message.
type Wish struct {
	Act
	// ByClient: a DELE made it, so that no hold suspends it. Any other wish came
	// of on_retrieve, even if the client deleted the message as well.
	ByClient bool
}

// byClientMark begins the text of a wish that a DELE made.
const byClientMark = "dele "

// UnmarshalText reads a Wish as String writes it.
func (w *Wish) UnmarshalText(text []byte) error {
	act, marked := strings.CutPrefix(string(text), byClientMark)
	w.ByClient = marked
	return w.Act.UnmarshalText([]byte(act))
}

// MarshalText writes a Wish as UnmarshalText reads it.
func (w Wish) MarshalText() ([]byte, error) { return []byte(w.String()), nil }

func (w Wish) String() string {
	if w.ByClient {
		return byClientMark + w.Act.String()
	}
	return w.Act.String()
}
