package policy

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/restante-mail/restante/upstream"
)

func TestQuotaSettings(t *testing.T) {
	expunge := Act{Do: Expunge}
	for _, test := range []struct {
		change func(*Policy)
		says   string // "" is good
	}{
		{func(p *Policy) { p.QuotaWarn, p.Language = 90, "th" }, ""},
		{func(p *Policy) { p.QuotaWarn = 101 }, "quota_warn: 101"},
		{func(p *Policy) { p.QuotaWarn = -1 }, "quota_warn: -1"},
		{func(p *Policy) { p.Language = "de" }, `language: "de"`},
		{func(p *Policy) { p.QuotaReclaim = Reclaim{95, expunge} }, ""},
		{func(p *Policy) { p.QuotaReclaim = Reclaim{Do: expunge} }, "quota_reclaim: above: 0"},
		{func(p *Policy) { p.QuotaReclaim = Reclaim{100, expunge} }, "quota_reclaim: above: 100"},
		{func(p *Policy) { p.QuotaReclaim = Reclaim{Above: 90} }, "quota_reclaim: do: is missing"},
		{func(p *Policy) { p.QuotaReclaim = Reclaim{90, Act{Do: Hide}} }, "quota_reclaim: do: "},
		{func(p *Policy) { p.QuotaReclaim, p.OnRetrieve = Reclaim{90, expunge}, expunge }, "leaves no retrieved mail"},
		{func(p *Policy) { p.QuotaReclaim = Reclaim{90, Act{Move, "INBOX"}} }, "folders: "},
	} {
		p, _ := Preset("classic")
		test.change(&p)
		err := p.Check()
		if test.says == "" && err != nil || test.says != "" && (err == nil || !strings.Contains(err.Error(), test.says)) {
			t.Errorf("%+v: %v, want %q", p.QuotaReclaim, err, test.says)
		}
		if err == nil && !p.NeedsState() {
			t.Error("a quota needs a memory")
		}
	}
	p, _ := Preset("keep")
	p.QuotaReclaim = Reclaim{90, expunge}
	if got := p.Expire(); got != "" {
		t.Errorf("with quota_reclaim EXPIRE is %q; nobody knows", got)
	}
}

// TestPercent: no figure that a server can tell wraps.
func TestPercent(t *testing.T) {
	for _, test := range []struct{ used, limit, want int64 }{{0, 1, 0}, {999, 1000, 99}, {1000, 1000, 100}, {3000, 1000, 300}, {1 << 53, 1 << 53, 100}, {1 << 53, 1024, 100 << 43}} {
		if got := (upstream.Quota{Used: test.used, Limit: test.limit}).Percent(); got != test.want {
			t.Errorf("%d of %d is %d %%, want %d", test.used, test.limit, got, test.want)
		}
	}
}

// nearlyFull is a mailbox at random: two folders under two quotas, messages in
// every state.
func nearlyFull(r *rand.Rand) (Policy, []upstream.Message, Session, *State) {
	p, _ := Preset("keep")
	p.QuotaReclaim = Reclaim{Above: 50 + r.IntN(45), Do: Act{Do: Expunge}}
	if r.IntN(3) == 0 {
		p.QuotaReclaim.Do = Act{Move, "Old"}
	}
	p.MaxRemovals = 1 + r.IntN(40)
	p.OnDelete.Do = []Verb{Hide, Expunge}[r.IntN(2)]
	s := &State{Held: r.IntN(8) == 0, Able: upstream.Abilities{Expunges: r.IntN(6) > 0, Moves: r.IntN(3) > 0}, Others: [][]*Memory{nil}[:r.IntN(2)]}
	var msgs []upstream.Message
	var done Session
	var used [2]int64
	for i := range 30 {
		folder := min(i/15, 1)
		m := upstream.Message{ID: upstream.ID{Folder: folder, UID: uint32(i + 1)}, Size: int64(r.IntN(1000)), Arrived: time.Unix(int64(r.IntN(1000)), 0)}
		if r.IntN(10) == 0 {
			m.Flags = upstream.Deleted
		}
		used[folder] += m.Size
		msgs = append(msgs, m)
		s.Of = append(s.Of, []*Memory{nil, {First: 1, Last: 1}, {Deleted: 1, Hidden: 1}}[r.IntN(3)])
		if len(s.Others) > 0 {
			s.Others[0] = append(s.Others[0], []*Memory{nil, {First: 1}}[r.IntN(2)])
		}
		if m.Flags == 0 && r.IntN(8) == 0 {
			done.Retrieved = append(done.Retrieved, i)
		} else if m.Flags == 0 && r.IntN(8) == 0 {
			done.Deleted = append(done.Deleted, i)
		}
	}
	for folder, root := range []string{"a", "b"} {
		limit := upstream.Quota{Root: root, Used: used[folder], Limit: 1 + int64(r.IntN(12000))}
		s.Fill.Folders = append(s.Fill.Folders, &upstream.FolderQuota{Roots: []string{root}, Limits: []upstream.Quota{limit}})
	}
	if r.IntN(3) == 0 {
		s.Fill.Target = &upstream.FolderQuota{Roots: []string{[]string{"b", "c"}[r.IntN(2)]}}
	}
	if r.IntN(6) == 0 {
		s.Fill.Before = []upstream.Quota{{Root: "a", Used: used[0] + int64(r.IntN(2))}}
	}
	return p, msgs, done, s
}

