package bridge

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/restante-mail/restante/upstream"
)

// text is a message of n octets, every part of which can be told from another.
func text(n int) string { return longText()[:n] }

var longText = sync.OnceValue(func() string {
	b := make([]byte, 0, 10<<20)
	for i := 0; len(b) < 9<<20; i++ {
		b = fmt.Appendf(b, "line %d\r\n", i)
	}
	return string(b)
})

// answering answers the first FETCH of UID 11's text, or all of them, with what
// stands there; %s is the tag. If the answer does not hold the tag, the
// connection is closed behind it.
func answering(answer string, always bool) func(c *fakeConn, session int, command string) bool {
	answered := make(chan struct{}, 1)
	return func(c *fakeConn, _ int, command string) bool {
		if !strings.HasPrefix(command, "UID FETCH 11 (UID BODY") {
			return false
		}
		select {
		case answered <- struct{}{}:
		default:
			if !always {
				return false
			}
		}
		c.send("%s", strings.ReplaceAll(answer, "%s", c.tag))
		if !strings.Contains(answer, "%s") {
			c.Close()
		}
		return true
	}
}

// TestFetchFaults: what a server can do wrong, once or always, and what becomes
// of it. The message is "hello", of UID 11; the next one, "world", must come
// whatever happened to the first.
func TestFetchFaults(t *testing.T) {
	const (
		fine = "" // the message comes, if need be over another connection
		fail = "an error of any words"
	)
	for _, c := range []struct{ name, answer, once, always string }{
		{"nothing", "%s OK done\r\n", fine, "without the message"},
		{"NIL", "* 1 FETCH (UID 11 BODY[] NIL)\r\n%s OK done\r\n", fine, "without the message's text"},
		{"empty", "* 1 FETCH (UID 11 BODY[] {0}\r\n)\r\n%s OK done\r\n", fine, "empty text"},
		{"empty string", "* 1 FETCH (UID 11 BODY[] \"\")\r\n%s OK done\r\n", fine, "empty text"},
		{"flags only", "* 1 FETCH (UID 11 FLAGS (\\Seen))\r\n%s OK done\r\n", fine, "without the message"},
		{"flags first", "* 1 FETCH (UID 11 FLAGS (\\Seen))\r\n* 1 FETCH (UID 11 BODY[] {5}\r\nhello)\r\n%s OK done\r\n", fine, fine},
		{"UID last", "* 1 FETCH (BODY[] {5}\r\nhello FLAGS (\\Seen) UID 11)\r\n%s OK done\r\n", fine, fine},
		{"noise", "* VANISHED 5\r\n\r\n+ what\r\n* 1 FETCH (UID 11 BODY[] {5}\r\nhello)\r\n* 9 EXISTS\r\n* XYZZY\r\n%s OK [Error=\"x\"] done\r\n", fine, fine},
		{"a quoted text", "* 1 FETCH (UID 11 BODY[] \"hel\\lo\")\r\n%s OK done\r\n", fine, fine},
		{"literal8", "* 1 FETCH (UID 11 BODY[] ~{5}\r\nhello)\r\n%s OK done\r\n", fine, fine},
		{"NO", "%s NO [UNAVAILABLE] Server error\r\n", "Server error", "Server error"},
		{"NO after the text", "* 1 FETCH (UID 11 BODY[] {5}\r\nhello)\r\n%s NO sorry\r\n", "sorry", "sorry"},
		{"NO, expunged", "%s NO [EXPUNGEISSUED] gone\r\n", fine, "gone"},
		{"BAD", "%s BAD what\r\n", "what", "what"},
		{"BYE", "* BYE dying\r\n", fine, "dying"},
		{"hung up", "", fine, "hung up"},
		{"cut before the text", "* 1 FETCH (UID 11 BO", fine, "unexpected EOF"},
		{"cut in the text", "* 1 FETCH (UID 11 BODY[] {5}\r\nhe", fine, "unexpected EOF"},
		{"cut in the text, UID unknown", "* 1 FETCH (BODY[] {5}\r\nwo", "unexpected EOF", "unexpected EOF"},
		{"cut behind the text", "* 1 FETCH (UID 11 BODY[] {5}\r\nhello", fine, fine}, // it is all there, and the size is right
		{"cut behind the text, UID unknown", "* 1 FETCH (BODY[] {5}\r\nworld", "unexpected EOF", "unexpected EOF"},
		{"cut before OK", "* 1 FETCH (UID 11 BODY[] {5}\r\nhello)\r\n", fine, fine},
		{"wrong UID", "* 1 FETCH (UID 12 BODY[] {5}\r\nworld)\r\n%s OK done\r\n", fine, "sent UID 12"},
		{"wrong UID last", "* 1 FETCH (BODY[] {5}\r\nworld UID 12)\r\n%s OK done\r\n", "sent UID 12", "sent UID 12"},
		{"two UIDs", "* 1 FETCH (UID 11 BODY[] {5}\r\nworld UID 12)\r\n%s OK done\r\n", "sent UID 12", "sent UID 12"},
		{"no UID", "* 1 FETCH (BODY[] {5}\r\nworld)\r\n%s OK done\r\n", "without saying which", "without saying which"},
		{"giant text", "* 1 FETCH (UID 11 BODY[] {999999999999}\r\n", fine, "999999999999"},
		{"giant line", "* 1 FETCH (UID 11 X \"" + strings.Repeat("x", 2*maxUnit), fine, "more than"},
		{"garbage", "\x00\x01\xff\r\n", fine, fail},
		{"garbage after the text", "* 1 FETCH (UID 11 BODY[] {5}\r\nhello\x00\r\n%s OK done\r\n", "no sense", "no sense"},
		{"another's tag", "T999 OK done\r\n", fine, fail},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, always := range []bool{false, true} {
				want := c.once
				if always {
					want = c.always
				}
				f := newFake(t, "hello", "world")
				f.instead = answering(c.answer, always)
				m, _ := f.opened()
				got, err := read(t, m, 11, upstream.Whole)
				switch {
				case want == fine && (got != "hello" || err != nil):
					t.Errorf("always %v: got %q, %v", always, got, err)
				case want == fail:
					kindIs(t, err, upstream.Unavailable, "")
				case want != fine:
					kindIs(t, err, upstream.Unavailable, want)
				}
				if got, err := read(t, m, 12, upstream.Whole); got != "world" || err != nil {
					t.Errorf("always %v: then %q, %v", always, got, err)
				}
			}
		})
	}
}

