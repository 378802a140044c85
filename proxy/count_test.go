package proxy

import (
	"slices"
	"testing"

	"github.com/restante-mail/restante/upstream"
)

// TestCount: STAT costs a STAT, once, and is not asked after a listing.
func TestCount(t *testing.T) {
	f := newFake(t, "one\r\n", "second\r\n")
	f.stat = "+OK 2 13\r\n"
	u := f.upstream(t)
	m := f.openAt(t, u)
	for range 2 {
		if n, octets, ok, err := m.Count(t.Context()); n != 2 || octets != 13 || !ok || err != nil {
			t.Errorf("%d, %d, %v, %v", n, octets, ok, err)
		}
	}
	if said := f.commands()[3:]; !slices.Equal(said, []string{"STAT"}) {
		t.Errorf("said %q", said)
	}
	m.listed(t)
	if u.caps.knows(f.address).wrongStat {
		t.Error("the truth was taken for wrong")
	}
	if _, _, ok, err := m.Count(t.Context()); ok || err != nil {
		t.Errorf("after the listing: %v, %v", ok, err)
	}
}

// TestCountThatLies: its STAT is not believed again.
func TestCountThatLies(t *testing.T) {
	f := newFake(t, "one\r\n")
	f.stat = "+OK 7 13\r\n"
	u := f.upstream(t)
	m := f.openAt(t, u)
	if _, _, ok, err := m.Count(t.Context()); !ok || err != nil {
		t.Errorf("%v, %v", ok, err)
	}
	if list := m.listed(t); len(list) != 1 {
		t.Errorf("%v", list)
	}
	if _, _, ok, err := f.openAt(t, u).Count(t.Context()); ok || err != nil {
		t.Errorf("the next session: %v, %v", ok, err)
	}
}

func TestCountFails(t *testing.T) {
	for answer, sessions := range map[string]int{"-ERR [SYS/TEMP] no\r\n": 1, hangUp: 2, "+OK\r\n": 2, "+OK -1 5\r\n": 2} {
		f := newFake(t, "one\r\n")
		f.stat = answer
		m := f.open(t)
		if _, _, ok, err := m.Count(t.Context()); ok || upstream.KindOf(err) != upstream.Unavailable || err == nil {
			t.Errorf("%q: %v, %v", answer, ok, err)
		}
		if f.count() != sessions {
			t.Errorf("%q: %d sessions", answer, f.count())
		}
		if list := m.listed(t); len(list) != 1 {
			t.Errorf("%q: the maildrop cannot be listed afterwards", answer)
		}
	}
}
