package pop3

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
)

// Listed is one line of LIST.
type Listed struct {
	Number int   // at least 1
	Size   int64 // octets, as the server claims; 0 if what it says is no number
}

// Identified is one line of UIDL. The UIDL is what the server said, without
// the blanks around it: it is not empty, but may be long and hold any octet
// but CR, LF and NUL.
type Identified struct {
	Number int
	UIDL   string
}

// Stat asks for the number of messages and their size in octets.
func (c *Client) Stat(ctx context.Context) (count int, size int64, err error) {
	text, err := c.simple(ctx, "STAT", "STAT")
	if err != nil {
		return 0, 0, err
	}
	n, rest, ok := clientNumber([]byte(text), math.MaxInt32)
	size, _, fits := clientNumber(rest, math.MaxInt64)
	if !ok || !fits {
		return 0, 0, c.fail(fmt.Errorf("STAT: %w", ErrMalformed))
	}
	return int(n), size, nil
}

// Last asks for the highest message number that was ever retrieved (RFC 1460).
func (c *Client) Last(ctx context.Context) (int, error) {
	text, err := c.simple(ctx, "LAST", "LAST")
	if err != nil {
		return 0, err
	}
	n, _, ok := clientNumber([]byte(text), math.MaxInt32)
	if !ok {
		return 0, c.fail(fmt.Errorf("LAST: %w", ErrMalformed))
	}
	return int(n), nil
}

// List lists all messages, in the server's order. No number is repeated.
func (c *Client) List(ctx context.Context) (list []Listed, err error) {
	err = c.converse(ctx, func() error {
		if err := c.send("LIST", "LIST"); err != nil {
			return err
		}
		list, err = c.readList()
		return err
	})
	return list, err
}

// UIDL lists all unique identifiers, in the server's order. No number is
// repeated; identifiers may be.
func (c *Client) UIDL(ctx context.Context) (list []Identified, err error) {
	err = c.converse(ctx, func() error {
		if err := c.send("UIDL", "UIDL"); err != nil {
			return err
		}
		list, err = c.readUIDL()
		return err
	})
	return list, err
}

// ListUIDL does List and UIDL, in one flight if the server allows pipelining.
// If only UIDL is refused, list is good beside the *ReplyError, whose Command
// is UIDL.
func (c *Client) ListUIDL(ctx context.Context) (list []Listed, uidls []Identified, err error) {
	if !c.Pipelining() {
		if list, err = c.List(ctx); err != nil {
			return nil, nil, err
		}
		uidls, err = c.UIDL(ctx)
		return list, uidls, err
	}
	err = c.converse(ctx, func() error {
		if err := c.send("LIST", "LIST", "UIDL"); err != nil {
			return err
		}
		var listErr, uidlErr error
		var refused *ReplyError
		list, listErr = c.readList()
		if listErr != nil && !errors.As(listErr, &refused) {
			return listErr
		}
		uidls, uidlErr = c.readUIDL()
		if uidlErr != nil && !errors.As(uidlErr, &refused) {
			return uidlErr
		}
		if listErr != nil {
			return listErr
		}
		return uidlErr
	})
	return list, uidls, err
}

func (c *Client) readList() (list []Listed, err error) {
	seen := numberSet{}
	if _, err := c.status("LIST"); err != nil {
		return nil, err
	}
	err = c.lines("LIST", func(line []byte) error {
		n, rest, ok := clientMessageNumber(line)
		if !ok || !seen.add(n) {
			return fmt.Errorf("%w: no scan listing, or a number twice", ErrMalformed)
		}
		size, _, _ := clientNumber(rest, math.MaxInt64)
		list = append(list, Listed{n, size})
		return nil
	})
	return list, err
}

func (c *Client) readUIDL() (list []Identified, err error) {
	seen := numberSet{}
	if _, err := c.status("UIDL"); err != nil {
		return nil, err
	}
	err = c.lines("UIDL", func(line []byte) error {
		n, rest, ok := clientMessageNumber(line)
		uidl := bytes.Trim(rest, " \t")
		if !ok || len(uidl) == 0 || bytes.ContainsAny(uidl, "\r\x00") || !seen.add(n) {
			return fmt.Errorf("%w: no unique-id listing, or a number twice", ErrMalformed)
		}
		list = append(list, Identified{n, string(uidl)})
		return nil
	})
	return list, err
}

// numberSet finds repeated message numbers. Numbers that rise, as nearly all
// listings do, take no memory.
type numberSet struct {
	highest int
	below   map[int]bool // numbers up to highest, once a number did not rise
	risen   []int
}

// add takes a number and tells whether it was new.
func (s *numberSet) add(n int) bool {
	if s.below == nil && n > s.highest {
		s.highest = n
		s.risen = append(s.risen, n)
		return true
	}
	if s.below == nil {
		s.below = make(map[int]bool, len(s.risen)+1)
		for _, r := range s.risen {
			s.below[r] = true
		}
		s.risen = nil
	}
	if s.below[n] {
		return false
	}
	s.below[n] = true
	return true
}

// clientCommand writes a command with numbers as arguments.
func clientCommand(command string, numbers ...int) (string, error) {
	line := []byte(command)
	for _, n := range numbers {
		if n < 0 {
			return "", fmt.Errorf("%s: %w: %d", command, ErrArgument, n)
		}
		line = strconv.AppendInt(append(line, ' '), int64(n), 10)
	}
	return string(line), nil
}
