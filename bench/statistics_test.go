package main

import (
	"math"
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
