package admin

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func check(kind Kind, name string, err error) Check {
	return Check{Kind: kind, Name: name, Do: func(context.Context) error { return err }}
}

func TestReady(t *testing.T) {
	broken := errors.New("broken")
	tests := []struct {
		name   string
		checks []Check
		want   bool
	}{
		{"nothing", nil, true},
		{"all", []Check{check(CheckListener, "a", nil), check(CheckState, "s", nil), check(CheckUpstream, "u", nil)}, true},
		{"a listener is down", []Check{check(CheckListener, "a", nil), check(CheckListener, "b", broken), check(CheckUpstream, "u", nil)}, false},
		{"the state cannot be written", []Check{check(CheckListener, "a", nil), check(CheckState, "s", broken), check(CheckUpstream, "u", nil)}, false},
		{"one upstream of two", []Check{check(CheckListener, "a", nil), check(CheckUpstream, "u", broken), check(CheckUpstream, "v", nil)}, true},
		{"no upstream", []Check{check(CheckListener, "a", nil), check(CheckUpstream, "u", broken)}, false},
	}
	for _, test := range tests {
		h := newHealth(func() []Check { return test.checks })
		found := h.find()
		if found.ready() != test.want || len(found.all) != len(test.checks) {
			t.Errorf("%s: ready %v, %+v", test.name, found.ready(), found.all)
		}
	}
}

// However many ask, a server behind is looked at once in a while.
func TestManyAskAndOneLooks(t *testing.T) {
	var looks atomic.Int32
	clock := time.Unix(1e9, 0)
	h := newHealth(func() []Check {
		return []Check{{Kind: CheckUpstream, Name: "u", Do: func(context.Context) error { looks.Add(1); return nil }}}
	})
	h.now = func() time.Time { return clock }
	storm := func() {
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() { h.find() })
		}
		all.Wait()
	}
	storm()
	if n := looks.Load(); n != 1 {
		t.Errorf("looked %d times", n)
	}
	clock = clock.Add(checkKept - time.Millisecond)
	storm()
	if n := looks.Load(); n != 1 {
		t.Errorf("looked %d times before it was due", n)
	}
	clock = clock.Add(time.Millisecond)
	storm()
	if n := looks.Load(); n != 2 {
		t.Errorf("looked %d times when it was due", n)
	}
	clock = clock.Add(-time.Hour) // stepped back
	if h.find(); looks.Load() != 3 {
		t.Errorf("a clock that steps back stops the looking")
	}
}

// A server behind that says nothing makes nobody wait for longer than the bound.
func TestSilentUpstream(t *testing.T) {
	h := newHealth(func() []Check {
		return []Check{{Kind: CheckUpstream, Name: "u", Do: func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }}}
	})
	h.bound = time.Millisecond
	if found := h.find(); found.ready() || found.all[0].Error == "" {
		t.Errorf("%+v", found)
	}
}

func TestProblems(t *testing.T) {
	now := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	well := Status{
		Findings:     []Finding{{Kind: CheckListener, Name: "a"}},
		Certificates: []Certificate{{"good.pem", now.Add(renewal + time.Hour)}},
		Sinks:        []Sink{{Name: "file", Written: 7}},
	}
	if all := well.problems(now); len(all) != 0 || all == nil {
		t.Errorf("nothing is wrong, and %q", all)
	}
	ill := Status{
		Stopping:     true,
		Findings:     []Finding{{Kind: CheckUpstream, Name: "u", Error: "refused"}},
		Reload:       Reload{Failed: now, Error: "bad key"},
		Certificates: []Certificate{{"old.pem", now.Add(-time.Hour)}, {"soon.pem", now.Add(time.Hour)}},
		Sinks:        []Sink{{Name: "file", Dropped: 3}, {Name: "syslog", Failing: true}},
	}
	want := []string{
		"Restante is stopping: nobody is let in any more",
		"upstream u: refused",
		"the last reload failed (2030-01-02 03:04:05), and the configuration before is in force: bad key",
		"certificate old.pem expired on 2030-01-02",
		"certificate soon.pem expires on 2030-01-02",
		"audit sink file has dropped 3 events since the start; the trail says where",
		"audit sink syslog cannot write; the log says why",
	}
	got := ill.problems(now)
	for i := range max(len(got), len(want)) {
		if i >= len(got) || i >= len(want) || got[i] != want[i] {
			t.Fatalf("got %q\nwant %q", got, want)
		}
	}
}
