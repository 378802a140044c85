package bridge

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/restante-mail/restante/peertest"
	"github.com/restante-mail/restante/secret"
	"github.com/restante-mail/restante/upstream"
	"github.com/restante-mail/restante/upstream/readahead"
)

// texts are n different messages, of that size or a bit more.
func someTexts(n, size int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf("Subject: %d\r\n\r\n%s", i, text(size))
	}
	return all
}

// expecting is opened, with everything shown to the client.
func (f *fake) expecting() *mailbox {
	f.t.Helper()
	m, messages := f.opened()
	m.Expect(messages)
	return m
}

// fetches are the sets of UIDs whose texts were asked for.
func (f *fake) fetches() (sets []string) {
	for _, command := range f.heard("UID FETCH") {
		if strings.Contains(command, "(UID BODY.PEEK[]") {
			sets = append(sets, strings.Fields(command)[2])
		}
	}
	return sets
}

// reads checks that the message with that UID is text.
func reads(t *testing.T, m *mailbox, uid int, want string) {
	t.Helper()
	if got, err := read(t, m, uint32(uid), upstream.Whole); got != want || err != nil {
		t.Fatalf("UID %d: %d octets, want %d; %v", uid, len(got), len(want), err)
	}
}

// TestAhead: what is asked for, as messages of 50 KiB are opened.
func TestAhead(t *testing.T) {
	for _, c := range []struct {
		name  string
		opens []int
		want  []string
	}{
		{"upwards", []int{11, 12, 13, 14}, []string{"11:16", "17:19"}},
		{"from the middle", []int{17, 18, 19, 20}, []string{"17:20"}},
		{"the last", []int{20}, []string{"20"}},
		{"downwards", []int{20, 19, 18, 17, 16}, []string{"20", "19", "18", "17", "16", "15", "14", "13", "12"}},
		{"skipping", []int{11, 13, 16}, []string{"11:16"}},
		{"back", []int{15, 11}, []string{"15:20", "11"}},
		{"twice", []int{11, 11}, []string{"11:16", "11"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			all := someTexts(10, 50_000)
			f := newFake(t, all...)
			m := f.expecting()
			for _, uid := range c.opens {
				reads(t, m, uid, all[uid-11])
			}
			got := f.fetches()
			for end := time.Now().Add(5 * time.Second); len(got) < len(c.want) && time.Now().Before(end); got = f.fetches() {
				time.Sleep(time.Millisecond) // what is asked for ahead, the server hears later
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("asked for %q, want %q", got, c.want)
			}
			if m.link.held > 2*readahead.FirstWindow || m.u.budget.Left()+m.link.held != defaultReadAhead {
				t.Errorf("holds %d of the budget, and %d are left", m.link.held, m.u.budget.Left())
			}
			m.Close()
			if left := m.u.budget.Left(); left != defaultReadAhead {
				t.Errorf("%d octets of the budget are left at the end", left)
			}
		})
	}
}

// TestAheadNotAsked: nothing is read ahead that nobody was told of.
func TestAheadNotAsked(t *testing.T) {
	all := someTexts(5, 100)
	f := newFake(t, all...)
	m, messages := f.opened()
	reads(t, m, 11, all[0])
	m.Expect([]upstream.Message{messages[1], messages[3]}) // the rest is hidden
	reads(t, m, 12, all[1])
	reads(t, m, 14, all[3])
	if got := f.fetches(); !slices.Equal(got, []string{"11", "12,14"}) {
		t.Errorf("asked for %q", got)
	}
}

// TestAheadSizes: a message too large for the window goes alone.
func TestAheadSizes(t *testing.T) {
	all := append(someTexts(2, 100), text(5<<20), text(100), text(readahead.FirstWindow))
	f := newFake(t, all...)
	m := f.expecting()
	for i, want := range all {
		reads(t, m, 11+i, want)
	}
	if got := f.fetches(); !slices.Equal(got, []string{"11:12", "13", "14:15"}) {
		t.Errorf("asked for %q", got)
	}
}

