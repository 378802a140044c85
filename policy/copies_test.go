package policy

import (
	"slices"
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

// A session's own are the steps that its RETR and DELE ask for.
func TestOwnSteps(t *testing.T) {
	p := parse(t, "archive", "expunge")
	p.Retain = []Rule{{Since: SinceArrived, After: Age(day), Do: Act{Do: Trash}, Unretrieved: true}}
	wish := Memory{Deleted: 1, Hidden: 1, Wish: Wish{Act{Do: Expunge}, true}}
	s := State{Approved: []bool{true}, Of: []*Memory{nil, nil, nil, &wish}}
	plan := p.Update(mail(1, 2, 3, 4), Session{Retrieved: []int{0}, Deleted: []int{1}}, &s, now)
	if len(plan.Steps) != 4 {
		t.Fatalf("steps %s; want 4", stepText(plan.Steps))
	}
	for _, step := range plan.Steps {
		if step.Own != (step.Index < 2) {
			t.Errorf("message %d: own %v (%s)", step.Index, step.Own, step.Why)
		}
	}
}

// What is hidden does not come back through a copy that appears later, before or
// after it in the list.
func TestHiddenCopyStaysHidden(t *testing.T) {
	p := must(t, "keep")
	for hidden := range 2 {
		msgs := mail(1, 2, 3)
		msgs[0].Unique, msgs[1].Unique, msgs[1].ID.Folder, msgs[2].ID.Folder = "M1", "M1", 1, 1
		s := State{Folders: make([]Folder, 2), Of: make([]*Memory, 3)}
		s.Of[hidden] = &Memory{Deleted: 5, Hidden: 5}
		if got := shownUIDs(msgs, p.View(msgs, &s, now)); !slices.Equal(got, []uint32{3}) {
			t.Errorf("copy %d is hidden: shown %v, want the other message alone", hidden, got)
		}
	}
}
