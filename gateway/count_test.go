package gateway_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/restante-mail/restante/gateway"
	"github.com/restante-mail/restante/policy"
	"github.com/restante-mail/restante/pop3"
	"github.com/restante-mail/restante/pop3/pop3test"
	"github.com/restante-mail/restante/proxy"
)

// An oldServer is our own server as a POP3 upstream, and what was said to it.
type oldServer struct {
	*pop3test.Memory
	proxy *proxy.Upstream
	// wrong makes LIST and STAT tell a size of 5 octets.
	wrong bool
	mu    sync.Mutex
	said  []string
}

// Login implements pop3.Backend.
func (l *oldServer) Login(ctx context.Context, peer pop3.Peer, cred pop3.Credentials) (pop3.Session, error) {
	s, err := l.Memory.Login(ctx, peer, cred)
	if err != nil || !l.wrong {
		return s, err
	}
	return &wrongSizes{s}, nil
}

type wrongSizes struct{ pop3.Session }

func (w *wrongSizes) Messages(ctx context.Context) ([]pop3.Message, error) {
	messages, err := w.Session.Messages(ctx)
	messages = slices.Clone(messages)
	for i := range messages {
		messages[i].Size = 5
	}
	return messages, err
}

func newOldServer(t *testing.T, messages ...[]byte) *oldServer {
	l := &oldServer{Memory: pop3test.NewMemory(messages...)}
	server := &pop3.Server{Backend: l, Hooks: pop3.Hooks{Command: func(_ pop3.Peer, line string) {
		l.mu.Lock()
		defer l.mu.Unlock()
		verb, _, _ := strings.Cut(line, " ")
		l.said = append(l.said, verb)
	}}}
	l.proxy = proxyTo(t, serve(t, server.Serve, func() { _ = server.Shutdown(t.Context()) }))
	return l
}

// hears what was said since the last time.
func (l *oldServer) hears() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	said := l.said
	l.said = nil
	return said
}

// STAT costs a STAT where the view shows everything, and agrees with the list.
func TestStatCostsAStat(t *testing.T) {
	for _, c := range []struct {
		preset string
		change func(*policy.Policy)
		stat   string
	}{
		{"classic", nil, "STAT"},
		{"read-only", nil, "STAT"},
		{"classic", func(p *policy.Policy) { p.MaxSize = 1 }, "LIST"},
		{"classic", func(p *policy.Policy) { p.MaxAge = 1 }, "LIST"},
	} {
		l := newOldServer(t, pop3test.Mail(3)...)
		front := pop3test.Start(t, &pop3.Server{Backend: over(l.proxy, func(r *gateway.Route) {
			r.Policy, _ = policy.Preset(c.preset)
			if c.change != nil {
				c.change(&r.Policy)
			}
		})})
		client := front.Dial(t)
		client.SignIn(l.User, l.Password)
		l.hears()
		stat := client.OK("STAT")
		if said := l.hears(); !slices.Contains(said, c.stat) || c.stat == "STAT" && len(said) > 1 {
			t.Errorf("%s: a STAT costs %q", c.preset, said)
		}
		again := client.OK("STAT")
		if said := l.hears(); len(said) > 0 || again != stat {
			t.Errorf("%s: the second STAT costs %q, and is %q after %q", c.preset, said, again, stat)
		}
		client.Multi("LIST")
		if after := client.OK("STAT"); after != stat {
			t.Errorf("%s: STAT is %q, and after LIST %q", c.preset, stat, after)
		}
		client.Quit()
	}
}

// Sizes that are known to be others than the upstream's are in STAT's sum too.
func TestStatWithLearnedSizes(t *testing.T) {
	l := newOldServer(t, pop3test.Mail(2)...)
	l.wrong = true
	backend := over(l.proxy, nil)
	front := pop3test.Start(t, &pop3.Server{Backend: backend})
	for _, want := range []string{"2 10", fmt.Sprintf("2 %d", len(pop3test.Mail(2)[0])+5)} {
		client := front.Dial(t)
		client.SignIn(l.User, l.Password)
		if got := client.OK("STAT"); got != want {
			t.Errorf("STAT is %q, want %q", got, want)
		}
		client.Multi("RETR 1")
		client.Quit()
	}
}

// TestStatAfterAMove: what the server before had hidden is not in STAT's sum
// either.
func TestStatAfterAMove(t *testing.T) {
	l := newOldServer(t, pop3test.Mail(3)...)
	state := stateFile(t)
	session := func(change func(*gateway.Route), do func(c *pop3test.Conn)) {
		g := over(l.proxy, change)
		g.Shared.Store = state
		ended := make(chan struct{}, 1)
		client := pop3test.Start(t, &pop3.Server{Backend: g, Hooks: pop3.Hooks{End: func(pop3.Summary) { ended <- struct{}{} }}}).Dial(t)
		client.SignIn(l.User, l.Password)
		do(client)
		client.Quit()
		select {
		case <-ended: // and what passed by is known
		case <-time.After(20 * time.Second):
			t.Fatal("the session does not end")
		}
	}
	session(keepHiding, func(c *pop3test.Conn) { c.Multi("RETR 2"); c.OK("DELE 2") })
	session(func(r *gateway.Route) { r.Upstream, r.Before = "new", gateway.Maildrop("test", l.User) }, func(c *pop3test.Conn) {
		stat := c.OK("STAT")
		if _, list := c.Multi("LIST"); strings.Count(string(list), "\n") != 2 || !strings.HasPrefix(stat, "2 ") {
			t.Errorf("STAT is %q, and LIST %q", stat, list)
		}
	})
}