// TestAheadTop: TOP of one message after the other, with a part of the large ones.
func TestAheadTop(t *testing.T) {
	all := append(someTexts(3, 1000), text(1<<20), text(1<<20))
	f := newFake(t, all...)
	m := f.expecting()
	for i, want := range all {
		r, err := m.Open(t.Context(), upstream.ID{UID: uint32(11 + i)}, upstream.Part{Lines: 0})
		if err != nil {
			t.Fatal(err)
		}
		got := make([]byte, 900)
		if _, err := io.ReadFull(r, got); err != nil || string(got) != want[:900] {
			t.Errorf("UID %d: %v", 11+i, err)
		}
		r.Close()
	}
	if got := f.heard("UID FETCH 14:15 (UID BODY.PEEK[]<0.32768>)"); len(got) != 1 {
		t.Errorf("asked for %q", f.heard("UID FETCH"))
	}
	if got := f.fetches(); !slices.Equal(got, []string{"11:13", "14:15"}) {
		t.Errorf("asked for %q", got)
	}
}

// whole answers a FETCH of texts with what instead makes of the ordinary answer.
func whole(f *fake, instead func(c *fakeConn, session int, answer string)) {
	f.instead = func(c *fakeConn, session int, command string) bool {
		if !strings.Contains(command, "(UID BODY.PEEK[])") {
			return false
		}
		var answer strings.Builder
		c.mu.Lock()
		for i, m := range c.messages {
			if inSet(m.uid, strings.Fields(command)[2]) {
				fmt.Fprintf(&answer, "* %d FETCH (UID %d BODY[] {%d}\r\n%s)\r\n", i+1, m.uid, len(m.text), m.text)
			}
		}
		c.mu.Unlock()
		instead(c, session, answer.String()+c.tag+" OK done\r\n")
		return true
	}
}

// TestAheadCut: wherever the connection breaks, every message is read whole.
func TestAheadCut(t *testing.T) {
	all := []string{"the first", "another", "x", "the last of them"}
	var answer strings.Builder
	for i, text := range all {
		fmt.Fprintf(&answer, "* %d FETCH (UID %d BODY[] {%d}\r\n%s)\r\n", i+1, 11+i, len(text), text)
	}
	for at := range answer.Len() {
		f := newFake(t, all...)
		whole(f, func(c *fakeConn, session int, answer string) {
			if session == 1 {
				c.send("%s", answer[:at])
				c.Close()
				return
			}
			c.send("%s", answer)
		})
		m := f.expecting()
		for i, want := range all {
			if got, err := read(t, m, uint32(11+i), upstream.Whole); got != want || err != nil {
				t.Errorf("cut at %d: UID %d: %q, %v", at, 11+i, got, err)
			}
		}
		m.Close()
		if left := m.u.budget.Left(); left != defaultReadAhead {
			t.Errorf("cut at %d: %d octets of the budget are left", at, left)
		}
	}
}

