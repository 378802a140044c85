package bridge

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/restante-mail/restante/upstream"
)

// fullCaps is what a modern server announces.
const fullCaps = "IMAP4rev1 SASL-IR LITERAL+ ID AUTH=PLAIN UIDPLUS MOVE SPECIAL-USE LIST-EXTENDED"

// A fake is an IMAP server that does what it is told, for faults that no real
// one can be talked into. Left alone it is an ordinary, small server.
type fake struct {
	t     *testing.T
	l     net.Listener
	all   sync.WaitGroup
	begin sync.Once
	addr  string
	caps  string
	// greeting is sent first; "" is the ordinary one.
	greeting string
	// instead may answer a command itself, and then returns true. session
	// counts from 1; the command comes without its tag.
	instead func(c *fakeConn, session int, command string) bool

	mu          sync.Mutex
	messages    []*fakeMessage // of INBOX
	validity    int
	said        []string // commands, all sessions
	sessions    int
	connections []net.Conn
}

type fakeMessage struct {
	uid     int
	text    string
	deleted bool
}

// A fakeConn is one session.
type fakeConn struct {
	*fake
	net.Conn
	r    *bufio.Reader
	tag  string
	caps string // what the fake could do when the connection came
}

// newFake serves on loopback until the test ends. The texts become UIDs 11, 12...
func newFake(t *testing.T, texts ...string) *fake {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &fake{t: t, addr: l.Addr().String(), caps: fullCaps, validity: 99}
	for i, text := range texts {
		f.messages = append(f.messages, &fakeMessage{uid: 11 + i, text: text})
	}
	f.l = l
	t.Cleanup(func() {
		l.Close()
		f.hangUpAll()
		f.all.Wait()
	})
	return f
}

// serve begins to serve; the fake must be told before what to do.
func (f *fake) serve() {
	f.all.Go(func() {
		for {
			c, err := f.l.Accept()
			if err != nil {
				return
			}
			f.mu.Lock()
			f.sessions++
			session := f.sessions
			f.connections = append(f.connections, c)
			conn := &fakeConn{fake: f, Conn: c, r: bufio.NewReader(c), caps: f.caps}
			f.mu.Unlock()
			f.all.Go(func() { conn.serve(session) })
		}
	})
}

func (f *fake) hangUpAll() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.connections {
		c.Close()
	}
}

// options are for a client of the fake. A server that says nothing is given up
// soon.
func (f *fake) options() Options {
	f.begin.Do(f.serve)
	return Options{Addresses: []string{f.addr}, Security: Plain,
		DialTimeout: 5 * time.Second, ReplyTimeout: 5 * time.Second, ListTimeout: 5 * time.Second}
}

func (f *fake) upstream() *Upstream { return open(f.t, f.options()) }

// open signs alice in.
func (f *fake) open() *mailbox {
	f.t.Helper()
	m, err := f.upstream().Open(f.t.Context(), alice)
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { m.Close() })
	return m.(*mailbox)
}

// opened is open with the messages listed.
func (f *fake) opened() (*mailbox, []upstream.Message) {
	f.t.Helper()
	m := f.open()
	messages, err := m.Messages(f.t.Context())
	if err != nil {
		f.t.Fatal(err)
	}
	return m, messages
}

func (f *fake) countSessions() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.sessions
}

// heard are the commands that begin with the words, of all sessions.
func (f *fake) heard(words string) (found []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, command := range f.said {
		if strings.HasPrefix(command, words) {
			found = append(found, command)
		}
	}
	return found
}

func (c *fakeConn) send(format string, args ...any) {
	if _, err := fmt.Fprintf(c.Conn, format, args...); err != nil && !errors.Is(err, net.ErrClosed) {
		return // the client has gone, which is its right
	}
}

// ok and no complete the command.
func (c *fakeConn) ok(text string) { c.send("%s OK %s\r\n", c.tag, text) }
func (c *fakeConn) no(text string) { c.send("%s NO %s\r\n", c.tag, text) }

// stall says nothing until the client hangs up.
func (c *fakeConn) stall() { io.Copy(io.Discard, c.r) }

// line reads a line, with its literals in the middle of it.
func (c *fakeConn) line() (string, error) {
	var text strings.Builder
	for {
		line, err := c.r.ReadString('\n')
		if err != nil {
			return "", err
		}
		line = strings.TrimRight(line, "\r\n")
		text.WriteString(line)
		open := strings.LastIndexByte(line, '{')
		if open < 0 || !strings.HasSuffix(line, "}") {
			return text.String(), nil
		}
		size, err := strconv.Atoi(strings.TrimRight(line[open+1:], "+}"))
		if err != nil {
			return text.String(), nil
		}
		if !strings.HasSuffix(line, "+}") {
			c.send("+ go on\r\n")
		}
		literal := make([]byte, size)
		if _, err := io.ReadFull(c.r, literal); err != nil {
			return "", err
		}
		text.Write(literal)
	}
}

