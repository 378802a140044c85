package pop3test

import (
	"fmt"
	"strings"
	"testing"
)

// testListing: STAT, LIST and UIDL agree with each other and with RETR, in a
// session after one that has retrieved everything.
func testListing(t *testing.T, open opener) {
	m := open(t, Mail(5))
	c := m.signIn(t)
	for i := range m.want {
		c.Multi("RETR %d", i+1)
	}
	c.Quit()

	c = m.signIn(t)
	total := 0
	_, list := c.Multi("LIST")
	var want strings.Builder
	for i, message := range m.want {
		total += len(message)
		fmt.Fprintf(&want, "%d %d\r\n", i+1, len(message))
		if got := c.OK("LIST %d", i+1); got != fmt.Sprintf("%d %d", i+1, len(message)) {
			t.Errorf("LIST %d is %q, want size %d", i+1, got, len(message))
		}
	}
	if string(list) != want.String() {
		t.Errorf("LIST is %q, want %q", list, want.String())
	}
	if got := c.OK("STAT"); got != fmt.Sprintf("5 %d", total) {
		t.Errorf("STAT is %q, want 5 messages of %d octets", got, total)
	}
	if uidls := c.uidls(); len(uidls) != 5 {
		t.Errorf("UIDL lists %v", uidls)
	}
	c.Quit()
}

// testEmptyMaildrop: RFC 1939 section 5, "+OK 0 0" and empty lists.
func testEmptyMaildrop(t *testing.T, open opener) {
	m := open(t, nil)
	c := m.signIn(t)
	if got := c.OK("STAT"); got != "0 0" {
		t.Errorf("STAT is %q", got)
	}
	for _, command := range []string{"LIST", "UIDL"} {
		if _, body := c.Multi("%s", command); len(body) > 0 {
			t.Errorf("%s lists %q", command, body)
		}
	}
	for _, command := range []string{"RETR 1", "TOP 1 0", "DELE 1", "LIST 1", "UIDL 1", "RETR 0"} {
		c.Err("%s", command)
	}
	c.Quit()
	m.remains(t)
}

// uidls returns UIDL's answer by message number, and checks its form (RFC 1939
// section 7).
func (c *Conn) uidls() map[string]string {
	c.t.Helper()
	_, body := c.Multi("UIDL")
	uidls, seen := make(map[string]string), make(map[string]bool)
	for line := range strings.Lines(string(body)) {
		number, uidl, _ := strings.Cut(strings.TrimSuffix(line, "\r\n"), " ")
		if len(uidl) < 1 || len(uidl) > 70 || strings.ContainsFunc(uidl, func(r rune) bool { return r < 0x21 || r > 0x7e }) {
			c.t.Errorf("UIDL %s is %q", number, uidl)
		}
		if seen[uidl] {
			c.t.Errorf("UIDL %q comes twice", uidl)
		}
		seen[uidl] = true
		uidls[number] = uidl
		if got := c.OK("UIDL %s", number); got != number+" "+uidl {
			c.t.Errorf("UIDL %s is %q, the list says %q", number, got, uidl)
		}
	}
	return uidls
}

// testMessages: every odd message arrives as it must, whole and in parts.
func testMessages(t *testing.T, open opener) {
	for _, odd := range Odd {
		t.Run(odd.Name, func(t *testing.T) {
			m := open(t, [][]byte{odd.Message})
			c := m.signIn(t)
			m.retrieve(t, c)
			m.tops(t, c)
			c.OK("NOOP")
			c.Quit()

			c = m.signIn(t) // sizes were learned by now
			m.retrieve(t, c)
			if got, want := c.OK("LIST 1"), fmt.Sprintf("1 %d", len(m.want[0])); got != want {
				t.Errorf("LIST 1 is %q in the second session, want %q", got, want)
			}
			c.Quit()
			m.remains(t, 0)
		})
	}
}

// retrieve checks RETR 1, and the number of octets if it tells one.
func (m *maildrop) retrieve(t *testing.T, c *Conn) {
	t.Helper()
	status, got := c.Multi("RETR 1")
	c.same("RETR", got, m.sent[0])
	if status != "" && status != fmt.Sprintf("%d octets", len(m.sent[0])) {
		t.Errorf("RETR says %q of %d octets", status, len(m.sent[0]))
	}
}

func (m *maildrop) tops(t *testing.T, c *Conn) {
	t.Helper()
	for _, lines := range []int{0, 1, 2, 3, 100, 99999999} {
		_, got := c.Multi("TOP 1 %d", lines)
		c.same(fmt.Sprintf("TOP 1 %d", lines), got, Top(m.sent[0], lines))
	}
}

// testNumbers: what is not the number of a message never is one.
func testNumbers(t *testing.T, open opener) {
	m := open(t, Mail(2))
	wrong := []string{
		"0", "3", "00", "-1", "+1", "1x", "x1", "1.0", "0x1", "1e0", "1,2", "1:2", "*", "", "1 1", "\"1\"", "{1}",
		"4294967297", "4294967298", "18446744073709551617", "18446744073709551618", "-18446744073709551615",
		"340282366920938463463374607431768211457", strings.Repeat("9", 400), "１", "1\x00", "\x001",
	}
	c := m.signIn(t)
	for _, number := range wrong {
		c.Err("RETR %s", number)
		c.Err("DELE %s", number)
		c.Err("TOP %s 0", number)
		if strings.Trim(number, " ") != "" { // LIST and UIDL without a number list all
			c.Err("LIST %s", number)
			c.Err("UIDL %s", number)
		}
		c.OK("NOOP")
	}
	for _, lines := range []string{"", " -1", " +1", " x", " 1x", " 1 1", " \x001"} {
		c.Err("TOP 1%s", lines)
		c.OK("NOOP")
	}
	for _, lines := range []string{"99999999", "4294967296", "18446744073709551616", strings.Repeat("9", 300)} {
		_, got := c.Multi("TOP 1 %s", lines)
		c.same("TOP 1 "+lines, got, m.sent[0])
	}
	c.Quit()
	m.remains(t, 0, 1)
}