// TestAheadAnswers: what a server may make of a command for several messages.
// No message is ever another.
func TestAheadAnswers(t *testing.T) {
	one, two, three := "the first", "the second", "and the third"
	plain := func(uid int, text string) string {
		return fmt.Sprintf("* 1 FETCH (UID %d BODY[] {%d}\r\n%s)\r\n", uid, len(text), text)
	}
	for _, c := range []struct{ name, answer string }{
		{"in order", plain(11, one) + plain(12, two) + plain(13, three) + "%s OK done\r\n"},
		{"flags between", "* 2 FETCH (UID 12 FLAGS (\\Seen))\r\n" + plain(11, one) + "* 3 FETCH (FLAGS ())\r\n* 9 EXISTS\r\n" +
			plain(12, two) + "* 9 EXPUNGE\r\n* 2 FETCH (UID 12 FLAGS ())\r\n" + plain(13, three) + "%s OK done\r\n"},
		{"out of order", plain(12, two) + plain(11, one) + plain(13, three) + "%s OK done\r\n"},
		{"backwards", plain(13, three) + plain(12, two) + plain(11, one) + "%s OK done\r\n"},
		{"one missing", plain(11, one) + plain(13, three) + "%s OK done\r\n"},
		{"the first missing", plain(12, two) + plain(13, three) + "%s OK done\r\n"},
		{"the last missing", plain(11, one) + plain(12, two) + "%s OK done\r\n"},
		{"nothing", "%s OK done\r\n"},
		{"NO", "%s NO not so many\r\n"},
		{"BAD", "%s BAD not so many\r\n"},
		{"NO in the end", plain(11, one) + plain(12, two) + "%s NO [EXPUNGEISSUED] some are gone\r\n"},
		{"another message", plain(11, one) + plain(99, two) + plain(13, three) + "%s OK done\r\n"},
		{"the same again", plain(11, one) + plain(11, one) + plain(12, two) + plain(13, three) + "%s OK done\r\n"},
		{"UIDs last", "* 1 FETCH (BODY[] {9}\r\nthe first UID 11)\r\n* 2 FETCH (BODY[] {10}\r\nthe second UID 12)\r\n* 3 FETCH (BODY[] {13}\r\nand the third UID 13)\r\n%s OK done\r\n"},
		{"one empty", plain(11, one) + plain(12, "") + plain(13, three) + "%s OK done\r\n"},
		{"one NIL", plain(11, one) + "* 2 FETCH (UID 12 BODY[] NIL)\r\n" + plain(13, three) + "%s OK done\r\n"},
		{"one quoted", plain(11, one) + "* 2 FETCH (UID 12 BODY[] \"the second\")\r\n" + plain(13, three) + "%s OK done\r\n"},
		{"BYE", plain(11, one) + "* BYE enough\r\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, started := range []bool{false, true} {
				f := newFake(t, one, two, three)
				f.instead = func(conn *fakeConn, _ int, command string) bool {
					if !strings.HasPrefix(command, "UID FETCH 11:13 (UID BODY") {
						return false
					}
					conn.send(c.answer, conn.tag)
					return true
				}
				m := f.expecting()
				if started {
					m.link.start()
				}
				reads(t, m, 11, one)
				reads(t, m, 12, two)
				reads(t, m, 13, three)
				reads(t, m, 12, two)
			}
		})
	}
}

// TestAheadUIDsLastAndOneMissing: this server tells only at the end of a text
// which message it was. What was not asked for may be sent on, never ended.
func TestAheadUIDsLastAndOneMissing(t *testing.T) {
	f := newFake(t, "one", "two", "three")
	f.instead = func(conn *fakeConn, session int, command string) bool {
		if session > 1 || !strings.HasPrefix(command, "UID FETCH 11:13") {
			return false
		}
		conn.send("* 1 FETCH (BODY[] {3}\r\none UID 11)\r\n* 3 FETCH (BODY[] {5}\r\nthree UID 13)\r\n")
		conn.ok("done")
		return true
	}
	m := f.expecting()
	reads(t, m, 11, "one")
	got, err := read(t, m, 12, upstream.Whole)
	if err == nil || !strings.Contains(err.Error(), "sent UID 13") {
		t.Errorf("%q, %v", got, err)
	}
	reads(t, m, 13, "three")
	reads(t, m, 12, "two")
}

// TestAheadLateOKs: Dovecot sends its OKs after the texts of later commands.
func TestAheadLateOKs(t *testing.T) {
	all := someTexts(40, 50_000)
	f := newFake(t, all...)
	var late []string
	last := -1
	whole(f, func(c *fakeConn, _ int, answer string) {
		i := strings.LastIndex(answer, c.tag)
		c.send("%s", answer[:i])
		late = append(late, answer[i:])
		if strings.Contains(answer, fmt.Sprintf("UID %d ", last)) {
			c.send("%s", strings.Join(late, ""))
			late = nil
		}
	})
	last = 11 + len(all) - 1
	m := f.expecting()
	for i, want := range all {
		reads(t, m, 11+i, want)
	}
	if n := len(f.fetches()); n < 2 || n > 10 {
		t.Errorf("asked %q", f.fetches())
	}
	if _, err := m.link.present(t.Context(), uidSet([]uint32{11})); err != nil {
		t.Errorf("then: %v", err)
	}
}

// TestAheadGone: a message that vanishes while it is asked for ahead is gone,
// and the others are themselves.
func TestAheadGone(t *testing.T) {
	all := someTexts(6, 1000)
	for gone := range 6 {
		f := newFake(t, all...)
		m := f.expecting()
		f.mu.Lock()
		f.messages = slices.Delete(f.messages, gone, gone+1)
		f.mu.Unlock()
		for i, want := range all {
			if i != gone {
				reads(t, m, 11+i, want)
				continue
			}
			_, err := read(t, m, uint32(11+i), upstream.Whole)
			kindIs(t, err, upstream.Gone, "")
		}
		if n := f.countSessions(); n != 1 {
			t.Errorf("without message %d: %d sessions", gone, n)
		}
	}
}

