package bridge

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
	// firstWindow is for the first message of all, which nothing is known of.
	firstWindow = 256 << 10
	// againWindow is for a client that did not do what was expected, and now
	// reads in sequence.
	againWindow = 64 << 10
	// maxWindow fills 200 Mbit/s at a round trip of 150 ms.
	maxWindow = 4 << 20
)

// course is where a client stands in its maildrop and where it seems to go.
type course struct {
	order []upstream.Message // the client's
	read  []uint64           // a bit for each message that was opened whole
	at    int                // what was opened last; -1: nothing yet
	lines int                // of that
	step  int                // +1: upwards, -1: downwards, 0: who knows
	steps int                // taken that way
	least int64              // the least window
	run   int64              // octets opened in sequence
	// faults are how often a server did not do as it should with a command for
	// several messages.
	faults int
}

// maxFaults is when it gets none any more.
const maxFaults = 5

// enoughSteps in one direction are not chance, after others in none. What is
// opened at random seems to go somewhere once in a while, and all the more
// often the fewer messages are left.
const enoughSteps = 2

func newCourse(order []upstream.Message) course {
	return course{order: order, read: make([]uint64, (len(order)+63)/64), at: -1}
}

// find is the place of a message in the client's order, which is that of the
// listing with gaps; -1 if it has none.
func (c *course) find(id upstream.ID) int {
	if i := c.at + c.step; i >= 0 && i < len(c.order) && c.order[i].ID == id {
		return i
	}
	i, found := slices.BinarySearchFunc(c.order, id, func(m upstream.Message, id upstream.ID) int {
		return cmp.Or(cmp.Compare(m.ID.Folder, id.Folder), cmp.Compare(m.ID.UID, id.UID))
	})
	if !found {
		return -1
	}
	return i
}

// visit notes what the client opens.
func (c *course) visit(i, lines int) {
	switch was := c.at; {
	case i < 0:
		c.step = 0
	case was < 0:
		c.step, c.steps, c.least, c.run = 1, enoughSteps, firstWindow, 0 // who begins with the last is known soon
	case lines != c.lines:
		c.step = 0
	case c.step != 0 && i == c.next(was, c.step):
		c.steps++
		c.run += c.order[i].Size
	case i == c.next(was, 1):
		c.step, c.steps, c.least, c.run = 1, 1, againWindow, 0
	case i == c.next(was, -1):
		c.step, c.steps, c.least, c.run = -1, 1, againWindow, 0
	default:
		c.step = 0
	}
	c.at, c.lines = i, lines
	if i >= 0 && lines < 0 {
		c.read[i/64] |= 1 << (i % 64)
	}
}

// next is the message after i, in that direction, that the client does not
// have; -1 at the end.
func (c *course) next(i, step int) int {
	for i += step; i >= 0 && i < len(c.order); i += step {
		if c.read[i/64]&(1<<(i%64)) == 0 {
			return i
		}
	}
	return -1
}

// fault notes that reading ahead went wrong.
func (c *course) fault() { c.step, c.faults = 0, c.faults+1 }

// window is how many octets may be asked for ahead.
func (c *course) window() int64 {
	if c.step == 0 || c.steps < enoughSteps || c.faults >= maxFaults {
		return 0
	}
	return min(max(c.least, 2*c.run), maxWindow)
}
