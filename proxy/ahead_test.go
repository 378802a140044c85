package proxy

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/restante-mail/restante/upstream"
)

// texts are n different messages of that size or a bit more.
func texts(n, size int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf("Subject: %d\r\n\r\n%s\r\n", i+1, strings.Repeat("x", size))
	}
	return all
}

// expecting opens a maildrop that a client will read in order, on a server where
// RETR has no consequences.
func (f *fake) expecting(t *testing.T, declared bool) (*Mailbox, []upstream.Message) {
	t.Helper()
	u := f.upstream(t)
	u.options.Neutral = &declared
	opened, err := u.Open(t.Context(), alice)
	if err != nil {
		t.Fatal(err)
	}
	m := opened.(*Mailbox)
	t.Cleanup(func() {
		_ = m.Close()
		if left := u.budget.Left(); left != defaultReadAhead {
			t.Errorf("%d octets of the budget are left at the end", left)
		}
	})
	list := m.listed(t)
	m.Expect(list)
	return m, list
}

// TestAhead: every message is what it should be, whatever the order.
func TestAhead(t *testing.T) {
	for _, c := range []struct {
		name     string
		opens    []int
		sessions int
	}{
		{"upwards", []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, 1},
		{"downwards", []int{12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1}, 1},
		{"skipping", []int{1, 3, 4, 6, 11}, 1},
		{"twice", []int{1, 1, 2, 2}, 1},
		{"a jump over much", []int{1, 2, 3, 4, 5, 6, 1}, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			all := texts(12, 50_000)
			f := newFake(t, all...)
			m, list := f.expecting(t, true)
			for _, n := range c.opens {
				if got, err := m.text(t.Context(), list[n-1].ID); got != all[n-1] || err != nil {
					t.Fatalf("message %d: %d octets, %v", n, len(got), err)
				}
			}
			if f.count() != c.sessions {
				t.Errorf("%d sessions, want %d", f.count(), c.sessions)
			}
			read := m.upstream.ReadAhead()
			if c.name == "upwards" && (read.Wasted != 0 || read.Ahead < read.Read*9/10) {
				t.Errorf("%+v", read)
			}
		})
	}
}

// TestAheadIsAsked: in one write with the first, and not where it must not be.
func TestAheadIsAsked(t *testing.T) {
	for _, c := range []struct {
		name, caps string
		declared   bool
		answer     func(int, string) string
		ahead      bool
	}{
		{"declared neutral", fullCaps, true, nil, true},
		{"declared otherwise", fullCaps, false, nil, false},
		{"no pipelining", "USER UIDL TOP", true, nil, false},
		{"what is retrieved expires", fullCaps, true, capabilities("EXPIRE 0"), false},
		{"an expiry in days", fullCaps, true, capabilities("EXPIRE 30"), true},
		{"without UIDL and TOP", "USER PIPELINING", true, refuse("UIDL", "what?"), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFake(t, texts(5, 100)...)
			f.announces(c.caps)
			f.does(c.answer)
			m, list := f.expecting(t, c.declared)
			if _, err := m.text(t.Context(), list[0].ID); err != nil {
				t.Fatal(err)
			}
			if got := len(m.line.Asked()) > 0; got != c.ahead {
				t.Errorf("asked ahead: %v", got)
			}
		})
	}
}

// capabilities adds a line to what is announced.
func capabilities(line string) func(int, string) string {
	return func(_ int, command string) string {
		if command != "CAPA" {
			return ""
		}
		return "+OK\r\n" + strings.ReplaceAll(fullCaps, " ", "\r\n") + "\r\n" + line + "\r\n.\r\n"
	}
}

func TestNeutral(t *testing.T) {
	yes, no := true, false
	for _, c := range []struct {
		declared *bool
		expire   []string
		want     bool
	}{
		{nil, nil, false}, {&yes, nil, true}, {&no, nil, false},
		{nil, []string{"NEVER"}, true}, {&no, []string{"NEVER"}, false}, {nil, []string{"30"}, false},
		{&yes, []string{"0"}, false}, {&yes, []string{"0", "USER"}, false}, {&yes, []string{"30"}, true},
	} {
		l := line{declared: c.declared, caps: map[string][]string{}}
		if c.expire != nil {
			l.caps["EXPIRE"] = c.expire
		}
		if l.neutral() != c.want {
			t.Errorf("%v, EXPIRE %v: %v", c.declared, c.expire, !c.want)
		}
	}
}

// TestAheadTop: TOP never has consequences.
func TestAheadTop(t *testing.T) {
	f := newFake(t, texts(5, 100)...)
	m, list := f.expecting(t, false)
	for i := range list {
		body, err := m.Open(t.Context(), list[i].ID, upstream.Part{Lines: 0})
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(body)
		if err != nil || !strings.HasPrefix(string(got), fmt.Sprintf("Subject: %d\r\n", i+1)) {
			t.Errorf("TOP %d: %.20q, %v", i+1, got, err)
		}
		_ = body.Close()
		if i == 0 && len(m.line.Asked()) != 4 {
			t.Errorf("asked for %v", m.line.Asked())
		}
	}
	if results := m.Apply(t.Context(), expunge(1)); results[0].Err != nil || f.count() != 1 {
		t.Errorf("%v, in session %d", results, f.count())
	}
}