// TestGone: only a message that the server does not find is gone.
func TestGone(t *testing.T) {
	f := newFake(t, "one", "two")
	m, _ := f.opened()
	f.mu.Lock()
	f.messages = f.messages[1:]
	f.mu.Unlock()
	_, err := read(t, m, 11, upstream.Whole)
	kindIs(t, err, upstream.Gone, "")
	if text, err := read(t, m, 12, upstream.Whole); text != "two" || err != nil {
		t.Errorf("%q, %v", text, err)
	}
	for _, id := range []upstream.ID{{}, {Folder: 1, UID: 11}, {Folder: -1, UID: 11}} {
		_, err := m.Open(t.Context(), id, upstream.Whole)
		kindIs(t, err, upstream.Gone, "")
	}

	f = newFake(t, "one")
	f.instead = func(c *fakeConn, _ int, command string) bool {
		switch {
		case strings.HasPrefix(command, "UID FETCH 11"):
			c.ok("nothing")
		case strings.HasPrefix(command, "UID SEARCH"):
			c.no("cannot")
		default:
			return false
		}
		return true
	}
	m, _ = f.opened()
	_, err = read(t, m, 11, upstream.Whole)
	kindIs(t, err, upstream.Unavailable, "cannot")
}

// TestAbsurdSearch: a set without end is asked, not unrolled.
func TestAbsurdSearch(t *testing.T) {
	for answer, words := range map[string]string{
		"* ESEARCH (TAG \"%s\") UID ALL 1:4294967295\r\n": "without the message",
		"* ESEARCH (TAG \"%s\") UID ALL 1:*\r\n":          "dynamic",
	} {
		f := newFake(t, "one")
		f.instead = func(c *fakeConn, _ int, command string) bool {
			switch {
			case strings.HasPrefix(command, "UID FETCH 11"):
			case strings.HasPrefix(command, "UID SEARCH"):
				c.send(answer, c.tag)
			default:
				return false
			}
			c.ok("done")
			return true
		}
		m, _ := f.opened()
		_, err := read(t, m, 11, upstream.Whole)
		kindIs(t, err, upstream.Unavailable, words)
	}
}

