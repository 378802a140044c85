package gateway_test

import (
	"testing"
	"time"

	"github.com/restante-mail/restante/memimap"
	"github.com/restante-mail/restante/policy"
	"github.com/restante-mail/restante/secret"
	"github.com/restante-mail/restante/store"
	"github.com/restante-mail/restante/upstream"
)

// mailboxOf serves one message that arrived at that time.
func mailboxOf(t *testing.T, text string, arrived time.Time) (upstream.Server, *memimap.Mailbox) {
	imap := memimap.New()
	imap.InsecureAuth = true
	inbox := imap.AddUser(user, secret.New(password)).Mailbox("INBOX")
	inbox.Append([]byte(text), nil, arrived)
	return bridgeTo(t, serve(t, imap.Serve, func() { imap.Close() })), inbox
}

// TestAnotherMessageUnderTheSameUID: after a restore from a backup new mail has
// the UIDs of old mail. It is shown under a new name, retention does not touch
// it, and it has a memory of its own from then on. The same message, restored,
// is as retired as before.
func TestAnotherMessageUnderTheSameUID(t *testing.T) {
	start := time.Now().Add(-30 * 24 * time.Hour)
	for _, test := range []struct {
		name    string
		arrived time.Time
		left    int
	}{
		{"arrived later", start.Add(9 * 24 * time.Hour), 1},
		{"the same", start.Add(-time.Hour), 0},
		{"the same, a clock is wrong", start.Add(24 * time.Hour), 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			state := stateFile(t)
			p := preset("classic", func(p *policy.Policy) {
				p.Retain = []policy.Rule{{Since: policy.SinceRetrieved, After: policy.Age(48 * time.Hour), Do: policy.Act{Do: policy.Expunge}}}
			})
			approve(t, state, p)
			now := start
			session := func(server upstream.Server, retrieves bool) string {
				g := remembering(server, state, &p)
				g.Now = func() time.Time { return now }
				c := signIn(t, front(t, g))
				name := uidls(t, c)[0]
				if retrieves {
					retrieve(t, c, 1)
				}
				quit(t, c)
				return name
			}
			one, _ := mailboxOf(t, "Subject: old\r\n\r\n", start.Add(-time.Hour))
			old := session(one, true)
			now = start.Add(10 * 24 * time.Hour)
			two, inbox := mailboxOf(t, "Subject: perhaps new\r\n\r\n", test.arrived)
			name := session(two, false)
			if n := len(inbox.Messages()); n != test.left || (name == old) != (test.left == 0) {
				t.Fatalf("%d are left, want %d; the old name was %s, and now it is %s", n, test.left, old, name)
			}
			if test.left == 0 {
				return
			}
			if again := session(two, true); again != name {
				t.Errorf("its name was %s, and a session later it is %s", name, again)
			}
			now = now.Add(49 * time.Hour)
			session(two, false)
			if n := len(inbox.Messages()); n != 0 {
				t.Error("retention does not count from its own retrieval")
			}
		})
	}
}

// TestRemovedAndThereAgain: what somebody put back is not removed again.
func TestRemovedAndThereAgain(t *testing.T) {
	start := time.Now().Add(-30 * 24 * time.Hour)
	state := stateFile(t)
	p := preset("keep", func(p *policy.Policy) {
		p.Retain = []policy.Rule{{Since: policy.SinceRetrieved, After: policy.Age(48 * time.Hour), Do: policy.Act{Do: policy.Expunge}}}
	})
	approve(t, state, p)
	for day, want := range []int{1, 0, 1, 1} {
		server, inbox := mailboxOf(t, "Subject: old\r\n\r\n", start.Add(-time.Hour))
		g := remembering(server, state, &p)
		g.Now = func() time.Time { return start.Add(time.Duration(day) * 72 * time.Hour) }
		c := signIn(t, front(t, g))
		if day == 0 {
			retrieve(t, c, 1)
		}
		uidls(t, c)
		quit(t, c)
		if n := len(inbox.Messages()); n != want {
			t.Errorf("session %d: %d are left, want %d", day, n, want)
		}
	}
}

// approve lets the policy's retention act.
func approve(t *testing.T, state store.Store, p policy.Policy) {
	t.Helper()
	info, err := state.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Approve(t.Context(), info.Path, []string{p.Retain[0].Hash("test")}, 1); err != nil {
		t.Fatal(err)
	}
}
