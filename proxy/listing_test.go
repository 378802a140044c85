package proxy

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/restante-mail/restante/pop3"
	"github.com/restante-mail/restante/upstream"
)

func TestMessages(t *testing.T) {
	f := newFake(t, "one\r\n", "second\r\n")
	m := f.open(t)
	if said := f.commands(); said[len(said)-1] != "PASS secret" {
		t.Errorf("listed before it was asked for: %q", said)
	}
	want := []upstream.Message{
		{ID: upstream.ID{UID: 1}, Size: 5, UIDL: "uidl-1"}, {ID: upstream.ID{UID: 2}, Size: 8, UIDL: "uidl-2"},
	}
	for range 2 {
		if got := m.listed(t); !reflect.DeepEqual(got, want) {
			t.Errorf("listed %v", got)
		}
	}
	if said := f.commands(); !reflect.DeepEqual(said[3:], []string{"LIST", "UIDL"}) {
		t.Errorf("said %q", said)
	}
}

// Without UIDL messages are named by their headers; without TOP too, not at all.
func TestMessagesWithoutUIDL(t *testing.T) {
	for _, test := range []struct {
		caps, uidl, top string
		named, wrong    bool
	}{
		{"", "-ERR unknown command", "", true, false},
		{"USER TOP", "-ERR", "", true, false},
		{"", "-ERR unknown command", "-ERR unknown command", false, false},
		{"USER", "-ERR", "", false, false},
		{"USER TOP", "-ERR [SYS/TEMP] not now", "", false, true}, // or every message would look new
		{fullCaps, "-ERR not now", "", false, true},
		{"USER TOP", "-ERR", "-ERR not now", false, true},
		{"", "-ERR", "-ERR [SYS/TEMP] not now", false, true},
	} {
		f := newFake(t, "one\r\n")
		f.announces(test.caps)
		f.does(func(_ int, command string) string {
			if command == "UIDL" {
				return test.uidl + "\r\n"
			}
			if strings.HasPrefix(command, "TOP") && test.top != "" {
				return test.top + "\r\n"
			}
			return ""
		})
		got, err := f.open(t).Messages(t.Context())
		if (err != nil) != test.wrong || err == nil && (len(got) != 1 || (got[0].UIDL != "") != test.named) {
			t.Errorf("%+v: %v, %v", test, got, err)
		}
	}
}

// A server whose UIDL has worked once has it: a refusal is a failure.
func TestUIDLThatWorkedOnce(t *testing.T) {
	f := newFake(t, "one\r\n")
	f.announces("")
	u := f.upstream(t)
	for session, fails := range []bool{false, true} {
		m, err := u.Open(t.Context(), alice)
		if err != nil {
			t.Fatal(err)
		}
		if fails {
			f.does(refuse("UIDL", "what?"))
		}
		if list, err := m.Messages(t.Context()); (err != nil) != fails {
			t.Errorf("session %d: %v, %v", session+1, list, err)
		}
		_ = m.Close()
	}
}

func TestListingsDisagree(t *testing.T) {
	sizes := []pop3.Listed{{Number: 3, Size: 30}, {Number: 1, Size: 10}}
	l, err := newListing(sizes, []pop3.Identified{{Number: 4, UIDL: "d"}, {Number: 3, UIDL: "c"}, {Number: 2, UIDL: "b"}, {Number: 1, UIDL: "a"}}, otherUIDL)
	if err != nil || len(l.messages) != 2 || l.messages[0].UIDL != "a" || l.messages[1].UIDL != "c" || l.messages[1].Size != 30 {
		t.Errorf("UIDL lists more: %v, %v", l, err)
	}
	for _, names := range [][]pop3.Identified{{}, {{Number: 1, UIDL: "a"}}, {{Number: 3, UIDL: "c"}}, {{Number: 2, UIDL: "b"}, {Number: 4, UIDL: "d"}}} {
		if l, err := newListing(sizes, names, otherUIDL); err == nil {
			t.Errorf("%v leaves out a message: %v", names, l.messages)
		}
	}
}

func TestOddUIDLs(t *testing.T) {
	said := []string{"good", "good", "with blank", strings.Repeat("x", 71), strings.Repeat("x", 70), "caf\xc3\xa9", "good"}
	var sizes []pop3.Listed
	var names []pop3.Identified
	for i, uidl := range said {
		sizes = append(sizes, pop3.Listed{Number: i + 1})
		names = append(names, pop3.Identified{Number: i + 1, UIDL: uidl})
	}
	l, err := newListing(sizes, names, otherUIDL)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for i, m := range l.messages {
		if !validUIDL(m.UIDL) || seen[m.UIDL] {
			t.Errorf("%q became %q", said[i], m.UIDL)
		}
		seen[m.UIDL] = true
		if l.uidl(m) != said[i] {
			t.Errorf("message %d was said to be %q", i+1, l.uidl(m))
		}
		if same := i == 0 || i == 4; same != (m.UIDL == said[i]) {
			t.Errorf("%q became %q", said[i], m.UIDL)
		}
	}
	again, err := newListing(sizes, names, otherUIDL)
	if err != nil || !reflect.DeepEqual(again.messages, l.messages) {
		t.Error("the same UIDLs are renamed differently the next time")
	}
}

// find knows a message by a UIDL that nothing else has, and its size.
func TestFind(t *testing.T) {
	list := func(lines ...string) *listing {
		var sizes []pop3.Listed
		var names []pop3.Identified
		for i, line := range lines {
			uidl, size, _ := strings.Cut(line, " ")
			n := len(size)
			sizes = append(sizes, pop3.Listed{Number: i + 1, Size: int64(n)})
			names = append(names, pop3.Identified{Number: i + 1, UIDL: uidl})
		}
		l, err := newListing(sizes, names, otherUIDL)
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	before := list("gone 1", "moved 12", "grown 1", "doubled 1", "twin 1", "twin 1")
	now := list("moved 12", "new 1", "grown 123", "doubled 1", "doubled 1", "twin 1")
	want := map[uint32]place{2: {1, true}, 3: {3, false}, 4: {5, false}, 5: {6, false}, 6: {6, false}}
	if got := before.find(now); !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	nameless, err := newListing([]pop3.Listed{{Number: 1, Size: 1}}, nil, otherUIDL)
	if err != nil {
		t.Fatal(err)
	}
	if got := nameless.find(nameless); got[1].proven {
		t.Error("a message without UIDL was proven to be the same")
	}
}

func BenchmarkListing(b *testing.B) {
	const n = 100_000
	sizes, names := make([]pop3.Listed, n), make([]pop3.Identified, n)
	for i := range n {
		sizes[i] = pop3.Listed{Number: i + 1, Size: int64(i)}
		names[i] = pop3.Identified{Number: i + 1, UIDL: fmt.Sprintf("%08x5f3a1c2e", i)}
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := newListing(sizes, names, otherUIDL); err != nil {
			b.Fatal(err)
		}
	}
}
