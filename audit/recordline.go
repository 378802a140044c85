package audit

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"
)

// Kinds of the lines that a trail writes about itself. They are links of its
// chain like all others.
const (
	kindChain      = "chain_start" // the first line of a chain
	kindCheckpoint = "checkpoint"  // signs all that is before it
	kindGap        = "gap"         // lines that a full sink dropped
	kindTorn       = "torn"        // what a crash left behind the last whole line
	kindFileLost   = "file_lost"   // the file was removed or renamed by somebody else
	kindPruned     = "pruned"      // lines that were kept for as long as they had to be
	kindClock      = "clock"       // the clock was set
	kindWitness    = "witness"     // another sink's checkpoint
)

// What a checkpoint is made for.
const (
	whyLines  = "lines"  // so many lines were written
	whyTime   = "time"   // so much time went by
	whyEnd    = "end"    // the file ends here
	whyBegin  = "begin"  // the file begins here
	whyResume = "resume" // the chain goes on after a stop or a crash
	whyStop   = "stop"   // the process ends

	whyWitness = "witness" // another sink is to hear of it before the process ends
)

// A record is what a trail writes about itself.
type record struct {
	V     int    `json:"v"`
	Event string `json:"event"`
	Time  string `json:"time"`
	// Sink is the name of the one that it is about, Host the machine's.
	Sink string `json:"sink,omitempty"`
	Host string `json:"host,omitempty"`
	// Gap is how many lines were dropped.
	Gap uint64 `json:"gap,omitempty"`
	// Torn is how many octets before this line are no line, SHA256 their hash.
	Torn   int64  `json:"torn,omitempty"`
	SHA256 string `json:"sha256,omitempty"`
	// File was lost or pruned. First and Last are its lines.
	File  string `json:"file,omitempty"`
	First uint64 `json:"first,omitempty"`
	Last  uint64 `json:"last,omitempty"`
	// Seconds is how far the clock was set; negative: back.
	Seconds float64 `json:"seconds,omitempty"`
	// Line is the checkpoint that is witnessed, as it was written.
	Line string `json:"line,omitempty"`
	// Why is what a checkpoint was made for, Key the id of the key that signed.
	Why string `json:"why,omitempty"`
	Key string `json:"key,omitempty"`
	// Sig comes last: it signs all octets of the line before it.
	Sig string `json:"sig,omitempty"`
}

// timeFormat has a fixed width, so that texts sort as times do.
const timeFormat = "2006-01-02T15:04:05.000000Z"

// encode makes an object for a line.
func (r record) encode(now time.Time) []byte {
	r.V, r.Time = Version, now.UTC().Format(timeFormat)
	object, err := json.Marshal(r)
	if err != nil {
		panic(fmt.Sprintf("audit: a record that cannot be written: %v", err)) // it has texts and numbers only
	}
	return object
}

// kindOf returns the kind of a line's fact. "event" comes before any text that
// somebody else has a say in.
func kindOf(line []byte) string {
	_, rest, _ := bytes.Cut(line, []byte(`"event":"`))
	kind, _, _ := bytes.Cut(rest, []byte(`"`))
	return string(kind)
}

// readRecord returns the record that a line is; ok is false if it is an event,
// or cannot be read.
func readRecord(line []byte) (r record, ok bool) {
	switch kindOf(line) {
	case kindChain, kindCheckpoint, kindGap, kindTorn, kindFileLost, kindPruned, kindClock, kindWitness:
		return r, json.Unmarshal(line, &r) == nil
	}
	return r, false
}
