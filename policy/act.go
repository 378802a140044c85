package policy

import (
	"fmt"
	"slices"
	"strings"

	"github.com/restante-mail/restante/upstream"
)

// Verb is what happens to a message.
type Verb string

// The verbs of on_retrieve and on_delete.
const (
	Nothing Verb = "nothing" // leave it as it is
	Seen    Verb = "seen"    // mark it read
	Archive Verb = "archive" // move it to the folder with \Archive
	Trash   Verb = "trash"   // move it to the folder with \Trash
	Expunge Verb = "expunge" // remove it for good
	Move    Verb = "move"    // move it to a named folder
	Flag    Verb = "flag"    // set a keyword
	Hide    Verb = "hide"    // show it no more, and leave it upstream
	Keep    Verb = "keep"    // accept the DELE and change nothing
	Refuse  Verb = "refuse"  // answer -ERR to DELE
)

var (
	onRetrieve = []Verb{Seen, Nothing, Hide, Archive, Trash, Expunge, Move, Flag}
	onDelete   = []Verb{Expunge, Trash, Archive, Move, Flag, Hide, Keep, Refuse}
)

// An Act is a verb with its target: "seen", "move:Old mail", "flag:$Fetched".
type Act struct {
	Do     Verb
	Target string // the folder of move, the keyword of flag
}

// UnmarshalText reads an Act as the configuration writes it.
func (a *Act) UnmarshalText(text []byte) error {
	verb, target, has := strings.Cut(string(text), ":")
	a.Do, a.Target = Verb(verb), target
	switch a.Do {
	case Move, Flag:
		return a.checkTarget()
	case Nothing, Seen, Archive, Trash, Expunge, Hide, Keep, Refuse:
		if has {
			return fmt.Errorf("%q takes nothing after it", verb)
		}
		return nil
	}
	return fmt.Errorf("%q is not something that can be done to a message", text)
}

// MarshalText writes an Act as UnmarshalText reads it.
func (a Act) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

func (a Act) String() string {
	if a.Target == "" {
		return string(a.Do)
	}
	return string(a.Do) + ":" + a.Target
}

func (a Act) checkTarget() error {
	switch {
	case a.Do == Move && a.Target == "":
		return fmt.Errorf("move needs a folder, as in %q", "move:Old mail")
	case a.Do == Flag && !isKeyword(a.Target):
		return fmt.Errorf("flag needs a keyword of letters, digits and $ _ -, as in %q", "flag:$Fetched")
	}
	return nil
}

// isKeyword is stricter than the flag-keyword of RFC 9051 section 9, so that a
// keyword can never be anything else on the wire.
func isKeyword(s string) bool {
	const allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789$_-"
	foreign := func(r rune) bool { return !strings.ContainsRune(allowed, r) }
	return s != "" && len(s) <= 64 && !strings.ContainsFunc(s, foreign)
}

func (a Act) check(key string, allowed []Verb) error {
	if !slices.Contains(allowed, a.Do) {
		return fmt.Errorf("%s: %q is not possible here; use one of %s", key, a, list(allowed))
	}
	if err := a.checkTarget(); err != nil {
		return fmt.Errorf("%s: %w", key, err)
	}
	return nil
}

func list(verbs []Verb) string {
	words := make([]string, len(verbs))
	for i, v := range verbs {
		words[i] = string(v)
		switch v {
		case Move:
			words[i] = "move:FOLDER"
		case Flag:
			words[i] = "flag:KEYWORD"
		}
	}
	return strings.Join(words, ", ")
}

// moves: the message ends up in another folder.
func (a Act) moves() bool { return a.Do == Archive || a.Do == Trash || a.Do == Move }

// removes: the message is no longer where it was.
func (a Act) removes() bool { return a.moves() || a.Do == Expunge }

// change says what the Act means upstream; ok is false if it means nothing.
func (a Act) change(id upstream.ID) (c upstream.Change, ok bool) {
	c.ID = id
	switch a.Do {
	case Seen:
		c.Do = upstream.MarkSeen
	case Archive:
		c.Do, c.Target = upstream.Move, `\Archive`
	case Trash:
		c.Do, c.Target = upstream.Move, `\Trash`
	case Move:
		c.Do, c.Target = upstream.Move, a.Target
	case Flag:
		c.Do, c.Target = upstream.Flag, a.Target
	case Expunge:
		c.Do = upstream.Expunge
	default:
		return c, false
	}
	return c, true
}
