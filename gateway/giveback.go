package gateway

import (
	"runtime/debug"
	"sync/atomic"
	"time"
)

// A session over a maildrop this large leaves memory behind that the process
// will not need again soon, and the runtime would keep it for minutes.
const largeListing = 20_000

// giveBackEvery bounds how often the whole process collects its garbage for
// that: once costs some milliseconds.
const giveBackEvery = 10 * time.Second

// giveBack returns the memory of large listings to the system.
type giveBack struct{ last atomic.Int64 } // Unix time in ns

// after is called when a session's listing is not needed any more.
func (g *giveBack) after(listed int, now time.Time) {
	last := g.last.Load()
	if listed < largeListing || now.UnixNano()-last < int64(giveBackEvery) || !g.last.CompareAndSwap(last, now.UnixNano()) {
		return
	}
	debug.FreeOSMemory()
}
