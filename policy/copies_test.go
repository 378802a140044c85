package policy

import (
	"testing"
	"time"

	"github.com/restante-mail/restante/upstream"
)

// Retention of an old message leaves a copy alone that came to its folder today.
func TestRetentionJudgesEachCopy(t *testing.T) {
	p := must(t, "keep")
	p.Retain = []Rule{{Since: SinceArrived, After: Age(30 * day), Do: Act{Do: Expunge}, Unretrieved: true}}
	msgs := []upstream.Message{
		{ID: upstream.ID{Folder: 0, UID: 1}, Unique: "M1", Arrived: now.Add(-40 * day)},
		{ID: upstream.ID{Folder: 1, UID: 7}, Unique: "M1", Arrived: now},
	}
	s := State{Begun: now.Add(-100 * time.Hour), Folders: []Folder{{First: 5}, {First: 1}}, Approved: []bool{true}}
	if got := stepText(p.Update(msgs, Session{}, &s, now).Steps); got != "1 expunge" {
		t.Errorf("steps %q; want the old copy alone expunged", got)
	}
	msgs[1].Arrived, s.Folders[1].First = now.Add(-40*day), 8
	if got := stepText(p.Update(msgs, Session{}, &s, now).Steps); got != "1 expunge; 7 expunge" {
		t.Errorf("steps %q; want both, for both are due", got)
	}
}
