package pop3test

import (
	"context"
	"net"
	"sync"
	"testing"

	"github.com/restante-mail/restante/pop3"
)

// Running is a server that listens on a loopback port until its test ends.
type Running struct {
	*pop3.Server
	Address string

	mu     sync.Mutex
	change *sync.Cond
	active int // connections dialled whose end was not reported
	ends   []pop3.Summary
}

// Start serves on a free port. It adds to the server's End hook.
func Start(t testing.TB, s *pop3.Server) *Running {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &Running{Server: s, Address: l.Addr().String()}
	r.change = sync.NewCond(&r.mu)
	before := s.Hooks.End
	s.Hooks.End = func(sum pop3.Summary) {
		if before != nil {
			before(sum)
		}
		r.ended(sum)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	t.Cleanup(func() { r.stop(t, served) })
	return r
}

func (r *Running) stop(t testing.TB, served chan error) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel() // whoever is still there is thrown out
	_ = r.Shutdown(ctx)
	if err := <-served; err != nil {
		t.Errorf("Serve: %v", err)
	}
}

// Dial connects to the server.
func (r *Running) Dial(t testing.TB) *Conn {
	t.Helper()
	r.mu.Lock()
	r.active++
	r.mu.Unlock()
	return Dial(t, r.Address)
}

func (r *Running) ended(sum pop3.Summary) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.active--
	r.ends = append(r.ends, sum)
	r.change.Broadcast()
}

// WaitIdle waits until every connection made by Dial is over.
func (r *Running) WaitIdle() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for r.active > 0 {
		r.change.Wait()
	}
}

// Ends waits until n connections are over and returns their summaries.
func (r *Running) Ends(n int) []pop3.Summary {
	r.mu.Lock()
	defer r.mu.Unlock()
	for len(r.ends) < n {
		r.change.Wait()
	}
	return r.ends
}
