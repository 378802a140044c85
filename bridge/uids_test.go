package bridge

import (
	"slices"
	"testing"
)

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
