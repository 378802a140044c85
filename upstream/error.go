package upstream

import (
	"errors"
	"time"
)

// Kind sorts failures by what a client should be told and do.
type Kind uint8

const (
	// Unavailable: unreachable, broken, or out of order; trying later may help.
	Unavailable Kind = iota
	// Rejected: the credentials are wrong.
	Rejected
	// Denied: the account exists but may not sign in, or something must be
	// configured first; trying again does not help.
	Denied
	// InUse: another session holds the mailbox.
	InUse
	// Throttled: too many requests; wait for Error.Wait.
	Throttled
	// Gone: the message does not exist any more.
	Gone
)

// ErrNoFolder says that no folder has a special use. It comes in an Error of
// kind Denied.
var ErrNoFolder = errors.New("no folder of that use")

func (k Kind) String() string {
	return [...]string{"unavailable", "rejected", "denied", "in use", "throttled", "gone"}[k]
}

// An Error is a failure upstream. It is for the log; what a client hears is
// decided by the Kind alone.
type Error struct {
	Kind Kind
	// Doing says what was being tried: "sign in", "select INBOX".
	Doing string
	// Wait is how long a throttling server asked to be left alone; 0 if it
	// did not say.
	Wait time.Duration
	Err  error // the cause, with the server's own words; not nil
}

func (e *Error) Error() string { return e.Doing + ": " + e.Err.Error() }

func (e *Error) Unwrap() error { return e.Err }

// KindOf returns the Kind of an *Error in err's chain, and Unavailable for
// every other error.
func KindOf(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return Unavailable
}
