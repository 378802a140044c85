// Package readahead decides how much of a mailbox to ask for before its client
// does: where the client stands, where it seems to go, and how many octets may
// be on their way. Package bridge and package proxy read ahead by it, each in
// its own protocol. It asks for nothing itself.
package readahead

import (
	"cmp"
	"slices"

	"github.com/restante-mail/restante/upstream"
)

// How much may be asked for ahead of a client, in octets. It grows with what
// the client has read in sequence, so that a connection of any length fills
// within few round trips, and so that a client that stops has never had more
// than twice asked for what it took.
const (
	// FirstWindow is for the first message of all, which nothing is known of.
	FirstWindow = 256 << 10
	// againWindow is for a client that did not do what was expected, and now
	// reads in sequence.
	againWindow = 64 << 10
	// maxWindow fills 200 Mbit/s at a round trip of 150 ms.
	maxWindow = 4 << 20
)

// A Course is where a client stands in its maildrop and where it seems to go.
type Course struct {
	Order []upstream.Message // the client's; it is not changed
	read  []uint64           // a bit for each message that was opened whole
	At    int                // what was opened last, an index into Order; -1: nothing yet
	Lines int                // of that: negative for the whole message
	Step  int                // +1: upwards, -1: downwards, 0: who knows
	steps int                // taken that way
	least int64              // the least window
	run   int64              // octets opened in sequence
	// faults are how often a server did not do as it should with a command for
	// several messages.
	faults int
}

// MaxFaults is when it gets none any more.
const MaxFaults = 5

// enoughSteps in one direction are not chance, after others in none. What is
// opened at random seems to go somewhere once in a while, and all the more
// often the fewer messages are left.
const enoughSteps = 2

// New is for a client that has opened nothing yet. It keeps the slice.
func New(order []upstream.Message) Course {
	return Course{Order: order, read: make([]uint64, (len(order)+63)/64), At: -1}
}

// Find is the place of a message in the client's order, which is that of the
// listing with gaps; -1 if it has none.
func (c *Course) Find(id upstream.ID) int {
	if i := c.At + c.Step; i >= 0 && i < len(c.Order) && c.Order[i].ID == id {
		return i
	}
	i, found := slices.BinarySearchFunc(c.Order, id, func(m upstream.Message, id upstream.ID) int {
		return cmp.Or(cmp.Compare(m.ID.Folder, id.Folder), cmp.Compare(m.ID.UID, id.UID))
	})
	if !found {
		return -1
	}
	return i
}

// Visit notes what the client opens.
func (c *Course) Visit(i, lines int) {
	switch was := c.At; {
	case i < 0:
		c.Step = 0
	case was < 0:
		c.Step, c.steps, c.least, c.run = 1, enoughSteps, FirstWindow, 0 // who begins with the last is known soon
	case lines != c.Lines:
		c.Step = 0
	case c.Step != 0 && i == c.Next(was, c.Step):
		c.steps++
		c.run += c.Order[i].Size
	case i == c.Next(was, 1):
		c.Step, c.steps, c.least, c.run = 1, 1, againWindow, 0
	case i == c.Next(was, -1):
		c.Step, c.steps, c.least, c.run = -1, 1, againWindow, 0
	default:
		c.Step = 0
	}
	c.At, c.Lines = i, lines
	if i >= 0 && lines < 0 {
		c.read[i/64] |= 1 << (i % 64)
	}
}

// Next is the message after i, in that direction, that the client does not
// have; -1 at the end.
func (c *Course) Next(i, step int) int {
	for i += step; i >= 0 && i < len(c.Order); i += step {
		if c.read[i/64]&(1<<(i%64)) == 0 {
			return i
		}
	}
	return -1
}

// Fault notes that reading ahead went wrong.
func (c *Course) Fault() { c.Step, c.faults = 0, c.faults+1 }

// Window is how many octets may be asked for ahead.
func (c *Course) Window() int64 {
	if c.Step == 0 || c.steps < enoughSteps || c.faults >= MaxFaults {
		return 0
	}
	return min(max(c.least, 2*c.run), maxWindow)
}
