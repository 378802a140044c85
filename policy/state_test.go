package policy

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/restante-mail/restante/upstream"
)

// mail makes messages of one folder with the UIDs, a day old and more.
func mail(uids ...uint32) (msgs []upstream.Message) {
	for _, uid := range uids {
		msgs = append(msgs, upstream.Message{ID: upstream.ID{UID: uid}, Arrived: now.Add(-time.Duration(1000-uid) * time.Hour)})
	}
	return msgs
}

func shownUIDs(msgs []upstream.Message, verdicts []Verdict) (uids []uint32) {
	for i, v := range verdicts {
		if v.Show {
			uids = append(uids, msgs[i].ID.UID)
		}
	}
	return uids
}

func TestViewWithMemory(t *testing.T) {
	begun := now.Add(-990 * time.Hour) // between UIDs 9 and 11
	hidden := []*Memory{nil, {Hidden: 1}, {First: 1, Last: 1, Deleted: 1}}
	tests := []struct {
		name   string
		change func(*Policy)
		state  State
		shown  []uint32
	}{
		{"hidden stays hidden", func(*Policy) {}, State{Of: hidden}, []uint32{8, 11, 12}},
		{"from_now_on, the first time", func(p *Policy) { p.FromNowOn = true }, State{}, nil},
		{"from_now_on", func(p *Policy) { p.FromNowOn = true }, State{Begun: begun, Folders: []Folder{{First: 10}}}, []uint32{11, 12}},
		{"from_now_on goes by UID, not by date", func(p *Policy) { p.FromNowOn = true }, State{Begun: now, Folders: []Folder{{First: 9}}}, []uint32{9, 11, 12}},
		{"from_now_on in another life of the folder", func(p *Policy) { p.FromNowOn = true }, State{Begun: begun}, []uint32{11, 12}},
		{"newest", func(p *Policy) { p.Newest = 2 }, State{}, []uint32{11, 12}},
		{"newest, and all fit", func(p *Policy) { p.Newest = 4 }, State{}, []uint32{8, 9, 11, 12}},
		{"newest counts what is hidden", func(p *Policy) { p.Newest = 3 }, State{Of: hidden}, []uint32{11, 12}},
		{"the edge does not move back", func(p *Policy) { p.Newest = 3 }, State{Folders: []Folder{{Edge: 12}}}, []uint32{12}},
		{"newest and from_now_on", func(p *Policy) { p.Newest, p.FromNowOn = 1, true }, State{Begun: begun, Folders: []Folder{{First: 10}}}, []uint32{12}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p := must(t, "classic")
			test.change(&p)
			msgs := mail(8, 9, 11, 12)
			if got := shownUIDs(msgs, p.View(msgs, &test.state, now)); !slices.Equal(got, test.shown) {
				t.Errorf("shown %v, want %v", got, test.shown)
			}
		})
	}
}

// TestEdgeNeverMovesBack plays years of arrivals and removals: what was once
// left out is never shown.
func TestEdgeNeverMovesBack(t *testing.T) {
	p := must(t, "classic")
	p.Newest = 5
	s, msgs := State{Folders: []Folder{{}}}, mail(1, 2, 3, 4, 5, 6, 7)
	out := map[uint32]bool{}
	for day := range uint32(200) {
		if edges := p.Edges(msgs, &s); edges != nil {
			s.Folders[0].Edge = edges[0]
		}
		uids := shownUIDs(msgs, p.View(msgs, &s, now))
		if len(uids) > 5 {
			t.Fatalf("day %d: %v are shown", day, uids)
		}
		for _, m := range msgs {
			shown := slices.Contains(uids, m.ID.UID)
			if shown && out[m.ID.UID] {
				t.Fatalf("day %d: UID %d came back", day, m.ID.UID)
			}
			out[m.ID.UID] = out[m.ID.UID] || !shown
		}
		msgs = slices.Delete(msgs, len(msgs)-1, len(msgs))
		if day%3 > 0 {
			msgs = append(msgs, mail(100+2*day, 101+2*day)...)
		}
	}
}

func TestNewestOverFolders(t *testing.T) {
	p := must(t, "classic")
	p.Newest = 3
	msgs := append(mail(1, 900, 910), mail(2, 905, 906)...)
	for i := 3; i < 6; i++ {
		msgs[i].ID.Folder = 1
	}
	s := State{Folders: make([]Folder, 2)}
	if got := shownUIDs(msgs, p.View(msgs, &s, now)); !slices.Equal(got, []uint32{910, 905, 906}) {
		t.Errorf("shown %v; want the three that arrived last", got)
	}
	if got := p.Edges(msgs, &s); !slices.Equal(got, []uint32{901, 3}) {
		t.Errorf("edges %v", got)
	}
}

