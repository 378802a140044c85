package gateway_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/restante-mail/restante/gateway"
	"github.com/restante-mail/restante/pop3"
	"github.com/restante-mail/restante/pop3/pop3test"
	"github.com/restante-mail/restante/proxy"
	"github.com/restante-mail/restante/uidl"
	"github.com/restante-mail/restante/upstream"
)

// calling is a POP3 server that names its nth message by the nth UID.
func calling(t *testing.T, validity uint32, messages [][]byte, uids ...uint32) upstream.Server {
	t.Helper()
	format, _ := uidl.Parse(uidl.Default)
	box := pop3test.NewMemory(messages...)
	box.User, box.Password = user, password
	box.UIDL = func(nth int) string { return format.Of(uidl.Message{UID: uids[nth-1], UIDValidity: validity}) }
	s := &pop3.Server{Backend: box}
	pop, err := proxy.New(proxy.Options{Addresses: []string{serve(t, s.Serve, func() { _ = s.Shutdown(context.Background()) })}, Security: proxy.Plain})
	if err != nil {
		t.Fatal(err)
	}
	return pop
}

// A mailbox was copied together with its UIDs and UIDVALIDITY. Both servers get
// other mail from then on, and the move is taken back: the new mail of one must
// not have the names of the other's.
func TestNewMailOnBothSidesOfAMove(t *testing.T) {
	for name, succeeds := range map[string]string{"another URL": "", "another upstream": "test"} {
		t.Run(name, func(t *testing.T) {
			h := &house{t: t, state: stateFile(t), route: keepHiding}
			server, inbox := memory(t, posts(0, 5))
			validity := inbox.UIDValidity()
			before := h.names(calling(t, validity, posts(0, 5), 1, 2, 3, 4, 5))
			inbox.Append(post(70), nil, h.now)
			if succeeds != "" {
				h.route = func(r *gateway.Route) {
					r.Policy, r.Upstream, r.Before = preset("keep"), "new", gateway.Maildrop("test", "alice")
				}
			}
			after := h.names(server)
			wantKept(t, before, after, 0, 1)
			inbox.Append(post(71), nil, h.now)
			after = h.names(server)
			wantKept(t, before, after, 0, 2)
			h.route = keepHiding
			back := h.names(calling(t, validity, append(posts(0, 5), posts(80, 82)...), 1, 2, 3, 4, 5, 6, 7))
			wantKept(t, before, back, 0, 2)
			for i := 70; i < 72; i++ {
				for j := 80; j < 82; j++ {
					if name := after[string(post(i))]; name == back[string(post(j))] {
						t.Errorf("messages %d and %d are both called %s", i, j, name)
					}
				}
			}
		})
	}
}

// What the old server had, and nobody has learned, keeps its name where the UIDs
// prove to be the same, and is not given another's where they do not.
func TestUnlearnedMailOfTheServerBefore(t *testing.T) {
	for _, test := range []struct {
		first int // message of the new server
		same  bool
	}{{0, true}, {1, false}} {
		h := &house{t: t, state: stateFile(t)}
		server, inbox := memory(t, posts(test.first, test.first+6))
		validity := inbox.UIDValidity()
		var before []string
		h.session(calling(t, validity, posts(0, 6), 1, 2, 3, 4, 5, 6), func(c *pop3.Client) {
			before = uidls(t, c)
			retrieve(t, c, 2)
			retrieve(t, c, 6)
		})
		h.session(server, func(c *pop3.Client) {
			for i, name := range uidls(t, c) {
				learned := i+test.first == 1 || i+test.first == 5
				switch at := slices.Index(before, name); {
				case (test.same || learned) && at != i+test.first:
					t.Errorf("first %d: message %d is called %s, which is not its name", test.first, i+1, name)
				case !test.same && !learned && (at >= 0 || strings.TrimSpace(name) == ""):
					t.Errorf("first %d: message %d is called %s, as another was", test.first, i+1, name)
				}
			}
		})
	}
}
