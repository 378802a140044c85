package pop3

import (
	"errors"
	"fmt"
	"math"
)

// maildrop is what the client has signed in to: the session's fixed list and
// the client's marks on it.
type maildrop struct {
	session  Session // nil before sign-in
	waits    bool    // the session tells before it waits
	listed   bool
	messages []Message
	hasUIDLs bool
	counted  bool // a Counter has told count and octets
	count    int
	octets   int64
	invalid  error  // the list was given, and cannot be shown
	deleted  []bool // nil while nothing is
	gone     int    // how many are deleted
	last     int    // highest number retrieved, for LAST
	before   int    // the same when the session began
	knowLast bool   // before was asked for
}

// closeSession lets go of the session, if there is one.
func (c *conn) closeSession() {
	if c.maildrop.session == nil {
		return
	}
	if err := c.maildrop.session.Close(); err != nil {
		c.tell("close the maildrop", err)
	}
}

// summarize adds what the maildrop tells to the summary.
func (c *conn) summarize() {
	m := &c.maildrop
	c.sum.Listed, c.sum.Deleted, c.sum.Messages = m.listed || m.counted, m.gone, len(m.messages)
	c.sum.Octets = 0
	if m.counted && !m.listed {
		c.sum.Messages, c.sum.Octets = m.count, m.octets
	}
	for _, msg := range m.messages {
		c.sum.Octets = addSizes(c.sum.Octets, msg.Size)
	}
}

// load lists the maildrop, at the first command that needs it.
func (c *conn) load() error {
	m := &c.maildrop
	switch {
	case m.listed:
		return nil
	case m.invalid != nil:
		return c.failed("list messages", m.invalid)
	}
	if err := c.flush(); err != nil {
		return c.lost(err)
	}
	ctx, cancel := c.backendContext()
	defer cancel()
	messages, err := m.session.Messages(ctx)
	if err == nil {
		m.hasUIDLs, m.invalid = checkMessages(messages)
		err = m.invalid
	}
	if err != nil {
		return c.failed("list messages", err)
	}
	m.messages, m.listed = messages, true
	return nil
}

// checkMessages refuses a listing that would break the protocol, and tells
// whether there are unique identifiers.
func checkMessages(messages []Message) (hasUIDLs bool, err error) {
	without := 0
	for i, m := range messages {
		switch {
		case m.Size < 0:
			return false, fmt.Errorf("message %d has a negative size", i+1)
		case m.UIDL == "":
			without++
		case !validUIDL(m.UIDL):
			return false, fmt.Errorf("message %d has the invalid UIDL %q", i+1, m.UIDL)
		}
	}
	if without > 0 && without < len(messages) {
		return false, errors.New("some messages have a UIDL and some have none")
	}
	return without == 0, nil
}

// validUIDL checks a unique-id: 1 to 70 characters of 0x21 to 0x7E (RFC 1939
// section 7).
func validUIDL(uidl string) bool {
	for i := range len(uidl) {
		if uidl[i] < 0x21 || uidl[i] > 0x7E {
			return false
		}
	}
	return len(uidl) >= 1 && len(uidl) <= 70
}

// message finds the message that a command names. It is the one place that
// knows which numbers exist.
func (c *conn) message(arg string) (i int, err error) {
	n, ok := parseNumber(arg)
	if !ok {
		return 0, bad("a message number is needed")
	}
	if err := c.load(); err != nil {
		return 0, err
	}
	switch {
	case n < 1 || n > len(c.maildrop.messages):
		return 0, &refusal{text: "no such message"}
	case c.isDeleted(n - 1):
		return 0, &refusal{text: "message is deleted"}
	}
	return n - 1, nil
}

// parseNumber reads a decimal number: digits and nothing else. One that is too
// large for an int becomes the largest int, for it is larger than anything
// there is to count, and must never wrap around to something that exists.
func parseNumber(s string) (n int, ok bool) {
	if s == "" {
		return 0, false
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		digit := int(s[i] - '0')
		if n > (math.MaxInt-digit)/10 {
			n = math.MaxInt
			continue
		}
		n = 10*n + digit
	}
	return n, true
}

func (c *conn) isDeleted(i int) bool {
	return c.maildrop.deleted != nil && c.maildrop.deleted[i]
}

// remaining counts what is not deleted.
func (c *conn) remaining() (messages, octets int64) {
	for i, m := range c.maildrop.messages {
		if !c.isDeleted(i) {
			messages++
			octets = addSizes(octets, m.Size)
		}
	}
	return messages, octets
}

// addSizes stops at the largest number instead of wrapping around.
func addSizes(a, b int64) int64 {
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}
