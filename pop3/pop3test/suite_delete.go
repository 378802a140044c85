package pop3test

import (
	"fmt"
	"maps"
	"strings"
	"testing"
)

// testDeletion: RFC 1939 section 5. A deleted message is not there for any
// command, the others keep their numbers, and RSET brings it back.
func testDeletion(t *testing.T, open opener) {
	m := open(t, Mail(3))
	c := m.signIn(t)
	all := c.OK("STAT")
	c.OK("DELE 2")
	for _, command := range []string{"DELE 2", "RETR 2", "TOP 2 0", "LIST 2", "UIDL 2"} {
		c.Err("%s", command)
	}
	if got, want := c.OK("STAT"), fmt.Sprintf("2 %d", len(m.want[0])+len(m.want[2])); got != want {
		t.Errorf("STAT after DELE 2 is %q, want %q", got, want)
	}
	for _, command := range []string{"LIST", "UIDL"} {
		_, body := c.Multi("%s", command)
		if lines := strings.Split(string(body), "\r\n"); len(lines) != 3 || lines[0][:2] != "1 " || lines[1][:2] != "3 " {
			t.Errorf("%s after DELE 2 is %q", command, body)
		}
	}
	_, got := c.Multi("RETR 3")
	c.same("RETR 3 after DELE 2", got, m.sent[2])
	c.OK("RSET")
	if got := c.OK("STAT"); got != all {
		t.Errorf("STAT after RSET is %q, it was %q", got, all)
	}
	_, got = c.Multi("RETR 2")
	c.same("RETR 2 after RSET", got, m.sent[1])
	c.Quit()
	m.remains(t, 0, 1, 2)
}

// testUpdate: RFC 1939 section 6. QUIT deletes what was marked, nothing else.
func testUpdate(t *testing.T, open opener) {
	m := open(t, Mail(6))
	c := m.signIn(t)
	c.OK("DELE 6")
	c.OK("RSET")
	c.OK("DELE 1")
	c.Multi("RETR 3")
	c.OK("DELE 4")
	c.Err("DELE 4")
	c.Quit()
	m.remains(t, 1, 2, 4, 5)

	c = m.signIn(t)
	if got := c.OK("STAT"); !strings.HasPrefix(got, "4 ") {
		t.Errorf("STAT in the next session is %q", got)
	}
	_, got := c.Multi("RETR 3")
	c.same("RETR 3 in the next session", got, m.sent[4])
	for n := range 4 {
		c.OK("DELE %d", n+1)
	}
	c.Quit()
	m.remains(t)
}

// testDrop: without a QUIT and its line end nothing is deleted (RFC 1939
// section 6), however the session ends.
func testDrop(t *testing.T, open opener) {
	m := open(t, Mail(2))
	for _, last := range []string{"", "QUI", "QUIT", "QUIT\r", "DELE 2", "\nQUIT", "quit \r"} {
		c := m.signIn(t)
		c.OK("DELE 1")
		c.Send(last)
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		m.remains(t, 0, 1)
	}
	c := m.signIn(t)
	c.Send("DELE 2") // is no command before its line end came
	c.Send("\x00\r\nQUIT\r\n")
	c.expect("-ERR")
	c.expect("+OK")
	m.remains(t, 0, 1)
}

// testUniqueIDs: RFC 1939 section 7. They stay across sessions, and with their
// messages when others go.
func testUniqueIDs(t *testing.T, open opener) {
	m := open(t, Mail(4))
	c := m.signIn(t)
	first := c.uidls()
	c.Multi("RETR 2")
	c.OK("DELE 1")
	c.Quit()
	c = m.signIn(t)
	second := c.uidls()
	want := map[string]string{"1": first["2"], "2": first["3"], "3": first["4"]}
	if !maps.Equal(second, want) {
		t.Errorf("after deleting message 1 the UIDLs are %v, want %v", second, want)
	}
	c.Quit()
}
