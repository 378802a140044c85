package memimap

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/restante-mail/restante/secret"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds every wait of these tests.
const patience = 20 * time.Second

// oddMessages are those that a server that parses them would mend.
var oddMessages = []struct{ name, raw string }{
	{"ordinary", "From: a@b\r\nSubject: one\r\n\r\nBody.\r\n"},
	{"LF only", "From: a@b\nSubject: two\n\nBody.\n.\n"},
	{"no blank line", "From: a@b\r\nSubject: three\r\n"},
	{"header cut", "From: a@b\r\nSubj"},
	{"empty", ""},
	{"one octet", "x"},
	{"only a line end", "\r\n"},
	{"no header", "\r\nBody alone.\r\n"},
	{"NUL", "From: a@b\r\n\r\nzero\x00zero\r\n\x00"},
	{"mbox From line", "From alice@example.com Mon Mar  2 08:15:00 2026\r\nFrom: a@b\r\n\r\nBody.\r\n"},
	{"bad header line", "From: a@b\r\nthis is no field\r\n: nor this\r\n\r\nBody.\r\n"},
	{"no final CRLF", "From: a@b\r\n\r\nBody"},
	{"bare CR", "From: a@b\r\n\r\none\rtwo\r\r\n\r"},
	{"8-bit", "From: \xe9@b\r\n\r\n\xff\xfe\x80\r\n"},
	{"dots", ".\r\n..\r\n\r\n.\r\n..\r\n"},
	{"looks like IMAP", "a: {5}\r\n\r\n* 1 FETCH (UID 1)\r\n)\r\nA1 OK done\r\n"},
	{"long line", "a: b\r\n\r\n" + strings.Repeat("x", 1<<20) + "\r\n"},
}

// start serves s on loopback and returns its address.
func start(t *testing.T, s *Server) string {
	t.Helper()
	return serve(t, s, s.Serve)
}

func serve(t *testing.T, s *Server, serve func(net.Listener) error) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- serve(l) }()
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		if err := <-done; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return l.Addr().String()
}

// withAlice makes a server with one user, alice, whose password is "secret".
func withAlice(t *testing.T, lacks ...string) (box *Mailbox, address string) {
	t.Helper()
	s := New()
	s.InsecureAuth = true
	s.Lacks = lacks
	box = s.AddUser("alice", secret.New("secret")).Mailbox("INBOX")
	return box, start(t, s)
}

// A wire is a client that sees every octet.
type wire struct {
	t    *testing.T
	conn net.Conn
	in   *bufio.Reader
	tags int
}

func dial(t *testing.T, address string) *wire {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	w := &wire{t: t, conn: conn, in: bufio.NewReader(conn)}
	if greeting := w.response(); !strings.HasPrefix(greeting.text, "* OK") {
		t.Fatalf("greeting: %q", greeting.text)
	}
	return w
}

// signIn opens INBOX as alice.
func signIn(t *testing.T, address string) *wire {
	t.Helper()
	w := dial(t, address)
	w.ok("LOGIN alice secret")
	w.ok("SELECT INBOX")
	return w
}

// A response is one response of the server, its literals taken out.
type response struct {
	text     string
	literals []string
}

func (w *wire) response() response {
	w.t.Helper()
	var r response
	for {
		line, err := w.in.ReadString('\n')
		if err != nil {
			w.t.Fatalf("after %q: %v", r.text+line, err)
		}
		line = strings.TrimSuffix(line, "\r\n")
		r.text += line
		size, ok := literalSize(line)
		if !ok {
			return r
		}
		literal := make([]byte, size)
		if _, err := io.ReadFull(w.in, literal); err != nil {
			w.t.Fatalf("literal of %q: %v", r.text, err)
		}
		r.literals = append(r.literals, string(literal))
	}
}

func literalSize(line string) (int, bool) {
	open := strings.LastIndexByte(line, '{')
	if open < 0 || !strings.HasSuffix(line, "}") {
		return 0, false
	}
	size, err := strconv.Atoi(line[open+1 : len(line)-1])
	return size, err == nil
}

func (w *wire) send(format string, args ...any) (tag string) {
	w.t.Helper()
	w.tags++
	tag = fmt.Sprintf("t%d", w.tags)
	if _, err := fmt.Fprintf(w.conn, tag+" "+format+"\r\n", args...); err != nil {
		w.t.Fatal(err)
	}
	return tag
}

// command returns the untagged responses and the tagged one without its tag.
func (w *wire) command(format string, args ...any) (untagged []response, tagged string) {
	w.t.Helper()
	tag := w.send(format, args...)
	for {
		r := w.response()
		if text, ok := strings.CutPrefix(r.text, tag+" "); ok {
			return untagged, text
		}
		untagged = append(untagged, r)
	}
}

// ok is a command that must succeed.
func (w *wire) ok(format string, args ...any) []response {
	w.t.Helper()
	untagged, tagged := w.command(format, args...)
	if !strings.HasPrefix(tagged, "OK") {
		w.t.Fatalf("%s: %s", fmt.Sprintf(format, args...), tagged)
	}
	return untagged
}

// expect is a command that must have exactly these answers, of which the last
// is the beginning of the tagged one.
func (w *wire) expect(command string, want ...string) {
	w.t.Helper()
	untagged, tagged := w.command("%s", command)
	got := make([]string, 0, len(untagged)+1)
	for _, r := range untagged {
		got = append(got, r.text)
	}
	last := want[len(want)-1]
	if len(tagged) > len(last) {
		tagged = tagged[:len(last)]
	}
	got = append(got, tagged)
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		w.t.Errorf("%s\n got %q\nwant %q", command, got, want)
	}
}

// literal is the only literal of the only response to a command.
func (w *wire) literal(format string, args ...any) string {
	w.t.Helper()
	responses := w.ok(format, args...)
	if len(responses) != 1 || len(responses[0].literals) != 1 {
		w.t.Fatalf("%s: %.200q, want one literal", fmt.Sprintf(format, args...), responses)
	}
	return responses[0].literals[0]
}

// needsPeer skips, except in CI, where a missing peer is a failure.
func needsPeer(t *testing.T, what string, err error) {
	t.Helper()
	if err == nil {
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s is missing: %v", what, err)
	}
	t.Skipf("%s is missing: %v", what, err)
}

func sameOctets(t *testing.T, what, got, want string) {
	t.Helper()
	if got == want {
		return
	}
	at := 0
	for at < min(len(got), len(want)) && got[at] == want[at] {
		at++
	}
	t.Errorf("%s: %d octets, want %d; differ at %d: %.40q, want %.40q", what, len(got), len(want), at, got[at:], want[at:])
}

func messagesOf(box *Mailbox) string {
	var out bytes.Buffer
	for _, m := range box.Messages() {
		fmt.Fprintf(&out, "%d %s %s\n", m.UID, m.Raw, strings.Join(m.Flags, " "))
	}
	return out.String()
}
