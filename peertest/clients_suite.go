package peertest

import (
	"bytes"
	"maps"
	"slices"
	"testing"
)

// A Front is a POP3 server before a mailbox that can be looked at from behind.
type Front struct {
	POP3, POP3S string // host:port
	CA          string // file of the authority of its certificate
	Upstream    *DovecotServer
}

// account is alice's, with a home for the client.
func (f Front) account(t *testing.T, mode TLS) Account {
	a := Account{
		Addr: f.POP3, User: "alice", Password: f.Upstream.Password("alice"),
		TLS: mode, CA: f.CA, Home: ordinaryUser(t).tempDir(t),
	}
	if mode == ImplicitTLS {
		a.Addr = f.POP3S
	}
	return a
}

// TestClients drives every real client against a front for an empty mailbox of
// alice's: over plain connections, STLS and implicit TLS; keeping mail, running
// again, and deleting it. start is called for every test.
func TestClients(t *testing.T, start func(t *testing.T) Front) {
	for _, c := range Clients() {
		for _, mode := range c.Modes {
			t.Run(c.Name+" "+mode.String(), func(t *testing.T) {
				Need(t, c.Name)
				front := start(t)
				exchange(t, c, front, front.account(t, mode))
			})
		}
	}
}

// ordinary are messages that every client stores as they are.
func ordinaryMail() [][]byte {
	return [][]byte{
		Text(1, 400), Text(2, 4<<10), Text(3, 75<<10), Text(4, 1<<20),
		append(Text(5, 500), ".\r\n..\r\n.dot\r\n\r\n.\r\n"...),
		bytes.ReplaceAll(Text(6, 3000), []byte("\r\n"), []byte("\n")),
		append(Text(7, 400), "no final line end"...),
	}
}

// exchange has the client fetch and keep, fetch again, fetch what is new, and
// fetch and delete, and looks upstream after each.
func exchange(t *testing.T, c Client, front Front, a Account) {
	old, news := ordinaryMail(), Text(100, 2000)
	front.Upstream.Deliver("alice", "INBOX", old...)

	seen := `\Seen`
	if c.Tops {
		seen = ""
	}

	a.Keep = true
	same(t, "first run", c.Fetch(t, a), old)
	upstreamHolds(t, front, old, seen)

	if c.Remembers {
		same(t, "second run", c.Fetch(t, a), nil)
		front.Upstream.Deliver("alice", "INBOX", news)
		same(t, "third run", c.Fetch(t, a), [][]byte{news})
		upstreamHolds(t, front, append(old, news), seen)
		old = append(old, news)
	}

	a.Keep, a.Home = false, ordinaryUser(t).tempDir(t)
	same(t, "deleting run", c.Fetch(t, a), old)
	upstreamHolds(t, front, nil, "")
}

// same compares messages by their sums; the order is the client's own affair.
func same(t *testing.T, when string, got, want [][]byte) {
	t.Helper()
	gotSums, wantSums := sums(got), sums(want)
	if !slices.Equal(slices.Sorted(maps.Keys(gotSums)), slices.Sorted(maps.Keys(wantSums))) || len(got) != len(want) {
		t.Errorf("%s: %d messages, want %d", when, len(got), len(want))
		for sum, m := range gotSums {
			if wantSums[sum] == nil {
				t.Fatalf("%s: not what was delivered: %d octets, %.600q", when, len(m), m)
			}
		}
	}
}

func sums(messages [][]byte) map[string][]byte {
	bySum := map[string][]byte{}
	for _, m := range messages {
		bySum[Sum(m)] = m
	}
	return bySum
}

// upstreamHolds looks at the mailbox from behind.
func upstreamHolds(t *testing.T, front Front, want [][]byte, flags string) {
	t.Helper()
	got := front.Upstream.Messages("alice", "INBOX")
	if len(got) != len(want) {
		t.Fatalf("%d messages upstream, want %d", len(got), len(want))
	}
	for i, m := range got {
		if Sum(m.Octets) != Sum(want[i]) {
			t.Errorf("message %d changed upstream", i+1)
		}
		if m.Flags != flags {
			t.Errorf("message %d upstream: flags %q, want %q", i+1, m.Flags, flags)
		}
	}
}
