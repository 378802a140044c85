package main

import (
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/restante-mail/restante/peertest"
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
	const begin, end = "<!-- make bench writes bridge from here -->\n", "<!-- bridge to here -->\n"
	write("before\n" + begin + "old\n" + end + "after\n")
	if err := replaceTable(path, "bridge", "new\n"); err != nil {
		t.Fatal(err)
	}
	if got, _ := os.ReadFile(path); string(got) != "before\n"+begin+"new\n"+end+"after\n" {
		t.Errorf("got %q", got)
	}
	write("no place\n")
	if err := replaceTable(path, "bridge", "new\n"); err == nil {
		t.Error("a document without a place for the table is no error")
	}
}

func TestTable(t *testing.T) {
	measured := &row{figures: []figure{
		{"speed", "1/s", goals(atLeast(2, "old"), atLeast(1.5, "other"))}, {"gateway", "s", goals(noMore(2), atMost(1, "other"))},
	}}
	r := newResults("bridge", []subject{{name: "old"}, {name: "other"}, {name: "new"}}, []*row{measured})
	for i, v := range []float64{1, 2, 3} {
		r.add(measured, 0, []float64{v, math.NaN()})
		other := []float64{math.NaN(), math.NaN()}
		if i == 0 {
			other[0] = 2
		}
		r.add(measured, 1, other)
		r.add(measured, 2, []float64{2 * v, v})
	}
	want := "| | old | other | new | unit | new ÷ old (interval) | new ÷ other (interval) | goal |\n|---|---|---|---|---|---|---|---|\n" +
		"| speed | 2.00 | 2.00 | 4.00 | 1/s | **2.00** (2.00 to 2.00) | **1.00** (once) | ≥ 2 × old: met; ≥ 1.5 × other: **missed** |\n" +
		"| gateway | – | – | 2.00 | s | – | – | ≤ 2: met; ≤ 1 × other: not measured |\n"
	if got := r.table(); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

// Who is slow takes part in few rounds, and who has no turn leaves a gap.
func TestTurn(t *testing.T) {
	for _, test := range []struct {
		every  int
		rounds []int
	}{
		{0, nil}, {1, []int{0, 1, 2, 3, 4, 5}}, {2, []int{1, 3, 5}}, {once, []int{1}},
	} {
		r := &row{
			figures: []figure{{name: "one"}, {name: "two"}},
			every:   func(subject) int { return test.every },
			measure: func(subject) ([]float64, error) { return []float64{1, 2}, nil },
		}
		var took []int
		for round := range 6 {
			values, err := r.turn(subject{}, round)
			if err != nil || len(values) != 2 {
				t.Fatalf("%v, %v", values, err)
			}
			if !math.IsNaN(values[0]) {
				took = append(took, round)
			}
		}
		if !slices.Equal(took, test.rounds) {
			t.Errorf("every %d: took part in %v, want %v", test.every, took, test.rounds)
		}
	}
}

func TestChosen(t *testing.T) {
	all := []*row{{name: "polls"}, {name: "retr4KiB"}, {name: "retr25MiB"}}
	for words, want := range map[string]int{"": 3, "retr": 2, "polls,retr4": 2} {
		if got, err := chosen(all, words); err != nil || len(got) != want {
			t.Errorf("%q: %d rows, %v", words, len(got), err)
		}
	}
	if _, err := chosen(all, "nothing"); err == nil {
		t.Error("a word that no row begins with is no error")
	}
}

func TestVerify(t *testing.T) {
	m := maildrop{"", "", 2000, 1}
	text := peertest.Text(0, m.size)
	wire := append([]byte("+OK\r\n"), append(text, ".\r\n"...)...)
	bounds := [][2]int{{5, len(wire)}}
	if err := verify(wire, bounds, m.sums()); err != nil {
		t.Error(err)
	}
	wire[100] ^= 1
	if err := verify(wire, bounds, m.sums()); err == nil {
		t.Error("a message that is another is no error")
	}
}

// Goals against the best compare with whoever was best in the same round.
func TestBest(t *testing.T) {
	nan := math.NaN()
	got := best([][][]float64{{{1, 5, nan}}, {{3, 2, 7}}}, 0)
	if !slices.Equal(got, []float64{3, 5, 7}) {
		t.Errorf("%v", got)
	}
}
