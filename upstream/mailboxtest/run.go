package mailboxtest

import (
	"bytes"
	"context"
	"io"
	"slices"
	"testing"
	"time"

	"github.com/restante-mail/restante/upstream"
)

const (
	// patience bounds each case, so that an implementation that hangs where it
	// has a context fails by name.
	patience = time.Minute
	// lockPatience is how long a server may take to notice that a session has
	// hung up, and to unlock the mailbox.
	lockPatience = 3 * time.Second
)

// A testCase is one promise of the contract.
type testCase struct {
	name  string
	needs []Ability
	run   func(s *suite)
}

// Run puts an implementation through all cases. open makes a new account for
// each, and leaves its end to t.Cleanup.
func Run(t *testing.T, open func(t *testing.T) Fixture) {
	for _, c := range allCases() {
		t.Run(c.name, func(t *testing.T) { c.try(t, open(t)) })
	}
}

func allCases() []testCase {
	return slices.Concat(signInCases, listingCases, readingCases, applyingCases, sharingCases)
}

func (c testCase) try(t testing.TB, f Fixture) {
	for _, need := range c.needs {
		if reason, lacks := f.lacks(need); lacks {
			t.Skipf("no %s: %s", need, reason)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	c.run(&suite{TB: t, f: f, ctx: ctx})
}

// A suite is one case at work.
type suite struct {
	testing.TB
	f   Fixture
	ctx context.Context
}

// A session is a mailbox that is closed at the latest when the case ends.
type session struct {
	upstream.Mailbox
	s      *suite
	closed bool
}

// open signs in with the fixture's credentials.
func (s *suite) open() *session {
	s.Helper()
	return s.openAs(s.f.Login)
}

func (s *suite) openAs(login upstream.Login) *session {
	s.Helper()
	mailbox, err := s.f.Server.Open(s.ctx, login)
	for begin := time.Now(); upstream.KindOf(err) == upstream.InUse && time.Since(begin) < lockPatience; {
		time.Sleep(time.Millisecond) // there is no event to wait for
		mailbox, err = s.f.Server.Open(s.ctx, login)
	}
	if err != nil {
		s.Fatalf("sign in as %q: %v", login.User, err)
	}
	m := &session{Mailbox: mailbox, s: s}
	s.Cleanup(m.end)
	return m
}

// end closes the mailbox once.
func (m *session) end() {
	m.s.Helper()
	if m.closed {
		return
	}
	m.closed = true
	if err := m.Close(); err != nil {
		m.s.Errorf("Close: %v", err)
	}
}

// list gives the listing, which must be of n messages.
func (m *session) list(n int) []upstream.Message {
	m.s.Helper()
	messages, err := m.Messages(m.s.ctx)
	if err != nil {
		m.s.Fatalf("Messages: %v", err)
	}
	if len(messages) != n {
		m.s.Fatalf("%d messages listed, want %d", len(messages), n)
	}
	if mailbox, ok := m.Mailbox.(upstream.Predictor); ok {
		mailbox.Expect(messages)
	}
	return messages
}

// read gives a part of a message, which must be there.
func (m *session) read(message upstream.Message, part upstream.Part) []byte {
	m.s.Helper()
	body, err := m.Open(m.s.ctx, message.ID, part)
	if err != nil {
		m.s.Fatalf("Open %v: %v", message.ID, err)
	}
	octets, err := io.ReadAll(body)
	if err != nil {
		m.s.Errorf("read %v: %v after %d octets", message.ID, err, len(octets))
	}
	if err := body.Close(); err != nil {
		m.s.Errorf("close reader of %v: %v", message.ID, err)
	}
	return octets
}

// whole reads a message and compares it.
func (m *session) whole(message upstream.Message, want []byte) {
	m.s.Helper()
	m.s.same(m.read(message, upstream.Whole), want)
}

// do applies changes, all of which must succeed.
func (m *session) do(changes ...upstream.Change) []upstream.Result {
	m.s.Helper()
	results := m.apply(changes...)
	for i, r := range results {
		if r.Err != nil {
			m.s.Errorf("%v of %v: %v", changes[i].Do, changes[i].ID, r.Err)
		}
	}
	return results
}

// apply applies changes, and makes sure of one result for each.
func (m *session) apply(changes ...upstream.Change) []upstream.Result {
	m.s.Helper()
	results := m.Apply(m.s.ctx, changes)
	if len(results) != len(changes) {
		m.s.Fatalf("%d results of %d changes", len(results), len(changes))
	}
	return results
}

func (s *suite) deliver(messages ...[]byte) {
	s.Helper()
	for _, raw := range messages {
		s.f.Append(s, raw, false)
	}
}

// same compares two messages as RETR sends them.
func (s *suite) same(got, want []byte) {
	s.Helper()
	got, want = Canonical(got), Canonical(want)
	if bytes.Equal(got, want) {
		return
	}
	at := 0
	for at < min(len(got), len(want)) && got[at] == want[at] {
		at++
	}
	s.Errorf("a message of %d octets, want %d; from %d on: %.60q, want %.60q", len(got), len(want), at, got[at:], want[at:])
}

// left checks that INBOX holds these messages and no others, and returns them.
func (s *suite) left(want ...[]byte) []Stored {
	s.Helper()
	return s.holds("INBOX", want...)
}

func (s *suite) holds(folder string, want ...[]byte) []Stored {
	s.Helper()
	stored := s.f.Contents(s, folder)
	if len(stored) != len(want) {
		s.Fatalf("%d messages in %s, want %d", len(stored), folder, len(want))
	}
	for i, message := range stored {
		s.same(message.Raw, want[i])
	}
	return stored
}