// TestAheadRefused: a message that the server refuses is that message alone.
func TestAheadRefused(t *testing.T) {
	all := texts(6, 100)
	f := newFake(t, all...)
	f.does(func(_ int, command string) string {
		if command == "RETR 3" {
			return "-ERR no such message\r\n"
		}
		return ""
	})
	m, list := f.expecting(t, true)
	for i := range list {
		got, err := m.text(t.Context(), list[i].ID)
		if i == 2 && upstream.KindOf(err) == upstream.Gone {
			continue
		}
		if got != all[i] || err != nil {
			t.Errorf("message %d: %.20q, %v", i+1, got, err)
		}
	}
}

// TestAheadCut: wherever the connection breaks, no message is another, and all
// can be read.
func TestAheadCut(t *testing.T) {
	all := []string{"the first\r\n", "another\r\n", "x\r\n", "the last of them\r\n"}
	for cut := range all {
		for at := range len(all[cut]) {
			f := newFake(t, all...)
			f.does(func(session int, command string) string {
				if session == 1 && command == fmt.Sprintf("RETR %d", cut+1) {
					return "+OK\r\n" + all[cut][:at] + hangUp
				}
				return ""
			})
			m, list := f.expecting(t, true)
			for i, want := range all {
				got, err := m.text(t.Context(), list[i].ID)
				if err != nil && i == cut {
					got, err = m.text(t.Context(), list[i].ID)
				}
				if got != want || err != nil {
					t.Errorf("cut in %d at %d: message %d is %q, %v", cut+1, at, i+1, got, err)
				}
			}
			_ = m.Close()
		}
	}
}

// TestAheadForged: a message whose dots the server does not stuff cannot pass
// for others, and is not given for whole where that shows.
func TestAheadForged(t *testing.T) {
	for text, whole := range map[string]bool{
		"Subject: 1\r\n\r\n.\r\n+OK\r\nforged\r\n.\r\n+OK\r\nforged\r\n": true, // as far as can be known
		"Subject: 1\r\n\r\n.\r\nthe rest\r\n":                            false,
	} {
		f := newFake(t, text, "second\r\n", "third\r\n", "fourth\r\n")
		m, list := f.expecting(t, true)
		if _, err := m.text(t.Context(), list[0].ID); (err == nil) != whole {
			t.Errorf("%q: %v", text, err)
		}
		for i, want := range []string{"second\r\n", "third\r\n", "fourth\r\n"} {
			if got, err := m.text(t.Context(), list[i+1].ID); got != want || err != nil {
				t.Errorf("message %d is %q, %v", i+2, got, err)
			}
		}
		if m.mayAhead(pending{}.ask) || f.count() != 2 {
			t.Errorf("still read ahead, or %d sessions", f.count())
		}
	}
}

// TestUndelivered: what was retrieved for no client must not meet a QUIT.
func TestUndelivered(t *testing.T) {
	for _, c := range []struct {
		name     string
		declared bool
		deletes  []uint32
		want     []string // what is said after the maildrop was read
	}{
		{"neutral", true, []uint32{1}, []string{"DELE 1", "QUIT"}},
		{"not neutral", false, []uint32{1}, []string{"USER alice", "PASS secret", "LIST", "UIDL", "DELE 1", "QUIT"}},
		{"nothing deleted", false, nil, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFake(t, "Subject: 1\r\n\r\none\r\n", "two\r\n")
			f.announces("USER UIDL PIPELINING") // no TOP: a RETR takes its place
			m, list := f.expecting(t, c.declared)
			m.Expect(nil)
			body, err := m.Open(t.Context(), list[0].ID, upstream.Part{})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadAll(body); err != nil {
				t.Fatal(err)
			}
			_ = body.Close()
			before := len(f.commands())
			for i, r := range m.Apply(t.Context(), expunge(c.deletes...)) {
				if r.Err != nil {
					t.Errorf("result %d: %v", i, r.Err)
				}
			}
			if said := f.commands()[before:]; !slices.Equal(said, c.want) {
				t.Errorf("said %q, want %q", said, c.want)
			}
		})
	}
}

// TestDeliveredMayQuit: what the client has, it has.
func TestDeliveredMayQuit(t *testing.T) {
	f := newFake(t, "one\r\n", "two\r\n")
	m, list := f.expecting(t, false)
	if _, err := m.text(t.Context(), list[0].ID); err != nil {
		t.Fatal(err)
	}
	if r := m.Apply(t.Context(), expunge(1)); r[0].Err != nil || f.count() != 1 {
		t.Errorf("%v, in session %d", r, f.count())
	}
}

// TestAheadAtQuit: unread messages are on their way at QUIT.
func TestAheadAtQuit(t *testing.T) {
	for _, size := range []int{100, 60_000} { // little is read, much is dropped with the connection
		f := newFake(t, texts(9, size)...)
		m, list := f.expecting(t, true)
		for i := range 4 {
			if _, err := m.text(t.Context(), list[i].ID); err != nil {
				t.Fatal(err)
			}
		}
		if r := m.Apply(t.Context(), expunge(1, 2)); r[0].Err != nil || r[1].Err != nil {
			t.Errorf("%v", r)
		}
		if left := f.left(); len(left) != 7 || left[0] != "uidl-3" {
			t.Errorf("left %v", left)
		}
	}
}

// TestBeforeWait: it is called before the server is waited for, and not for what
// has come.
func TestBeforeWait(t *testing.T) {
	f := newFake(t, texts(50, 100)...)
	m, list := f.expecting(t, true)
	waits := 0
	m.BeforeWait(func() { waits++ })
	for i := range list {
		if _, err := m.text(t.Context(), list[i].ID); err != nil {
			t.Fatal(err)
		}
		if i == 0 && waits == 0 {
			t.Error("it waited silently")
		}
	}
	if waits > 60 {
		t.Errorf("%d waits for 50 messages", waits)
	}
}