// TestReclaimProperties: whatever the mailbox, only what was retrieved goes,
// the oldest first, no more than is needed, and only where that makes room.
func TestReclaimProperties(t *testing.T) {
	reclaimed := 0
	for seed := range uint64(5000) {
		p, msgs, done, s := nearlyFull(rand.New(rand.NewPCG(seed, 1)))
		plan := p.Update(msgs, done, s, time.Unix(2000, 0))
		var taken []int
		freed := make([]int64, len(s.Fill.Folders))
		for i := range msgs {
			if msgs[i].Flags.Has(upstream.Deleted) {
				freed[msgs[i].ID.Folder] += msgs[i].Size
			}
		}
		for _, step := range plan.Steps {
			if strings.HasPrefix(step.Why, "quota_reclaim") {
				taken = append(taken, step.Index)
			} else if step.Removes {
				freed[step.ID.Folder] += msgs[step.Index].Size
			}
		}
		if plan.Reclaims != (len(taken) > 0) || len(taken) > p.MaxRemovals {
			t.Fatalf("seed %d: %d are reclaimed; the plan says %v, and at most %d may be", seed, len(taken), plan.Reclaims, p.MaxRemovals)
		}
		reclaimed += len(taken)
		checkTaken(t, seed, p, msgs, done, s, taken, freed)
	}
	if reclaimed < 1000 {
		t.Errorf("only %d messages were reclaimed: nothing is proved", reclaimed)
	}
}

func checkTaken(t *testing.T, seed uint64, p Policy, msgs []upstream.Message, done Session, s *State, taken []int, freed []int64) {
	t.Helper()
	may := func(i int) bool {
		mine := s.Of[i] != nil && s.Of[i].First != 0 || slices.Contains(done.Retrieved, i)
		others := len(s.Others) == 0 || s.Others[0][i] != nil
		return mine && others && msgs[i].Flags == 0
	}
	moves := p.QuotaReclaim.Do.Do == Move
	if len(taken) > 0 && (s.Held || !moves && !s.Able.Expunges || moves && (s.Able.MarksOnly() || s.Fill.Target == nil)) {
		t.Fatalf("seed %d: %v went, from a mailbox where nothing may", seed, taken)
	}
	for n, i := range taken {
		folder := msgs[i].ID.Folder
		q := s.Fill.Folders[folder].Limits[0]
		allowed := q.Limit * int64(p.QuotaReclaim.Above) / 100
		switch {
		case !may(i):
			t.Fatalf("seed %d: message %d went, and it was not retrieved by all", seed, i)
		case moves && slices.Contains(s.Fill.Target.Roots, q.Root):
			t.Fatalf("seed %d: message %d was moved under the same quota", seed, i)
		case q.Used-freed[folder] <= allowed:
			t.Fatalf("seed %d: message %d went, and %d was enough", seed, i, freed[folder])
		case n > 0 && msgs[taken[n-1]].Arrived.After(msgs[i].Arrived):
			t.Fatalf("seed %d: %v is not the order of arrival", seed, taken)
		case len(s.Fill.Before) > 0 && q.Root == "a" && q.Used >= s.Fill.Before[0].Used:
			t.Fatalf("seed %d: message %d went before the server had counted the last", seed, i)
		}
		freed[folder] += msgs[i].Size
		for older := range msgs { // of the same folder, older, and it may go
			if msgs[older].ID.Folder == folder && msgs[older].Size > 0 && may(older) && msgs[older].Arrived.Before(msgs[i].Arrived) &&
				!slices.Contains(taken[:n], older) && !slices.Contains(done.Deleted, older) {
				t.Fatalf("seed %d: message %d went before the older %d", seed, i, older)
			}
		}
	}
}