// TestAheadLies: sizes that are not what was listed.
func TestAheadLies(t *testing.T) {
	all := someTexts(8, 1000)
	f := newFake(t, all...)
	m := f.expecting()
	f.mu.Lock()
	for i := range f.messages {
		f.messages[i].text = text(i * 100_000)
	}
	f.mu.Unlock()
	for _, i := range []int{0, 1, 5, 2, 3, 7, 6} {
		if got, err := read(t, m, uint32(11+i), upstream.Whole); i > 0 && (got != text(i*100_000) || err != nil) {
			t.Errorf("UID %d: %d octets, %v", 11+i, len(got), err)
		}
	}
}

// TestAheadBudget: two sessions share a budget for one message. Nobody waits
// for the other, even while both are in the middle of one.
func TestAheadBudget(t *testing.T) {
	all := someTexts(20, 10_000)
	f := newFake(t, all...)
	o := f.options()
	o.ReadAhead = 11_000
	u := open(t, o)
	var both sync.WaitGroup
	for range 2 {
		both.Go(func() {
			m, err := u.Open(t.Context(), alice)
			if err != nil {
				t.Error(err)
				return
			}
			defer m.Close()
			messages, _ := m.Messages(t.Context())
			m.(*mailbox).Expect(messages)
			for i, want := range all {
				r, err := m.Open(t.Context(), messages[i].ID, upstream.Whole)
				if err != nil {
					t.Error(err)
					return
				}
				if got, err := io.ReadAll(r); string(got) != want || err != nil {
					t.Errorf("UID %d: %d octets, %v", 11+i, len(got), err)
				}
			}
		})
	}
	both.Wait()
	if left := u.budget.Left(); left != o.ReadAhead {
		t.Errorf("%d octets of the budget are left", left)
	}
	for _, set := range f.fetches() {
		if strings.Contains(set, ":") && set[:2] != "11" && len(set) > 5 {
			t.Errorf("more than one message was asked for ahead: %s", set)
		}
	}
}

