package peertest

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// peerTime is how long a server may take for one answer.
const peerTime = 60 * time.Second

// An IMAPConn is another client of the same mailbox, who speaks raw IMAP.
type IMAPConn struct {
	t    T
	c    net.Conn
	r    *bufio.Reader
	tags int
}

// A Reply is one untagged response: its text with every literal cut out, and
// the literals.
type Reply struct {
	Text     string
	Literals [][]byte
}

// DialIMAP connects without TLS.
func DialIMAP(t T, addr string) *IMAPConn {
	t.Helper()
	c, err := net.DialTimeout("tcp", addr, peerTime)
	if err != nil {
		t.Fatalf("IMAP: %v", err)
	}
	i := &IMAPConn{t: t, c: c, r: bufio.NewReaderSize(c, 64<<10)}
	if greeting, err := i.reply(); err != nil || !strings.HasPrefix(greeting.Text, "* OK") {
		t.Fatalf("IMAP greeting: %q, %v", greeting.Text, err)
	}
	return i
}

// Login signs in.
func (i *IMAPConn) Login(user, password string) {
	i.t.Helper()
	i.Do(fmt.Sprintf("LOGIN {%d+}\r\n%s {%d+}\r\n%s", len(user), user, len(password), password))
}

// Do sends a command, fails the test unless it is answered OK, and returns the
// untagged replies.
func (i *IMAPConn) Do(command string) []Reply {
	i.t.Helper()
	replies, result, err := i.Try(command)
	if err != nil || !strings.HasPrefix(result, "OK") {
		i.t.Fatalf("IMAP %.60q: %q, %v", command, result, err)
	}
	return replies
}

// Try sends a command and returns what came, and the tagged result.
func (i *IMAPConn) Try(command string) (replies []Reply, result string, err error) {
	i.tags++
	tag := fmt.Sprintf("p%d", i.tags)
	_ = i.c.SetDeadline(time.Now().Add(peerTime))
	if _, err := io.WriteString(i.c, tag+" "+command+"\r\n"); err != nil {
		return nil, "", err
	}
	for {
		reply, err := i.reply()
		if err != nil {
			return replies, "", err
		}
		if result, ok := strings.CutPrefix(reply.Text, tag+" "); ok {
			return replies, result, nil
		}
		replies = append(replies, reply)
	}
}

// literal is the announcement that ends a line.
var literal = regexp.MustCompile(`\{(\d+)\}$`)

func (i *IMAPConn) reply() (Reply, error) {
	_ = i.c.SetReadDeadline(time.Now().Add(peerTime))
	var reply Reply
	for {
		line, err := i.r.ReadString('\n')
		if err != nil {
			return reply, err
		}
		line = strings.TrimRight(line, "\r\n")
		found := literal.FindStringSubmatch(line)
		if found == nil {
			reply.Text += line
			return reply, nil
		}
		size, err := strconv.Atoi(found[1])
		if err != nil {
			return reply, err
		}
		octets := make([]byte, size)
		if _, err := io.ReadFull(i.r, octets); err != nil {
			return reply, err
		}
		reply.Text += strings.TrimSuffix(line, found[0])
		reply.Literals = append(reply.Literals, octets)
	}
}

var (
	fetchUID   = regexp.MustCompile(`[( ]UID (\d+)`)
	fetchSize  = regexp.MustCompile(`RFC822\.SIZE (\d+)`)
	fetchFlags = regexp.MustCompile(`FLAGS \(([^)]*)\)`)
	fetchDate  = regexp.MustCompile(`INTERNALDATE "([^"]*)"`)
)

// Fetch reads all messages of the selected folder.
func (i *IMAPConn) Fetch() []Message {
	i.t.Helper()
	var list []Message
	for _, reply := range i.Do("UID FETCH 1:* (UID FLAGS RFC822.SIZE INTERNALDATE BODY.PEEK[])") {
		if len(reply.Literals) != 1 {
			continue
		}
		m := Message{Octets: reply.Literals[0]}
		uid, _ := strconv.ParseUint(submatch(fetchUID, reply.Text), 10, 32)
		m.UID = uint32(uid)
		m.Size, _ = strconv.ParseInt(submatch(fetchSize, reply.Text), 10, 64)
		m.Arrived, _ = time.Parse("_2-Jan-2006 15:04:05 -0700", submatch(fetchDate, reply.Text))
		m.Flags = strings.TrimSpace(strings.ReplaceAll(submatch(fetchFlags, reply.Text), `\Recent`, ""))
		list = append(list, m)
	}
	return list
}

func submatch(re *regexp.Regexp, text string) string {
	if found := re.FindStringSubmatch(text); found != nil {
		return found[1]
	}
	return ""
}

// Close hangs up.
func (i *IMAPConn) Close() { _ = i.c.Close() }

// quote makes an IMAP quoted string of a folder's name.
func quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}
