package pop3

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"math"
	"strings"
)

const (
	// clientMaxLine bounds a line that is not part of a message, its end
	// included. RFC 2449 section 4 allows 512 octets; some greetings and error
	// texts are longer.
	clientMaxLine = 2048
	// clientMaxChallenge bounds a SASL challenge (RFC 5034 section 4 knows no
	// bound; RFC 4954 section 4 has this one).
	clientMaxChallenge = 12288
)

// A ReplyError is a server's -ERR. It is not an *Error: a server's words are
// for the log, and must never be passed to a client.
type ReplyError struct {
	Command string // what was refused: "PASS", "greeting"
	Code    string // the response code in capitals, without brackets; "" if there was none
	Text    string // what the server said after the code, as printable ASCII; may be empty
}

func (e *ReplyError) Error() string {
	if e.Code != "" {
		return fmt.Sprintf("%s: server answered -ERR [%s] %q", e.Command, e.Code, e.Text)
	}
	return fmt.Sprintf("%s: server answered -ERR %q", e.Command, e.Text)
}

// status reads a status line and returns what follows +OK.
func (c *Client) status(command string) (string, error) {
	line, _, err := c.line(clientMaxLine)
	if err != nil {
		return "", fmt.Errorf("%s: %w", command, err)
	}
	return clientStatus(command, line)
}

func clientStatus(command string, line []byte) (string, error) {
	if text, ok := clientIndicator(line, "+OK"); ok {
		return text, nil
	}
	if text, ok := clientIndicator(line, "-ERR"); ok {
		return "", newReplyError(command, text)
	}
	return "", fmt.Errorf("%s: %w: neither +OK nor -ERR", command, ErrMalformed)
}

// clientIsOK is clientStatus without the text.
func clientIsOK(command string, line []byte) error {
	if bytes.HasPrefix(line, []byte("+OK ")) || string(line) == "+OK" {
		return nil
	}
	_, err := clientStatus(command, line)
	return err
}

// clientIndicator cuts a status indicator off a line. It must stand alone:
// "+OKAY" is neither.
func clientIndicator(line []byte, indicator string) (text string, ok bool) {
	rest, ok := bytes.CutPrefix(line, []byte(indicator))
	if !ok || len(rest) > 0 && rest[0] != ' ' && rest[0] != '\t' {
		return "", false
	}
	return string(bytes.Trim(rest, " \t")), true
}

// newReplyError takes "[CODE] text" apart.
func newReplyError(command, text string) *ReplyError {
	e := &ReplyError{Command: command}
	if code, rest, ok := strings.Cut(text, "]"); ok && strings.HasPrefix(code, "[") {
		e.Code = strings.ToUpper(clientPrintable(code[1:]))
		text = strings.TrimLeft(rest, " ")
	}
	e.Text = clientPrintable(text)
	return e
}

// clientPrintable makes every octet that is not printable ASCII a "?".
func clientPrintable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, s)
}

// line reads one line that is not part of a message, and whether it ended in
// LF alone. The slice is valid until the next read.
func (c *Client) line(limit int) (line []byte, lone bool, err error) {
	line, err = c.reader().ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) || err == nil && len(line) > limit {
		return nil, false, fmt.Errorf("%w: line of more than %d octets", ErrMalformed, limit)
	}
	if err != nil {
		return nil, false, err
	}
	line = line[:len(line)-1]
	if text, ok := bytes.CutSuffix(line, []byte("\r")); ok {
		return text, false, nil
	}
	return line, true, nil
}

// lines reads a multi-line answer that is not a message. A line that begins
// with a dot is the end, or was stuffed.
func (c *Client) lines(command string, each func(line []byte) error) error {
	for count := 0; ; count++ {
		line, _, err := c.line(clientMaxLine)
		if err != nil {
			return fmt.Errorf("%s: %w", command, err)
		}
		if rest, ok := bytes.CutPrefix(line, []byte(".")); ok {
			if len(rest) == 0 {
				return nil
			}
			line = rest
		}
		if count >= c.options.MaxMessages {
			return fmt.Errorf("%s: %w: more than %d lines", command, ErrMalformed, c.options.MaxMessages)
		}
		if err := each(line); err != nil {
			return fmt.Errorf("%s: %w", command, err)
		}
	}
}

// clientNumber reads digits at the beginning of s, after blanks. It does not
// wrap: a number above limit is not one.
func clientNumber(s []byte, limit int64) (n int64, rest []byte, ok bool) {
	s = bytes.TrimLeft(s, " \t")
	i := 0
	for ; i < len(s) && s[i] >= '0' && s[i] <= '9'; i++ {
		digit := int64(s[i] - '0')
		if n > (limit-digit)/10 {
			return 0, nil, false
		}
		n = n*10 + digit
	}
	if i == 0 || i < len(s) && s[i] != ' ' && s[i] != '\t' {
		return 0, nil, false
	}
	return n, s[i:], true
}

// clientMessageNumber reads a message number: 1 to 2^31-1.
func clientMessageNumber(s []byte) (n int, rest []byte, ok bool) {
	number, rest, ok := clientNumber(s, math.MaxInt32)
	return int(number), rest, ok && number > 0
}