// dying sends half of a message's text and dies, in the sessions that are named.
func dying(size int, sessions ...int) func(c *fakeConn, session int, command string) bool {
	return func(c *fakeConn, session int, command string) bool {
		if !strings.HasPrefix(command, "UID FETCH 11 (UID BODY") {
			return false
		}
		for _, s := range sessions {
			if s == session {
				c.send("* 1 FETCH (UID 11 BODY[] {%d}\r\n%s", size, text(size)[:size/2])
				c.Close()
				return true
			}
		}
		return false
	}
}

func TestResume(t *testing.T) {
	const size = 3<<20 + 17
	f := newFake(t, text(size))
	f.instead = dying(size, 1)
	m, _ := f.opened()
	got, err := read(t, m, 11, upstream.Whole)
	if err != nil || got != text(size) {
		t.Fatalf("%d octets of %d, %v", len(got), size, err)
	}
	said := f.heard("UID FETCH 11")
	if len(said) != 4 || said[1] != "UID FETCH 11 (UID RFC822.SIZE)" || !strings.Contains(said[2], "BODY.PEEK[]<") {
		t.Errorf("said %q", said)
	}
	if n := f.countSessions(); n != 2 {
		t.Errorf("%d sessions, want 2", n)
	}
}

// TestResumeRefused: nothing is put together from two different messages, and
// there is one resumption.
func TestResumeRefused(t *testing.T) {
	const size = 1 << 20
	for _, c := range []struct {
		name, words string
		change      func(f *fake)
		instead     func(c *fakeConn, session int, command string) bool
	}{
		{name: "UIDVALIDITY", words: "UIDVALIDITY", change: func(f *fake) { f.validity++ }},
		{name: "gone", words: "without the message", change: func(f *fake) { f.messages = nil }},
		{name: "grown", words: "its size was 1048576 and is 1048577", change: func(f *fake) { f.messages[0].text += "x" }},
		{name: "shrunk behind our back", words: "octets were left", instead: func(c *fakeConn, _ int, command string) bool {
			if strings.Contains(command, "<") {
				c.send("* 1 FETCH (UID 11 BODY[]%s {5}\r\nhello)\r\n", "<524288>")
				c.ok("done")
				return true
			}
			return false
		}},
		{name: "cannot do parts", words: "without the message", instead: func(c *fakeConn, _ int, command string) bool {
			if strings.Contains(command, "<") {
				c.send("* 1 FETCH (UID 11 BODY[] {5}\r\nhello)\r\n")
				c.ok("done")
				return true
			}
			return false
		}},
		{name: "dies again", words: "unexpected EOF", instead: func(c *fakeConn, session int, command string) bool {
			if strings.Contains(command, "<") {
				c.send("* 1 FETCH (UID 11 BODY[]<524288> {524288}\r\nhello")
				c.Close()
				return true
			}
			return false
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFake(t, text(size))
			die := dying(size, 1)
			f.instead = func(conn *fakeConn, session int, command string) bool {
				if session == 1 && c.change != nil && strings.HasPrefix(command, "UID FETCH 11") {
					conn.mu.Lock()
					c.change(conn.fake)
					conn.mu.Unlock()
				}
				return die(conn, session, command) || (session > 1 && c.instead != nil && c.instead(conn, session, command))
			}
			m, _ := f.opened()
			got, err := read(t, m, 11, upstream.Whole)
			if err == nil || !strings.Contains(err.Error(), c.words) {
				t.Errorf("%d octets, %v; want %q", len(got), err, c.words)
			}
			if !strings.HasPrefix(text(size), strings.TrimSuffix(got, "hello")) {
				t.Error("octets of something else")
			}
			if n := f.countSessions(); n != 2 {
				t.Errorf("%d sessions, want 2", n)
			}
		})
	}
}

