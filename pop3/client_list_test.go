package pop3

import (
	"errors"
	"fmt"
	"io"
	"math"
	"reflect"
	"strings"
	"testing"
)

func TestClientListings(t *testing.T) {
	long := strings.Repeat("u", 300)
	tests := []struct {
		name, raw string // what follows the command's +OK
		list      []Listed
		uidl      []Identified
		listErr   error
		uidlErr   error
	}{
		{"empty", ".\r\n", nil, nil, nil, nil},
		{"LF only", "1 10\n.\n", []Listed{{1, 10}}, []Identified{{1, "10"}}, nil, nil},
		{"blanks and more", "  1 \t 10  +flags \r\n.\r\n", []Listed{{1, 10}}, []Identified{{1, "10  +flags"}}, nil, nil},
		{"gaps", "3 10\r\n7 20\r\n.\r\n", []Listed{{3, 10}, {7, 20}}, []Identified{{3, "10"}, {7, "20"}}, nil, nil},
		{"disorder", "2 10\r\n1 20\r\n.\r\n", []Listed{{2, 10}, {1, 20}}, []Identified{{2, "10"}, {1, "20"}}, nil, nil},
		{"stuffed", "..1 10\r\n.\r\n", nil, nil, ErrMalformed, ErrMalformed},
		{"odd UIDL", "1 a\x80 b\x01\r\n.\r\n", []Listed{{1, 0}}, []Identified{{1, "a\x80 b\x01"}}, nil, nil},
		{"long UIDL", "1 " + long + "\r\n.\r\n", []Listed{{1, 0}}, []Identified{{1, long}}, nil, nil},
		{"largest", "2147483647 9223372036854775807\r\n.\r\n", []Listed{{math.MaxInt32, math.MaxInt64}},
			[]Identified{{math.MaxInt32, "9223372036854775807"}}, nil, nil},
		{"number too large", "2147483648 1\r\n.\r\n", nil, nil, ErrMalformed, ErrMalformed},
		{"number wraps", "4294967297 1\r\n.\r\n", nil, nil, ErrMalformed, ErrMalformed},
		{"number wraps at 64", "18446744073709551617 1\r\n.\r\n", nil, nil, ErrMalformed, ErrMalformed},
		{"zero", "0 10\r\n.\r\n", nil, nil, ErrMalformed, ErrMalformed},
		{"negative", "-1 10\r\n.\r\n", nil, nil, ErrMalformed, ErrMalformed},
		{"sign", "+1 10\r\n.\r\n", nil, nil, ErrMalformed, ErrMalformed},
		{"twice", "1 10\r\n1 10\r\n.\r\n", nil, nil, ErrMalformed, ErrMalformed},
		{"twice in disorder", "2 10\r\n1 10\r\n2 10\r\n.\r\n", nil, nil, ErrMalformed, ErrMalformed},
		{"no value", "1\r\n.\r\n", []Listed{{1, 0}}, nil, nil, ErrMalformed},
		{"negative size", "1 -5\r\n.\r\n", []Listed{{1, 0}}, []Identified{{1, "-5"}}, nil, nil},
		{"empty line", "\r\n.\r\n", nil, nil, ErrMalformed, ErrMalformed},
		{"size too large", "1 9223372036854775808\r\n.\r\n", []Listed{{1, 0}}, []Identified{{1, "9223372036854775808"}}, nil, nil},
		{"junk", "hello\r\n.\r\n", nil, nil, ErrMalformed, ErrMalformed},
		{"too long", "1 " + strings.Repeat("9", clientMaxLine) + "\r\n.\r\n", nil, nil, ErrMalformed, ErrMalformed},
		{"too many", "1 1\r\n2 2\r\n3 3\r\n4 4\r\n.\r\n", nil, nil, ErrMalformed, ErrMalformed},
		{"cut", "1 10\r\n", nil, nil, io.ErrUnexpectedEOF, io.ErrUnexpectedEOF},
		{"cut in the end", "1 10\r\n.", nil, nil, io.ErrUnexpectedEOF, io.ErrUnexpectedEOF},
	}
	for _, test := range tests {
		for _, chunk := range []int{0, 1} {
			t.Run(fmt.Sprint(test.name, chunk), func(t *testing.T) {
				script := clientScript{text: fmt.Sprintf("C: LIST\nS: +OK\nR: %q", test.raw), chunk: chunk}
				c := script.client(t)
				c.options.MaxMessages = 3
				list, err := c.List(t.Context())
				if !errors.Is(err, test.listErr) || err == nil && !reflect.DeepEqual(list, test.list) {
					t.Errorf("LIST: %v, %v", list, err)
				}
				script.text = strings.Replace(script.text, "LIST", "UIDL", 1)
				c = script.client(t)
				c.options.MaxMessages = 3
				uidl, err := c.UIDL(t.Context())
				if !errors.Is(err, test.uidlErr) || err == nil && !reflect.DeepEqual(uidl, test.uidl) {
					t.Errorf("UIDL: %v, %v", uidl, err)
				}
			})
		}
	}
}

