package pop3_test

import (
	"context"
	"encoding/base64"
	"errors"
	"io"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/restante-mail/restante/pop3"
	"github.com/restante-mail/restante/pop3/pop3test"
)

func base64Of(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

// shutdown begins a Shutdown that ends when the returned function is called.
func shutdown(r *pop3test.Running) (force func(), result chan error) {
	ctx, cancel := context.WithCancel(context.Background())
	result = make(chan error, 1)
	go func() { result <- r.Shutdown(ctx) }()
	return cancel, result
}

// Strangers go at once, sessions may finish.
func TestShutdownLetsSessionsFinish(t *testing.T) {
	m := pop3test.NewMemory(pop3test.Mail(2)...)
	r := start(t, m)
	stranger, c := r.Dial(t), signedIn(t, r, m)
	force, result := shutdown(r)
	defer force()
	stranger.Closed()
	c.Multi("RETR 1")
	c.OK("DELE 1")
	c.Quit()
	if err := <-result; err != nil {
		t.Error(err)
	}
	if len(m.Mail()) != 1 {
		t.Error("QUIT did not delete")
	}
}

// What does not finish is closed, and nothing is deleted.
func TestShutdownEndsSessions(t *testing.T) {
	m := pop3test.NewMemory(append(pop3test.Mail(1), endless(64<<20))...)
	r := start(t, m)
	idle, reading := signedIn(t, r, m), signedIn(t, r, m)
	idle.OK("DELE 1")
	reading.Send("RETR 2\r\n")
	if line := reading.Line(); line != "+OK 67108866 octets" {
		t.Fatal(line)
	}
	force, result := shutdown(r)
	idle.OK("NOOP")
	force()
	if err := <-result; !errors.Is(err, context.Canceled) || !strings.HasPrefix(err.Error(), "2 sessions were closed") {
		t.Errorf("Shutdown returns %v", err)
	}
	idle.Closed()
	for _, sum := range r.Ends(2) {
		if sum.End != pop3.EndShutdown {
			t.Errorf("ended with %q, %v", sum.End, sum.Err)
		}
	}
	if len(m.Mail()) != 2 {
		t.Error("a message was deleted")
	}
}

// A backend that is being waited for is told to stop, an update is not.
func TestShutdownAndTheBackend(t *testing.T) {
	m := pop3test.NewMemory(pop3test.Mail(1)...)
	listing, updating, proceed := make(chan struct{}), make(chan struct{}), make(chan struct{})
	var lists atomic.Int32
	m.OnMessages = func(ctx context.Context) error {
		if lists.Add(1) == 1 {
			return nil // for DELE, before the UPDATE
		}
		close(listing)
		<-ctx.Done()
		return ctx.Err()
	}
	m.OnUpdate = func(ctx context.Context, _ []int) error {
		close(updating)
		<-proceed
		return ctx.Err()
	}
	r := start(t, m)
	quitting := signedIn(t, r, m)
	quitting.OK("DELE 1")
	quitting.Send("QUIT\r\n")
	<-updating
	stuck := signedIn(t, r, m)
	stuck.Send("STAT\r\n")
	<-listing
	force, result := shutdown(r)
	force()
	stuck.Closed()
	close(proceed)
	quitting.Line()
	quitting.Closed()
	<-result
	if len(m.Mail()) != 0 {
		t.Error("the update was interrupted")
	}
}

// Evict ends a session like a lost connection.
func TestEvict(t *testing.T) {
	m := pop3test.NewMemory(pop3test.Mail(1)...)
	var control pop3.Control
	m.OnLogin = func(_ context.Context, p pop3.Peer, _ pop3.Credentials) error { control = p.Control; return nil }
	r := start(t, m)
	c := signedIn(t, r, m)
	c.OK("DELE 1")
	waitFor(t, func() bool { return control.Idle() > 5*time.Millisecond })
	control.Evict()
	c.Closed()
	if sum := r.Ends(1)[0]; sum.End != pop3.EndEvicted || len(m.Mail()) != 1 {
		t.Errorf("%+v, %d messages", sum, len(m.Mail()))
	}
	control.Evict() // harmless
}

// Being answered is not being idle, however long it takes.
func TestAnsweringIsNotIdle(t *testing.T) {
	m := pop3test.NewMemory(pop3test.Mail(1)...)
	var control pop3.Control
	m.OnLogin = func(_ context.Context, p pop3.Peer, _ pop3.Credentials) error { control = p.Control; return nil }
	m.OnMessages = func(context.Context) error {
		if control.Idle() != 0 {
			t.Errorf("idle for %v", control.Idle())
		}
		return nil
	}
	c := signedIn(t, start(t, m), m)
	c.OK("STAT")
	c.Quit()
}

// Whoever takes nothing of an answer is idle: a laptop that was closed in the
// middle of a message.
func TestNotReadingIsIdle(t *testing.T) {
	m := pop3test.NewMemory(endless(64 << 20))
	var control pop3.Control
	m.OnLogin = func(_ context.Context, p pop3.Peer, _ pop3.Credentials) error { control = p.Control; return nil }
	r := start(t, m)
	c := signedIn(t, r, m)
	c.Send("RETR 1\r\n")
	waitFor(t, func() bool { return control.Idle() > 20*time.Millisecond })
	control.Evict()
	if sum := r.Ends(1)[0]; sum.End != pop3.EndEvicted {
		t.Errorf("%+v", sum)
	}
}

// A QUIT that is being done when time is up is finished, and no session of
// those that are said to have been closed.
func TestShutdownDuringQUIT(t *testing.T) {
	m := pop3test.NewMemory(pop3test.Mail(1)...)
	begun, proceed := make(chan struct{}), make(chan struct{})
	m.OnUpdate = func(context.Context, []int) error { close(begun); <-proceed; return nil }
	r := start(t, m)
	c := signedIn(t, r, m)
	c.OK("DELE 1")
	c.Send("QUIT\r\n")
	<-begun
	force, result := shutdown(r)
	force()
	close(proceed)
	if err := <-result; err != nil {
		t.Errorf("Shutdown returns %v though nothing was closed", err)
	}
	if line := c.Line(); !strings.HasPrefix(line, "+OK") || len(m.Mail()) != 0 {
		t.Errorf("QUIT is answered %q, and %d messages are left", line, len(m.Mail()))
	}
}

// Commands are shown without secrets.
func TestTraceHidesSecrets(t *testing.T) {
	var mu sync.Mutex
	var shown []string
	m := pop3test.NewMemory()
	r := start(t, m, func(s *pop3.Server) {
		s.Hooks.Command = func(_ pop3.Peer, line string) {
			mu.Lock()
			defer mu.Unlock()
			shown = append(shown, line)
		}
		s.Limits.SignIns = -1
	})
	hidden := base64Of("\x00alice\x00hunter2")
	c := r.Dial(t)
	c.Send("USER alice\r\nPASS hunter2\r\npass hunter2 hunter2\r\nAUTH PLAIN " + hidden + "\r\nAUTH PLAIN\t" + hidden +
		"\r\nauth  plain  " + hidden + "\r\nAUTH " + hidden + "\r\nAUTH LOGIN\r\n" + hidden + "\r\n" + hidden + "\r\n" + hidden +
		"\r\nhunter2\r\nPASSS hunter2\r\nPASS\thunter2\r\n" + strings.Repeat("hunter2", 100) + "\r\nAPOP alice hunter2\r\nUSER \x1b[31m\xff\r\nQUIT\r\n")
	if _, err := io.ReadAll(c); err != nil {
		t.Fatal(err)
	}
	all := strings.Join(shown, "\n")
	for _, leak := range []string{"hunter2", hidden, "\x1b", "\xff"} {
		if strings.Contains(all, leak) {
			t.Errorf("%q shows in\n%s", leak, all)
		}
	}
	for _, want := range []string{"USER alice", "PASS ****", "AUTH PLAIN ****", "AUTH LOGIN", "QUIT"} {
		if !slices.Contains(shown, want) {
			t.Errorf("%q does not show in\n%s", want, all)
		}
	}
}

// One summary tells what a log wants to know.
func TestSummary(t *testing.T) {
	m := pop3test.NewMemory(pop3test.Mail(3)...)
	r := start(t, m, func(s *pop3.Server) { s.Name = "legacy" })
	c := r.Dial(t)
	c.OK("USER alice")
	c.Err("PASS wrong")
	c.OK("USER alice")
	c.OK("PASS wonder land")
	c.Multi("RETR 1")
	c.Multi("RETR 2")
	c.Multi("TOP 3 0")
	c.OK("DELE 1")
	c.Quit()
	sum := r.Ends(1)[0]
	mail := pop3test.Mail(3)
	sizes := int64(len(mail[0]) + len(mail[1]))
	if sum.User != "alice" || sum.Mechanism != "USER" || sum.End != pop3.EndQuit || sum.Err != nil || sum.FailedSignIns != 1 ||
		!sum.Listed || sum.Messages != 3 || sum.Octets != sizes+int64(len(mail[2])) || sum.Retrieved != 2 || sum.Proven != 2 ||
		sum.RetrOctets != sizes || sum.Tops != 1 || sum.Deleted != 1 || sum.In != 93 || sum.Out < sizes ||
		sum.Peer.Listener != "legacy" || len(sum.Peer.ID) != 8 || sum.Peer.Remote == nil || sum.Start.IsZero() || sum.Duration <= 0 {
		t.Errorf("%+v", sum)
	}
}