func TestCopies(t *testing.T) {
	p := must(t, "keep")
	msgs := mail(1, 2, 3, 4)
	for i, name := range []string{"A", "", "A", ""} {
		msgs[i].Unique, msgs[i].ID.Folder = name, i/2
	}
	s := State{Folders: make([]Folder, 2)}
	if got := shownUIDs(msgs, p.View(msgs, &s, now)); !slices.Equal(got, []uint32{1, 2, 4}) {
		t.Errorf("shown %v; want one of the copies", got)
	}
	msgs[0].Flags = upstream.Deleted
	if got := shownUIDs(msgs, p.View(msgs, &s, now)); !slices.Equal(got, []uint32{2, 3, 4}) {
		t.Errorf("shown %v; want the copy that nobody deleted", got)
	}
	plan := p.Update(msgs, Session{Deleted: []int{2}}, &s, now)
	if len(plan.Facts) != 2 || plan.Facts[0].Hidden == 0 || plan.Facts[1].Hidden == 0 {
		t.Errorf("facts %+v; want both copies hidden", plan.Facts)
	}
	p.OnDelete.Do = Expunge
	if got := stepText(p.Update(msgs, Session{Deleted: []int{2}}, &s, now).Steps); got != "3 expunge; 1 expunge" {
		t.Errorf("steps %s; want both copies expunged", got)
	}
}

func stepText(steps []Step) string {
	var all []string
	for _, s := range steps {
		all = append(all, strings.TrimSpace(fmt.Sprint(s.ID.UID, " ", s.Do, " ", s.Target)))
	}
	return strings.Join(all, "; ")
}

func ago(d time.Duration) int64 { return now.Add(-d).Unix() }

func TestRetention(t *testing.T) {
	rule := func(since Since, do Verb, unretrieved bool) []Rule {
		return []Rule{{Since: since, After: Age(14 * day), Do: Act{Do: do}, Unretrieved: unretrieved}}
	}
	old, young := 14*day, 14*day-time.Second
	arrived := func(d time.Duration) upstream.Message { return upstream.Message{Arrived: now.Add(-d)} }
	held := State{Approved: []bool{true}, Held: true}
	tests := []struct {
		name  string
		rules []Rule
		m     upstream.Message
		known Memory
		s     State
		gone  bool
		dry   bool
	}{
		{"retrieved, in time", rule(SinceRetrieved, Expunge, false), arrived(old), Memory{First: ago(old), Last: ago(0)}, State{}, true, false},
		{"retrieved, too early", rule(SinceRetrieved, Expunge, false), arrived(old), Memory{First: ago(young)}, State{}, false, false},
		{"never retrieved", rule(SinceRetrieved, Expunge, false), arrived(900 * day), Memory{Deleted: ago(old)}, State{}, false, false},
		{"deleted, in time", rule(SinceDeleted, Trash, false), arrived(old), Memory{Deleted: ago(old)}, State{}, true, false},
		{"deleted, too early", rule(SinceDeleted, Trash, false), arrived(old), Memory{Deleted: ago(young), First: ago(old)}, State{}, false, false},
		{"never deleted", rule(SinceDeleted, Trash, false), arrived(900 * day), Memory{First: ago(old)}, State{}, false, false},
		{"arrived and retrieved", rule(SinceArrived, Expunge, false), arrived(old), Memory{First: ago(0)}, State{}, true, false},
		{"arrived lately", rule(SinceArrived, Expunge, false), arrived(young), Memory{First: ago(0)}, State{}, false, false},
		{"arrived, not retrieved", rule(SinceArrived, Expunge, false), arrived(old), Memory{}, State{}, false, false},
		{"arrived, not retrieved, and the rule says so", rule(SinceArrived, Expunge, true), arrived(old), Memory{}, State{}, true, false},
		{"moved here lately, seen just now", rule(SinceArrived, Expunge, true), arrived(900 * day), Memory{}, State{Begun: now.Add(-old)}, false, false},
		{"moved here, seen long ago", rule(SinceArrived, Expunge, true), arrived(900 * day), Memory{Seen: ago(old)}, State{Begun: now.Add(-old)}, true, false},
		{"no date, seen just now", rule(SinceArrived, Expunge, true), upstream.Message{}, Memory{}, State{}, false, false},
		{"no date, seen long ago", rule(SinceArrived, Expunge, true), upstream.Message{}, Memory{Seen: ago(old)}, State{}, true, false},
		{"another view waits", rule(SinceRetrieved, Expunge, false), arrived(old), Memory{First: ago(old)}, State{Others: [][]*Memory{nil}}, false, false},
		{"the other view has it", rule(SinceRetrieved, Expunge, false), arrived(old), Memory{First: ago(old)}, State{Others: [][]*Memory{{{Deleted: 1}}}}, true, false},
		{"held", rule(SinceRetrieved, Expunge, false), arrived(old), Memory{First: ago(old)}, held, false, true},
		{"not approved", rule(SinceRetrieved, Expunge, false), arrived(old), Memory{First: ago(old)}, State{Approved: []bool{false}}, false, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p := must(t, "keep")
			p.Retain = test.rules
			if test.s.Approved == nil {
				test.s.Approved = []bool{true}
			}
			test.m.ID.UID = 1
			test.s.Of = []*Memory{&test.known}
			plan := p.Update([]upstream.Message{test.m}, Session{}, &test.s, now)
			if gone, dry := len(plan.Steps) > 0, len(plan.Dry) > 0; gone != test.gone || dry != test.dry || len(plan.Facts) > 0 {
				t.Errorf("%+v; want a step %v, without taking it %v", plan, test.gone, test.dry)
			}
		})
	}
}

