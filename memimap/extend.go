package memimap

import (
	"bytes"
	"net"
	"slices"
	"strconv"
	"strings"
)

// imapserver knows neither QUOTA nor OBJECTID, and refuses what it does not
// know. Where a Server is to have them they are spoken here, between it and the
// socket: GETQUOTAROOT reaches it as NOOP, and the answer goes out before its
// OK; EMAILID is taken out of a FETCH, and put into what that brings.

// extender gives out extended connections.
type extender struct {
	net.Listener
	has []string
}

func (e *extender) Accept() (net.Conn, error) {
	c, err := e.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &extended{Conn: c, has: e.has}, nil
}

// extended is a connection as imapserver sees it. It is read from one goroutine,
// and what is written meanwhile belongs to commands that were read before, for
// imapserver works in order; so both are that goroutine's but for IDLE's, which
// no command overtakes.
type extended struct {
	net.Conn
	has     []string
	session *session
	opaque  bool // STARTTLS was read: the rest cannot be

	in, ready stream // from the client: not framed yet, and for imapserver
	out       stream
	commands  []command // read, and not answered
}

// A stream is octets on their way, of which literal more pass unread.
type stream struct {
	octets  []byte
	literal int
}

// A command that was read.
type command struct {
	tag      string
	quotaOf  *string // GETQUOTAROOT
	emailIDs bool    // FETCH with EMAILID
}

func (e *extended) Read(p []byte) (int, error) {
	if e.opaque && len(e.ready.octets)+len(e.in.octets) == 0 {
		return e.Conn.Read(p)
	}
	for len(e.ready.octets) == 0 {
		buf := make([]byte, 4096)
		n, err := e.Conn.Read(buf)
		if err != nil {
			return 0, err
		}
		e.in.octets = append(e.in.octets, buf[:n]...)
		e.frame()
	}
	n := copy(p, e.ready.octets)
	e.ready.octets = e.ready.octets[n:]
	return n, nil
}

// frame moves what is complete from in to ready.
func (e *extended) frame() {
	for {
		chunk, isLine := e.in.next()
		if chunk == nil {
			return
		}
		if isLine {
			chunk = e.command(chunk)
		}
		e.ready.octets = append(e.ready.octets, chunk...)
	}
}

// next takes a line off, or what there is of a literal; nil if neither is
// there.
func (s *stream) next() (chunk []byte, isLine bool) {
	if s.literal > 0 {
		n := min(s.literal, len(s.octets))
		chunk, s.octets, s.literal = s.octets[:n:n], s.octets[n:], s.literal-n
		if n == 0 {
			return nil, false
		}
		return chunk, false
	}
	end := bytes.IndexByte(s.octets, '\n') + 1
	if end == 0 {
		return nil, false
	}
	chunk, s.octets = s.octets[:end:end], s.octets[end:]
	s.literal = announced(chunk)
	return chunk, true
}

// announced is the length of the literal that follows a line.
func announced(line []byte) int {
	line = bytes.TrimRight(line, "\r\n")
	open := bytes.LastIndexByte(line, '{')
	if open < 0 || !bytes.HasSuffix(line, []byte{'}'}) {
		return 0
	}
	n, err := strconv.ParseUint(strings.TrimSuffix(string(line[open+1:len(line)-1]), "+"), 10, 31)
	if err != nil {
		return 0
	}
	return int(n)
}

// command notes a command, and returns it as imapserver can read it. What goes
// on after a literal, or answers a challenge, is no harm: no response has it as
// its tag.
func (e *extended) command(line []byte) []byte {
	text := strings.TrimRight(string(line), "\r\n")
	tag, rest, _ := strings.Cut(text, " ")
	c := command{tag: tag}
	verb, argument, _ := strings.Cut(rest, " ")
	switch verb = strings.ToUpper(verb); {
	case verb == "STARTTLS":
		e.opaque = true
	case verb == "GETQUOTAROOT" && slices.Contains(e.has, "QUOTA"):
		name := strings.Trim(argument, `"`)
		c.quotaOf = &name
		line = []byte(tag + " NOOP\r\n")
	case strings.Contains(text, " EMAILID") && slices.Contains(e.has, "OBJECTID"):
		c.emailIDs = true
		line = []byte(strings.Replace(text, " EMAILID", "", 1) + "\r\n")
	}
	e.commands = append(e.commands, c)
	return line
}

func (e *extended) Write(p []byte) (int, error) {
	if e.opaque {
		return e.Conn.Write(p)
	}
	e.out.octets = append(e.out.octets, p...)
	var send []byte
	for {
		chunk, isLine := e.out.next()
		if chunk == nil {
			break
		}
		if isLine {
			chunk = e.response(chunk)
		}
		send = append(send, chunk...)
	}
	if _, err := e.Conn.Write(send); err != nil {
		return 0, err
	}
	return len(p), nil
}

// response adds to a line what it lacks.
func (e *extended) response(line []byte) []byte {
	if bytes.Contains(line, []byte("CAPABILITY ")) && e.session != nil && e.session.user != nil {
		return bytes.Replace(line, []byte("IMAP4rev1"), []byte("IMAP4rev1 "+strings.Join(e.has, " ")), 1)
	}
	tag, _, _ := strings.Cut(string(line), " ")
	i := slices.IndexFunc(e.commands, func(c command) bool { return c.tag == tag })
	if i >= 0 {
		c := e.commands[i]
		e.commands = e.commands[i+1:]
		if c.quotaOf != nil {
			return e.quota(c)
		}
		return line
	}
	if len(e.commands) > 0 && e.commands[0].emailIDs && bytes.Contains(line, []byte(" FETCH (")) {
		return e.withEmailID(line)
	}
	return line
}

// quota answers GETQUOTAROOT (RFC 9208 section 4.1.2).
func (e *extended) quota(c command) []byte {
	if e.session == nil || e.session.user == nil {
		return []byte(c.tag + " BAD Sign in first\r\n")
	}
	answer, ok := e.session.user.quota(*c.quotaOf)
	if !ok {
		return []byte(c.tag + " NO [NONEXISTENT] No such mailbox\r\n")
	}
	return []byte(answer + c.tag + " OK Done\r\n")
}

// withEmailID puts the name of the message whose UID stands in the line into it.
func (e *extended) withEmailID(line []byte) []byte {
	_, rest, _ := strings.Cut(string(line), "UID ")
	digits, _, _ := strings.Cut(strings.TrimRight(rest, "\r\n)"), " ")
	uid, err := strconv.ParseUint(digits, 10, 32)
	if err != nil || e.session == nil || e.session.view == nil {
		return line
	}
	id := e.session.view.box.emailID(uint32(uid))
	if id == "" {
		return line
	}
	return bytes.Replace(line, []byte(" FETCH ("), []byte(" FETCH (EMAILID ("+id+") "), 1)
}