// TestAheadSlowClient: time that the client takes is not the server's.
func TestAheadSlowClient(t *testing.T) {
	all := someTexts(30, 300_000)
	f := newFake(t, all...)
	o := f.options()
	o.ReplyTimeout = 50 * time.Millisecond
	box, err := open(t, o).Open(t.Context(), alice)
	if err != nil {
		t.Fatal(err)
	}
	defer box.Close()
	messages, err := box.Messages(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	m := box.(*mailbox)
	m.Expect(messages)
	for i, want := range all {
		if i%10 == 5 {
			time.Sleep(3 * o.ReplyTimeout) // this is the slow client, not a wait for something
		}
		reads(t, m, 11+i, want)
	}
	if n := f.countSessions(); n != 1 {
		t.Errorf("%d sessions, want 1: the connection was lost", n)
	}
}

// TestAheadIdleCut: the server hangs up on a client that pauses, with messages
// under way.
func TestAheadIdleCut(t *testing.T) {
	all := someTexts(20, 1000)
	f := newFake(t, all...)
	m := f.expecting()
	reads(t, m, 11, all[0])
	f.hangUpAll()
	for i, want := range all {
		reads(t, m, 11+i, want)
	}
	if n := f.countSessions(); n != 2 {
		t.Errorf("%d sessions, want 2", n)
	}
}

// TestAheadJumpThenCut: a jump costs a connection, by our own choice. The next
// one may still fail.
func TestAheadJumpThenCut(t *testing.T) {
	all := someTexts(30, 100_000)
	f := newFake(t, all...)
	whole(f, func(c *fakeConn, session int, answer string) {
		if session == 2 {
			c.Close()
			return
		}
		c.send("%s", answer)
	})
	m := f.expecting()
	for i := range 6 {
		reads(t, m, 11+i, all[i])
	}
	reads(t, m, 35, all[24])
	m.Close()
	if n := f.countSessions(); n != 3 {
		t.Errorf("%d sessions, want 3", n)
	}
}

// TestAheadCancelled: the end of the context ends a message that others follow.
func TestAheadCancelled(t *testing.T) {
	f := newFake(t, someTexts(5, 50_000)...)
	m := f.expecting()
	ctx, cancel := context.WithCancel(t.Context())
	r, err := m.Open(ctx, upstream.ID{UID: 11}, upstream.Whole)
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if n, err := io.Copy(io.Discard, r); !errors.Is(err, context.Canceled) {
		t.Errorf("%d octets, %v", n, err)
	}
	r.Close()
}

// TestAheadQuit: QUIT in the middle of what is under way expunges what it
// should, whether that is read to its end or thrown away.
func TestAheadQuit(t *testing.T) {
	for _, size := range []int{1000, 100_000} {
		all := someTexts(30, size)
		f := newFake(t, all...)
		m := f.expecting()
		reads(t, m, 11, all[0])
		reads(t, m, 12, all[1])
		results := m.Apply(t.Context(), []upstream.Change{
			{ID: upstream.ID{UID: 11}, Do: upstream.Expunge}, {ID: upstream.ID{UID: 13}, Do: upstream.Expunge},
		})
		for _, r := range results {
			if r.Err != nil {
				t.Error(r.Err)
			}
		}
		m.Close()
		var left []int
		for _, message := range f.messages {
			left = append(left, message.uid)
		}
		if len(left) != 28 || slices.Contains(left, 11) || slices.Contains(left, 13) {
			t.Errorf("left are %v", left)
		}
		if left := m.u.budget.Left(); left != defaultReadAhead {
			t.Errorf("%d octets of the budget are left", left)
		}
	}
}

// TestAheadWaste: of what clients usually do, nearly everything that is asked
// for is read.
func TestAheadWaste(t *testing.T) {
	_, user, o := memory(t)
	inbox := user.Mailbox("INBOX")
	const n, size = 500, 20 << 10
	for i := range n {
		inbox.Append(peertest.Text(i, size), nil, time.Time{})
	}
	up := func(from int) (order []int) {
		for i := from; i < n; i++ {
			order = append(order, i)
		}
		return order
	}
	down := up(0)
	slices.Reverse(down)
	for name, order := range map[string][]int{
		"all": up(0), "the new ones": up(450), "newest first": down, "at random": rand.New(rand.NewPCG(1, 2)).Perm(n),
	} {
		u := open(t, o)
		box, err := u.Open(t.Context(), alice)
		if err != nil {
			t.Fatal(err)
		}
		messages, err := box.Messages(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		box.(*mailbox).Expect(messages)
		for _, i := range order {
			reads(t, box.(*mailbox), int(messages[i].ID.UID), string(peertest.Text(i, size)))
		}
		box.Close()
		got := u.ReadAhead()
		if got.Read != int64(len(order)*size) || got.Wasted*20 > got.Read {
			t.Errorf("%s: %+v", name, got)
		}
		if name != "at random" && got.Ahead*20 < got.Read*19 {
			t.Errorf("%s: too little was read ahead: %+v", name, got)
		}
	}
}

// anyOrder opens messages in an order that nobody foresees: runs up and down,
// jumps, tops, halves, other commands between.
type anyOrder struct {
	t        *testing.T
	m        *mailbox
	messages []upstream.Message
	raw      [][]byte
	random   *rand.Rand
}

func (a *anyOrder) wander(steps int) {
	at, step := 0, 1
	for range steps {
		switch a.random.IntN(12) {
		case 0:
			at, step = a.random.IntN(len(a.raw)), 1-2*a.random.IntN(2)
		case 1:
			at += 2 * step
		case 2:
			a.other()
		}
		at = (at + step + len(a.raw)) % len(a.raw)
		a.open(at)
	}
}

// other makes the connection do something else.
func (a *anyOrder) other() {
	if a.m.link == nil || a.m.link.dead() {
		return
	}
	switch a.random.IntN(3) {
	case 0:
		a.m.link.settle(a.t.Context())
		if !a.m.link.dead() {
			a.m.link.start() // from now on the library reads, too
		}
	case 1:
		a.m.Expect(a.messages)
	case 2:
		_ = a.m.link.f.Close()
	}
}

func (a *anyOrder) open(i int) {
	part := upstream.Whole
	if a.random.IntN(8) == 0 {
		part.Lines = 5
	}
	r, err := a.m.Open(a.t.Context(), a.messages[i].ID, part)
	if err != nil {
		a.t.Fatalf("message %d: %v", i, err)
	}
	defer r.Close()
	limit := int64(1 << 30)
	if part.Lines >= 0 || a.random.IntN(10) == 0 {
		limit = a.random.Int64N(int64(len(a.raw[i])) + 1)
	}
	got, err := io.ReadAll(io.LimitReader(r, limit))
	if want := a.raw[i][:min(limit, int64(len(a.raw[i])))]; err != nil || string(got) != string(want) {
		a.t.Fatalf("message %d, %v: %d octets, want %d; %v", i, part, len(got), len(want), err)
	}
}

func (a *anyOrder) messagesOf() {
	for i := range 60 {
		size := a.random.IntN(3000)
		if i%5 == 0 {
			size = a.random.IntN(200_000)
		}
		a.raw = append(a.raw, peertest.Text(i, 500+size))
	}
}

func (a *anyOrder) run(u *Upstream, login upstream.Login) {
	box, err := u.Open(a.t.Context(), login)
	if err != nil {
		a.t.Fatal(err)
	}
	defer box.Close()
	if a.messages, err = box.Messages(a.t.Context()); err != nil || len(a.messages) != len(a.raw) {
		a.t.Fatal(len(a.messages), err)
	}
	a.m = box.(*mailbox)
	a.m.Expect(a.messages)
	a.wander(300)
	box.Close()
	if left := u.budget.Left(); left != defaultReadAhead {
		a.t.Errorf("%d octets of the budget are left", left)
	}
}

// TestAnyOrder: whatever the order, each message is itself.
func TestAnyOrder(t *testing.T) {
	for seed := range uint64(8) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			_, user, o := memory(t)
			a := &anyOrder{t: t, random: rand.New(rand.NewPCG(seed, 0))}
			a.messagesOf()
			for _, raw := range a.raw {
				user.Mailbox("INBOX").Append(raw, nil, time.Time{})
			}
			a.run(open(t, o), alice)
		})
	}
}

