package pop3test

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// testSignIn: RFC 1939 section 7, RFC 5034, RFC 3206.
func testSignIn(t *testing.T, open opener) {
	m := open(t, Mail(2))
	c := m.server.Dial(t)
	c.Err("STAT") // not valid yet
	c.Err("PASS %s", m.Password)
	c.Err("USER")
	c.OK("USER %s", m.User)
	if text := c.Err("PASS %s", "not "+m.Password); !strings.HasPrefix(text, "[AUTH] ") {
		t.Errorf("a wrong password is refused with %q, want [AUTH]", text)
	}
	c.Err("PASS %s", m.Password) // the name went with the failure
	c.OK("user %s", m.User)
	c.OK("pass %s", m.Password)
	c.Err("USER %s", m.User) // not valid any more
	c.Err("AUTH PLAIN =")
	c.Quit()
	m.signInBySASL(t)
	m.remains(t, 0, 1)
}

// signInBySASL does so by PLAIN, in one step and in two.
func (m *maildrop) signInBySASL(t *testing.T) {
	c := m.server.Dial(t)
	plain := base64.StdEncoding.EncodeToString([]byte("\x00" + m.User + "\x00" + m.Password))
	if m.Quirks.NoPlainSASL {
		c.Err("AUTH PLAIN %s", plain)
		c.Quit()
		return
	}
	c.OK("AUTH PLAIN %s", plain)
	c.OK("STAT")
	c.Quit()

	c = m.server.Dial(t)
	if line := c.challenge("auth plain"); line != "+ " {
		t.Errorf("the empty challenge is %q", line)
	}
	c.OK("%s", plain)
	c.Quit()
}

func (c *Conn) challenge(line string) string {
	c.t.Helper()
	c.Send(line + "\r\n")
	return c.Line()
}

// testCapabilities: RFC 2449 section 5 and 6. What is announced must work.
func testCapabilities(t *testing.T, open opener) {
	m := open(t, Mail(2))
	c := m.server.Dial(t)
	before := c.capabilities()
	for _, line := range []string{"TOP", "UIDL", "USER", "PIPELINING", "RESP-CODES", "AUTH-RESP-CODE"} {
		if !slices.Contains(before, line) {
			t.Errorf("CAPA does not list %s", line)
		}
	}
	c.SignIn(m.User, m.Password)
	after := c.capabilities()
	if slices.Contains(after, "UIDL") {
		c.Multi("UIDL")
	} else {
		c.Err("UIDL")
	}
	if slices.Contains(after, "STLS") {
		t.Error("STLS is listed after sign-in")
	}
	c.Quit()
}

func (c *Conn) capabilities() []string {
	c.t.Helper()
	_, body := c.Multi("CAPA")
	return strings.Split(strings.TrimSuffix(string(body), "\r\n"), "\r\n")
}

// testLast: RFC 1460 section 5.
func testLast(t *testing.T, open opener) {
	m := open(t, Mail(3))
	c := m.signIn(t)
	start := c.OK("LAST")
	c.Multi("RETR 3")
	c.Multi("RETR 2")
	if got := c.OK("LAST"); got != "3" {
		t.Errorf("LAST after RETR 3 and RETR 2 is %q", got)
	}
	c.OK("RSET")
	if got := c.OK("LAST"); got != start {
		t.Errorf("LAST after RSET is %q, at the beginning it was %q", got, start)
	}
	c.Quit()
}

// testPipelining: RFC 2449 section 6.6, hundreds of commands in one packet.
func testPipelining(t *testing.T, open opener) {
	m := open(t, Mail(20))
	c := m.server.Dial(t)
	var talk strings.Builder
	fmt.Fprintf(&talk, "CAPA\r\nUSER %s\r\nPASS %s\r\nSTAT\r\nLIST\r\n", m.User, m.Password)
	for n := range 400 {
		fmt.Fprintf(&talk, "RETR %d\r\nNOOP\r\nTOP %d 0\r\nXYZZ\r\n", n%20+1, n%20+1)
	}
	talk.WriteString("DELE 1\r\nQUIT\r\n")
	go func() { _, _ = c.Write([]byte(talk.String())) }()

	c.expect("+OK")
	c.Body()
	c.expect("+OK") // USER
	c.expect("+OK") // PASS
	c.expect("+OK") // STAT
	c.expect("+OK") // LIST
	c.Body()
	for n := range 400 {
		want := m.sent[n%20]
		c.expect("+OK")
		c.same("RETR", c.Body(), want)
		c.expect("+OK")
		c.expect("+OK")
		c.same("TOP", c.Body(), Top(want, 0))
		c.expect("-ERR")
	}
	c.expect("+OK") // DELE
	c.expect("+OK") // QUIT
	c.Closed()
	m.remains(t, numbers(1, 20)...)
}

// expect reads a status line.
func (c *Conn) expect(status string) {
	c.t.Helper()
	if line := c.Line(); !strings.HasPrefix(line, status) {
		c.t.Fatalf("%q, want %s", line, status)
	}
}

// same compares a message.
func (c *Conn) same(what string, got, want []byte) {
	c.t.Helper()
	if string(got) != string(want) {
		c.t.Fatalf("%s gives %s, want %s", what, brief(got), brief(want))
	}
}

// numbers are from, from+1 ... to-1.
func numbers(from, to int) (all []int) {
	for i := from; i < to; i++ {
		all = append(all, i)
	}
	return all
}

// testChunks: a session must not depend on how the network cuts it.
func testChunks(t *testing.T, open opener) {
	m := open(t, Mail(3))
	talk := fmt.Sprintf("CAPA\r\nUSER %s\r\nPASS %s\nLIST\nRETR 2\r\nTOP 1 1\r\nUIDL 3\r\nDELE 2\r\nRSET\r\nQUIT\r\n", m.User, m.Password)
	var first string
	for _, size := range []int{512, 1, 2, 3, 7, 64, 511} {
		c := m.server.Dial(t)
		go func() {
			for rest := talk; rest != ""; {
				n := min(size, len(rest))
				_, _ = c.Write([]byte(rest[:n]))
				rest = rest[n:]
			}
		}()
		answers := c.all()
		if first == "" {
			first = answers
		}
		if answers != first || strings.Count(answers, "-ERR") > 0 {
			t.Errorf("in chunks of %d the answers are %q", size, answers)
		}
	}
	m.remains(t, 0, 1, 2)
}

// all reads until the server hangs up.
func (c *Conn) all() string {
	c.t.Helper()
	var all strings.Builder
	for {
		line, err := c.rawLine()
		all.Write(line)
		if err != nil {
			return all.String()
		}
	}
}

// testHostileLines: one -ERR for each, and the session goes on.
func testHostileLines(t *testing.T, open opener) {
	m := open(t, Mail(1))
	c := m.signIn(t)
	for _, line := range []string{
		"", " ", "\x00", "RETR", "RETR\t1", "RETR1", "LISTLIST", "STAT 1", "NOOP x", "QUIT now", "RSET 1",
		"\xff\xfe\xfd", "GET / HTTP/1.1", "UPDATE", "STLS", "APOP a b", "\r", "RETR 1\r", "RETR 1\x00",
		strings.Repeat("A", 509), strings.Repeat("A", 511), strings.Repeat("RETR 1 ", 1000),
		strings.Repeat("x", 1<<20),
	} {
		c.Err("%s", line)
		c.OK("NOOP")
	}
	c.Quit()
	m.remains(t, 0)
}
