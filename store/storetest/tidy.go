package storetest

import (
	"context"
	"slices"
	"testing"

	"github.com/restante-mail/restante/store"
)

// viewPrefixes: whose maildrops are remembered, by what their names begin with.
func viewPrefixes(t *testing.T, ctx context.Context, s store.Store) {
	if got, err := s.MaildropPrefixes(ctx, "\n"); err != nil || len(got) != 0 {
		t.Errorf("of nobody: %q, %v", got, err)
	}
	for _, maildrop := range []string{"main\nalice", "main\nbob", "old\nalice\nb", "neither"} {
		mustRemember(t, ctx, s, store.ViewKey{Maildrop: maildrop}, store.Changes{At: 1})
	}
	if got, err := s.MaildropPrefixes(ctx, "\n"); err != nil || !slices.Equal(got, []string{"main", "old"}) {
		t.Errorf("%q, %v; want main and old", got, err)
	}
	if n, err := s.ForgetApprovals(ctx, []string{"a"}); n != 0 || err != nil {
		t.Errorf("%d approvals are forgotten where there are none, %v", n, err)
	}
}