func TestAnyOrderDovecot(t *testing.T) {
	d := peertest.Dovecot(t)
	a := &anyOrder{t: t, random: rand.New(rand.NewPCG(99, 0))}
	a.messagesOf()
	for _, raw := range a.raw {
		d.Deliver("alice", "INBOX", raw)
	}
	login := upstream.Login{User: "alice", Secret: secret.New("secret"), Session: "test"}
	for seed := range uint64(4) {
		a.random = rand.New(rand.NewPCG(seed, 1))
		a.run(open(t, dovecotOptions(t, d, []Security{Plain, ImplicitTLS}[seed%2])), login)
	}
}

// TestFarAway: one round trip to the server is not one for each message.
func TestFarAway(t *testing.T) {
	const n, size, away = 100, 10_000, 40 * time.Millisecond
	all := someTexts(n, size)
	f := newFake(t, all...)
	o := f.options()
	relay := peertest.NewRelay(t, o.Addresses[0])
	relay.Delay(away)
	o.Addresses = []string{relay.Addr()}
	for _, down := range []bool{false, true} {
		box, err := open(t, o).Open(t.Context(), alice)
		if err != nil {
			t.Fatal(err)
		}
		messages, err := box.Messages(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		box.(*mailbox).Expect(messages)
		start := time.Now()
		for i := range all {
			if down {
				i = n - 1 - i
			}
			reads(t, box.(*mailbox), 11+i, all[i])
		}
		if took := time.Since(start); took > n*away/4 {
			t.Errorf("downwards %v: %d messages took %v", down, n, took)
		}
		box.Close()
	}
}

// aloneWith opens a mailbox whose connection the library is not there for, and
// lists it: the first session of an Upstream signs in through the library.
func (f *fake) aloneWith(o Options) *mailbox {
	f.t.Helper()
	o.WarmIdle = -1
	u := open(f.t, o)
	first, err := u.Open(f.t.Context(), alice)
	if err != nil {
		f.t.Fatal(err)
	}
	first.Close()
	box, err := u.Open(f.t.Context(), alice)
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { box.Close() })
	if _, err := box.Messages(f.t.Context()); err != nil {
		f.t.Fatal(err)
	}
	m := box.(*mailbox)
	if !m.link.f.alone {
		f.t.Fatal("the library is there")
	}
	return m
}