// TestStalledServer: silence in the middle of a message is an error after the
// timeout; a client that does not read is none.
func TestStalledServer(t *testing.T) {
	const size = 1 << 20
	f := newFake(t, text(size))
	f.instead = func(c *fakeConn, _ int, command string) bool {
		switch {
		case strings.HasPrefix(command, "UID FETCH 11 (UID BODY.PEEK[])"):
			c.send("* 1 FETCH (UID 11 BODY[] {%d}\r\n%s", size, text(size)[:size/2])
			c.stall()
		case strings.HasPrefix(command, "UID FETCH 11 (UID BODY"): // the resumption
			c.stall()
		}
		return false
	}
	o := f.options()
	o.ReplyTimeout = 100 * time.Millisecond
	m, err := open(t, o).Open(t.Context(), alice)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	got, err := read(t, m.(*mailbox), 11, upstream.Whole)
	kindIs(t, err, upstream.Unavailable, "said nothing for 100ms")
	if len(got) > size/2 {
		t.Errorf("%d octets", len(got))
	}
}

func TestSlowClient(t *testing.T) {
	const size = 8 << 20 // more than fits into the sockets
	f := newFake(t, text(size))
	o := f.options()
	o.ReplyTimeout = 500 * time.Millisecond
	m, err := open(t, o).Open(t.Context(), alice)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	r, err := m.Open(t.Context(), upstream.ID{UID: 11}, upstream.Whole)
	if err != nil {
		t.Fatal(err)
	}
	var got strings.Builder
	if _, err := io.CopyN(&got, r, 1<<20); err != nil {
		t.Fatal(err)
	}
	time.Sleep(2 * o.ReplyTimeout) // this is the slow client, not a wait for something
	if _, err := io.Copy(&got, r); err != nil || got.String() != text(size) {
		t.Errorf("%d octets, %v", got.Len(), err)
	}
	if n := f.countSessions(); n != 1 {
		t.Errorf("%d sessions, want 1: the connection was lost", n)
	}
}

// TestTop: what is asked for a part of a message.
func TestTop(t *testing.T) {
	const large = 5 << 20
	for _, c := range []struct {
		size, lines int
		read        int // -1: all
		want        []string
	}{
		{1000, 0, -1, []string{"BODY.PEEK[]"}},
		{smallMessage, 0, 100, []string{"BODY.PEEK[]"}},
		{smallMessage + 1, 0, 100, []string{"BODY.PEEK[]<0.32768>"}},
		{large, 0, -1, nil},
		{large, 1000, 100, []string{"BODY.PEEK[]<0.116384>"}},
		{large, 40_000, 100, []string{"BODY.PEEK[]<0.1048576>"}},
		{large, 99_999_999, -1, []string{"BODY.PEEK[]"}},
		{large, 0, 32768 + 1, []string{"BODY.PEEK[]<0.32768>", "BODY.PEEK[]<32768.262144>"}},
		{32768 * 10, 0, -1, []string{"BODY.PEEK[]<0.32768>", "BODY.PEEK[]<32768.262144>", "BODY.PEEK[]<294912.262144>"}},
		{32768 + 262144, 0, -1, []string{"BODY.PEEK[]<0.32768>", "BODY.PEEK[]<32768.262144>", "BODY.PEEK[]<294912.262144>"}},
	} {
		f := newFake(t, text(c.size), "next")
		m, _ := f.opened()
		r, err := m.Open(t.Context(), upstream.ID{UID: 11}, upstream.Part{Lines: c.lines})
		if err != nil {
			t.Fatal(err)
		}
		want := text(c.size)
		limit := int64(c.size) + 1
		if c.read >= 0 {
			limit, want = int64(c.read), want[:c.read]
		}
		var got strings.Builder
		if _, err := io.CopyN(&got, r, limit); err != nil && !errors.Is(err, io.EOF) || got.String() != want {
			t.Errorf("%+v: %d octets, %v", c, got.Len(), err)
		}
		r.Close()
		if next, err := read(t, m, 12, upstream.Whole); next != "next" || err != nil {
			t.Errorf("%+v: then %q, %v", c, next, err)
		}
		said := f.heard("UID FETCH 11")
		for i := range said {
			said[i] = strings.TrimSuffix(strings.TrimPrefix(said[i], "UID FETCH 11 (UID "), ")")
		}
		if c.want != nil && strings.Join(said, " ") != strings.Join(c.want, " ") {
			t.Errorf("%+v: said %q", c, said)
		}
	}
}

