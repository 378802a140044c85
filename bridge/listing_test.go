package bridge

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/restante-mail/restante/upstream"
)

// listed runs FETCH responses through the framing as a listing.
func listed(t testing.TB, lines string) ([]upstream.Message, error) {
	t.Helper()
	f := framed(strings.NewReader(lines + "X1 OK done\r\n"))
	to := &lister{folder: 2}
	c, err := f.inject("UID FETCH 1:*", to)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = readAll(f) // ends with the wire
	if err := c.wait(); err != nil {
		return nil, err
	}
	return to.finish(), nil
}

func msg(uid uint32, size int64, flags upstream.Flags, date string) upstream.Message {
	m := upstream.Message{ID: upstream.ID{Folder: 2, UID: uid}, Size: size, Flags: flags}
	if date != "" {
		at, err := time.Parse(time.RFC3339, date)
		if err != nil {
			panic(err)
		}
		m.Arrived = at.UTC()
	}
	return m
}

func TestListing(t *testing.T) {
	const seen, deleted = upstream.Seen, upstream.Deleted
	unique := msg(7, 1, 0, "")
	unique.Unique = "M6d99ac3275bb4e"
	gmail := msg(7, 1, 0, "")
	gmail.Unique = "1278455344230334865"
	for _, c := range []struct {
		name, lines string
		want        []upstream.Message
	}{
		{"nothing", "", nil},
		{"Dovecot", "* 1 FETCH (UID 7 FLAGS (\\Seen) INTERNALDATE \"17-Jul-1996 02:44:25 -0700\" RFC822.SIZE 4286)\r\n",
			[]upstream.Message{msg(7, 4286, seen, "1996-07-17T02:44:25-07:00")}},
		{"Exchange: UID last", "* 1 FETCH (RFC822.SIZE 10 INTERNALDATE \" 1-Feb-2024 02:44:25 +0530\" FLAGS (\\Deleted \\Seen $x) UID 7)\r\n",
			[]upstream.Message{msg(7, 10, seen|deleted, "2024-02-01T02:44:25+05:30")}},
		{"any case, odd spaces", "*  1  fetch  ( uid  7  rfc822.size 10 flags ( \\SEEN \\deleted ) internaldate \"1-feb-2024 02:44:25 +0000\" )\r\n",
			[]upstream.Message{msg(7, 10, seen|deleted, "2024-02-01T02:44:25Z")}},
		{"unknown attributes", "* 1 FETCH (MODSEQ (12) X-A (\"(\" (NIL \"\\\"\") {3}\r\n)\r\n) UID 7 X-B {2}\r\n(( RFC822.SIZE 1 ENVELOPE NIL)\r\n",
			[]upstream.Message{msg(7, 1, 0, "")}},
		{"flags that only look alike", "* 1 FETCH (UID 7 RFC822.SIZE 1 FLAGS (\\Seenx Seen \\Delete \\*))\r\n", []upstream.Message{msg(7, 1, 0, "")}},
		{"EMAILID", "* 1 FETCH (UID 7 RFC822.SIZE 1 EMAILID (M6d99ac3275bb4e))\r\n", []upstream.Message{unique}},
		{"EMAILID NIL", "* 1 FETCH (UID 7 RFC822.SIZE 1 EMAILID NIL)\r\n", []upstream.Message{msg(7, 1, 0, "")}},
		{"EMAILID that is none", "* 1 FETCH (UID 7 RFC822.SIZE 1 EMAILID (a b))\r\n* 2 FETCH (UID 8 RFC822.SIZE 1 EMAILID (a\x1b[31m))\r\n", []upstream.Message{msg(7, 1, 0, ""), msg(8, 1, 0, "")}},
		{"Gmail", "* 1 FETCH (X-GM-MSGID 1278455344230334865 UID 7 RFC822.SIZE 1)\r\n", []upstream.Message{gmail}},
		{"odd dates", "* 1 FETCH (UID 7 RFC822.SIZE 1 INTERNALDATE \"yesterday\")\r\n* 2 FETCH (UID 8 RFC822.SIZE 1 INTERNALDATE NIL)\r\n* 2 FETCH (UID 9 RFC822.SIZE 1 INTERNALDATE \"99-Foo-2024 99:99:99 +0000\")\r\n* 2 FETCH (UID 10 RFC822.SIZE 1 INTERNALDATE \"31-Dec-2024 23:59:60 +0000\")\r\n",
			[]upstream.Message{msg(7, 1, 0, ""), msg(8, 1, 0, ""), msg(9, 1, 0, ""), msg(10, 1, 0, "2025-01-01T00:00:00Z")}},
		{"out of order", "* 3 FETCH (UID 9 RFC822.SIZE 3)\r\n* 1 FETCH (UID 7 RFC822.SIZE 1)\r\n* 2 FETCH (UID 8 RFC822.SIZE 2)\r\n* 4 FETCH (UID 10 RFC822.SIZE 4)\r\n",
			[]upstream.Message{msg(7, 1, 0, ""), msg(8, 2, 0, ""), msg(9, 3, 0, ""), msg(10, 4, 0, "")}},
		{"the same twice", "* 1 FETCH (UID 7 RFC822.SIZE 1 FLAGS (\\Deleted))\r\n* 1 FETCH (UID 7 RFC822.SIZE 1 FLAGS (\\Seen) INTERNALDATE \"17-Jul-1996 02:44:25 +0000\")\r\n* 2 FETCH (UID 8 RFC822.SIZE 2)\r\n",
			[]upstream.Message{msg(7, 1, seen, "1996-07-17T02:44:25Z"), msg(8, 2, 0, "")}},
		{"in two halves, one before", "* 1 FETCH (UID 7 FLAGS (\\Seen))\r\n* 1 FETCH (UID 7 RFC822.SIZE 5)\r\n* 1 FETCH (UID 3 FLAGS (\\Seen))\r\n* 1 FETCH (UID 3 RFC822.SIZE 4)\r\n",
			[]upstream.Message{msg(3, 4, seen, ""), msg(7, 5, seen, "")}},
		{"another client's changes", "* 1 FETCH (UID 7 RFC822.SIZE 1 FLAGS (\\Seen))\r\n* 5 FETCH (FLAGS (\\Deleted))\r\n* 1 FETCH (UID 7 FLAGS ())\r\n* 9 FETCH (UID 99 FLAGS (\\Seen))\r\n* 3 EXPUNGE\r\n* 12 EXISTS\r\n",
			[]upstream.Message{msg(7, 1, 0, "")}},
		{"largest numbers", "* 4294967295 FETCH (UID 4294967295 RFC822.SIZE 17179869184)\r\n", []upstream.Message{msg(4294967295, 17179869184, 0, "")}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := listed(t, c.lines)
			if err != nil {
				t.Fatal(err)
			}
			if len(got)+len(c.want) > 0 && !reflect.DeepEqual(got, c.want) {
				t.Errorf("got\n%v, want\n%v", got, c.want)
			}
		})
	}
}

