package gateway_test

import (
	"slices"
	"testing"

	"github.com/restante-mail/restante/store"
)

// TestUndeleteMoved: what was moved to the trash is back at the next sign-in,
// as a new message; what was expunged is not.
func TestUndeleteMoved(t *testing.T) {
	server, inbox := memory(t, letters(3))
	state := stateFile(t)
	info, err := state.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	p := preset("gmail-trash")
	address := front(t, remembering(server, state, &p))
	c := signIn(t, address)
	all := uidls(t, c)
	dele(t, c, 1, 3)
	quit(t, c)
	key := store.ViewKey{Maildrop: "test\n" + user}
	u, err := store.Undelete(t.Context(), info.Path, key)
	if err != nil || len(u.Returning) != 2 || u.Lost != nil || u.Shown != nil {
		t.Fatalf("%+v, %v; want two that return", u, err)
	}
	for range 2 { // the second time nothing is left to be done
		c = signIn(t, address)
		got := uidls(t, c)
		if len(got) != 3 || got[0] != all[1] || slices.Contains(got, all[0]) || slices.Contains(got, all[2]) {
			t.Errorf("shown are %v; want three, two of them new: before it was %v", got, all)
		}
		quit(t, c)
	}
	if n := len(inbox.Messages()); n != 3 {
		t.Errorf("%d messages are in the mailbox, want 3", n)
	}
}

// TestUndeleteHidden: it is shown again, under another name, which then stays.
func TestUndeleteHidden(t *testing.T) {
	server, _ := memory(t, letters(2))
	state := stateFile(t)
	info, err := state.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	p := preset("keep")
	address := front(t, remembering(server, state, &p))
	names := map[string]bool{}
	for life := range 3 {
		c := signIn(t, address)
		all := uidls(t, c)
		if len(all) != 2 || names[all[0]] {
			t.Fatalf("life %d: %v, and %v were there before", life, all, names)
		}
		names[all[0]] = true
		quit(t, c)
		c = signIn(t, address)
		if again := uidls(t, c); !slices.Equal(again, all) {
			t.Errorf("life %d: %v, and a session later %v", life, all, again)
		}
		retrieve(t, c, 1)
		dele(t, c, 1)
		quit(t, c)
		u, err := store.Undelete(t.Context(), info.Path, store.ViewKey{Maildrop: "test\n" + user})
		if err != nil || len(u.Shown) != 1 {
			t.Fatalf("%+v, %v; want one shown again", u, err)
		}
	}
}
