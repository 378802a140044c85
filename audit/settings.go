package audit

import (
	"context"
	"crypto/tls"
	"reflect"
	"time"
)

// What a Sink writes to.
const (
	ToFile   = "file"
	ToStdout = "stdout"
	ToSyslog = "syslog"
	ToState  = "state"
)

// When a Sink makes sure of what it wrote.
const (
	SyncEvent    = "event"    // before the fact's Record returns
	SyncSession  = "session"  // at the end of each session
	SyncInterval = "interval" // every so often
)

// Settings say what one sink is like.
type Settings struct {
	// Name is what logs, metrics and other sinks call it.
	Name string
	// To is ToFile, ToStdout, ToSyslog or ToState.
	To string
	// Target is where it goes, in any form in which the same target has the same
	// text. A sink whose Name, To and Target stay survives a reload.
	Target string

	// Queue is how many octets of lines may wait in memory.
	Queue int
	// Patience is how long a session waits for room in the queue; 0: not at all.
	// What finds no room is dropped and counted. A sink that took nothing for so
	// long makes nobody wait, until it takes something again.
	Patience time.Duration
	// Sync is SyncEvent, SyncSession or SyncInterval, Interval how often.
	Sync     string
	Interval time.Duration

	// Signer signs checkpoints; nil: they are not signed.
	Signer *Signer
	// Every and Within are how many lines and how much time a checkpoint comes
	// after the one before, if anything was written.
	Every  int
	Within time.Duration
	// Witness names another sink, which gets the checkpoints of this one too.
	Witness string

	// Path of the file; it and the rotated ones beside it are its own.
	Path string
	// RotateSize and RotateAge close a file; 0: never.
	RotateSize int64
	RotateAge  time.Duration
	// Compress makes closed files smaller, with gzip.
	Compress bool
	// Retain is how long closed files, or lines in the state file, are kept; 0:
	// for ever.
	Retain time.Duration

	// Network and Address of a syslog server: "unix", "tcp", or "tls" with TLS.
	Network, Address string
	TLS              *tls.Config
	// Facility is the number of RFC 5424 section 6.2.1.
	Facility int

	// Table is where a ToState sink keeps its lines.
	Table Table
}

// A Row is a line in a Table, and what it is looked for by.
type Row struct {
	Chain     string
	Seq       uint64
	Time      int64 // seconds since 1970-01-01 UTC
	Kind      string
	Session   string
	Base      string
	MessageID string
	UIDL      string
	Line      []byte
}

// foundAs tells whether a search finds both rows by the same.
func (r Row) foundAs(other Row) bool {
	r.Line, other.Line = nil, nil
	return reflect.DeepEqual(r, other)
}

// A Table keeps lines in the order of their numbers.
type Table interface {
	// Append writes rows, all or none, and returns when they are on disk.
	Append(ctx context.Context, rows []Row) error
	// Last returns the last line; nil if there is none.
	Last(ctx context.Context) ([]byte, error)
	// Old returns the numbers of the first line, and of the last line before the
	// newest checkpoint that is older than a time in seconds; 0, 0 if there are
	// none before it.
	Old(ctx context.Context, before int64) (first, last uint64, err error)
	// Prune removes the lines up to a number.
	Prune(ctx context.Context, last uint64) error
}

// Stats are a sink's counters since it was opened.
type Stats struct {
	Name, To string
	// Lines and Octets were written, the trail's own records included.
	Lines, Octets uint64
	// Dropped lines found no room.
	Dropped uint64
	// Errors of writing; each failed attempt is one.
	Errors uint64
	// Checkpoints that were written.
	Checkpoints uint64
	// QueuedLines and QueuedOctets wait now.
	QueuedLines, QueuedOctets int
	// Failing: the last attempt to write failed.
	Failing bool
	// Synced is when it was last made sure of what was written; zero if not yet.
	Synced time.Time
}

// Trouble is something that an administrator should know of a sink.
type Trouble struct {
	Sink string
	// Err is what is wrong; nil if the sink works again.
	Err error
	// Dropped is how many lines were dropped until now.
	Dropped uint64
}
