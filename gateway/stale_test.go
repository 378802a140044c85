package gateway_test

import (
	"context"
	"testing"
	"time"

	"github.com/restante-mail/restante/store"
)

// TestChangedDuringASession: QUIT heeds what an administrator said since the
// sign-in.
func TestChangedDuringASession(t *testing.T) {
	key := store.ViewKey{Maildrop: "test\n" + user}
	for _, test := range []struct {
		name string
		do   func(ctx context.Context, path string) error
	}{
		{"held", func(ctx context.Context, path string) error { return store.Hold(ctx, path, key.Maildrop, true) }},
		{"undeleted", func(ctx context.Context, path string) error {
			_, err := store.Undelete(ctx, path, key)
			return err
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			server, inbox := memory(t, letters(3))
			state := stateFile(t)
			info, _ := state.Info(t.Context())
			p, now := preset("keep-days"), time.Now()
			approve(t, state, p)
			g := remembering(server, state, &p)
			g.Now = func() time.Time { return now }
			address := front(t, g)
			c := signIn(t, address)
			dele(t, c, 1)
			quit(t, c)
			now = now.Add(15 * 24 * time.Hour)
			c = signIn(t, address)
			uidls(t, c)
			if err := test.do(t.Context(), info.Path); err != nil {
				t.Fatal(err)
			}
			quit(t, c)
			if n := len(inbox.Messages()); n != 3 {
				t.Errorf("%d messages are left, want 3", n)
			}
		})
	}
}
