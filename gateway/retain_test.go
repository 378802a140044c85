package gateway_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/restante-mail/restante/policy"
	"github.com/restante-mail/restante/store"
)

// TestKeepDays: what was deleted two weeks ago goes, once the rule is approved
// and the account is not held, and not before the client's QUIT.
func TestKeepDays(t *testing.T) {
	server, inbox := memory(t, letters(3))
	state := stateFile(t)
	info, err := state.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	p, now := preset("keep-days"), time.Now()
	g := remembering(server, state, &p)
	g.Now = func() time.Time { return now }
	var log bytes.Buffer
	logger := logrus.New()
	logger.SetOutput(&log)
	g.Log = logger
	address := front(t, g)
	poll := func(drop bool) int {
		t.Helper()
		c := signIn(t, address)
		uidls(t, c)
		if drop {
			c.Close()
		} else {
			quit(t, c)
		}
		quit(t, signIn(t, address)) // once it is let in, the first session is over
		return len(inbox.Messages())
	}
	c := signIn(t, address)
	dele(t, c, 1, 3)
	quit(t, c)

	rules := []string{p.Retain[0].Hash("test")}
	maildrop := "test\n" + user
	steps := []struct {
		name string
		do   func() error
		drop bool
		left int
	}{
		{"a day early", func() error {
			now = now.Add(13 * 24 * time.Hour)
			return store.Approve(t.Context(), info.Path, []string{"another rule"}, 1)
		}, false, 3},
		{"in time, not approved", func() error { now = now.Add(24 * time.Hour); return nil }, false, 3},
		{"approved, and dropped", func() error { return store.Approve(t.Context(), info.Path, rules, 1) }, true, 3},
		{"held", func() error { return store.Hold(t.Context(), info.Path, maildrop, true) }, false, 3},
		{"too many", func() error { p.MaxRemovals = 1; return store.Hold(t.Context(), info.Path, maildrop, false) }, false, 3},
		{"at last", func() error { p.MaxRemovals = 2; return nil }, false, 1},
	}
	for _, step := range steps {
		log.Reset()
		if err := step.do(); err != nil {
			t.Fatal(err)
		}
		if left := poll(step.drop); left != step.left {
			t.Errorf("%s: %d messages are left, want %d", step.name, left, step.left)
		}
		if alert := strings.Contains(log.String(), "alert=true"); alert != (step.name == "too many") {
			t.Errorf("%s: an alert: %v, in\n%s", step.name, alert, log.String())
		}
	}
	if lines := strings.Count(log.String(), "removed upstream"); lines != 1 || !strings.Contains(log.String(), "messages=2") ||
		!strings.Contains(log.String(), "retain rule 1") {
		t.Errorf("want one line that says how many were removed, and why, in\n%s", log.String())
	}
	if left := inbox.Messages(); left[0].UID != 2 {
		t.Errorf("left is UID %d, want 2", left[0].UID)
	}
}

// TestRetentionAfterRetrieval counts from the first time, and forwards to a
// folder.
func TestRetentionAfterRetrieval(t *testing.T) {
	server, inbox := memory(t, letters(2))
	state := stateFile(t)
	info, _ := state.Info(t.Context())
	now := time.Now()
	p := preset("keep", func(p *policy.Policy) {
		p.Retain = []policy.Rule{{Since: policy.SinceRetrieved, After: policy.Age(48 * time.Hour), Do: policy.Act{Do: policy.Trash}}}
	})
	if err := store.Approve(t.Context(), info.Path, []string{p.Retain[0].Hash("test")}, 1); err != nil {
		t.Fatal(err)
	}
	g := remembering(server, state, &p)
	g.Now = func() time.Time { return now }
	address := front(t, g)
	for day, left := range []int{2, 2, 1} {
		c := signIn(t, address)
		list := uidls(t, c)
		if day < 2 {
			retrieve(t, c, 2) // again and again
		}
		quit(t, c)
		if n := len(inbox.Messages()); n != left {
			t.Errorf("day %d: %d messages are left of %v, want %d", day, n, list, left)
		}
		now = now.Add(24 * time.Hour)
	}
	v, err := state.View(t.Context(), store.ViewKey{Maildrop: "test\n" + user})
	moved := func(m store.Memory) bool { return m.Removed != 0 && m.Moved.UID != 0 && m.Moved.Folder == `\Trash` }
	if err != nil || !slices.ContainsFunc(v.Folders[0].Memories, moved) || v.Undo != nil {
		t.Errorf("%+v, %v; want where it was moved to, and nothing to undo", v, err)
	}
}
