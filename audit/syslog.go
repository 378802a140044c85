package audit

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"time"
)

// A syslog is an output of lines as messages of RFC 5424, over a unix socket,
// TCP with octet counting (RFC 6587 section 3.4.1) or TLS (RFC 5425). No server
// says what it has received: lines that are lost with a connection show as a
// hole in the chain.
type syslog struct {
	network, address string
	tls              *tls.Config
	header           string // from the host's name on
	priority         string

	conn  net.Conn
	grams bool // each message is a datagram and needs no frame
	gone  chan struct{}
	next  time.Time // no connection is tried before
	pause time.Duration
	frame []byte
}

const (
	dialTime  = 10 * time.Second
	writeTime = 10 * time.Second
	// The pause between two attempts grows from the first to the second.
	leastPause = time.Second
	mostPause  = 30 * time.Second
	severity   = 6 // informational
)

func newSyslog(set Settings, host string) *syslog {
	return &syslog{network: set.Network, address: set.Address, tls: set.TLS,
		priority: "<" + strconv.Itoa(set.Facility*8+severity) + ">1 ",
		header:   " " + headerName(host) + " restante " + strconv.Itoa(os.Getpid()) + " audit - "}
}

// headerName keeps to what RFC 5424 section 6 allows in a HOSTNAME.
func headerName(host string) string {
	host = strings.Map(func(r rune) rune {
		if r <= ' ' || r > '~' {
			return -1
		}
		return r
	}, host)
	if host == "" {
		return "-"
	}
	return host[:min(len(host), 255)]
}

// write implements output.
func (s *syslog) write(lines [][]byte) (int, error) {
	if err := s.connect(); err != nil {
		return 0, err
	}
	for i, line := range lines {
		if err := s.send(line); err != nil {
			s.hangUp()
			return i, fmt.Errorf("syslog %s: %w", s.address, err)
		}
	}
	s.pause = 0
	return len(lines), nil
}

var errHungUp = errors.New("the server has closed the connection")

func (s *syslog) send(line []byte) error {
	select {
	case <-s.gone:
		return errHungUp
	default:
	}
	stamp := time.Now().UTC().Format(timeFormat)
	s.frame = s.frame[:0]
	if !s.grams {
		length := len(s.priority) + len(stamp) + len(s.header) + len(line)
		s.frame = append(strconv.AppendInt(s.frame, int64(length), 10), ' ')
	}
	s.frame = append(append(append(append(s.frame, s.priority...), stamp...), s.header...), line...)
	if err := s.conn.SetWriteDeadline(time.Now().Add(writeTime)); err != nil {
		return err
	}
	_, err := s.conn.Write(s.frame)
	return err
}

// connect connects if there is no connection. After a failure it does not try
// again at once.
func (s *syslog) connect() error {
	if s.conn != nil {
		return nil
	}
	if wait := time.Until(s.next); wait > 0 {
		return fmt.Errorf("syslog %s: not reached; next attempt in %v", s.address, wait.Round(time.Second))
	}
	conn, grams, err := s.dial()
	if err != nil {
		s.pause = min(max(2*s.pause, leastPause), mostPause)
		s.next = time.Now().Add(s.pause)
		return fmt.Errorf("syslog %s: %w", s.address, err)
	}
	s.conn, s.grams, s.gone = conn, grams, make(chan struct{})
	go listen(conn, s.gone)
	return nil
}

// listen notices that a server hangs up. A server says nothing else.
func listen(conn net.Conn, gone chan<- struct{}) {
	defer close(gone)
	_, _ = io.Copy(io.Discard, conn)
}

func (s *syslog) dial() (conn net.Conn, grams bool, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), dialTime)
	defer cancel()
	var d net.Dialer
	switch s.network {
	case "unix":
		if conn, err = d.DialContext(ctx, "unixgram", s.address); err == nil {
			return conn, true, nil
		}
		conn, err = d.DialContext(ctx, "unix", s.address)
	case "tls":
		conn, err = (&tls.Dialer{Config: s.tls}).DialContext(ctx, "tcp", s.address)
	default:
		conn, err = d.DialContext(ctx, "tcp", s.address)
	}
	return conn, false, err
}

func (s *syslog) hangUp() {
	_ = s.conn.Close()
	<-s.gone
	s.conn = nil
}

func (s *syslog) sync() error { return nil }

func (s *syslog) close() error {
	if s.conn != nil {
		s.hangUp()
	}
	return nil
}
