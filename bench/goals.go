package main

import (
	"fmt"
	"math"
)

// A goal is what Restante's figure should be: a multiple of another
// subject's, or, against nobody, a number.
type goal struct {
	against string
	limit   float64
	most    bool // at most, not at least
}

func goals(g ...goal) []goal                      { return g }
func atLeast(factor float64, against string) goal { return goal{against, factor, false} }
func atMost(factor float64, against string) goal  { return goal{against, factor, true} }
func noMore(limit float64) goal                   { return goal{"", limit, true} }

// met tells whether a ratio, or a figure itself, reaches the goal.
func (g goal) met(v float64) bool {
	if g.most {
		return v <= g.limit
	}
	return v >= g.limit
}

// judge writes the goal, and whether it is met.
func (g goal) judge(v float64) string {
	text := fmt.Sprintf("≥ %g", g.limit)
	if g.most {
		text = fmt.Sprintf("≤ %g", g.limit)
	}
	if g.against != "" {
		text += " × " + g.against
	}
	switch {
	case math.IsNaN(v):
		return text + ": not measured"
	case g.met(v):
		return text + ": met"
	default:
		return text + ": **missed**"
	}
}
