package pop3

import (
	"errors"
	"io"
	"strconv"
	"testing"
)

func TestClientAsks(t *testing.T) {
	s := clientScript{text: `
	C: RETR 1
	C: TOP 2 3
	C: RETR 3
	S: +OK 5 octets
	S: one
	S: .
	S: -ERR no such message
	S: +OK
	S: ..three
	S: .
	C: NOOP
	S: +OK
	`}
	c := s.client(t)
	c.options.Pipelining = true
	if err := c.Ask(t.Context(), Ask{1, -1}, Ask{2, 3}, Ask{3, -1}); err != nil {
		t.Fatal(err)
	}
	if err := c.Noop(t.Context()); !errors.Is(err, ErrAsked) {
		t.Errorf("a command among answers: %v", err)
	}
	if _, err := c.Retr(t.Context(), 1); !errors.Is(err, ErrAsked) {
		t.Errorf("RETR among answers: %v", err)
	}
	var refused *ReplyError
	for i, want := range []string{"one\r\n", "", ".three\r\n"} {
		body, err := c.Next(t.Context())
		if i == 1 {
			if !errors.As(err, &refused) || refused.Command != "TOP" {
				t.Errorf("TOP 2 3: %v", err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Next(t.Context()); !errors.Is(err, ErrBodyOpen) {
			t.Errorf("two bodies at once: %v", err)
		}
		got, err := io.ReadAll(body)
		if string(got) != want || err != nil || body.Octets() != int64(len(want)) {
			t.Errorf("message %d: %q, %v; %d octets", i+1, got, err, body.Octets())
		}
	}
	if _, err := c.Next(t.Context()); !errors.Is(err, ErrBodyOpen) {
		t.Errorf("nothing was asked for: %v", err)
	}
	if err := c.Noop(t.Context()); err != nil {
		t.Error(err)
	}
}

// Without pipelining one message at a time is asked for, and none beyond a bound.
func TestClientAskBounds(t *testing.T) {
	c := clientScript{text: "C: NOOP\nS: +OK"}.client(t)
	if err := c.Ask(t.Context(), Ask{1, -1}, Ask{2, -1}); !errors.Is(err, ErrAsked) {
		t.Errorf("two at once: %v", err)
	}
	c.options.Pipelining = true
	if err := c.Ask(t.Context(), make([]Ask, MaxAsked+1)...); err == nil {
		t.Error("more than the bound")
	}
	for _, wrong := range []Ask{{0, -1}, {-1, 0}} {
		if err := c.Ask(t.Context(), wrong); !errors.Is(err, ErrArgument) {
			t.Errorf("%v: %v", wrong, err)
		}
	}
	if err := c.Noop(t.Context()); err != nil {
		t.Errorf("nothing was sent, and the connection is: %v", err)
	}
}

// A connection that breaks among answers gives none of the others.
func TestClientAskCut(t *testing.T) {
	c := clientScript{text: "C: RETR 1\nC: RETR 2\nS: +OK\nS: half"}.client(t)
	c.options.Pipelining = true
	if err := c.Ask(t.Context(), Ask{1, -1}, Ask{2, -1}); err != nil {
		t.Fatal(err)
	}
	body, err := c.Next(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(body); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Error(err)
	}
	if body, err := c.Next(t.Context()); err == nil || len(c.Asked()) > 0 {
		t.Errorf("%v, and %v", body, c.Asked())
	}
}

// What comes behind the end of a message, and was not asked for, may be its rest.
func TestClientDataBehindTheEnd(t *testing.T) {
	c := clientScript{text: "C: RETR 1\nR: \"+OK\\r\\none\\r\\n.\\r\\nmore\\r\\n.\\r\\n\""}.client(t)
	body, err := c.Retr(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(body); !errors.Is(err, ErrMalformed) || c.Err() == nil {
		t.Errorf("%v, %v", err, c.Err())
	}
}

// A dot as the first line is the end, or is taken for a part of the message.
func TestClientFirstDot(t *testing.T) {
	for _, test := range []struct {
		raw   string
		empty bool
		taken string
	}{
		{"+OK\r\n.\r\n.\r\n", true, ".\r\n"},
		{"+OK\r\n.\r\nx\r\n..\r\n.\r\n", true, ".\r\nx\r\n.\r\n"},
		{"+OK\n.\nx\n.\n", true, ".\nx\n"},
		{"+OK\r\n.x\r\n.\r\n", false, ".x\r\n"},
		{"+OK\r\n..\r\n.\r\n", false, ".\r\n"},
	} {
		c := clientScript{text: "C: RETR 1\nR: " + strconv.Quote(test.raw), chunk: 1}.client(t)
		body, err := c.Retr(t.Context(), 1)
		if err != nil {
			t.Fatal(err)
		}
		empty := body.Empty()
		if empty {
			body.TakeDot()
		}
		got, err := io.ReadAll(body)
		if empty != test.empty || string(got) != test.taken || err != nil {
			t.Errorf("%q: %v, %q, %v", test.raw, empty, got, err)
		}
	}
}

func TestClientBeforeRead(t *testing.T) {
	c := clientScript{text: "C: NOOP\nS: +OK"}.client(t)
	calls := 0
	c.BeforeRead(func() { calls++ })
	if err := c.Noop(t.Context()); err != nil || calls != 1 {
		t.Errorf("%d calls, %v", calls, err)
	}
}