// TestClosedEarly: little is read to its end, much costs the connection.
func TestClosedEarly(t *testing.T) {
	for _, c := range []struct{ size, read, sessions int }{
		{maxDrain, 0, 1}, {maxDrain + 1, 0, 2}, {maxDrain * 2, maxDrain, 1}, {maxDrain * 9, maxDrain, 2},
	} {
		f := newFake(t, text(c.size), "next")
		m, _ := f.opened()
		r, err := m.Open(t.Context(), upstream.ID{UID: 11}, upstream.Whole)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.CopyN(io.Discard, r, int64(c.read)); err != nil {
			t.Fatal(err)
		}
		if c.read == 0 { // a reader that was forgotten is closed by the next Open
			defer r.Close()
		} else {
			r.Close()
		}
		if next, err := read(t, m, 12, upstream.Whole); next != "next" || err != nil {
			t.Errorf("%+v: then %q, %v", c, next, err)
		}
		if n := f.countSessions(); n != c.sessions {
			t.Errorf("%+v: %d sessions", c, n)
		}
		if n, err := r.Read(make([]byte, 1)); n != 0 || err == nil {
			t.Errorf("%+v: read %d octets after Close, %v", c, n, err)
		}
	}
}

// TestCancelled: the end of the context ends everything that waits.
func TestCancelled(t *testing.T) {
	for _, at := range []string{"UID FETCH 1:*", "UID FETCH 11 (UID BODY.PEEK[])", "UID STORE", "UID SEARCH"} {
		f := newFake(t, "one")
		reached := make(chan struct{})
		f.instead = func(c *fakeConn, _ int, command string) bool {
			if strings.HasPrefix(command, at) {
				close(reached)
				c.stall()
			}
			return false
		}
		m := f.open()
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			<-reached
			cancel()
		}()
		err := everything(ctx, m)
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", at, err)
		}
		if n := f.countSessions(); n != 1 {
			t.Errorf("%s: %d sessions; a cancelled command was tried again", at, n)
		}
	}
}

// everything lists, reads UID 11 and expunges it.
func everything(ctx context.Context, m *mailbox) error {
	if _, err := m.Messages(ctx); err != nil {
		return err
	}
	r, err := m.Open(ctx, upstream.ID{UID: 11}, upstream.Whole)
	if err != nil {
		return err
	}
	if _, err := io.ReadAll(r); err != nil {
		return err
	}
	r.Close()
	return m.Apply(ctx, []upstream.Change{{ID: upstream.ID{UID: 11}, Do: upstream.Expunge}})[0].Err
}

// TestResumeAhead: the rest of a message that others follow comes in several
// pieces, over the one connection that replaces what broke.
func TestResumeAhead(t *testing.T) {
	all := append([]string{text(400 << 10), text(3 << 20)}, someTexts(20, 300<<10)...)
	f := newFake(t, all...)
	whole(f, func(c *fakeConn, session int, answer string) {
		if at := strings.Index(answer, "UID 12 "); session == 1 && at >= 0 {
			c.send("%s", answer[:at+1<<20])
			c.Close()
			return
		}
		c.send("%s", answer)
	})
	m := f.expecting()
	for i, want := range all[:4] {
		reads(t, m, 11+i, want)
	}
	if n := f.countSessions(); n != 2 {
		t.Errorf("%d sessions, want 2", n)
	}
}

// TestTopPiecesAhead: TOP of large messages in sequence, of which more is
// wanted than was guessed, does not lose the connection at each piece.
func TestTopPiecesAhead(t *testing.T) {
	all := someTexts(10, 2<<20)
	f := newFake(t, all...)
	m := f.expecting()
	for i, want := range all {
		if got, err := read(t, m, uint32(11+i), upstream.Part{Lines: 1000}); got != want || err != nil {
			t.Fatalf("UID %d: %d octets, want %d; %v", 11+i, len(got), len(want), err)
		}
	}
	if n := f.countSessions(); n > 2 {
		t.Errorf("%d sessions: the connection was given up again and again", n)
	}
}
