package gateway_test

import (
	"slices"
	"testing"
	"time"

	"github.com/restante-mail/restante/memimap"
	"github.com/restante-mail/restante/policy"
	"github.com/restante-mail/restante/secret"
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

// TestUndeleteWhatWasMarked: where the server could only flag a message, the
// flag goes at the next sign-in, and the message is there again.
func TestUndeleteWhatWasMarked(t *testing.T) {
	server, inbox := memory(t, letters(2), "UIDPLUS", "MOVE")
	state := stateFile(t)
	info, err := state.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	p := preset("classic")
	address := front(t, remembering(server, state, &p))
	c := signIn(t, address)
	dele(t, c, 1)
	quit(t, c)
	c = signIn(t, address)
	if got := uidls(t, c); len(got) != 1 {
		t.Fatalf("shown are %v, want one", got)
	}
	quit(t, c)
	u, err := store.Undelete(t.Context(), info.Path, store.ViewKey{Maildrop: "test\n" + user})
	if err != nil || len(u.Returning) != 1 || len(u.Shown)+len(u.Lost)+len(u.Elsewhere) != 0 {
		t.Errorf("%+v, %v; want one that comes back at the next sign-in", u, err)
	}
	for range 2 {
		c = signIn(t, address)
		if got := uidls(t, c); len(got) != 2 {
			t.Errorf("shown are %v, want both", got)
		}
		quit(t, c)
	}
	if got := flags(inbox); !slices.Equal(got, []string{"", ""}) {
		t.Errorf("flags are %q, want none", got)
	}
}

// TestUndeleteFromATrashWithoutUIDs: a server that has MOVE alone puts what was
// deleted into the trash and does not say where: it is not lost.
func TestUndeleteFromATrashWithoutUIDs(t *testing.T) {
	server, inbox := memory(t, letters(2), "UIDPLUS")
	state := stateFile(t)
	info, err := state.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	p := preset("classic")
	address := front(t, remembering(server, state, &p))
	c := signIn(t, address)
	dele(t, c, 1)
	quit(t, c)
	u, err := store.Undelete(t.Context(), info.Path, store.ViewKey{Maildrop: "test\n" + user})
	if err != nil || len(u.Elsewhere) != 1 || u.Elsewhere[0].Target != "Trash" || len(u.Shown)+len(u.Lost)+len(u.Returning) != 0 || len(inbox.Messages()) != 1 {
		t.Errorf("%+v, %v; want one that is in the trash", u, err)
	}
}

// TestMarkedOnce: what a rule of retention could only copy and flag is not
// copied again at each QUIT.
func TestMarkedOnce(t *testing.T) {
	imap := memimap.New()
	imap.InsecureAuth, imap.Lacks = true, []string{"UIDPLUS", "MOVE"}
	account := imap.AddUser(user, secret.New(password))
	account.Mailbox("INBOX").Append(letters(1)[0], nil, time.Now().Add(-48*time.Hour))
	state := stateFile(t)
	p := preset("classic", func(p *policy.Policy) {
		p.Retain = []policy.Rule{{Since: policy.SinceArrived, After: policy.Age(24 * time.Hour), Do: policy.Act{Do: policy.Trash}, Unretrieved: true}}
	})
	approve(t, state, p)
	address := front(t, remembering(bridgeTo(t, serve(t, imap.Serve, func() { imap.Close() })), state, &p))
	for range 3 {
		quit(t, signInAndList(t, address))
	}
	quit(t, signIn(t, address))
	if n := len(account.Mailbox("Trash").Messages()); n != 1 {
		t.Errorf("%d copies are in the trash, want 1", n)
	}
	if got := flags(account.Mailbox("INBOX")); !slices.Equal(got, []string{`\Deleted`}) {
		t.Errorf("flags are %q", got)
	}
}
