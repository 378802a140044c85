package proxy

import (
	"sync"
	"time"

	"github.com/restante-mail/restante/pop3"
)

// memoryTime is how long capabilities are believed without asking again; a
// server that was changed in between refuses something, and is forgotten then.
const memoryTime = 5 * time.Minute

// memory keeps what servers announced, by address: a round trip less at every
// poll. There are as many entries as configured addresses.
type memory struct {
	mu    sync.Mutex
	known map[string]remembered
}

type remembered struct {
	caps  pop3.ServerCaps // never written to
	until time.Time
}

func (m *memory) get(address string) (caps pop3.ServerCaps, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r, ok := m.known[address]
	return r.caps, ok && time.Now().Before(r.until)
}

func (m *memory) put(address string, caps pop3.ServerCaps) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.known == nil {
		m.known = map[string]remembered{}
	}
	m.known[address] = remembered{caps, time.Now().Add(memoryTime)}
}

func (m *memory) forget(address string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.known, address)
}
