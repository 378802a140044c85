package pop3_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/restante-mail/restante/pop3"
	"github.com/restante-mail/restante/pop3/pop3test"
)

// telling is a backend whose sessions tell before they wait, or cannot.
type telling struct {
	*pop3test.Memory
	can    bool
	before func() // of the one session
}

type tellingSession struct {
	pop3.Session
	b *telling
}

func (b *telling) Login(ctx context.Context, peer pop3.Peer, cred pop3.Credentials) (pop3.Session, error) {
	s, err := b.Memory.Login(ctx, peer, cred)
	if err != nil {
		return nil, err
	}
	return tellingSession{s, b}, nil
}

func (s tellingSession) BeforeWait(call func()) bool {
	s.b.before = call
	return s.b.can
}

// countedConn counts the writes that a message's beginning is in.
type countedConn struct {
	net.Conn
	writes *atomic.Int64
}

func (c countedConn) Write(p []byte) (int, error) {
	if strings.Contains(string(p), "Subject: message") {
		c.writes.Add(1)
	}
	return c.Conn.Write(p)
}

// TestPipelinedShareWrites: what needs no wait leaves together.
func TestPipelinedShareWrites(t *testing.T) {
	const n = 20
	for can, want := range map[bool]int64{true: 1, false: n} {
		b := &telling{Memory: pop3test.NewMemory(pop3test.Mail(n)...), can: can}
		server, client := socketPair(t)
		var writes atomic.Int64
		s := &pop3.Server{Backend: b}
		ended := make(chan struct{})
		go func() { defer close(ended); s.ServeConn(countedConn{server, &writes}) }()
		c := pop3test.Talk(t, client)
		c.SignIn(b.User, b.Password)
		c.OK("STAT")
		c.Send(retrieveAll(n))
		for i := range n {
			if text := answered(t, c); !strings.Contains(string(text), fmt.Sprintf("Subject: message %d\r\n", i)) {
				t.Errorf("message %d: %.60q", i+1, text)
			}
		}
		if got := writes.Load(); got != want {
			t.Errorf("can tell %v: %d messages left in %d writes, want %d", can, n, got, want)
		}
		client.Close()
		<-ended
	}
}

// answered reads the answer to a RETR that was sent before.
func answered(t *testing.T, c *pop3test.Conn) []byte {
	t.Helper()
	if status := c.Line(); !strings.HasPrefix(status, "+OK") {
		t.Fatal(status)
	}
	return c.Body()
}

func retrieveAll(n int) string {
	var all strings.Builder
	for i := range n {
		fmt.Fprintf(&all, "RETR %d\r\n", i+1)
	}
	return all.String()
}

// TestFlushedBeforeWait: a session that waits holds back no answer.
func TestFlushedBeforeWait(t *testing.T) {
	const n, slow = 10, 5
	b := &telling{Memory: pop3test.NewMemory(pop3test.Mail(n)...), can: true}
	arrived := make(chan struct{}, 2)
	wait := func() {
		b.before()
		<-arrived // the client has read all answers so far
	}
	b.OnOpen = func(_ context.Context, i, _ int) error {
		if i == slow {
			wait()
		}
		return nil
	}
	b.OnRead = func(_ context.Context, i int, r io.Reader) io.Reader {
		if i == slow+2 {
			wait()
		}
		return r
	}
	r := pop3test.Start(t, &pop3.Server{Backend: b})
	c := r.Dial(t)
	c.SignIn(b.User, b.Password)
	c.Send(retrieveAll(n))
	for i := range n {
		if i == slow || i == slow+2 {
			arrived <- struct{}{}
		}
		answered(t, c)
	}
	c.Quit()
}
