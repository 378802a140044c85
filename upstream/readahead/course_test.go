package readahead

import (
	"fmt"
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
		{[]int{0}, 1, FirstWindow},
		{[]int{5}, 6, FirstWindow}, // the first new one of many
		{[]int{9}, -1, FirstWindow},
		{[]int{0, 1}, 2, FirstWindow},
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
		{[]int{100, 101}, 2, FirstWindow},
		{[]int{100, 0}, -1, 0},
		{[]int{0, 100, 1, 101}, -1, 0},
		{[]int{100, 101, 102, 0, 1}, 2, 0},
		{[]int{1, -1, 2}, 3, FirstWindow}, // -1: a message that is not the client's
	} {
		course := New(orderOf(10, size))
		for _, i := range c.opened {
			lines := -1
			if i >= 100 {
				i, lines = i-100, 0
			}
			if found := course.Find(upstream.ID{UID: uint32(11 + i)}); found != i {
				t.Fatalf("message %d found at %d", i, found)
			}
			course.Visit(i, lines)
		}
		next := -1
		if course.Step != 0 {
			next = course.Next(course.At, course.Step)
		}
		if next != c.next || course.Window() != c.window {
			t.Errorf("%v: next is %d, window %d; want %d, %d", c.opened, next, course.Window(), c.next, c.window)
		}
	}
}

// TestBudget: it is never overdrawn.
func TestBudget(t *testing.T) {
	b := NewBudget(10)
	got := fmt.Sprint(b.TryTake(6), b.TryTake(5), b.TryTake(4), b.TryTake(1))
	b.GiveBack(4)
	if got += fmt.Sprint(b.TryTake(5), b.TryTake(4)); got != "true false true falsefalse true" {
		t.Error(got)
	}
}
