// Package pop3test proves that a pop3.Backend keeps the promises of POP3. Run
// puts any backend through a conformance suite, over a real TCP connection and
// with a client that believes nothing. Memory is a backend in memory whose
// every step can be made to fail. Start and Dial are what other tests need to
// talk to a server.
//
// What is expected comes from the RFCs and from reference code that is as
// plain as can be, never from what the server happens to say. The package is
// for tests only.
package pop3test

import (
	"net"
	"testing"

	"github.com/restante-mail/restante/pop3"
)

// A Fixture is a backend that holds one maildrop with known messages.
type Fixture struct {
	Backend        pop3.Backend
	User, Password string // sign in to that maildrop
	// Remaining returns the messages that are in the maildrop now, in order,
	// as the backend stores them. It is called while nobody is signed in.
	Remaining func(t testing.TB) [][]byte
	// Stored tells what the backend makes of a message that is put into it,
	// line ends aside, if it is not the message; nil if it changes nothing.
	Stored func(message []byte) []byte
	// Quirks that the server is to have.
	Quirks pop3.Quirks
}

// Run puts a backend through the suite. open makes a fresh maildrop with the
// given messages for each part of it; it may call t.Skip for messages that the
// backend cannot hold.
func Run(t *testing.T, open func(t *testing.T, messages [][]byte) Fixture) {
	for _, part := range suite {
		t.Run(part.name, func(t *testing.T) {
			part.run(t, func(t *testing.T, messages [][]byte) *maildrop {
				t.Helper()
				return newMaildrop(t, open(t, messages), messages)
			})
		})
	}
}

// opener makes a maildrop with messages behind a running server.
type opener func(t *testing.T, messages [][]byte) *maildrop

// suite lists the parts; each file holds some.
var suite = []struct {
	name string
	run  func(*testing.T, opener)
}{
	{"SignIn", testSignIn},
	{"Capabilities", testCapabilities},
	{"Listing", testListing},
	{"EmptyMaildrop", testEmptyMaildrop},
	{"Messages", testMessages},
	{"Numbers", testNumbers},
	{"Deletion", testDeletion},
	{"UpdateDeletesExactly", testUpdate},
	{"DropDeletesNothing", testDrop},
	{"UniqueIDs", testUniqueIDs},
	{"Last", testLast},
	{"Pipelining", testPipelining},
	{"Chunks", testChunks},
	{"HostileLines", testHostileLines},
}

// maildrop is a fixture behind a server.
type maildrop struct {
	Fixture
	server *Running
	want   [][]byte // each message as it is stored, and listed
	sent   [][]byte // what RETR must send of it
}

func newMaildrop(t *testing.T, f Fixture, messages [][]byte) *maildrop {
	m := &maildrop{Fixture: f, server: Start(t, &pop3.Server{Backend: f.Backend, Quirks: func(net.Addr) pop3.Quirks { return f.Quirks }})}
	for _, message := range messages {
		if f.Stored != nil {
			message = f.Stored(message)
		}
		m.want = append(m.want, Canonical(message))
		m.sent = append(m.sent, Adapted(Canonical(message), f.Quirks))
	}
	return m
}

// signIn opens a session.
func (m *maildrop) signIn(t testing.TB) *Conn {
	t.Helper()
	c := m.server.Dial(t)
	c.SignIn(m.User, m.Password)
	return c
}

// remains checks what is left, by index into the messages of the beginning.
func (m *maildrop) remains(t testing.TB, indexes ...int) {
	t.Helper()
	m.server.WaitIdle()
	left := m.Remaining(t)
	if len(left) != len(indexes) {
		t.Fatalf("%d messages remain, want %d", len(left), len(indexes))
	}
	for n, i := range indexes {
		if got := Canonical(left[n]); string(got) != string(m.want[i]) {
			t.Errorf("message %d that remains is %s, want %s", n+1, brief(got), brief(m.want[i]))
		}
	}
}
