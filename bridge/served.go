package bridge

import "sync"

// served is what a server could do the last time: enough to word commands
// before it has said so again. It is never believed further: whoever signs in
// compares, and asks again what was worded wrongly.
type served struct {
	before, after string // capabilities before and after sign-in
	silent        bool   // after sign-in it does not say them unasked
	// doubted: it refused a sign-in since. Perhaps only the password was wrong,
	// perhaps it can do other things now: it is asked, until one succeeds.
	doubted bool
}

// servers are those at the addresses of an Upstream.
type servers struct {
	mu        sync.Mutex
	byAddress map[string]served
}

func (s *servers) get(address string) served {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.byAddress[address]
}

func (s *servers) set(address string, known served) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.byAddress[address] = known
}

// doubt is for a sign-in that was refused.
func (s *servers) doubt(address string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if known, ok := s.byAddress[address]; ok {
		known.doubted = true
		s.byAddress[address] = known
	}
}

func (s *servers) forget(address string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.byAddress, address)
}
