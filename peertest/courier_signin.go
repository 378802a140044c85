package peertest

import (
	"io"
	"net"
	"strings"
	"time"
)

// courierLoginTime is how long a client may take to sign in.
const courierLoginTime = time.Minute

func (s *CourierServer) accept() {
	for {
		c, err := s.listener.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		s.conns[c] = true
		s.mu.Unlock()
		s.all.Go(func() {
			s.serve(c)
			_ = c.Close()
			s.mu.Lock()
			delete(s.conns, c)
			s.mu.Unlock()
		})
	}
}

// serve signs a client in, and hands the rest to pop3d.
func (s *CourierServer) serve(c net.Conn) {
	_ = c.SetDeadline(time.Now().Add(courierLoginTime))
	user, ok := s.signIn(c)
	if !ok {
		return
	}
	_ = c.SetDeadline(time.Time{})
	socket, err := c.(*net.TCPConn).File()
	if err != nil {
		s.t.Errorf("Courier: %v", err)
		return
	}
	defer socket.Close()
	process, err := startProcess(s.command(user, socket))
	if err != nil {
		s.t.Errorf("start pop3d: %v", err)
		return
	}
	select {
	case <-process.Ended():
	case <-s.stopped:
		process.Kill()
	}
}

// courierCaps are what courierpop3login announces.
const courierCaps = "+OK Here's what I can do:\r\nTOP\r\nUSER\r\nLOGIN-DELAY 10\r\nPIPELINING\r\nUIDL\r\nIMPLEMENTATION Courier Mail Server\r\n.\r\n"

// signIn answers as courierpop3login does.
func (s *CourierServer) signIn(c net.Conn) (user string, ok bool) {
	say := func(text string) { _, _ = io.WriteString(c, text+"\r\n") }
	say("+OK Hello there.")
	for {
		line, err := readSlowly(c)
		if err != nil {
			return "", false
		}
		command, argument, _ := strings.Cut(line, " ")
		switch strings.ToUpper(command) {
		case "CAPA":
			_, _ = io.WriteString(c, courierCaps)
		case "USER":
			user = argument
			say("+OK Password required.")
		case "PASS":
			if password, known := s.users[user]; known && password == argument {
				return user, true
			}
			say("-ERR Login failed.")
		case "QUIT":
			say("+OK Better luck next time.")
			return "", false
		default:
			say("-ERR Invalid command.")
		}
	}
}

// readSlowly reads a line, octet by octet: what follows is pop3d's.
func readSlowly(c net.Conn) (string, error) {
	var line []byte
	for one := make([]byte, 1); len(line) < 1024; {
		if _, err := c.Read(one); err != nil {
			return "", err
		}
		if one[0] == '\n' {
			break
		}
		line = append(line, one[0])
	}
	return strings.TrimSuffix(string(line), "\r"), nil
}
