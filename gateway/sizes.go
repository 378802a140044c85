package gateway

import (
	"context"
	"sync"
	"time"

	"github.com/restante-mail/restante/pop3"
	"github.com/restante-mail/restante/upstream"
)

// sizes remembers how many octets RETR sent for a message, where the upstream
// said something else or only might be right. Its memory ends with the process.
type sizes struct {
	mu    sync.Mutex
	known map[sizeKey]int64
}

// maxSizes bounds the memory of sizes: about 100 octets each.
const maxSizes = 100_000

type sizeKey struct {
	maildrop    lockKey
	folder      string
	uidValidity uint32
	uid         uint32
}

func (s *sizes) learn(key sizeKey, octets int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.known) >= maxSizes {
		for any := range s.known { // whichever comes first: all are equally cheap to learn again
			delete(s.known, any)
			break
		}
	}
	s.known[key] = octets
}

func (s *sizes) lookUp(key sizeKey) (octets int64, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	octets, ok = s.known[key]
	return octets, ok
}

// The budget for learning exact sizes at one listing: what it does not reach
// keeps the upstream's figure until another session. It bounds how long a
// client waits for its first STAT.
const (
	exactMessages = 1000
	exactOctets   = 64 << 20
	exactTime     = 20 * time.Second
)

// measure reads the newest messages whose true size is unknown, within the budget.
func (s *session) measure(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, exactTime)
	defer cancel()
	messages, octets := 0, int64(0)
	for i := len(s.shown) - 1; i >= 0 && messages < exactMessages && ctx.Err() == nil; i-- {
		m := &s.shown[i]
		if m.Exact || octets+m.Size > exactOctets {
			continue
		}
		messages, octets = messages+1, octets+m.Size
		if err := s.measureOne(ctx, m); err != nil {
			s.log.WithError(err).Warn("learning exact sizes: stopped early")
			return
		}
	}
}

func (s *session) measureOne(ctx context.Context, m *upstream.Message) error {
	r, err := s.mailbox.Open(ctx, m.ID, upstream.Whole)
	if upstream.KindOf(err) == upstream.Gone && err != nil {
		return nil // it stays listed, and RETR will say that it is gone
	}
	if err != nil {
		return err
	}
	defer r.Close()
	octets, err := pop3.CountOctets(r)
	if err != nil {
		return err
	}
	s.learn(m, octets)
	m.Size, m.Exact = octets, true
	return nil
}