func TestListingRefused(t *testing.T) {
	for _, c := range []struct{ name, line, words string }{
		{"larger than any message", "(UID 7 RFC822.SIZE 17179869185)", "17179869185"},
		{"no UID", "(RFC822.SIZE 1)", "without its UID"},
		{"no UID, a date", "(INTERNALDATE \"17-Jul-1996 02:44:25 -0700\")", "without its UID"},
		{"UID 0", "(UID 0 RFC822.SIZE 1)", `UID "0"`},
		{"UID wraps", "(UID 4294967296 RFC822.SIZE 1)", "4294967296"},
		{"negative UID", "(UID -1 RFC822.SIZE 1)", `"-1"`},
		{"no size", "(UID 7 FLAGS () INTERNALDATE \"17-Jul-1996 02:44:25 -0700\")", "no size of UID 7"},
		{"size wraps", "(UID 7 RFC822.SIZE 9223372036854775808)", "a size of"},
		{"negative size", "(UID 7 RFC822.SIZE -5)", "a size of"},
		{"size NIL", "(UID 7 RFC822.SIZE NIL)", "a size of"},
		{"unended", "(UID 7 RFC822.SIZE 1", "no sense"},
		{"no list", "UID 7 RFC822.SIZE 1", "no sense"},
		{"unended list", "(UID 7 RFC822.SIZE 1 FLAGS (\\Seen)", "no sense"},
		{"name alone", "(UID 7 RFC822.SIZE)", "no sense"},
		{"deep", strings.Repeat("(", 100_000), "no sense"},
		{"more behind", "(UID 7 RFC822.SIZE 1) (", "no sense"},
	} {
		messages, err := listed(t, "* 1 FETCH (UID 1 RFC822.SIZE 1)\r\n* 2 FETCH "+c.line+"\r\n")
		if err == nil || !strings.Contains(err.Error(), c.words) {
			t.Errorf("%s: %v, %v; want %q", c.name, messages, err, c.words)
		}
	}
}

