package uidl

import (
	"reflect"
	"testing"
)

// Two messages of one Message-ID and Date, at a server that does not count CR: the
// larger one's size there is the smaller one's here, and must not be taken for it.
func TestSizesOfAServerThatCountsWrongly(t *testing.T) {
	p := Print{1}
	sized := func(sizes ...int64) (all []Known) {
		for _, size := range sizes {
			all = append(all, Known{Print: p, Sizes: [2]int64{size}})
		}
		return all
	}
	for _, test := range []struct {
		old, new []Known
		want     []int
	}{
		{sized(100, 102), sized(102, 104), []int{-1, -1}},
		{sized(100, 102), sized(104, 102), []int{-1, -1}},
		{sized(100, 102), sized(100, 102), []int{0, 1}},
		{sized(100, 102), sized(102), []int{1}},
		{sized(102), sized(102, 104), []int{0, -1}},
	} {
		if got := Match(test.old, test.new); !reflect.DeepEqual(got, test.want) {
			t.Errorf("%v, %v: %v; want %v", test.old, test.new, got, test.want)
		}
	}
}
