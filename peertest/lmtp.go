package peertest

import (
	"fmt"
	"io"
	"net"
	"net/textproto"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// lmtp accepts one connection of a client that delivers mail, and writes the
// messages into dir. The function that it returns ends it and waits for it.
//
// It is for getmail, whose other ways to deliver fork a process for each
// message, and wait for ever for one that ends too soon.
func lmtp(t T, dir string) (addr string, stop func()) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("LMTP: %v", err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		c, err := l.Accept()
		if err != nil {
			return
		}
		_ = c.SetDeadline(time.Now().Add(clientTime))
		receive(textproto.NewConn(c), dir)
	}()
	return l.Addr().String(), func() { _ = l.Close(); <-done }
}

// receive speaks the server's side of LMTP (RFC 2033) as far as it is needed.
func receive(c *textproto.Conn, dir string) {
	defer c.Close()
	_ = c.PrintfLine("220 ready")
	for n := 0; ; {
		line, err := c.ReadLine()
		if err != nil {
			return
		}
		verb, _, _ := strings.Cut(strings.ToUpper(line), " ")
		switch verb {
		case "DATA":
			_ = c.PrintfLine("354 go on")
			message, err := io.ReadAll(c.DotReader())
			if err != nil {
				return
			}
			n++
			if os.WriteFile(filepath.Join(dir, fmt.Sprintf("%06d", n)), message, 0o600) != nil {
				return
			}
			_ = c.PrintfLine("250 stored")
		case "QUIT":
			_ = c.PrintfLine("221 bye")
			return
		default:
			_ = c.PrintfLine("250 yes")
		}
	}
}
