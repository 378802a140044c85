package mailboxtest

import (
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// What keeps the contract passes.
func TestPasses(t *testing.T) {
	t.Run("everything", func(t *testing.T) {
		Run(t, func(*testing.T) Fixture { return newPost("").fixture() })
	})
	t.Run("as POP3", func(t *testing.T) {
		Run(t, func(*testing.T) Fixture { return newPost("").plainFixture() })
	})
	t.Run("without expunge", func(t *testing.T) {
		Run(t, func(*testing.T) Fixture {
			p := newPost("")
			p.cannot = true
			return p.fixture()
		})
	})
}

// What breaks the contract fails, in the case that is meant for it.
func TestCatches(t *testing.T) {
	for _, c := range []struct{ bug, in string }{
		{"any password", "wrong password"},
		{"wrong kind of refusal", "wrong password"},
		{"trims passwords", "hostile credentials are data"},
		{"cuts credentials", "line ends in credentials are refused"},
		{"unquotes names", "hostile accounts"},
		{"opens when cancelled", "sign in with a cancelled context"},
		{"ends with the sign-in", "mailbox outlives the context of its sign-in"},

		{"one result short", "expunge"},
		{"newest first", "oldest first, each with its own ID"},
		{"one ID twice", "oldest first, each with its own ID"},
		{"a UIDL twice", "oldest first, each with its own ID"},
		{"a UIDL with a space", "oldest first, each with its own ID"},
		{"sizes off by two", "sizes"},
		{"sizes said to be exact", "sizes"},
		{"no seen in listings", "flags"},
		{"no marks in listings", "messages that others marked"},
		{"hides what is marked", "messages that others marked"},
		{"names by session", "names last beyond the session"},
		{"UIDLs by position", "names last beyond the session"},
		{"lists anew", "new mail is for the next session"},
		{"IDs without folders", "several folders"},
		{"forgets the folder", "several folders"},

		{"cuts the last line", "odd messages come back whole"},
		{"eats empty lines at the end", "odd messages come back whole"},
		{"eats dots", "odd messages come back whole"},
		{"stuffs dots", "odd messages come back whole"},
		{"ends at a dot", "odd messages come back whole"},
		{"strips the eighth bit", "odd messages come back whole"},
		{"strips NULs", "odd messages come back whole"},
		{"eats CRs", "odd messages come back whole"},
		{"quotes From", "odd messages come back whole"},
		{"folds long lines", "odd messages come back whole"},
		{"adds an empty line", "odd messages come back whole"},
		{"cuts at 64 KiB", "odd messages come back whole"},
		{"cuts at 4 MiB", "a message of 10 MiB"},
		{"parts without a body", "part of a message"},
		{"parts with too much", "part of a message"},
		{"parts a line short", "part of a message"},
		{"the first of every hundred", "read in any order, hundreds of times"},
		{"keeps what was left", "reader closed early"},
		{"addresses by position", "a message that others removed"},
		{"gone is unavailable", "a message that others removed"},
		{"gone is empty", "a message that is not there"},
		{"empty when cancelled", "read with a cancelled context"},
		{"ends when cancelled", "context cancelled while reading"},
		{"reading marks seen", "reading changes nothing"},
		{"reading marks deleted", "reading changes nothing"},

		{"expunges at close", "close without changes"},
		{"marks at close", "close without changes"},
		{"expunges the neighbour", "expunge"},
		{"expunges the neighbour, too", "expunge"},
		{"only marks", "expunge"},
		{"hides without a mark", "expunge"},
		{"expunges all that is marked", "expunge spares what others marked"},
		{"expunges all that is marked", "expunge spares what others marked meanwhile"},
		{"expunges at close", "expunge spares what others marked"},
		{"takes away marks", "expunge spares what others marked"},
		{"expunges the neighbour", "expunge what was marked before"},
		{"seen is not done", "mark seen"},
		{"all are seen", "mark seen"},
		{"flags replace each other", "flag"},
		{"copies", "move"},
		{"moves what is marked", "move"},
		{"moves to one UID", "move"},
		{"forgets UIDVALIDITY", "move"},
		{"knows no special use", "move to a special use"},
		{"stops at a failure", "all at once"},
		{"results the other way round", "all at once"},
		{"gone is an error", "what is gone is done"},
		{"addresses by position", "what is gone is done"},
		{"does a hundred", "hundreds of changes"},
		{"takes any keyword", "hostile targets are data"},
		{"makes any folder", "hostile targets are data"},
		{"says done when cancelled", "apply with a cancelled context"},
		{"clears all when cancelled", "apply with a cancelled context"},
		{"expunges the neighbour, too", "two sessions at once"},
		{"cuts at 64 KiB", "many sessions at once"},
	} {
		t.Run(c.bug+" in "+c.in, func(t *testing.T) { mustCatch(t, c.in, newPost(c.bug).fixture()) })
	}
	for _, c := range []struct{ bug, in string }{
		{"keeps the lock", "one session after another"},
		{"says done", "what the server cannot do is an error"},
	} {
		t.Run(c.bug+" in "+c.in, func(t *testing.T) { mustCatch(t, c.in, newPost(c.bug).plainFixture()) })
	}
}

func mustCatch(t *testing.T, name string, f Fixture) {
	t.Helper()
	cases := allCases()
	i := slices.IndexFunc(cases, func(c testCase) bool { return c.name == name })
	if i < 0 {
		t.Fatalf("there is no case %q", name)
	}
	r := record(t, func(tb testing.TB) { cases[i].try(tb, f) })
	if len(r.errors) == 0 {
		t.Error("not caught")
	}
	if testing.Verbose() && len(r.errors) > 0 {
		t.Logf("%.300s", r.errors[0])
	}
}

// A case whose ability is lacking is skipped with the reason, not passed over.
func TestSkips(t *testing.T) {
	f := newPost("").fixture()
	f.Remove = nil
	f.Lacks = map[Ability]string{Move: "no folders today"}
	for name, want := range map[string]string{
		"new mail is for the next session": "no other clients that change an open mailbox: the fixture has no way to do it",
		"move":                             "no folders to move to: no folders today",
	} {
		cases := allCases()
		i := slices.IndexFunc(cases, func(c testCase) bool { return c.name == name })
		r := record(t, func(tb testing.TB) { cases[i].try(tb, f) })
		if len(r.errors) > 0 || r.skipped != want {
			t.Errorf("%s: skipped with %q, want %q; errors %q", name, r.skipped, want, r.errors)
		}
	}
}

// A recorder stands for the test of a broken implementation.
type recorder struct {
	testing.TB
	mu       sync.Mutex
	errors   []string
	skipped  string
	cleanups []func()
}

// record runs a test to its end, as package testing would.
func record(t *testing.T, test func(testing.TB)) *recorder {
	r := &recorder{TB: t}
	r.toEnd(func() { test(r) })
	for _, cleanup := range slices.Backward(r.cleanups) {
		r.toEnd(cleanup)
	}
	return r
}

// toEnd gives f a goroutine that Fatal may end.
func (r *recorder) toEnd(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	select {
	case <-done:
	case <-time.After(waitFor):
		r.TB.Fatal("the case hangs")
	}
}

func (r *recorder) note(text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.errors = append(r.errors, text)
}

func (r *recorder) Cleanup(f func())                  { r.cleanups = append(r.cleanups, f) }
func (r *recorder) Error(args ...any)                 { r.note(fmt.Sprint(args...)) }
func (r *recorder) Errorf(format string, args ...any) { r.note(fmt.Sprintf(format, args...)) }
func (r *recorder) Log(...any)                        {}
func (r *recorder) Logf(string, ...any)               {}

func (r *recorder) Failed() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.errors) > 0
}

func (r *recorder) Fatalf(format string, args ...any) {
	r.Errorf(format, args...)
	runtime.Goexit()
}

func (r *recorder) Skipf(format string, args ...any) {
	r.skipped = fmt.Sprintf(format, args...)
	runtime.Goexit()
}
