package pop3

import (
	"errors"
	"strconv"
	"strings"
)

// maxReply is the longest line of an answer, CRLF included (RFC 1939 section 3).
const maxReply = 512

// refusal is the error that becomes one -ERR.
type refusal struct {
	code string // response code, or ""
	text string
	bad  bool   // counts against Limits.BadCommands
	id   bool   // the client needs the session's ID: the cause is in the log
	end  string // an End constant: hang up afterwards
}

func (r *refusal) Error() string { return r.text }

// bad refuses what is not POP3.
func bad(text string) *refusal { return &refusal{text: text, bad: true} }

// refuse writes -ERR. It is the only place that does.
func (c *conn) refuse(r *refusal) {
	head := "-ERR "
	if r.code != "" {
		head += "[" + r.code + "] "
	}
	tail := "\r\n"
	if r.id {
		tail = " (session " + c.peer.ID + ")\r\n"
	}
	c.w.writeString(head + printable(unbracket(r.text), maxReply-len(head)-len(tail)) + tail)
}

// ok writes a +OK of one line; text may be empty.
func (c *conn) ok(text string) {
	if text == "" {
		c.w.writeString("+OK\r\n")
		return
	}
	c.w.writeString("+OK " + printable(unbracket(text), maxReply-len("+OK \r\n")) + "\r\n")
}

// okNumbers writes the +OK of commands that answer with numbers, without
// allocating.
func (c *conn) okNumbers(numbers ...int64) {
	c.w.writeString("+OK")
	for _, n := range numbers {
		c.w.writeString(" ")
		c.number(n)
	}
	c.w.writeString("\r\n")
}

func (c *conn) number(n int64) {
	var b [20]byte
	c.w.write(strconv.AppendInt(b[:0], n, 10))
}

// failed makes a refusal of a backend's error, which is reported. Only an
// *Error is told to the client; of anything else it hears that it happened.
func (c *conn) failed(doing string, err error) error {
	if c.isStopped() {
		return &ending{c.stoppedHow(), err}
	}
	c.tell(doing, err)
	var e *Error
	if errors.As(err, &e) {
		return &refusal{code: responseCode(e.Code), text: e.Text, id: true}
	}
	return &refusal{code: CodeSysTemp, text: "the mail server has a problem, try again later", id: true}
}

// responseCode drops what is not a response code (RFC 2449 section 8): 1 or
// more printable characters but the bracket, hierarchical with slashes.
func responseCode(code string) string {
	if len(code) > 32 || strings.ContainsFunc(code, func(r rune) bool { return r <= ' ' || r > '~' || r == ']' }) {
		return CodeSysTemp
	}
	return code
}

// unbracket keeps text from looking like a response code.
func unbracket(text string) string {
	if strings.HasPrefix(text, "[") {
		return "(" + text[1:]
	}
	return text
}

// printable makes text printable ASCII of at most max characters. What comes
// from elsewhere can hold anything, line ends included.
func printable(text string, max int) string {
	if len(text) > max {
		text = text[:max]
	}
	clean := []byte(text)
	for i, b := range clean {
		if b < ' ' || b > '~' {
			clean[i] = '?'
		}
	}
	return string(clean)
}

// banner is the server's name for the greeting and CAPA.
func (s *Server) banner() string {
	if s.Implementation == "" {
		return "POP3 server"
	}
	return s.Implementation
}
