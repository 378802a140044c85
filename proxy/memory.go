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
	facts map[string]facts
}

// facts are what a server has shown of itself. They are kept as long as the
// Upstream is.
type facts struct {
	uidl      bool // UIDL has worked
	wrongStat bool // STAT and LIST disagree
	short     bool // a message had fewer octets than LIST says
	deaf      bool // it was logged that it does not want to hear of clients
}

// knows returns what is known of a server.
func (m *memory) knows(address string) facts {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.facts[address]
}

// learn adds to what is known of a server.
func (m *memory) learn(address string, add func(*facts)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f := m.facts[address]
	add(&f)
	if m.facts == nil {
		m.facts = map[string]facts{}
	}
	m.facts[address] = f
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
