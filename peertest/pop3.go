package peertest

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"time"
)

// A POP3Conn is a plain POP3 client that adds nothing and forgives nothing. Its
// methods return errors, so that any goroutine may use it.
type POP3Conn struct {
	c net.Conn
	r *bufio.Reader
	// Patience is how long one answer may take; 60 seconds at first.
	Patience time.Duration
}

// DialPOP3 connects and reads the greeting; over TLS if config is not nil.
func DialPOP3(addr string, config *tls.Config) (*POP3Conn, error) {
	c, err := net.DialTimeout("tcp", addr, peerTime)
	if err != nil {
		return nil, err
	}
	if config != nil {
		c = tls.Client(c, config)
	}
	return NewPOP3(c)
}

// NewPOP3 reads the greeting of a server that c is connected to.
func NewPOP3(c net.Conn) (*POP3Conn, error) {
	p := &POP3Conn{c: c, r: bufio.NewReaderSize(c, 64<<10), Patience: peerTime}
	if _, err := p.Answer(); err != nil {
		_ = c.Close()
		return nil, fmt.Errorf("greeting: %w", err)
	}
	return p, nil
}

// Send writes commands without waiting; each needs its own CRLF.
func (p *POP3Conn) Send(text string) error {
	_ = p.c.SetWriteDeadline(time.Now().Add(p.Patience))
	_, err := io.WriteString(p.c, text)
	return err
}

// Answer reads one status line; -ERR is an error with the server's text.
func (p *POP3Conn) Answer() (string, error) {
	_ = p.c.SetReadDeadline(time.Now().Add(p.Patience))
	line, err := p.r.ReadString('\n')
	if err != nil {
		return line, err
	}
	line = strings.TrimRight(line, "\r\n")
	if !strings.HasPrefix(line, "+OK") {
		return line, errors.New(line)
	}
	return line, nil
}

// Do sends a command and reads its status line.
func (p *POP3Conn) Do(command string) (string, error) {
	if err := p.Send(command + "\r\n"); err != nil {
		return "", err
	}
	return p.Answer()
}

// Login signs in with USER and PASS.
func (p *POP3Conn) Login(user, password string) error {
	if _, err := p.Do("USER " + user); err != nil {
		return err
	}
	_, err := p.Do("PASS " + password)
	return err
}

// Get sends a command whose answer is a text, and returns that without its
// terminator and with dots unstuffed.
func (p *POP3Conn) Get(command string) ([]byte, error) {
	if _, err := p.Do(command); err != nil {
		return nil, err
	}
	raw, err := p.Text(nil)
	return Unstuff(raw), err
}

// terminator ends a text; the CRLF before the dot belongs to the text.
var terminator = []byte("\r\n.\r\n")

// Text appends the text that follows a status line to buf as it is on the
// wire, its terminator included; Unstuff makes sense of it. Nothing but the
// text may be on its way, so commands can not be pipelined behind it.
func (p *POP3Conn) Text(buf []byte) ([]byte, error) {
	start := len(buf)
	for {
		_ = p.c.SetReadDeadline(time.Now().Add(p.Patience))
		if len(buf) == cap(buf) {
			buf = append(buf, make([]byte, max(64<<10, len(buf)))...)[:len(buf)]
		}
		n, err := p.r.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		text := buf[start:]
		if bytes.HasSuffix(text, terminator) || string(text) == ".\r\n" {
			return buf, nil
		}
		if err != nil {
			return buf, fmt.Errorf("text cut after %d octets: %w", len(text), err)
		}
	}
}

// Texts appends the answers to n pipelined commands to buf, as they are on the
// wire, and returns where each text begins, behind its status line, and ends,
// behind its terminator. Nothing but these answers may be on its way.
func (p *POP3Conn) Texts(buf []byte, n int) (all []byte, bounds [][2]int, err error) {
	begin, scanned := len(buf), len(buf)
	for {
		for len(bounds) < n {
			at := bytes.Index(buf[scanned:], terminator)
			if at < 0 {
				scanned = max(begin, len(buf)-len(terminator)+1)
				break
			}
			end := scanned + at + len(terminator)
			status, _, _ := bytes.Cut(buf[begin:end], []byte("\n"))
			bounds = append(bounds, [2]int{begin + len(status) + 1, end})
			begin, scanned = end, end
		}
		if begin < len(buf) && buf[begin] != '+' {
			return buf, bounds, fmt.Errorf("answer %d: %.80q", len(bounds)+1, buf[begin:])
		}
		if len(bounds) == n {
			return buf, bounds, nil
		}
		_ = p.c.SetReadDeadline(time.Now().Add(p.Patience))
		buf = slices.Grow(buf, 64<<10)
		k, err := p.r.Read(buf[len(buf):cap(buf)])
		if buf = buf[:len(buf)+k]; err != nil {
			return buf, bounds, fmt.Errorf("cut in answer %d: %w", len(bounds)+1, err)
		}
	}
}

// Copy writes a text as it is on the wire to w, terminator included. After the
// first octets it calls pause, and reads nothing until that returns.
func (p *POP3Conn) Copy(w io.Writer, pause func()) error {
	buf := make([]byte, 64<<10)
	var tail []byte
	for {
		_ = p.c.SetReadDeadline(time.Now().Add(p.Patience))
		n, err := p.r.Read(buf)
		_, _ = w.Write(buf[:n])
		tail = append(tail, buf[max(0, n-len(terminator)):n]...)
		tail = tail[max(0, len(tail)-len(terminator)):]
		if bytes.Equal(tail, terminator) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("text cut: %w", err)
		}
		if pause != nil {
			pause()
			pause = nil
		}
	}
}

// Unstuff takes the terminator and the stuffed dots out of what Text read.
func Unstuff(raw []byte) []byte {
	raw = bytes.TrimSuffix(raw, []byte(".\r\n"))
	if bytes.HasPrefix(raw, []byte("..")) {
		raw = raw[1:]
	}
	return bytes.ReplaceAll(raw, []byte("\r\n.."), []byte("\r\n."))
}

// Poll is what a client does that finds no news: sign in, STAT, QUIT.
func (p *POP3Conn) Poll(user, password string) error {
	if err := p.Login(user, password); err != nil {
		return err
	}
	if _, err := p.Do("STAT"); err != nil {
		return err
	}
	_, err := p.Do("QUIT")
	return err
}

// Close hangs up without QUIT.
func (p *POP3Conn) Close() { _ = p.c.Close() }
