package gateway

import (
	"context"

	"github.com/restante-mail/restante/store"
	"github.com/restante-mail/restante/upstream"
)

// Count implements pop3.Counter: what a STAT upstream says, if that is what the
// client would see of a listing.
func (s *session) Count(ctx context.Context) (messages int, octets int64, ok bool, err error) {
	mailbox, can := s.mailbox.(upstream.Counter)
	if !can || !s.showsAll() {
		return 0, 0, false, nil
	}
	messages, octets, ok, err = mailbox.Count(ctx)
	if err != nil {
		return 0, 0, false, clientError(err)
	}
	return messages, octets, ok, nil
}

// showsAll tells whether the client is shown every message, with the size that
// the upstream claims, and nothing has to be found out or done by looking at
// them: a listing can wait.
func (s *session) showsAll() bool {
	if s.route.ExactSizes || s.gateway.Shared.sizes.corrects(s.folderKey(0)) || !s.route.Policy.ShowsAll() {
		return false
	}
	if s.memory == nil {
		return true
	}
	if s.strict() || len(s.memory.view.Intents) > 0 {
		return false
	}
	return !hides(&s.memory.view) && !hides(&s.memory.before)
}

// hides tells whether a view remembers anything that it does not show.
func hides(v *store.View) bool {
	for _, f := range v.Folders {
		for i := range f.Memories {
			if f.Memories[i].Hidden != 0 {
				return true
			}
		}
	}
	return false
}