func TestListingBounded(t *testing.T) {
	to := new(lister)
	to.messages = make([]upstream.Message, maxMessages)
	if err := to.add([]byte("(UID 7 RFC822.SIZE 1)")); err == nil || !strings.Contains(err.Error(), "more than 1000000") {
		t.Errorf("got %v", err)
	}
}

// hundredThousand is the listing of a large mailbox, as Dovecot sends it.
func hundredThousand() string {
	var b strings.Builder
	for i := range 100_000 {
		fmt.Fprintf(&b, "* %d FETCH (UID %d FLAGS (\\Seen) INTERNALDATE \"%2d-Jul-2026 02:44:25 +0200\" RFC822.SIZE %d)\r\n", i+1, 2*i+5, i%28+1, 4000+i)
	}
	return b.String()
}

func BenchmarkListing100k(b *testing.B) {
	lines := hundredThousand()
	b.SetBytes(int64(len(lines)))
	b.ReportAllocs()
	for b.Loop() {
		f := framed(strings.NewReader(lines + "X1 OK done\r\n"))
		to := &lister{messages: make([]upstream.Message, 0, 100_000)}
		c, err := f.inject("UID FETCH 1:*", to)
		if err != nil {
			b.Fatal(err)
		}
		_, _ = readAll(f)
		if err := c.wait(); err != nil || len(to.finish()) != 100_000 {
			b.Fatal(err, len(to.messages))
		}
	}
}

// TestSearchBounds: one answer to a SEARCH, and no more ranges than messages.
func TestSearchBounds(t *testing.T) {
	search := func() (*framing, *uids) {
		f, found := &framing{dead: make(chan struct{})}, new(uids)
		f.queue("UID SEARCH RETURN (ALL) DELETED", injection{uids: found})
		return f, found
	}
	answer := func(f *framing, set string) error {
		f.mu.Lock()
		defer f.mu.Unlock()
		return f.found("ESEARCH", []byte(`(TAG "X1") UID ALL `+set+"\r\n"), nil)
	}
	f, found := search()
	if err := answer(f, "1,3"); err != nil {
		t.Fatal(err)
	}
	if err := answer(f, "5,7"); err == nil || len(found.ranges) != 2 {
		t.Errorf("a second answer: %v, %d ranges", err, len(found.ranges))
	}
	var many strings.Builder
	for i := range maxMessages {
		fmt.Fprint(&many, 2*i+1, ",")
	}
	f, _ = search()
	if err := answer(f, many.String()+"4294967295"); err == nil {
		t.Error("more ranges than a folder may have messages are taken")
	}
	f, found = search()
	if err := answer(f, strings.TrimSuffix(many.String(), ",")); err != nil || len(found.ranges) != maxMessages {
		t.Errorf("%v, %d ranges", err, len(found.ranges))
	}
}
