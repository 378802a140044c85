// Package policy decides what a client sees of a mailbox and what its RETR and
// DELE mean upstream. A policy is data, and deciding is a pure function of the
// policy, the messages, what the client did, and the time: no I/O, no clock, no
// memory. Every decision carries its reason in words, for the log and for
// whoever asks why.
//
// It does not act: the gateway carries a plan out, through upstream.Mailbox.
package policy

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/restante-mail/restante/upstream"
)

// Policy is one set of rules. Its zero value is not useful; start from a
// preset. It is read-only once in use.
type Policy struct {
	// OnRetrieve is what a message gets at QUIT when the client was proven to
	// have it.
	OnRetrieve Act `toml:"on_retrieve"`
	// OnDelete is what DELE followed by QUIT does.
	OnDelete Act `toml:"on_delete"`
	// ShowDeleted shows messages that somebody else flagged \Deleted.
	ShowDeleted bool `toml:"show_deleted"`
	// UnseenOnly shows only messages without \Seen.
	UnseenOnly bool `toml:"unseen_only"`
	// MaxAge hides messages that arrived longer ago; 0 is no limit.
	MaxAge Age `toml:"max_age"`
	// MaxSize hides larger messages; 0 is no limit.
	MaxSize Size `toml:"max_size"`
}

// DefaultPreset is the policy of a route that names none.
const DefaultPreset = "classic"

// presets by the names people know.
var presets = map[string]Policy{
	// What a POP3 server always did: DELE removes, and nothing else does.
	"classic": {OnRetrieve: Act{Do: Seen}, OnDelete: Act{Do: Expunge}},
	// Nothing that a client does changes the mailbox.
	"read-only": {OnRetrieve: Act{Do: Nothing}, OnDelete: Act{Do: Refuse}},
	// The last 30 days for any number of clients, nothing remembered.
	"recent": {OnRetrieve: Act{Do: Nothing}, OnDelete: Act{Do: Keep}, MaxAge: Age(30 * day)},
	// Gmail's "archive the copy when messages are accessed with POP".
	"gmail-archive": {OnRetrieve: Act{Do: Archive}, OnDelete: Act{Do: Archive}},
	// Gmail's "delete the copy when messages are accessed with POP".
	"gmail-trash": {OnRetrieve: Act{Do: Trash}, OnDelete: Act{Do: Trash}},
}

// Preset returns the policy with that name, and whether there is one.
func Preset(name string) (Policy, bool) {
	p, ok := presets[name]
	return p, ok
}

// Presets returns the names of all presets, sorted.
func Presets() []string { return slices.Sorted(maps.Keys(presets)) }

// Check refuses what cannot be meant. The error names the setting.
func (p Policy) Check() error {
	return errors.Join(
		p.OnRetrieve.check("on_retrieve", onRetrieve),
		p.OnDelete.check("on_delete", onDelete),
		notNegative("max_age", int64(p.MaxAge)),
		notNegative("max_size", int64(p.MaxSize)),
	)
}

func notNegative(key string, n int64) error {
	if n < 0 {
		return fmt.Errorf("%s: must not be negative", key)
	}
	return nil
}

// NeedsMove tells whether the policy moves messages, which POP3 upstream cannot.
func (p Policy) NeedsMove() bool { return p.OnRetrieve.moves() || p.OnDelete.moves() }

// Expire is the EXPIRE value of CAPA (RFC 2449 section 6.7): how many days a
// message surely stays after the client has retrieved it without DELE.
func (p Policy) Expire() string {
	switch {
	case p.OnRetrieve.moves(), p.OnRetrieve.Do == Expunge:
		return "0"
	case p.MaxAge > 0:
		return fmt.Sprint(int64(time.Duration(p.MaxAge) / day))
	}
	return "NEVER"
}

// A Verdict says whether a message is shown, and if not, why.
type Verdict struct {
	Show bool
	Why  string
}

// View decides what the client sees, one Verdict per message.
func (p Policy) View(msgs []upstream.Message, now time.Time) []Verdict {
	verdicts := make([]Verdict, len(msgs))
	for i := range msgs {
		why := p.hides(&msgs[i], now)
		verdicts[i] = Verdict{Show: why == "", Why: why}
	}
	return verdicts
}

// hides returns why a message is not shown, or "". A message whose arrival the
// server did not tell is never too old: hiding mail needs a reason.
func (p Policy) hides(m *upstream.Message, now time.Time) string {
	switch {
	case m.Flags.Has(upstream.Deleted) && !p.ShowDeleted:
		return "flagged \\Deleted (show_deleted is off)"
	case p.UnseenOnly && m.Flags.Has(upstream.Seen):
		return "already \\Seen (unseen_only)"
	case p.MaxSize > 0 && m.Size > int64(p.MaxSize):
		return "larger than max_size"
	case p.MaxAge > 0 && !m.Arrived.IsZero() && now.Sub(m.Arrived) > time.Duration(p.MaxAge):
		return "older than max_age"
	}
	return ""
}

// A Step is one change that a policy wants made, and why.
type Step struct {
	upstream.Change
	Why string
}

// Update decides what a completed session changes upstream. retrieved and
// deleted mark, by index into shown, what the client was proven to have and
// what it deleted. DELE outranks RETR, but what was read is marked so before
// it is moved away.
func (p Policy) Update(shown []upstream.Message, retrieved, deleted func(i int) bool) []Step {
	var steps []Step
	for i := range shown {
		if retrieved(i) {
			steps = p.OnRetrieve.onRetrieved(steps, &shown[i], deleted(i) && p.OnDelete.removes())
		}
		if deleted(i) {
			steps = p.OnDelete.onDeleted(steps, &shown[i])
		}
	}
	return steps
}
