package gateway_test

import (
	"bytes"
	"context"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/restante-mail/restante/bridge"
	"github.com/restante-mail/restante/pop3/pop3test"
	"github.com/restante-mail/restante/upstream"
)

// shelf is a bridge.Memory on which a test lays its hands.
type shelf struct {
	mu    sync.Mutex
	blobs map[string][]byte
	// old: what was saved first is what is found for ever.
	old bool
	// flips damages what is found.
	flips bool
	found int
}

func (s *shelf) Load(_ context.Context, key string) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	blob := bytes.Clone(s.blobs[key])
	if blob != nil {
		s.found++
	}
	if s.flips && len(blob) > 0 {
		blob[len(blob)*2/3] ^= 0x10
	}
	return blob, nil
}

func (s *shelf) Save(_ context.Context, key string, blob []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.blobs == nil {
		s.blobs = map[string][]byte{}
	}
	if s.blobs[key] == nil || !s.old {
		s.blobs[key] = bytes.Clone(blob)
	}
	return nil
}

// restarted is the bridge of a process that begins anew with each session: all
// that it knows is on the shelf.
type restarted struct {
	options bridge.Options
	mu      sync.Mutex
	past    []*bridge.Upstream
}

func (r *restarted) Open(ctx context.Context, login upstream.Login) (upstream.Mailbox, error) {
	b, err := bridge.New(r.options)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	r.past = append(r.past, b)
	r.mu.Unlock()
	return b.Open(ctx, login)
}

func (r *restarted) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, b := range r.past {
		_ = b.Close() // its sessions are over
	}
}

// TestConformanceOfCaches: whatever is remembered, and however wrong it is, a
// client sees the mailbox. Even the smallest is remembered here.
func TestConformanceOfCaches(t *testing.T) {
	states := map[string]*shelf{"remembered": {}, "stale": {old: true}, "corrupted": {flips: true}}
	for _, name := range slices.Sorted(maps.Keys(states)) {
		t.Run(name, func(t *testing.T) {
			state := states[name]
			pop3test.Run(t, func(t *testing.T, messages [][]byte) pop3test.Fixture { return visited(t, state, messages) })
			if state.found == 0 {
				t.Error("no listing was ever found")
			}
		})
	}
	t.Run("warm", func(t *testing.T) {
		pop3test.Run(t, func(t *testing.T, messages [][]byte) pop3test.Fixture { return visited(t, nil, messages) })
	})
}

// visited is a mailbox that was visited before; without a shelf the process
// goes on, and its connection is warm.
func visited(t *testing.T, state *shelf, messages [][]byte) pop3test.Fixture {
	address, inbox := mailServer(t, messages)
	options := bridge.Options{Addresses: []string{address}, Security: bridge.Plain, RememberFrom: 1}
	var server upstream.Server
	if state == nil {
		b, err := bridge.New(options)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = b.Close() })
		server = b
	} else {
		state.blobs = nil
		options.Memory, options.WarmIdle = state, -1
		r := &restarted{options: options}
		t.Cleanup(r.close)
		server = r
	}
	visit(t, server)
	return pop3test.Fixture{
		Backend: over(server, nil), User: user, Password: password,
		Remaining: func(testing.TB) [][]byte { return contents(inbox) },
	}
}

// visit lists the mailbox, so that it is remembered.
func visit(t *testing.T, server upstream.Server) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	m, err := server.Open(ctx, upstream.Login{User: user, Secret: secretPassword})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if _, err := m.Messages(ctx); err != nil {
		t.Fatal(err)
	}
}
