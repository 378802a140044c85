package proxy

import (
	"reflect"
	"strings"
	"testing"

	"github.com/restante-mail/restante/upstream"
)

// A new session that could not be compared with the one before has other
// messages under the same numbers. It must be left, not used: otherwise a client
// is given another message, and a DELE removes one that it did not mean.
func TestSessionThatCannotBeCompared(t *testing.T) {
	for _, test := range []struct{ at, answer string }{
		{"LIST", "-ERR [SYS/TEMP] later\r\n"},
		{"LIST", "-ERR busy\r\n"},
		{"UIDL", "-ERR [SYS/TEMP] later\r\n"},
		{"UIDL", "+OK\r\n1 uidl-2\r\n.\r\n"}, // leaves one out
	} {
		f := newFake(t, "one\r\n", "two\r\n", "three\r\n")
		m := f.open(t)
		list := m.listed(t)
		f.change(func() { f.messages = f.messages[1:] }) // by another client
		f.does(func(session int, command string) string {
			switch {
			case session == 1 && strings.HasPrefix(command, "RETR"):
				return hangUp
			case session == 2 && command == test.at:
				return test.answer
			}
			return ""
		})
		if got, err := m.text(t.Context(), list[1].ID); err == nil {
			t.Errorf("%v: read %q of a session that cannot be compared", test, got)
		}
		if got, err := m.text(t.Context(), list[1].ID); got != "two\r\n" || err != nil {
			t.Errorf("%v: message 2 is %q, %v", test, got, err)
		}
		if results := m.Apply(t.Context(), expunge(2)); results[0].Err != nil {
			t.Errorf("%v: %v", test, results[0].Err)
		}
		if left := f.left(); !reflect.DeepEqual(left, []string{"uidl-3"}) {
			t.Errorf("%v: message 2 was deleted, and what is left is %v", test, left)
		}
	}
}

// The same where nothing is read in between: QUIT comes next.
func TestUpdateAfterASessionThatCannotBeCompared(t *testing.T) {
	f := newFake(t, "one\r\n", "two\r\n", "three\r\n")
	m := f.open(t)
	list := m.listed(t)
	f.change(func() { f.messages = f.messages[1:] })
	f.does(func(session int, command string) string {
		switch {
		case session == 1 && strings.HasPrefix(command, "RETR"):
			return hangUp
		case session >= 2 && command == "LIST":
			return "-ERR [SYS/TEMP] later\r\n"
		}
		return ""
	})
	if _, err := m.text(t.Context(), list[1].ID); upstream.KindOf(err) != upstream.Unavailable {
		t.Errorf("read: %v", err)
	}
	if results := m.Apply(t.Context(), expunge(2)); results[0].Err == nil {
		t.Error("a message was deleted in a session that cannot be compared")
	}
	if left := f.left(); len(left) != 2 {
		t.Errorf("left %v", left)
	}
}
