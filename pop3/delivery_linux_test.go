package pop3_test

import (
	"context"
	"io"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/restante-mail/restante/pop3"
	"github.com/restante-mail/restante/pop3/pop3test"
)

// serveDeaf serves a client that takes in next to nothing while it does not
// read, over a connection that takes in a lot of what is written.
func serveDeaf(t *testing.T, m *pop3test.Memory, setup ...func(*pop3.Server)) (client *net.TCPConn, c *pop3test.Conn, ended chan pop3.Summary) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	client = dialDeaf(t, l.Addr().String())
	server, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	if err := server.(*net.TCPConn).SetWriteBuffer(4 << 20); err != nil {
		t.Fatal(err)
	}
	s := &pop3.Server{Backend: m}
	for _, f := range setup {
		f(s)
	}
	ended = make(chan pop3.Summary, 1)
	s.Hooks.End = func(sum pop3.Summary) { ended <- sum }
	go s.ServeConn(server)
	c = pop3test.Talk(t, client)
	c.SignIn(m.User, m.Password)
	return client, c, ended
}

// middling fits in the server's send buffer and not in the client's receive
// buffer.
func middling() []byte { return endless(500 << 10) }

// A client that answers has what was sent before.
func TestProvenByTheNextCommand(t *testing.T) {
	m := pop3test.NewMemory(pop3test.Mail(2)...)
	c := signedIn(t, start(t, m), m)
	c.Multi("RETR 1")
	c.OK("NOOP") // may arrive before the server has looked what is there
	c.OK("NOOP")
	if d := m.Deliveries(); len(d) != 1 || !d[0].Proven || !d[0].Whole || d[0].Octets != int64(len(pop3test.Mail(2)[0])) {
		t.Errorf("after the next commands: %+v", d)
	}
	c.Multi("TOP 2 0")
	c.Multi("RETR 2")
	c.Quit()
	if d := m.Deliveries(); len(d) != 3 || d[1].Whole || !d[2].Proven {
		t.Errorf("after QUIT: %+v", d)
	}
}

// A client that has a message and then says nothing has it all the same, and
// whoever keeps a record hears of it at once: Restante may be killed before the
// next command.
func TestProvenWhileTheClientIsSilent(t *testing.T) {
	m := pop3test.NewMemory(pop3test.Mail(1)...)
	m.OnDone = make(chan pop3test.Delivered, 1)
	c := signedIn(t, start(t, m), m)
	c.Multi("RETR 1")
	select {
	case d := <-m.OnDone:
		if !d.Proven {
			t.Errorf("%+v", d)
		}
	case <-time.After(5 * time.Second):
		t.Fatal("nobody heard of it")
	}
	c.OK("NOOP")
	c.Quit()
}

// Looking for proof does not make the time longer that a client has.
func TestUnprovenAndIdle(t *testing.T) {
	m := pop3test.NewMemory(middling())
	client, _, ended := serveDeaf(t, m, func(s *pop3.Server) { s.Limits.IdleTime = 400 * time.Millisecond })
	_, _ = io.WriteString(client, "RETR 1\r\n")
	if sum := <-ended; sum.End != pop3.EndIdle || sum.Retrieved != 1 || sum.Proven != 0 {
		t.Errorf("%+v", sum)
	}
}

// A client that sends everything at once proves nothing by that, but its
// system acknowledges what it reads.
func TestProvenByAcknowledgement(t *testing.T) {
	m := pop3test.NewMemory(pop3test.Mail(3)...)
	m.OnUpdate = func(context.Context, []int) error {
		if d := m.Deliveries(); len(d) != 3 || !d[0].Proven || !d[2].Proven {
			t.Errorf("at UPDATE: %+v", d)
		}
		return nil
	}
	r := start(t, m)
	c := r.Dial(t)
	c.Send("USER alice\r\nPASS wonder land\r\nRETR 1\r\nRETR 2\r\nRETR 3\r\nQUIT\r\n")
	if _, err := io.ReadAll(c); err != nil {
		t.Fatal(err)
	}
	if sum := r.Ends(1)[0]; sum.Retrieved != 3 || sum.Proven != 3 {
		t.Errorf("%+v", sum)
	}
}

