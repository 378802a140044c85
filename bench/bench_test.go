package main

import (
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestMedian(t *testing.T) {
	for _, test := range []struct {
		values []float64
		want   float64
	}{
		{[]float64{3}, 3},
		{[]float64{9, 1, 2}, 2},
		{[]float64{4, 1, 3, 2}, 2.5},
	} {
		if got := median(test.values); got != test.want {
			t.Errorf("median of %v: %v", test.values, got)
		}
	}
	if !math.IsNaN(median(nil)) {
		t.Error("there is no median of nothing")
	}
}

// The intervals are those of any table of the sign test.
func TestInterval(t *testing.T) {
	for _, test := range []struct {
		n         int
		low, high float64
	}{
		{1, 1, 1}, {2, 1, 2}, {5, 1, 5}, {6, 1, 6}, {8, 1, 8}, {9, 2, 8}, {12, 3, 10}, {20, 6, 15},
	} {
		var values []float64
		for i := range test.n {
			values = append(values, float64(i+1))
		}
		slices.Reverse(values)
		if low, high := interval(values); low != test.low || high != test.high {
			t.Errorf("of %d values: %v to %v, want %v to %v", test.n, low, high, test.low, test.high)
		}
	}
}

func TestRatios(t *testing.T) {
	got := ratios([]float64{4, math.NaN(), 6, 1}, []float64{2, 1, 3, 0})
	if !slices.Equal(got, []float64{2, 2}) {
		t.Errorf("got %v", got)
	}
}

func TestReplaceTable(t *testing.T) {
	path := filepath.Join(t.TempDir(), "doc.md")
	write := func(text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("before\n" + tableBegin + "old\n" + tableEnd + "after\n")
	if err := replaceTable(path, "new\n"); err != nil {
		t.Fatal(err)
	}
	if got, _ := os.ReadFile(path); string(got) != "before\n"+tableBegin+"new\n"+tableEnd+"after\n" {
		t.Errorf("got %q", got)
	}
	write("no place\n")
	if err := replaceTable(path, "new\n"); err == nil {
		t.Error("a document without a place for the table is no error")
	}
}

func TestTable(t *testing.T) {
	measured := &row{figures: []figure{{"speed", "1/s"}, {"gateway", "s"}}}
	r := newResults([]subject{{name: "old"}, {name: "new"}}, []*row{measured})
	for _, v := range []float64{1, 2, 3} {
		r.add(measured, 0, []float64{v, math.NaN()})
		r.add(measured, 1, []float64{2 * v, v})
	}
	want := "| | new ÷ old (interval) | old | new | unit |\n|---|---|---|---|---|\n" +
		"| speed | **2.00** (2.00 to 2.00) | 2.00 | 4.00 | 1/s |\n" +
		"| gateway | – | – | 2.00 | s |\n"
	if got := r.table(); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}
