package upstream

import "time"

// Hooks tell a program how a server behind does, for its metrics. Each may be
// nil, and then costs nothing. They are called in the goroutine that works, and
// must be quick.
type Hooks struct {
	// Dialed is called after each try to connect to an address: TLS, greeting
	// and capabilities included, sign-in not.
	Dialed func(took time.Duration, err error)
	// Opened is called after each Server.Open. warm: over a connection that had
	// been there before. KindOf(err) sorts failures.
	Opened func(warm bool, took time.Duration, err error)
	// Listed is called for each folder that was listed.
	Listed func(how Listing)
	// RoundTrip is called for each time that a server was waited for after it
	// was sent something, TLS included.
	RoundTrip func()
}

// Listing is how a folder was listed.
type Listing uint8

const (
	ListedWhole      Listing = iota // nothing was remembered of it
	ListedRemembered                // what was remembered was proved true, and only news were asked for
	ListedAnew                      // what was remembered was not true any more
)

func (l Listing) String() string { return [...]string{"whole", "remembered", "rebuilt"}[l] }