func (c *fakeConn) serve(session int) {
	defer c.Close()
	c.send("%s\r\n", cmp.Or(c.greeting, "* OK [CAPABILITY "+c.caps+"] fake"))
	for {
		line, err := c.line()
		if err != nil {
			return
		}
		tag, command, _ := strings.Cut(line, " ")
		c.mu.Lock()
		c.said = append(c.said, command)
		c.mu.Unlock()
		c.tag = tag
		if c.instead == nil || !c.instead(c, session, command) {
			c.answer(command)
		}
		if command == "LOGOUT" {
			return
		}
	}
}

// answer does what an ordinary server does.
func (c *fakeConn) answer(command string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	words := strings.Fields(command)
	switch {
	case words[0] == "CAPABILITY":
		c.send("* CAPABILITY %s\r\n", c.caps)
	case words[0] == "LOGIN", words[0] == "AUTHENTICATE":
		c.ok("[CAPABILITY " + c.caps + "] in")
		return
	case words[0] == "SELECT":
		c.send("* %d EXISTS\r\n* OK [UIDVALIDITY %d] so\r\n* OK [UIDNEXT 1000] so\r\n", len(c.messages), c.validity)
	case words[0] == "LIST":
		c.send("* LIST (\\HasNoChildren \\Trash) \"/\" Bin\r\n")
	case strings.HasPrefix(command, "UID FETCH 1:*"):
		for i, m := range c.messages {
			c.send("* %d FETCH (UID %d RFC822.SIZE %d FLAGS () INTERNALDATE \"17-Jul-1996 02:44:25 -0700\")\r\n", i+1, m.uid, len(m.text))
		}
	case strings.HasPrefix(command, "UID FETCH"):
		c.fetch(words)
	case strings.HasPrefix(command, "UID SEARCH UID"):
		c.send("* SEARCH%s\r\n", c.found(words[3]))
	case strings.HasPrefix(command, "UID STORE"):
		for _, m := range c.messages {
			if inSet(m.uid, words[2]) && strings.Contains(command, `\Deleted`) {
				m.deleted = words[3][0] == '+'
			}
		}
	case strings.HasPrefix(command, "UID EXPUNGE"), strings.HasPrefix(command, "UID MOVE"):
		c.messages = slices.DeleteFunc(c.messages, func(m *fakeMessage) bool {
			return inSet(m.uid, words[2]) && (m.deleted || words[1] == "MOVE")
		})
	}
	c.ok("done")
}

// fetch answers for a set of UIDs.
func (c *fakeConn) fetch(words []string) {
	for i, m := range c.messages {
		if !inSet(m.uid, words[2]) {
			continue
		}
		if strings.HasPrefix(words[len(words)-1], "RFC822.SIZE") {
			c.send("* %d FETCH (UID %d RFC822.SIZE %d)\r\n", i+1, m.uid, len(m.text))
			continue
		}
		text, origin := m.text, ""
		if _, partial, ok := strings.Cut(words[len(words)-1], "<"); ok {
			var offset, size int
			fmt.Sscanf(partial, "%d.%d>", &offset, &size)
			text = text[min(offset, len(text)):min(offset+size, len(text))]
			origin = fmt.Sprintf("<%d>", offset)
		}
		c.send("* %d FETCH (UID %d BODY[]%s {%d}\r\n%s)\r\n", i+1, m.uid, origin, len(text), text)
	}
}

func (c *fakeConn) found(set string) (found string) {
	for _, m := range c.messages {
		if inSet(m.uid, set) {
			found += fmt.Sprintf(" %d", m.uid)
		}
	}
	return found
}

func inSet(uid int, set string) bool {
	for part := range strings.SplitSeq(set, ",") {
		from, to, isRange := strings.Cut(part, ":")
		first, _ := strconv.Atoi(from)
		last := first
		if isRange {
			last, _ = strconv.Atoi(to)
		}
		if first <= uid && uid <= last {
			return true
		}
	}
	return false
}

// read reads a whole message, or a part.
func read(t *testing.T, m *mailbox, uid uint32, part upstream.Part) (string, error) {
	t.Helper()
	r, err := m.Open(t.Context(), upstream.ID{UID: uid}, part)
	if err != nil {
		return "", err
	}
	text, err := io.ReadAll(r)
	if closeErr := r.Close(); closeErr != nil {
		t.Errorf("close: %v", closeErr)
	}
	return string(text), err
}

// kindIs checks an error's kind and, if given, words in it.
func kindIs(t *testing.T, err error, kind upstream.Kind, words string) {
	t.Helper()
	var e *upstream.Error
	if !errors.As(err, &e) {
		t.Fatalf("got %v, want an *upstream.Error with %q", err, words)
	}
	if e.Kind != kind || !strings.Contains(err.Error(), words) {
		t.Errorf("got %v: %v; want %v and %q", e.Kind, err, kind, words)
	}
}
