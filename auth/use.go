package auth

import "fmt"

// Use says whether a route leads accounts. A larger one is stricter.
type Use uint8

const (
	// UseNone: whatever the client shows is for the upstream to judge.
	UseNone Use = iota
	// UseFirst: an account decides for its own name, and for every other name
	// the upstream does.
	UseFirst
	// UseOnly: nobody gets in without an account.
	UseOnly
)

func (u Use) String() string { return [...]string{"none", "first", "only"}[u] }

// UnmarshalText reads what String writes.
func (u *Use) UnmarshalText(text []byte) error {
	for _, known := range []Use{UseNone, UseFirst, UseOnly} {
		if string(text) == known.String() {
			*u = known
			return nil
		}
	}
	return fmt.Errorf("%q is not known; write one of none, first, only", text)
}
