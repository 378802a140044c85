package gateway_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/restante-mail/restante/gateway"
	"github.com/restante-mail/restante/memimap"
	"github.com/restante-mail/restante/policy"
	"github.com/restante-mail/restante/pop3"
	"github.com/restante-mail/restante/secret"
	"github.com/restante-mail/restante/store"
	"github.com/restante-mail/restante/upstream"
)

// viewed is a gateway whose users are views of one mailbox: alice, and
// alice+NAME, each with its policy.
func viewed(server upstream.Server, state store.Store, wait bool, policies map[string]policy.Policy) *gateway.Gateway {
	g := over(server, nil)
	g.Shared.Store = state
	g.Route = func(name string, _ netip.Addr, _ string) (gateway.Route, error) {
		base, view, _ := strings.Cut(name, "+")
		r := gateway.Route{Upstream: "test", Server: server, User: base, View: view, Policy: policies[view], PolicyName: view}
		for other := range policies {
			if wait && other != view {
				r.Others = append(r.Others, other)
			}
		}
		return r, nil
	}
	return g
}

func signInAs(t *testing.T, address, view string) *pop3.Client {
	t.Helper()
	c := connect(t, address)
	name := user
	if view != "" {
		name += "+" + view
	}
	if err := c.Login(t.Context(), name, secret.New(password)); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestViewsDoNotLeak(t *testing.T) {
	server, inbox := memory(t, letters(3))
	address := front(t, viewed(server, stateFile(t), true, map[string]policy.Policy{"": preset("classic"), "printer": preset("keep")}))
	c := signInAs(t, address, "")
	beside := signInAs(t, address, "printer") // at the same time: each view has its own lock
	all := uidls(t, c)
	retrieve(t, c, 2)
	dele(t, c, 1)
	quit(t, c)
	if got := uidls(t, beside); !slices.Equal(got, all) {
		t.Errorf("the other view sees %v, want %v", got, all)
	}
	quit(t, beside)
	if n := len(inbox.Messages()); n != 3 {
		t.Errorf("%d messages are left; one that the printer has not had was removed", n)
	}
	c = signInAs(t, address, "")
	if got := uidls(t, c); !slices.Equal(got, all[1:]) {
		t.Errorf("after its DELE the view sees %v, want %v", got, all[1:])
	}
	quit(t, c)

	c = signInAs(t, address, "printer")
	if got := uidls(t, c); !slices.Equal(got, all) {
		t.Errorf("the printer sees %v, want %v", got, all)
	}
	if n, err := c.Last(t.Context()); n != 0 || err != nil {
		t.Errorf("LAST of the printer is %d, %v", n, err)
	}
	retrieve(t, c, 1)
	quit(t, c)
	if left := inbox.Messages(); len(left) != 2 || left[0].UID != 2 {
		t.Errorf("left are %v; now both views are done with the first", left)
	}
}

func TestSharedLock(t *testing.T) {
	server, _ := memory(t, letters(4))
	shared := preset("keep", func(p *policy.Policy) { p.Lock = policy.LockShared })
	address := front(t, viewed(server, stateFile(t), false, map[string]policy.Policy{"": shared}))
	first, second := signInAs(t, address, ""), signInAs(t, address, "")
	all := uidls(t, first)
	dele(t, first, 1)
	dele(t, second, 1, 2)
	quit(t, first)
	retrieve(t, second, 3)
	quit(t, second)
	c := signInAs(t, address, "")
	if got := uidls(t, c); !slices.Equal(got, all[2:]) {
		t.Errorf("shown are %v, want what none of the two deleted: %v", got, all[2:])
	}
	if n, err := c.Last(t.Context()); n != 1 || err != nil {
		t.Errorf("LAST is %d, %v; want what the other session retrieved", n, err)
	}
	quit(t, c)
}

func TestRecentIsNotRemembered(t *testing.T) {
	server, inbox := memory(t, letters(2))
	state := stateFile(t)
	g := over(server, func(r *gateway.Route) { r.Policy, r.View, r.Forget = preset("recent"), "recent", true })
	g.Shared.Store = state
	address := front(t, g)
	for range 2 {
		c := signIn(t, address)
		retrieve(t, c, 1)
		dele(t, c, 1)
		quit(t, c)
	}
	if n := state.writes.Load(); n != 0 || len(inbox.Messages()) != 2 {
		t.Errorf("%d transactions, %d messages left; want 0 and 2", n, len(inbox.Messages()))
	}
}

// TestHistoriesOfViews: whatever views do in whatever order, a message is
// removed only when one of them wanted that and all are done with it, and none
// sees more or less because of another.
func TestHistoriesOfViews(t *testing.T) {
	for range 3 {
		seed := seedOf(t)
		t.Logf("RESTANTE_SEED=%d", seed)
		historyOfViews(t, rand.New(rand.NewPCG(seed, 1)))
	}
}

func historyOfViews(t *testing.T, random *rand.Rand) {
	server, inbox := memory(t, nil)
	policies := map[string]policy.Policy{"": preset("classic"), "printer": preset("keep"), "phone": preset("gmail-trash")}
	address := front(t, viewed(server, stateFile(t), true, policies))
	names := []string{"", "phone", "printer"}
	done, gone := map[string]map[uint32]bool{}, map[string]map[uint32]bool{} // by view: had or deleted; not to be shown
	for _, view := range names {
		done[view], gone[view] = map[uint32]bool{}, map[uint32]bool{}
	}
	wanted := map[uint32]bool{}
	for range 30 {
		inbox.Append(fmt.Appendf(nil, "Subject: %d\r\n\r\n", random.Int()), nil, time.Time{})
		view := names[random.IntN(3)]
		before := inbox.Messages()
		c := signInAs(t, address, view)
		shown := uidls(t, c)
		want := uidlsOf(before, gone[view])
		if !slices.Equal(shown, want) {
			t.Fatalf("view %q sees %v, want %v", view, shown, want)
		}
		for n := range shown {
			var uid uint32
			fmt.Sscanf(shown[n], "%08x", &uid)
			had, deleted := random.IntN(2) == 0, random.IntN(2) == 0
			if had {
				retrieve(t, c, n+1)
			}
			if deleted {
				dele(t, c, n+1)
			}
			p := policies[view]
			done[view][uid] = done[view][uid] || had || deleted
			removing := deleted && removes(p.OnDelete) || had && removes(p.OnRetrieve)
			wanted[uid] = wanted[uid] || removing
			gone[view][uid] = gone[view][uid] || removing || deleted && p.OnDelete.Do == policy.Hide
		}
		quit(t, c)
		checkRemoved(t, before, inbox.Messages(), func(uid uint32) bool {
			return wanted[uid] && done[""][uid] && done["phone"][uid] && done["printer"][uid]
		})
	}
}

func uidlsOf(msgs []memimap.Message, without map[uint32]bool) (names []string) {
	for _, m := range msgs {
		if !without[m.UID] {
			names = append(names, fmt.Sprintf("%08x%08x", m.UID, 1))
		}
	}
	return names
}

func checkRemoved(t *testing.T, before, after []memimap.Message, may func(uint32) bool) {
	t.Helper()
	for _, m := range before {
		left := slices.ContainsFunc(after, func(a memimap.Message) bool { return a.UID == m.UID })
		if left == may(m.UID) {
			t.Fatalf("UID %d is left: %v; that it may be removed: %v", m.UID, left, may(m.UID))
		}
	}
}
