package main

import (
	"math"
	"slices"
)

// median of values that are no NaN; NaN if there are none.
func median(values []float64) float64 {
	v := slices.DeleteFunc(slices.Clone(values), math.IsNaN)
	slices.Sort(v)
	switch n := len(v); {
	case n == 0:
		return math.NaN()
	case n%2 == 1:
		return v[n/2]
	default:
		return (v[n/2-1] + v[n/2]) / 2
	}
}

// confidence is the least probability that interval's result holds the true
// median, if there are enough values for it (six).
const confidence = 0.95

// interval is the narrowest pair of order statistics, as far from the ends as
// each other, that holds the true median with that confidence, whatever the
// distribution; of few values, the least and the largest.
func interval(values []float64) (low, high float64) {
	v := slices.Sorted(slices.Values(values))
	if len(v) == 0 {
		return math.NaN(), math.NaN()
	}
	k := 0
	for k+1 < len(v)/2 && coverage(len(v), k+1) >= confidence {
		k++
	}
	return v[k], v[len(v)-1-k]
}

// coverage is the probability that the true median is between the k-th value
// of n from either end (k from 0): that among n coins neither at most k heads
// nor at most k tails come up.
func coverage(n, k int) float64 {
	tail, ways := 0.0, 1.0
	for i := 0; i <= k; i++ {
		tail += ways
		ways = ways * float64(n-i) / float64(i+1)
	}
	return 1 - 2*tail/math.Pow(2, float64(n))
}

// ratios are a[i]/b[i]: what was measured in the same round belongs together.
func ratios(a, b []float64) (r []float64) {
	for i := range a {
		if q := a[i] / b[i]; !math.IsNaN(q) && !math.IsInf(q, 0) {
			r = append(r, q)
		}
	}
	return r
}