func TestClientListWithoutUIDL(t *testing.T) {
	const list = "S: +OK\nS: 1 10\nS: .\n"
	for _, test := range []struct {
		name, script string
		pipelining   bool
		refused      string
		listed       int
	}{
		{"waiting", "C: LIST\n" + list + "C: UIDL\nS: -ERR", false, "UIDL", 1},
		{"pipelined", "C: LIST\nC: UIDL\n" + list + "S: -ERR", true, "UIDL", 1},
		{"LIST refused, waiting", "C: LIST\nS: -ERR", false, "LIST", 0},
		{"LIST refused, pipelined", "C: LIST\nC: UIDL\nS: -ERR\nS: +OK\nS: 1 a\nS: .", true, "LIST", 0},
		{"both refused, pipelined", "C: LIST\nC: UIDL\nS: -ERR\nS: -ERR", true, "LIST", 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			script := clientSays(test.script + "\nC: NOOP\nS: +OK")
			c := script.client(t)
			c.options.Pipelining = test.pipelining
			sizes, _, err := c.ListUIDL(t.Context())
			var refused *ReplyError
			if !errors.As(err, &refused) || refused.Command != test.refused || len(sizes) != test.listed {
				t.Errorf("%v, %v", sizes, err)
			}
			if err := c.Noop(t.Context()); err != nil {
				t.Errorf("the connection is out of step: %v", err)
			}
		})
	}
}

func TestClientStat(t *testing.T) {
	for text, wrong := range map[string]bool{
		"+OK 2 320": false, "+OK 0 0": false, "+OK 2 320 and more": false,
		"+OK": true, "+OK 2": true, "+OK two": true, "+OK -1 5": true, "+OK 2 99999999999999999999": true, "+OK 2x 3": true,
	} {
		c := clientSays("C: STAT\nS: " + text).client(t)
		if _, _, err := c.Stat(t.Context()); (err != nil) != wrong {
			t.Errorf("%q: %v", text, err)
		}
	}
	c := clientSays("C: LAST\nS: +OK x").client(t)
	_, err := c.Last(t.Context())
	wantMalformed(t, c, err)
}

func TestClientCapabilities(t *testing.T) {
	c := clientSays("C: CAPA\nS: +OK\n" + strings.Repeat("S: TOP\n", 5) + "S: expire 60 USER\nS:\nS: .").client(t)
	caps, err := c.Capabilities(t.Context())
	if err != nil || len(caps) != 2 || !reflect.DeepEqual(caps["EXPIRE"], []string{"60", "USER"}) {
		t.Errorf("%v, %v", caps, err)
	}
	var many strings.Builder
	for i := range clientMaxCaps + 1 {
		fmt.Fprintf(&many, "S: X%d\n", i)
	}
	c = clientSays("C: CAPA\nS: +OK\n" + many.String() + "S: .").client(t)
	_, err = c.Capabilities(t.Context())
	wantMalformed(t, c, err)
}

// What a server counts in its +OK is not what it lists.
func TestClientListWrongCount(t *testing.T) {
	c := clientSays("C: LIST\nS: +OK 99 messages (0 octets)\nS: 1 10\nS: .").client(t)
	if list, err := c.List(t.Context()); err != nil || len(list) != 1 {
		t.Errorf("%v, %v", list, err)
	}
}
