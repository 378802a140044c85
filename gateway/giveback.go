package gateway

import (
	"runtime/debug"
	"sync/atomic"
	"time"
)

// A session over a maildrop this large leaves memory behind that the process
// will not need again soon, and the runtime would keep it for minutes.
const largeListing = 20_000

// giveBackAfter is how long sessions that end meanwhile are waited for:
// collecting the garbage of the whole process costs some milliseconds.
const giveBackAfter = 3 * time.Second

// giveBack returns the memory of large listings to the system.
type giveBack struct{ due atomic.Bool }

// after is called when a session's listing is not needed any more. The first
// one is given back at once, and what else ends soon after it together.
func (g *giveBack) after(listed int) {
	if listed < largeListing || !g.due.CompareAndSwap(false, true) {
		return
	}
	debug.FreeOSMemory()
	time.AfterFunc(giveBackAfter, func() {
		g.due.Store(false)
		debug.FreeOSMemory()
	})
}