// TestSlowToTake: time that it takes to tell the client what there is, before
// the server is waited for, is not the server's.
func TestSlowToTake(t *testing.T) {
	f := newFake(t, "a message", "another")
	o := f.options()
	o.ReplyTimeout = 300 * time.Millisecond
	taken := make(chan struct{})
	f.instead = func(_ *fakeConn, _ int, command string) bool {
		if strings.Contains(command, "(UID BODY.PEEK[])") {
			<-taken
		}
		return false
	}
	m := f.aloneWith(o)
	waits := 0
	m.BeforeWait(func() {
		if waits++; waits == 2 { // the first comes before the command is sent
			time.Sleep(2 * o.ReplyTimeout) // this is the slow client, not a wait for something
			time.AfterFunc(o.ReplyTimeout/6, func() { close(taken) })
		}
	})
	reads(t, m, 11, "a message")
	if n := f.countSessions(); n != 2 {
		t.Errorf("%d sessions, want 2: the connection was lost", n)
	}
}

// TestEndlessTalk: the end of the context is noticed while a server talks on
// and on, so that nobody ever waits for it.
func TestEndlessTalk(t *testing.T) {
	f := newFake(t, "a message")
	begun := make(chan struct{})
	f.instead = func(c *fakeConn, session int, command string) bool {
		if session < 2 || !strings.HasPrefix(command, "UID FETCH 1:*") {
			return false
		}
		c.answer(command)
		close(begun)
		for junk := []byte(strings.Repeat("*\r\n", 80000)); ; {
			if _, err := c.Conn.Write(junk); err != nil {
				return true
			}
		}
	}
	m := f.aloneWith(f.options())
	<-begun
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	failed := make(chan error, 1)
	go func() {
		_, err := m.Open(ctx, upstream.ID{UID: 11}, upstream.Whole)
		failed <- err
	}()
	select {
	case err := <-failed:
		kindIs(t, err, upstream.Unavailable, "")
	case <-time.After(5 * time.Second):
		m.link.f.Close()
		<-failed
		t.Error("goes on long after the context's end")
	}
}

// TestAheadAbsurdSize: the largest size that is believed is never asked for ahead.
func TestAheadAbsurdSize(t *testing.T) {
	f := newFake(t, "one", "two", "three")
	f.instead = func(c *fakeConn, _ int, command string) bool {
		if !strings.HasPrefix(command, "UID FETCH 1:*") {
			return false
		}
		for i, size := range []int64{3, maxLiteral, maxLiteral} {
			c.send("* %d FETCH (UID %d RFC822.SIZE %d FLAGS () INTERNALDATE \"17-Jul-1996 02:44:25 -0700\")\r\n", i+1, 11+i, size)
		}
		c.ok("done")
		return true
	}
	o := f.options()
	o.ReadAhead = 100
	m := f.aloneWith(o)
	m.Expect(m.messages)
	for i, want := range []string{"one", "two", "three"} {
		reads(t, m, 11+i, want)
		if left := m.u.budget.Left(); m.link.held < 0 || left > o.ReadAhead {
			t.Fatalf("holds %d of the budget, and %d are left", m.link.held, left)
		}
	}
	if got := f.fetches(); !slices.Equal(got, []string{"11", "12", "13"}) {
		t.Errorf("asked for %q", got)
	}
}

// TestAheadRefused: a server that sends what several messages are, and then
// says NO, is soon not asked for several any more.
func TestAheadRefused(t *testing.T) {
	all := someTexts(60, 30_000)
	f := newFake(t, all...)
	whole(f, func(c *fakeConn, _ int, answer string) {
		if strings.Count(answer, " FETCH (UID ") > 1 {
			answer = strings.Replace(answer, c.tag+" OK done", c.tag+" NO [SERVERBUG] some could not be read", 1)
		}
		c.send("%s", answer)
	})
	m := f.expecting()
	for i, want := range all {
		reads(t, m, 11+i, want)
	}
	several, got := 0, f.fetches()
	for _, set := range got {
		if strings.Contains(set, ":") {
			several++
		}
	}
	if several == 0 || several > 2*readahead.MaxFaults || strings.Contains(strings.Join(got[max(len(got)-20, 0):], ""), ":") {
		t.Errorf("asked for %q", got)
	}
}
