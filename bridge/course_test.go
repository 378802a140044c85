package bridge

import (
	"fmt"
	"slices"
	"testing"

	"github.com/restante-mail/restante/upstream"
)

// orderOf is a maildrop of n messages of that size, UIDs 11, 12...
func orderOf(n int, size int64) []upstream.Message {
	order := make([]upstream.Message, n)
	for i := range order {
		order[i] = upstream.Message{ID: upstream.ID{UID: uint32(11 + i)}, Size: size}
	}
	return order
}

// TestCourse: where a client seems to go, after what it opened. A RETR is the
// message's index, a TOP that plus 100.
func TestCourse(t *testing.T) {
	const size = 100 << 10
	for _, c := range []struct {
		opened []int
		next   int // what will be asked for first; -1: nothing
		window int64
	}{
		{nil, -1, 0},
		{[]int{0}, 1, firstWindow},
		{[]int{5}, 6, firstWindow}, // the first new one of many
		{[]int{9}, -1, firstWindow},
		{[]int{0, 1}, 2, firstWindow},
		{[]int{0, 1, 2, 3, 4}, 5, 2 * 4 * size},
		{[]int{0, 5}, -1, 0},
		{[]int{0, 5, 6}, 7, 0},
		{[]int{0, 5, 6, 7}, 8, 2 * size},
		{[]int{9, 8}, 7, 0},
		{[]int{9, 8, 7}, 6, 2 * size},
		{[]int{5, 4}, 3, 0},
		{[]int{5, 4, 3, 2, 1, 0}, -1, 2 * 4 * size},
		{[]int{3, 4, 0, 1}, 2, 0},
		{[]int{3, 4, 0, 1, 2}, 5, 2 * size}, // 3 and 4 it has
		{[]int{2, 2}, -1, 0},
		{[]int{100, 101}, 2, firstWindow},
		{[]int{100, 0}, -1, 0},
		{[]int{0, 100, 1, 101}, -1, 0},
		{[]int{100, 101, 102, 0, 1}, 2, 0},
		{[]int{1, -1, 2}, 3, firstWindow}, // -1: a message that is not the client's
	} {
		course := newCourse(orderOf(10, size))
		for _, i := range c.opened {
			lines := -1
			if i >= 100 {
				i, lines = i-100, 0
			}
			if found := course.find(upstream.ID{UID: uint32(11 + i)}); found != i {
				t.Fatalf("message %d found at %d", i, found)
			}
			course.visit(i, lines)
		}
		next := -1
		if course.step != 0 {
			next = course.next(course.at, course.step)
		}
		if next != c.next || course.window() != c.window {
			t.Errorf("%v: next is %d, window %d; want %d, %d", c.opened, next, course.window(), c.next, c.window)
		}
	}
}

// TestUIDRun: what goes in one command.
func TestUIDRun(t *testing.T) {
	for _, c := range []struct {
		uids []uint32
		want []string
	}{
		{[]uint32{7}, []string{"7"}},
		{[]uint32{7, 8, 9}, []string{"7:9"}},
		{[]uint32{7, 8, 10, 12, 13}, []string{"7:8,10,12:13"}},
		{[]uint32{9, 8, 7}, []string{"9", "8", "7"}},
		{[]uint32{9, 10, 3, 4}, []string{"9:10", "3:4"}},
		{[]uint32{9, 9}, []string{"9", "9"}},
		{[]uint32{7, 1000 + 8}, []string{"7", "8"}}, // over 1000 only a part of the message
		{[]uint32{1007, 1008, 1010}, []string{"7:8,10"}},
	} {
		var wants []want
		for _, uid := range c.uids {
			w := want{uid: uid, offset: -1}
			if uid > 1000 {
				w = want{uid: uid - 1000, size: 5}
			}
			wants = append(wants, w)
		}
		var got []string
		for len(wants) > 0 {
			set, n := uidRun(wants)
			got, wants = append(got, set), wants[n:]
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%v: %q, want %q", c.uids, got, c.want)
		}
	}
	var sparse []want
	for uid := uint32(4_000_000_000); len(sparse) < 5000; uid += 2 {
		sparse = append(sparse, want{uid: uid, offset: -1})
	}
	if set, n := uidRun(sparse); len(set) > maxSet+len(",4294967295") || n < 700 || set[len(set)-1] == ',' {
		t.Errorf("a set of %d octets for %d messages, ending in %q", len(set), n, set[len(set)-1])
	}
}

// TestBudget: it is never overdrawn.
func TestBudget(t *testing.T) {
	var b budget
	b.left.Store(10)
	got := fmt.Sprint(b.tryTake(6), b.tryTake(5), b.tryTake(4), b.tryTake(1))
	b.giveBack(4)
	if got += fmt.Sprint(b.tryTake(5), b.tryTake(4)); got != "true false true falsefalse true" {
		t.Error(got)
	}
}
