package bridge

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/restante-mail/restante/upstream"
)

// A box is the folder of a fake that can lie about itself in every way.
type box struct {
	mu       sync.Mutex
	validity uint32
	next     uint32 // UIDNEXT as SELECT tells it; 0 tells none
	id       string // MAILBOXID
	letters  []letter
	esearch  bool
	// during is called when messages are asked for, after SELECT.
	during func()
}

type letter struct {
	uid           uint32
	size          int
	date, subject string // subject is what the Message-ID is made of
	seen, deleted bool
}

func newBox(n int) *box {
	b := &box{validity: 99, esearch: true}
	b.add(n)
	return b
}

// add delivers n messages, each unlike all others.
func (b *box) add(n int) {
	for range n {
		uid := max(b.next, 11)
		b.letters = append(b.letters, letter{uid: uid, size: 1000 + int(uid), subject: fmt.Sprint("m", uid),
			date: fmt.Sprintf("17-Jul-2026 02:%02d:%02d +0000", uid/60%60, uid%60)})
		b.next = uid + 2
	}
}

// serve makes it the folder of a fake.
func (b *box) serve(t *testing.T) *fake {
	f := newFake(t)
	if b.esearch {
		f.caps += " ESEARCH"
	}
	f.instead = func(c *fakeConn, _ int, command string) bool { return b.answer(c, command) }
	return f
}

func (b *box) answer(c *fakeConn, command string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	words := strings.Fields(command)
	switch {
	case words[0] == "SELECT":
		b.selected(c)
	case strings.HasPrefix(command, "UID FETCH") && !strings.Contains(command, "BODY.PEEK[]"):
		if b.during != nil {
			b.during()
		}
		b.fetch(c, command, words[2])
	case strings.HasPrefix(command, "UID SEARCH"):
		b.search(c, words[len(words)-1])
	default:
		return false
	}
	c.ok("done")
	return true
}

func (b *box) selected(c *fakeConn) {
	c.send("* %d EXISTS\r\n* OK [UIDVALIDITY %d] so\r\n", len(b.letters), b.validity)
	if b.next > 0 {
		c.send("* OK [UIDNEXT %d] so\r\n", b.next)
	}
	if b.id != "" {
		c.send("* OK [MAILBOXID (%s)] so\r\n", b.id)
	}
}

func (b *box) fetch(c *fakeConn, command, set string) {
	for i, l := range b.letters {
		if !b.in(l.uid, set) {
			continue
		}
		c.send("* %d FETCH (UID %d", i+1, l.uid)
		if strings.Contains(command, "RFC822.SIZE") {
			c.send(" RFC822.SIZE %d", l.size)
		}
		if strings.Contains(command, "INTERNALDATE") {
			c.send(" INTERNALDATE %q", l.date)
		}
		if strings.Contains(command, "FLAGS") {
			c.send(" FLAGS (%s)", l.flags())
		}
		if strings.Contains(command, "HEADER.FIELDS") {
			field := "Message-ID: <" + l.subject + "@example.org>\r\n\r\n"
			c.send(" BODY[HEADER.FIELDS (MESSAGE-ID)] {%d}\r\n%s", len(field), field)
		}
		c.send(")\r\n")
	}
}

func (l letter) flags() string {
	var flags []string
	if l.seen {
		flags = append(flags, `\Seen`)
	}
	if l.deleted {
		flags = append(flags, `\Deleted`)
	}
	return strings.Join(flags, " ")
}

// in knows the star, and that n:* holds the last message whatever n is.
func (b *box) in(uid uint32, set string) bool {
	last := b.letters[len(b.letters)-1].uid
	for part := range strings.SplitSeq(strings.ReplaceAll(set, "*", fmt.Sprint(last)), ",") {
		from, to, isRange := strings.Cut(part, ":")
		first, _ := strconv.Atoi(from)
		end := first
		if isRange {
			end, _ = strconv.Atoi(to)
		}
		if int(uid) >= min(first, end) && int(uid) <= max(first, end) {
			return true
		}
	}
	return false
}

func (b *box) search(c *fakeConn, key string) {
	var found []string
	for _, l := range b.letters {
		if key == "ALL" || key == "DELETED" && l.deleted || key == "UNSEEN" && !l.seen {
			found = append(found, fmt.Sprint(l.uid))
		}
	}
	switch {
	case !b.esearch:
		c.send("* SEARCH %s\r\n", strings.Join(found, " "))
	case len(found) == 0:
		c.send("* ESEARCH (TAG %q) UID\r\n", c.tag)
	default:
		c.send("* ESEARCH (TAG %q) UID ALL %s\r\n", c.tag, strings.Join(found, ","))
	}
}

// change is done between two sessions.
func (b *box) change(do func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	do()
}

// truth is what a listing must say.
func (b *box) truth() (list []upstream.Message) {
	for _, l := range b.letters {
		at, err := time.Parse("_2-Jan-2006 15:04:05 -0700", l.date)
		if err != nil {
			panic(err)
		}
		m := upstream.Message{ID: upstream.ID{UID: l.uid}, Size: int64(l.size), Arrived: at.UTC()}
		if l.seen {
			m.Flags |= upstream.Seen
		}
		if l.deleted {
			m.Flags |= upstream.Deleted
		}
		list = append(list, m)
	}
	return list
}

// visit opens the folder, compares its listing with the truth, and leaves.
func (b *box) visit(t *testing.T, u *Upstream) *mailbox {
	t.Helper()
	login := alice
	login.NeedSeen = true
	opened, err := u.Open(t.Context(), login)
	if err != nil {
		t.Fatal(err)
	}
	m := opened.(*mailbox)
	messages, err := m.Messages(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	b.mu.Lock()
	want := b.truth()
	b.mu.Unlock()
	if len(messages) != len(want) {
		t.Errorf("%d messages listed, want %d", len(messages), len(want))
	}
	for i := range min(len(messages), len(want)) {
		if messages[i] != want[i] {
			t.Errorf("message %d is listed as %v, want %v", i+1, messages[i], want[i])
			break
		}
	}
	if err := m.Close(); err != nil {
		t.Error(err)
	}
	return m
}

// remembering is a client of the fake that remembers even small folders.
func (f *fake) remembering(memory Memory) *Upstream {
	o := f.options()
	o.Memory = memory
	u := open(f.t, o)
	u.worthwhile = 1
	return u
}