// Octets that had come before the message was sent prove nothing; the first
// that comes later does.
func TestBufferedOctetsProveNothing(t *testing.T) {
	m := pop3test.NewMemory(middling())
	noop, opened, proceed := make(chan []pop3test.Delivered, 1), make(chan struct{}), make(chan struct{})
	m.OnOpen = func(context.Context, int, int) error { close(opened); <-proceed; return nil }
	client, _, ended := serveDeaf(t, m, func(s *pop3.Server) {
		s.Hooks.Command = func(_ pop3.Peer, line string) {
			if line == "NOOP" {
				noop <- m.Deliveries()
			}
		}
	})
	_, _ = io.WriteString(client, "RETR 1\r\nNOOP\r\n")
	<-opened
	_, _ = io.WriteString(client, "NOOP\r\n") // waits in the kernel, unread
	close(proceed)
	for range 2 {
		if d := <-noop; len(d) != 0 {
			t.Errorf("a pipelined NOOP proved %+v", d)
		}
	}
	_, _ = io.WriteString(client, "NOOP\r\n") // may still overtake the terminator
	<-noop                                    // but to read it, the server had to send the terminator
	_, _ = io.WriteString(client, "NOOP\r\n")
	if d := <-noop; len(d) != 1 || !d[0].Proven {
		t.Errorf("a later NOOP: %+v", d)
	}
	_ = client.Close()
	<-ended
}

// QUIT waits a moment for the proof and then goes on without it.
func TestQuitWithoutProof(t *testing.T) {
	m := pop3test.NewMemory(middling())
	updated := make(chan []pop3test.Delivered, 1)
	m.OnUpdate = func(context.Context, []int) error { updated <- m.Deliveries(); return nil }
	client, _, ended := serveDeaf(t, m, func(s *pop3.Server) { s.Limits.ProofTime = 20 * time.Millisecond })
	_, _ = io.WriteString(client, "RETR 1\r\nDELE 1\r\nQUIT\r\n")
	if d := <-updated; len(d) != 1 || !d[0].Whole || d[0].Proven {
		t.Errorf("at UPDATE: %+v", d)
	}
	if _, err := io.ReadAll(client); err != nil {
		t.Error(err)
	}
	if sum := <-ended; sum.End != pop3.EndQuit || sum.Retrieved != 1 || sum.Proven != 0 || len(m.Mail()) != 0 {
		t.Errorf("%+v", sum)
	}
}

// QUIT waits long enough for a client that reads slowly.
func TestQuitWaitsForProof(t *testing.T) {
	m := pop3test.NewMemory(middling())
	quit := make(chan struct{})
	client, c, ended := serveDeaf(t, m, func(s *pop3.Server) {
		s.Limits.ProofTime = time.Minute
		s.Hooks.Command = func(_ pop3.Peer, line string) {
			if line == "QUIT" {
				close(quit)
			}
		}
	})
	_, _ = io.WriteString(client, "RETR 1\r\nQUIT\r\n")
	<-quit // only now does the client begin to read
	c.Line()
	c.Body()
	c.Line()
	c.Closed()
	if d := m.Deliveries(); len(d) != 1 || !d[0].Proven {
		t.Errorf("deliveries: %+v", d)
	}
	<-ended
}

// A connection that is lost proves what was acknowledged; one that is reset
// proves nothing, though its send queue is gone.
func TestDropAfterRetrieval(t *testing.T) {
	for name, reset := range map[string]bool{"closed": false, "reset": true} {
		t.Run(name, func(t *testing.T) {
			m := pop3test.NewMemory(middling())
			client, c, ended := serveDeaf(t, m)
			_, _ = io.WriteString(client, "RETR 1\r\n")
			c.Line()
			if reset {
				_ = client.SetLinger(0)
			} else {
				c.Body()
			}
			_ = client.Close()
			sum := <-ended
			d := m.Deliveries()
			if sum.End != pop3.EndDropped || len(d) != 1 || d[0].Proven == reset {
				t.Errorf("%+v; deliveries: %+v", sum, d)
			}
		})
	}
}

// What a client can make us keep is bounded.
func TestManyUnproven(t *testing.T) {
	m := pop3test.NewMemory(endless(10))
	client, _, ended := serveDeaf(t, m, func(s *pop3.Server) { s.Limits.ProofTime = time.Millisecond })
	go func() {
		for range 100 { // one packet of 100 at a time, and nothing is read
			retr := make([]byte, 0, 1000)
			for range 100 {
				retr = append(retr, "RETR 1\r\n"...)
			}
			if _, err := client.Write(retr); err != nil {
				return
			}
		}
		_, _ = io.WriteString(client, "QUIT\r\n")
	}()
	if rest, err := io.ReadAll(client); err != nil || len(rest) < 100*100*20 {
		t.Errorf("%d octets, %v", len(rest), err)
	}
	<-ended
	if d := m.Deliveries(); len(d) != 10000 {
		t.Errorf("Done was called %d times", len(d))
	}
}

// dialDeaf connects with the smallest receive buffer there is. It must be set
// before the connection is made, for it decides the window.
func dialDeaf(t *testing.T, address string) *net.TCPConn {
	t.Helper()
	dialer := net.Dialer{Control: func(_, _ string, raw syscall.RawConn) error {
		return raw.Control(func(fd uintptr) {
			_ = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 4096)
		})
	}}
	c, err := dialer.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c.(*net.TCPConn)
}
