package oauth

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// An Event is something that an administrator may want to know.
type Event struct {
	What     What
	Provider string
	// Account is "" for tokens that are for everybody.
	Account string
	// Expires is when the token that was got ends.
	Expires time.Time
	// Forced: upstream had refused the token before.
	Forced bool
	Err    error // nil if it went well
}

// What happened.
type What uint8

const (
	// Refreshed: there is a new token.
	Refreshed What = iota
	// RefreshFailed: there is none for now.
	RefreshFailed
	// AuthorizationLost: the account needs authorization, from now on.
	AuthorizationLost
	// NotKept: a refresh token could not be written to the state file. It is
	// written as soon as that can be done; if the process ends before, the
	// account needs authorization.
	NotKept
)

func (w What) String() string {
	return [...]string{"refreshed", "failed", "authorization lost", "not kept"}[w]
}

// Counts are what happened since the process began.
type Counts struct{ Refreshed, Failed, Lost, NotKept int64 }

// A Status is how things are with one source.
type Status struct {
	Provider, Account string
	// Expires is when the token that is held ends; the zero time: none is.
	Expires time.Time
	// Needs says why the account needs authorization; "" if it does not.
	Needs string
	// Failures since the last success.
	Failures int
}

// Counts of a provider are for metrics.
func (k *Keeper) Counts(provider string) Counts {
	k.mu.Lock()
	defer k.mu.Unlock()
	if c := k.counts[provider]; c != nil {
		return *c
	}
	return Counts{}
}

// Statuses are those of the sources that were asked in this process, sorted by
// provider and account.
func (k *Keeper) Statuses() []Status {
	var all []Status
	for _, s := range k.all() {
		all = append(all, s.status())
	}
	slices.SortFunc(all, func(a, b Status) int {
		return cmp.Or(strings.Compare(a.Provider, b.Provider), strings.Compare(a.Account, b.Account))
	})
	return all
}

func (s *Source) status() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	return Status{Provider: s.p.Name, Account: s.owner(), Expires: s.held.Expires, Needs: s.held.Needs, Failures: s.failures}
}

// owner is whose tokens they are; "": everybody's.
func (s *Source) owner() string {
	switch s.p.Grant {
	case ClientCredentials:
		return ""
	case ServiceAccount:
		return s.subject
	}
	return s.account
}

// tell counts an event and passes it on.
func (s *Source) tell(e Event) {
	e.Provider, e.Account = s.p.Name, s.owner()
	s.k.count(e)
	if s.k.o.Event != nil {
		s.k.o.Event(e)
	}
}

func (k *Keeper) count(e Event) {
	k.mu.Lock()
	defer k.mu.Unlock()
	c := k.counts[e.Provider]
	if c == nil {
		c = new(Counts)
		k.counts[e.Provider] = c
	}
	*[...]*int64{Refreshed: &c.Refreshed, RefreshFailed: &c.Failed, AuthorizationLost: &c.Lost, NotKept: &c.NotKept}[e.What]++
}
