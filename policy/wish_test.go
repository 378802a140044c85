package policy

import (
	"testing"

	"github.com/restante-mail/restante/upstream"
)

// A hold suspends what on_retrieve wants, even if the client deleted the message
// under a policy that only accepts DELE; and it does not suspend what DELE wants.
func TestHeldWish(t *testing.T) {
	tests := []struct{ retrieve, del, want string }{
		{"trash", "keep", ""},
		{"trash", "hide", ""},
		{"trash", "expunge", "1 expunge"},
		{"seen", "expunge", "1 expunge"},
	}
	for _, test := range tests {
		t.Run(test.retrieve+"/"+test.del, func(t *testing.T) {
			p := parse(t, test.retrieve, test.del)
			waiting := State{Held: true, Others: [][]*Memory{nil}}
			plan := p.Update(mail(1), Session{Retrieved: []int{0}, Deleted: []int{0}}, &waiting, now)
			known := plan.Facts[0].Memory
			again := reread(t, known.Wish)
			if again != known.Wish {
				t.Fatalf("the wish %v is read as %v", known.Wish, again)
			}
			done := [][]*Memory{{{First: 3}}}
			plan = p.Update(mail(1), Session{}, &State{Held: true, Of: []*Memory{&known}, Others: done}, now)
			if got := stepText(plan.Steps); got != test.want {
				t.Errorf("held: steps %q, want %q", got, test.want)
			}
			plan = p.Update(mail(1), Session{}, &State{Of: []*Memory{&known}, Others: done}, now)
			if len(plan.Steps) != 1 {
				t.Errorf("not held: steps %v, want one", plan.Steps)
			}
		})
	}
}

func reread(t *testing.T, w Wish) (again Wish) {
	t.Helper()
	text, err := w.MarshalText()
	if err == nil {
		err = again.UnmarshalText(text)
	}
	if err != nil {
		t.Fatal(err)
	}
	return again
}

// A wish is granted, too, when the route has no other views to wait for any more.
func TestWishWithoutOtherViews(t *testing.T) {
	p := must(t, "classic")
	known := Memory{Deleted: 5, Hidden: 5, Wish: Wish{Act{Do: Expunge}, true}}
	plan := p.Update(mail(1, 2), Session{}, &State{Of: []*Memory{&known}}, now)
	if got := stepText(plan.Steps); got != "1 expunge" {
		t.Errorf("steps %q; want what the client deleted expunged", got)
	}
}

// TestWishOnAServerThatOnlyMarks: what could only be flagged \Deleted is flagged
// once, and not at each QUIT; a server that can remove it, by now, does.
func TestWishOnAServerThatOnlyMarks(t *testing.T) {
	p := must(t, "classic")
	msgs := mail(1)
	wish := &Memory{Deleted: 1, Hidden: 1, Wish: Wish{Act{Do: Expunge}, true}}
	for _, test := range []struct {
		flags upstream.Flags
		able  upstream.Abilities
		steps int
	}{{0, upstream.Abilities{}, 1}, {upstream.Deleted, upstream.Abilities{}, 0}, {upstream.Deleted, upstream.Abilities{Expunges: true}, 1}} {
		msgs[0].Flags = test.flags
		s := State{Of: []*Memory{wish}, Able: test.able}
		if got := p.Update(msgs, Session{}, &s, now).Steps; len(got) != test.steps {
			t.Errorf("%+v: %+v, want %d steps", test, got, test.steps)
		}
	}
	own := p.Update(msgs, Session{Deleted: []int{0}}, &State{}, now) // shown, by show_deleted
	if len(own.Steps) != 1 {
		t.Errorf("the client's own DELE of what is flagged: %+v", own.Steps)
	}
}
