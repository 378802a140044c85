package policy

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/restante-mail/restante/upstream"
)

// Since is what a rule of retention counts from.
type Since string

// What a rule can count from.
const (
	SinceRetrieved Since = "retrieved" // the QUIT of the first session that retrieved it
	SinceDeleted   Since = "deleted"   // the QUIT of the session with its DELE
	SinceArrived   Since = "arrived"   // its arrival, or when the view first saw it
)

// A Rule says how long mail stays.
type Rule struct {
	// Since is retrieved, deleted or arrived.
	Since Since `toml:"since"`
	// After is how long mail stays from then on.
	After Age `toml:"after"`
	// Do is expunge, trash, archive or move:FOLDER.
	Do Act `toml:"do"`
	// Unretrieved lets a rule since arrived touch mail that nobody has
	// retrieved.
	Unretrieved bool `toml:"unretrieved"`
}

// maxRules bounds what is tried for each message.
const maxRules = 16

func (r Rule) String() string {
	after, _ := r.After.MarshalText() // never fails
	text := fmt.Sprintf("since = %s, after = %s, do = %s", r.Since, after, r.Do)
	if r.Unretrieved {
		text += ", unretrieved = true"
	}
	return text
}

// Hash names the rule of the policy with that name. A change of either makes it
// another rule, which has to be approved anew.
func (r Rule) Hash(policy string) string {
	sum := sha256.Sum256([]byte(policy + "\n" + r.String()))
	return hex.EncodeToString(sum[:16])
}

var retainVerbs = []Verb{Expunge, Trash, Archive, Move}

// checkRetain refuses rules that mean nothing.
func (p Policy) checkRetain() error {
	if len(p.Retain) > maxRules {
		return fmt.Errorf("retain: %d rules are too many; %d are allowed", len(p.Retain), maxRules)
	}
	var errs []error
	for i, r := range p.Retain {
		if err := p.checkRule(r); err != nil {
			errs = append(errs, fmt.Errorf("retain: rule %d: %w", i+1, err))
		}
	}
	return errors.Join(errs...)
}

func (p Policy) checkRule(r Rule) error {
	switch {
	case !slices.Contains([]Since{SinceRetrieved, SinceDeleted, SinceArrived}, r.Since):
		return fmt.Errorf("since: %q is not known; use retrieved, deleted or arrived", r.Since)
	case r.After <= 0:
		return errors.New(`after: is missing or not above 0; write a time such as "14d"`)
	case r.Unretrieved && r.Since != SinceArrived:
		return errors.New("unretrieved: only a rule since arrived can touch mail that was not retrieved")
	case r.Since == SinceRetrieved && p.OnRetrieve.removes():
		return fmt.Errorf("since: on_retrieve = %s leaves nothing for a rule since retrieved", p.OnRetrieve)
	case r.Since == SinceDeleted && p.OnDelete.removes():
		return fmt.Errorf("since: on_delete = %s leaves nothing for a rule since deleted", p.OnDelete)
	case r.Since == SinceDeleted && p.OnDelete.Do == Refuse:
		return errors.New("since: on_delete = refuse lets nothing be deleted")
	}
	return r.Do.check("do", retainVerbs)
}

// remembersArrival tells whether arrivals have to be remembered.
func (p Policy) remembersArrival() bool {
	return slices.ContainsFunc(p.Retain, func(r Rule) bool { return r.Since == SinceArrived })
}

// begin is when a rule began to count for a message; 0 if it does not.
func (r *Rule) begin(m *upstream.Message, known *Memory, s *State, now time.Time) int64 {
	switch r.Since {
	case SinceRetrieved:
		return known.First
	case SinceDeleted:
		return known.Deleted
	}
	if !r.Unretrieved && !known.done() {
		return 0
	}
	return arrival(m, known, s, now)
}

// arrival is when a message came, as far as the view can tell. What was moved
// here lately may have arrived elsewhere years ago: it counts from when it was
// first seen here.
func arrival(m *upstream.Message, known *Memory, s *State, now time.Time) int64 {
	seen := known.Seen
	if seen == 0 {
		seen = now.Unix()
	}
	switch {
	case s.cameLater(m) && !m.Arrived.IsZero():
		return max(seen, m.Arrived.Unix())
	case s.cameLater(m), m.Arrived.IsZero():
		return seen
	}
	return m.Arrived.Unix()
}

// due returns the first rule, by its number, that a message's time is up for,
// and -1 if there is none.
func (p *Policy) due(m *upstream.Message, i int, s *State, now time.Time) int {
	known := remembered(s.Of, i)
	for n := range p.Retain {
		r := &p.Retain[n]
		begin := r.begin(m, known, s, now)
		if begin == 0 || now.Unix()-begin < int64(time.Duration(r.After)/time.Second) {
			continue
		}
		if r.Unretrieved || s.othersDone(i) {
			return n
		}
	}
	return -1
}
