package gateway

import (
	"fmt"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2/simplelru"

	"github.com/restante-mail/restante/audit"
	"github.com/restante-mail/restante/pop3"
)

// An Allowance bounds what clients fetch of one mailbox in a day, all its views
// together; 0 is no bound. A program that has gone mad downloads the same mail
// all day, and providers lock accounts that do.
type Allowance struct {
	Messages int   // by RETR
	Octets   int64 // by RETR and TOP, as listed
}

// allowances count what was fetched today (UTC). They forget it when the
// process ends: that is a bound too, and not worth a write for every session.
type allowances struct {
	mu  sync.Mutex
	day int64
	had *lru.LRU[accountKey, *Allowance]
}

// mostAllowances are counted, the longest unused of which go first.
const mostAllowances = 50_000

// topOverhead and topLine estimate what TOP fetches: its header, and its lines.
const topOverhead, topLine = 4 << 10, 80

// take counts a message, if something is left of the allowance. The last one
// may be larger than that.
func (a *allowances) take(key accountKey, most Allowance, octets int64, whole bool, now time.Time) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if day := now.Unix() / (24 * 60 * 60); a.had == nil || day != a.day {
		a.day = day
		a.had, _ = lru.NewLRU[accountKey, *Allowance](mostAllowances, nil)
	}
	had, ok := a.had.Get(key)
	if !ok {
		had = new(Allowance)
		a.had.Add(key, had)
	}
	if whole && most.Messages > 0 && had.Messages >= most.Messages || most.Octets > 0 && had.Octets >= most.Octets {
		return false
	}
	if whole {
		had.Messages++
	}
	had.Octets += octets
	return true
}

// mayFetch counts a message against the day's allowance.
func (s *session) mayFetch(i, lines int) error {
	most := s.gateway.Allowance
	if most == (Allowance{}) {
		return nil
	}
	octets := s.shown[i].Size
	if lines >= 0 {
		octets = min(octets, topOverhead+int64(min(lines, 1<<30))*topLine)
	}
	key := accountKey{s.route.Upstream, fold(s.route.User)}
	if s.gateway.Shared.fetched.take(key, most, octets, lines < 0, s.gateway.now()) {
		return nil
	}
	if s.recording() {
		s.gateway.Recorder.Record(&audit.LimitHit{Header: s.header(), Limit: "per_day",
			Detail: fmt.Sprintf("%d messages, %d octets", most.Messages, most.Octets)})
	}
	return &pop3.Error{Code: pop3.CodeSysTemp, Text: "This mailbox has had as much as it may in one day; try again tomorrow"}
}
