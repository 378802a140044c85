package audit

import (
	"cmp"
	"slices"
)

// A Tally counts what lines say, for each user and client.
type Tally struct {
	sums map[tallyKey]*Sum
}

type tallyKey struct{ user, client string }

// A Sum is what one user did from one client address. In a sum of others, User
// and Client are empty.
type Sum struct {
	User     string `json:"user"`
	Client   string `json:"client"`
	Sessions int    `json:"sessions"` // that signed in
	Refused  int    `json:"refused"`  // sign-ins that did not succeed
	// Retrieved messages, of these Complete ones, and the octets of all.
	Retrieved int   `json:"retrieved"`
	Complete  int   `json:"complete"`
	Octets    int64 `json:"octets"`
	Tops      int   `json:"tops"`
	Deleted   int   `json:"deleted"` // by the client
	Removed   int   `json:"removed"` // moved or expunged upstream
	Failed    int   `json:"failed"`  // changes upstream that failed
	Limits    int   `json:"limits"`  // that were hit
	// Last is when something was seen of them.
	Last string `json:"last"`
}

// maxSums bounds memory. What comes from more goes into one sum of others.
const maxSums = 100_000

// Add counts a line, of each user, of each client or of each user at a client.
func (t *Tally) Add(f *Fields, byUser, byClient bool) {
	switch Kind(f.Event) {
	case KindSignIn, KindRetrieval, KindTop, KindDelete, KindOutcome, KindLimit:
	default:
		return
	}
	var key tallyKey
	if byUser {
		key.user = f.account()
	}
	if byClient {
		key.client = f.Client
	}
	s := t.sum(key)
	s.Last = max(s.Last, f.Time.UTC().Format(timeFormat))
	s.add(f)
}

func (t *Tally) sum(key tallyKey) *Sum {
	if t.sums == nil {
		t.sums = map[tallyKey]*Sum{}
	}
	s := t.sums[key]
	if s == nil && len(t.sums) >= maxSums {
		key = tallyKey{}
		s = t.sums[key]
	}
	if s == nil {
		s = &Sum{User: key.user, Client: key.client}
		t.sums[key] = s
	}
	return s
}

func (s *Sum) add(f *Fields) {
	switch Kind(f.Event) {
	case KindSignIn:
		if f.Result == ResultOK {
			s.Sessions++
		} else {
			s.Refused++
		}
	case KindRetrieval:
		s.Retrieved++
		s.Octets += f.Octets
		if f.Complete {
			s.Complete++
		}
	case KindTop:
		s.Tops++
	case KindDelete:
		s.Deleted++
	case KindOutcome:
		switch {
		case f.Result == OutcomeFailed:
			s.Failed++
		case f.Do == "expunge" || f.Do == "move":
			s.Removed++
		}
	case KindLimit:
		s.Limits++
	}
}

// Sums returns all of them, by user and client.
func (t *Tally) Sums() []*Sum {
	all := make([]*Sum, 0, len(t.sums))
	for _, s := range t.sums {
		all = append(all, s)
	}
	slices.SortFunc(all, func(a, b *Sum) int {
		return cmp.Or(cmp.Compare(a.User, b.User), cmp.Compare(a.Client, b.Client))
	})
	return all
}
