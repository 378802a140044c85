package bridge

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/restante-mail/restante/upstream"
)

// TestQuotaResponses: what makes sense is taken, and what does not is left.
func TestQuotaResponses(t *testing.T) {
	kib := func(root string, used, limit int64) upstream.Quota {
		return upstream.Quota{Root: root, Used: used << 10, Limit: limit << 10}
	}
	for _, test := range []struct {
		lines []string
		roots []string
		want  []upstream.Quota
	}{
		{[]string{`QUOTAROOT INBOX "User quota"`, `QUOTA "User quota" (STORAGE 10 512)`}, []string{"User quota"}, []upstream.Quota{kib("User quota", 10, 512)}},
		{[]string{`quotaroot "IN\"BOX" "" Two`, `quota "" (storage 1 2 MESSAGE 3 4)`, `QUOTA Two (X-OTHER 1 2)`}, []string{"", "Two"},
			[]upstream.Quota{kib("", 1, 2), {Messages: true, Used: 3, Limit: 4}}},
		{[]string{"QUOTAROOT {5}\r\nIN\"OX {3}\r\na(b", "QUOTA {3}\r\na(b (STORAGE 1 2)"}, []string{"a(b"}, []upstream.Quota{kib("a(b", 1, 2)}},
		{[]string{`QUOTAROOT INBOX`, `QUOTA "a" ()`}, nil, nil},
		{[]string{`QUOTAROOT INBOX a`, `QUOTA a (STORAGE 1 0)`, `QUOTA a (STORAGE -1 5)`, `QUOTA a (STORAGE 99999999999999 5)`, `QUOTA a (STORAGE 1`, `QUOTA a STORAGE 1 2`, `QUOTA a (STORAGE 1)`}, []string{"a"}, nil},
		{[]string{`QUOTAROOT INBOX ` + strings.Repeat("x", 300)}, nil, nil},
		{[]string{`QUOTAROOT INBOX` + strings.Repeat(" x", 99), "QUOTA x (" + strings.Repeat("MESSAGE 1 2 ", 99) + ")"},
			strings.Fields(strings.Repeat("x ", maxRoots)), repeated(upstream.Quota{Root: "x", Messages: true, Used: 1, Limit: 2}, maxLimits)},
	} {
		var q quotas
		for _, line := range test.lines {
			_, kind, rest := splitUntagged([]byte("* " + line + "\r\n"))
			switch kind {
			case "QUOTAROOT":
				q.addRoots(rest)
			case "QUOTA":
				q.addLimits(rest)
			}
		}
		if !q.answered || !reflect.DeepEqual(q.Roots, test.roots) || !reflect.DeepEqual(q.Limits, test.want) {
			t.Errorf("%.80q: answered %v, roots %q, limits %v; want %q, %v", test.lines, q.answered, q.Roots, q.Limits, test.roots, test.want)
		}
	}
}

func repeated(q upstream.Quota, n int) (all []upstream.Quota) {
	for range n {
		all = append(all, q)
	}
	return all
}

// TestQuotaInOneFlight: how full the account is, is asked for with the listing,
// if anybody wants to know, and once.
func TestQuotaInOneFlight(t *testing.T) {
	for _, need := range []bool{false, true} {
		for _, said := range []string{"* QUOTAROOT INBOX q\r\n* QUOTA q (STORAGE 1 2)\r\n%s OK\r\n", "%s NO not now\r\n", "%s BAD what?\r\n", "%s OK but nothing\r\n"} {
			f := newFake(t, "one")
			f.caps += " QUOTA"
			var together atomic.Bool
			f.instead = func(c *fakeConn, _ int, command string) bool {
				if !strings.HasPrefix(command, "GETQUOTAROOT") {
					return false
				}
				if strings.Contains(command, "INBOX") {
					together.Store(c.follows("UID FETCH"))
				}
				c.send(said, c.tag)
				return true
			}
			u := f.upstream()
			login := alice
			login.NeedQuota = need
			opened, err := u.Open(t.Context(), login)
			if err != nil {
				t.Fatal(err)
			}
			m := opened.(*mailbox)
			if n := len(f.heard("GETQUOTAROOT")); n != map[bool]int{true: 1}[need] || need && !together.Load() {
				t.Errorf("asked for %d times, in one flight %v", n, together.Load())
			}
			if !need {
				m.Close()
				continue
			}
			got, err := m.Quota(t.Context(), "INBOX")
			if known := strings.HasPrefix(said, "*"); err != nil || (got != nil) != known || known && got.Limits[0].Percent() != 50 {
				t.Errorf("%q: %+v, %v", said, got, err)
			}
			if n := len(f.heard("GETQUOTAROOT")); n != 1 {
				t.Errorf("asked for %d times, want once", n)
			}
			if _, err := m.Quota(t.Context(), "Other"); err != nil || len(f.heard(`GETQUOTAROOT "Other"`)) != 1 {
				t.Errorf("of another folder: %v, %q", err, f.heard("GETQUOTAROOT"))
			}
			if a := m.Abilities(); !a.Quotas || !a.Expunges || a.MarksOnly() {
				t.Errorf("%+v", a)
			}
			m.Close()
			if again, err := u.Open(t.Context(), login); err != nil || !again.(*mailbox).Warm() {
				t.Errorf("%q: the connection was not kept, %v", said, err)
			} else {
				again.Close()
			}
		}
	}
}

// TestQuotaOfNobody: what was not asked for is dropped.
func TestQuotaOfNobody(t *testing.T) {
	f := newFake(t, "one")
	f.instead = func(c *fakeConn, _ int, command string) bool {
		if strings.HasPrefix(command, "SELECT") {
			c.send("* QUOTAROOT INBOX q\r\n* QUOTA q (STORAGE 1 2)\r\n* QUOTA {3}\r\n%s", fmt.Sprint("q)\n", " (STORAGE 1 2)\r\n"))
		}
		return false
	}
	m, messages := f.opened()
	if q, err := m.Quota(t.Context(), "INBOX"); q != nil || err != nil || len(messages) != 1 {
		t.Errorf("%+v, %v", q, err)
	}
}

// TestKeeps: a folder without \* keeps the keywords that it names, and one that
// names none at all keeps any.
func TestKeeps(t *testing.T) {
	for _, test := range []struct {
		said       string
		seen, mine bool
	}{
		{"", true, true},
		{"* OK [PERMANENTFLAGS (\\Seen \\*)] x\r\n", true, true},
		{"* OK [PERMANENTFLAGS (\\Seen $Fetched)] x\r\n", true, true},
		{"* OK [PERMANENTFLAGS (\\Seen)] x\r\n", true, false},
		{"* OK [PERMANENTFLAGS ()] x\r\n", false, false},
	} {
		f := newFake(t, "one")
		f.instead = func(c *fakeConn, _ int, command string) bool {
			if strings.HasPrefix(command, "SELECT") && test.said != "" {
				c.send("%s", test.said)
			}
			return false
		}
		m, _ := f.opened()
		if seen, mine := m.Keeps(0, `\Seen`), m.Keeps(0, "$fetched"); seen != test.seen || mine != test.mine || m.Keeps(1, `\Seen`) {
			t.Errorf("%q: keeps \\Seen %v, $Fetched %v", test.said, seen, mine)
		}
		if name, err := m.Resolve(t.Context(), `\Junk`); !errors.Is(err, upstream.ErrNoFolder) {
			t.Errorf("Resolve: %q, %v", name, err)
		}
	}
}
