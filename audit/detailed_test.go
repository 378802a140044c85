package audit

import "testing"

type describes struct{}

func (describes) Record(Event) {}

type counts struct{ describes }

func (counts) OnlyCounts() {}

func TestDetailed(t *testing.T) {
	for name, test := range map[string]struct {
		r    Recorder
		want bool
	}{
		"nobody": {nil, false}, "a trail": {describes{}, true}, "a counter": {counts{}, false},
		"both": {Join(counts{}, describes{}), true}, "two counters": {Join(counts{}, counts{}), false},
	} {
		if Detailed(test.r) != test.want {
			t.Errorf("%s: not %v", name, test.want)
		}
	}
}
