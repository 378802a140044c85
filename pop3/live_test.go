package pop3_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/restante-mail/restante/pop3"
	"github.com/restante-mail/restante/pop3/pop3test"
)

// Live follows a session through its states.
func TestLive(t *testing.T) {
	m := pop3test.NewMemory(pop3test.Mail(1)...)
	r := start(t, m)
	if live := r.Live(); len(live) != 0 {
		t.Fatalf("%+v, and nobody is there", live)
	}
	c := r.Dial(t)
	c.Multi("CAPA")
	live := one(t, r)
	if live.State != pop3.StateAuthorization || live.Command != "CAPA" || live.User != "" || live.Peer.Remote == nil {
		t.Errorf("before sign-in: %+v", live)
	}
	c.SignIn(m.User, m.Password)
	c.OK("STAT")
	waitFor(t, func() bool { return one(t, r).Idle > time.Millisecond })
	live = one(t, r)
	if live.State != pop3.StateTransaction || live.Command != "STAT" || live.User == "" {
		t.Errorf("after sign-in: %+v", live)
	}
	if live.In < int64(len("STAT\r\n")) || live.Out < int64(len("+OK\r\n")) || live.Start.IsZero() {
		t.Errorf("counts: %+v", live)
	}
	c.Send("XYZZY now\r\n")
	if line := c.Line(); line != "-ERR unknown command, or not valid now" {
		t.Error(line)
	}
	if got := one(t, r).Command; got != "other" {
		t.Errorf("an unknown command is shown as %q", got)
	}
	c.Quit()
	r.WaitIdle()
}

// Kick ends the one session it names, and deletes nothing.
func TestKick(t *testing.T) {
	m := pop3test.NewMemory(pop3test.Mail(2)...)
	r := start(t, m)
	c := signedIn(t, r, m)
	c.OK("DELE 1")
	id := one(t, r).Peer.ID
	if r.Kick("ffffffff.") {
		t.Error("kicked a session that there is not")
	}
	if !r.Kick(id) || r.Kick(id) {
		t.Error("a session can be kicked once")
	}
	c.Closed()
	if sum := r.Ends(1)[0]; sum.End != pop3.EndKicked || len(m.Mail()) != 2 {
		t.Errorf("%+v, %d messages", sum, len(m.Mail()))
	}
}

// A QUIT that is being done is not interrupted.
func TestKickLeavesUpdate(t *testing.T) {
	m := pop3test.NewMemory(pop3test.Mail(1)...)
	updating, proceed := make(chan struct{}), make(chan struct{})
	m.OnUpdate = func(context.Context, []int) error {
		close(updating)
		<-proceed
		return nil
	}
	r := start(t, m)
	c := signedIn(t, r, m)
	c.OK("DELE 1")
	c.Send("QUIT\r\n")
	<-updating
	live := one(t, r)
	if live.State != pop3.StateUpdate || r.Kick(live.Peer.ID) {
		t.Errorf("kicked in state %s", live.State)
	}
	close(proceed)
	c.Line()
	c.Closed()
	if sum := r.Ends(1)[0]; sum.End != pop3.EndQuit || len(m.Mail()) != 0 {
		t.Errorf("%+v, %d messages", sum, len(m.Mail()))
	}
}

// Answered counts each command once, by verb and outcome.
func TestAnswered(t *testing.T) {
	m := pop3test.NewMemory(pop3test.Mail(1)...)
	var mu sync.Mutex
	var got []string
	r := start(t, m, func(s *pop3.Server) {
		s.Hooks.Answered = func(verb string, o pop3.Outcome, took time.Duration) {
			mu.Lock()
			defer mu.Unlock()
			got = append(got, verb+" "+o.String())
			if took < 0 || took > time.Minute {
				t.Errorf("%s took %v", verb, took)
			}
		}
	})
	c := signedIn(t, r, m)
	c.Multi("RETR 1")
	for _, line := range []string{"RETR 2", "PASS x", "NOOP 5"} {
		c.Send(line + "\r\n")
		c.Line()
	}
	c.Quit()
	r.WaitIdle()
	mu.Lock()
	defer mu.Unlock()
	want := "USER ok, PASS ok, RETR ok, RETR err, other err, NOOP err, QUIT ok"
	if text := strings.Join(got, ", "); text != want {
		t.Errorf("got  %s\nwant %s", text, want)
	}
}

func one(t *testing.T, r *pop3test.Running) pop3.Live {
	t.Helper()
	live := r.Live()
	if len(live) != 1 {
		t.Fatalf("%d connections are live, want 1", len(live))
	}
	return live[0]
}
