package storetest

import (
	"context"
	"testing"

	"github.com/restante-mail/restante/store"
)

// viewNotices: the first of two sessions begins an episode, a dismissal is of
// one episode, and an end ends it.
func viewNotices(t *testing.T, ctx context.Context, s store.Store) {
	first := store.Notice{Begun: 10, Text: "Subject: full\r\n\r\n\"90 %\"\r\n"}
	dismissed := first
	dismissed.Dismissed = 30
	second := store.Notice{Begun: 50, Text: "again"}
	for _, step := range []struct{ change, want store.Notice }{
		{first, first},
		{store.Notice{Begun: 12, Text: "of a session beside it"}, first},
		{store.Notice{Begun: 12, Dismissed: 20, Text: "of a session beside it"}, first},
		{dismissed, dismissed},
		{first, dismissed},
		{store.Notice{}, store.Notice{}},
		{second, second},
	} {
		mustRemember(t, ctx, s, view, store.Changes{At: 5, Notice: &step.change})
		mustRemember(t, ctx, s, view, store.Changes{At: 6}) // says nothing of it
		wantView(t, ctx, s, view, store.View{Begun: 5, Notice: step.want})
	}
	wantView(t, ctx, s, other, store.View{})
	reclaimed := store.Reclaimed{At: 60, Used: []store.Used{{Root: "User quota", Used: 1 << 40}, {Root: "", Messages: true, Used: 3}}}
	mustRemember(t, ctx, s, view, store.Changes{At: 7, Reclaimed: &store.Reclaimed{At: 55}})
	mustRemember(t, ctx, s, view, store.Changes{At: 7, Reclaimed: &reclaimed})
	mustRemember(t, ctx, s, view, store.Changes{At: 8})
	mustRemember(t, ctx, s, view, store.Changes{At: 9, Reclaimed: &store.Reclaimed{At: 59}}) // of a session that began before it
	wantView(t, ctx, s, view, store.View{Begun: 5, Notice: second, Reclaimed: reclaimed})
	reclaimed.Used = reclaimed.Used[:1]
	mustRemember(t, ctx, s, view, store.Changes{At: 10, Reclaimed: &reclaimed})
	wantView(t, ctx, s, view, store.View{Begun: 5, Notice: second, Reclaimed: reclaimed})
}