func TestMaxRemovals(t *testing.T) {
	p := must(t, "keep-days")
	p.MaxRemovals = 3
	known := &Memory{Deleted: ago(20 * day), Hidden: ago(20 * day)}
	s := State{Approved: []bool{true}, Of: []*Memory{known, known, known, known}}
	for n, want := range map[int]int{3: 3, 4: 0} {
		plan := p.Update(mail(1, 2, 3, 4)[:n], Session{}, &s, now)
		if len(plan.Steps) != want || len(plan.Steps)+len(plan.Dry) != n || (plan.Alert != "") != (want == 0) {
			t.Errorf("%d are due: %d steps, %d dry, alert %q", n, len(plan.Steps), len(plan.Dry), plan.Alert)
		}
	}
	// What the client deletes is its own affair, and not counted.
	p.OnDelete.Do, p.Retain = Expunge, nil
	if plan := p.Update(mail(1, 2, 3, 4), Session{Deleted: []int{0, 1, 2, 3}}, &s, now); len(plan.Steps) != 4 || plan.Alert != "" {
		t.Errorf("%d steps, alert %q; want 4", len(plan.Steps), plan.Alert)
	}
}

func TestHeldAndDryRun(t *testing.T) {
	p := parse(t, "archive", "expunge")
	done := Session{Retrieved: []int{0}, Deleted: []int{1}}
	plan := p.Update(mail(1, 2), done, &State{Held: true}, now)
	if got := stepText(plan.Steps); got != "2 expunge" || len(plan.Dry) != 1 || len(plan.Facts) != 2 {
		t.Errorf("held: %s, dry %v, facts %v; want the client's DELE alone", got, plan.Dry, plan.Facts)
	}
	p.DryRun = true
	plan = p.Update(mail(1, 2), done, &State{}, now)
	if len(plan.Steps) != 0 || len(plan.Dry) != 2 || len(plan.Facts) != 0 {
		t.Errorf("dry_run: %+v; want two steps that are not taken, and no facts", plan)
	}
}

func TestViewsDeleteAll(t *testing.T) {
	p := must(t, "classic")
	waiting := [][]*Memory{nil}
	plan := p.Update(mail(1), Session{Deleted: []int{0}}, &State{Others: waiting}, now)
	if len(plan.Steps) != 0 || len(plan.Facts) != 1 || plan.Facts[0].Hidden == 0 || plan.Facts[0].Wish.Do != Expunge {
		t.Fatalf("%+v; want it hidden until the other view has it", plan)
	}
	wish := plan.Facts[0].Memory
	// The other view retrieves it: its own policy removes nothing, the wish does.
	recent := must(t, "recent")
	granted := State{Others: [][]*Memory{{&wish}}}
	if plan := recent.Update(mail(1), Session{}, &granted, now); len(plan.Steps) != 0 {
		t.Errorf("nobody has retrieved it there: %+v", plan.Steps)
	}
	if got := stepText(recent.Update(mail(1), Session{Retrieved: []int{0}}, &granted, now).Steps); got != "1 expunge" {
		t.Errorf("steps %q; want it expunged", got)
	}
	granted.Held = true
	if got := stepText(recent.Update(mail(1), Session{Retrieved: []int{0}}, &granted, now).Steps); got != "1 expunge" {
		t.Errorf("held: steps %q; a client's DELE is not suspended", got)
	}
	wish.Wish.ByClient = false // it came of on_retrieve
	wish.First = 1
	if got := stepText(recent.Update(mail(1), Session{Retrieved: []int{0}}, &granted, now).Steps); got != "" {
		t.Errorf("held: steps %q; want none", got)
	}
}

