package readahead

import "sync/atomic"

// A Budget is what all sessions together may ask for ahead, in octets. Nobody
// waits for it: who gets nothing reads message by message. It is safe for
// concurrent use.
type Budget struct{ left atomic.Int64 }

// NewBudget returns a Budget of that many octets.
func NewBudget(octets int64) *Budget {
	b := &Budget{}
	b.left.Store(octets)
	return b
}

// TryTake takes n octets, or none and returns false.
func (b *Budget) TryTake(n int64) bool {
	if b.left.Add(-n) >= 0 {
		return true
	}
	b.left.Add(n)
	return false
}

// GiveBack gives back what was taken.
func (b *Budget) GiveBack(n int64) { b.left.Add(n) }

// Left is what can be taken.
func (b *Budget) Left() int64 { return b.left.Load() }
