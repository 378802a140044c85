package gateway_test

import (
	"testing"
	"time"

	"github.com/restante-mail/restante/policy"
	"github.com/restante-mail/restante/store"
)

// Undelete is about what the client did in its last session: what time removes
// afterwards does not take that away.
func TestRetentionIsNotUndone(t *testing.T) {
	server, _ := memory(t, letters(3))
	state := stateFile(t)
	info, err := state.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	p, now := preset("keep-days"), time.Now()
	if err := store.Approve(t.Context(), info.Path, []string{p.Retain[0].Hash("test")}, 1); err != nil {
		t.Fatal(err)
	}
	g := remembering(server, state, &p)
	g.Now = func() time.Time { return now }
	address := front(t, g)
	for _, wait := range []time.Duration{0, 14*24*time.Hour - time.Minute} {
		now = now.Add(wait)
		c := signIn(t, address)
		dele(t, c, 1)
		quit(t, c)
	}
	now = now.Add(2 * time.Minute)
	c := signIn(t, address)
	uidls(t, c)
	quit(t, c) // removes the first
	u, err := store.Undelete(t.Context(), info.Path, store.ViewKey{Maildrop: "test\n" + user})
	if err != nil || len(u.Shown) != 1 || u.Shown[0].Key != 2 || u.Lost != nil {
		t.Errorf("%+v, %v; want the second shown again, which the client deleted last", u, err)
	}
}

// What another view's session removed in the end is not shown again.
func TestUndeleteAfterTheOtherView(t *testing.T) {
	server, inbox := memory(t, letters(2))
	state := stateFile(t)
	info, err := state.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	address := front(t, viewed(server, state, true, map[string]policy.Policy{"": preset("classic"), "printer": preset("keep")}))
	c := signInAs(t, address, "")
	dele(t, c, 1)
	quit(t, c)
	c = signInAs(t, address, "printer")
	retrieve(t, c, 1)
	quit(t, c)
	if n := len(inbox.Messages()); n != 1 {
		t.Fatalf("%d messages are left, want 1", n)
	}
	key := store.ViewKey{Maildrop: "test\n" + user}
	u, err := store.Undelete(t.Context(), info.Path, key)
	if err != nil || u.Shown != nil || len(u.Lost) != 1 {
		t.Errorf("%+v, %v; want one that is lost", u, err)
	}
	key.View = "printer"
	if u, err := store.Undelete(t.Context(), info.Path, key); err != nil || u.Lost != nil {
		t.Errorf("the printer: %+v, %v; want nothing, for it deleted nothing", u, err)
	}
}