func TestExpire(t *testing.T) {
	tests := []struct {
		change func(*Policy)
		want   string
	}{
		{func(p *Policy) { p.OnRetrieve.Do = Hide }, "0"},
		{func(p *Policy) { p.MaxAge = Age(36 * time.Hour) }, "1"},
		{func(p *Policy) {
			p.Retain = []Rule{{Since: SinceArrived, After: Age(9 * day)}, {Since: SinceRetrieved, After: Age(7 * day)}}
		}, "7"},
		{func(p *Policy) {
			p.MaxAge, p.Retain = Age(3*day), []Rule{{Since: SinceRetrieved, After: Age(7 * day)}}
		}, "3"},
		{func(p *Policy) { p.Retain = []Rule{{Since: SinceDeleted, After: Age(day)}} }, "NEVER"},
		{func(p *Policy) { p.Newest = 10 }, ""},
		{func(p *Policy) { p.UnseenOnly = true }, "0"}, // with on_retrieve = seen
		{func(p *Policy) { p.UnseenOnly, p.OnRetrieve.Do = true, Nothing }, "NEVER"},
	}
	for i, test := range tests {
		p := must(t, "keep")
		test.change(&p)
		if got := p.Expire(); got != test.want {
			t.Errorf("%d: EXPIRE %q, want %q", i, got, test.want)
		}
	}
}

func TestRuleHash(t *testing.T) {
	rule := Rule{Since: SinceDeleted, After: Age(14 * day), Do: Act{Do: Expunge}}
	seen := map[string]bool{rule.Hash("a"): true}
	for _, other := range []Rule{
		{Since: SinceRetrieved, After: rule.After, Do: rule.Do},
		{Since: rule.Since, After: Age(13 * day), Do: rule.Do},
		{Since: rule.Since, After: rule.After, Do: Act{Do: Move, Target: "x"}},
		{Since: rule.Since, After: rule.After, Do: rule.Do, Unretrieved: true},
	} {
		seen[other.Hash("a")] = true
	}
	seen[rule.Hash("b")] = true
	if len(seen) != 6 || !seen[rule.Hash("a")] {
		t.Errorf("%d different hashes, want 6", len(seen))
	}
}

func TestPresetIsACopy(t *testing.T) {
	p := must(t, "keep-days")
	p.Retain[0].After = 1
	if q := must(t, "keep-days"); q.Retain[0].After == 1 {
		t.Error("a change of one policy changed the preset")
	}
}

// BenchmarkDecide is View and Update of 100,000 messages, of which something
// is remembered.
func BenchmarkDecide(b *testing.B) {
	msgs := make([]upstream.Message, 100_000)
	of := make([]*Memory, len(msgs))
	for i := range msgs {
		msgs[i] = upstream.Message{ID: upstream.ID{UID: uint32(i + 1)}, Size: int64(i), Arrived: now.Add(-time.Duration(i) * time.Minute)}
		of[i] = &Memory{First: ago(day), Last: ago(day), Deleted: int64(i%2) * ago(day), Hidden: int64(i%2) * ago(day)}
	}
	p, _ := Preset("keep-days")
	p.Newest, p.MaxAge = 90_000, Age(300*day)
	p.Retain = append(p.Retain, Rule{Since: SinceArrived, After: Age(365 * day), Do: Act{Do: Trash}, Unretrieved: true})
	s := State{Begun: now.Add(-day), Folders: []Folder{{First: 1000}}, Of: of, Approved: []bool{true, true}}
	decide := func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			p.View(msgs, &s, now)
			p.Update(msgs, Session{Retrieved: []int{5}, Deleted: []int{5}}, &s, now)
		}
	}
	b.Run("retention", decide)
	p.QuotaReclaim, s.Able.Expunges = Reclaim{Above: 90, Do: Act{Do: Expunge}}, true
	full := upstream.Quota{Root: "q", Used: 1_000_000, Limit: 1_000_000}
	s.Fill.Folders = []*upstream.FolderQuota{{Roots: []string{"q"}, Limits: []upstream.Quota{full}}}
	b.Run("retention and reclaim", decide)
}
