package policy

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/restante-mail/restante/upstream"
)

// Reclaim makes room in a mailbox that is nearly full.
type Reclaim struct {
	// Above so many percent the oldest retrieved mail goes, until as much is free again.
	Above int `toml:"above"`
	// Do is expunge, trash, archive or move:FOLDER. What is moved must come
	// under another quota.
	Do Act `toml:"do"`
}

// On tells whether anything is to be reclaimed at all.
func (r Reclaim) On() bool { return r != Reclaim{} }

// NeedsQuota tells whether it matters how full an account is.
func (p Policy) NeedsQuota() bool { return p.QuotaWarn > 0 || p.QuotaReclaim.On() }

// checkQuota refuses percentages that are none, and what leaves nothing to
// reclaim.
func (p Policy) checkQuota() error {
	var errs []error
	if p.QuotaWarn < 0 || p.QuotaWarn > 100 {
		errs = append(errs, fmt.Errorf("quota_warn: %d is no percentage; use 1 to 100, or 0 for no warning", p.QuotaWarn))
	}
	if p.QuotaReclaim.On() {
		if err := p.checkReclaim(); err != nil {
			errs = append(errs, fmt.Errorf("quota_reclaim: %w", err))
		}
	}
	if !slices.Contains(Languages(), p.Language) {
		errs = append(errs, fmt.Errorf("language: %q is not known; use one of en, th", p.Language))
	}
	return errors.Join(errs...)
}

func (p Policy) checkReclaim() error {
	switch r := p.QuotaReclaim; {
	case r.Above < 1 || r.Above > 99:
		return fmt.Errorf("above: %d is not a percentage from 1 to 99", r.Above)
	case p.OnRetrieve.removes():
		return fmt.Errorf("on_retrieve = %s leaves no retrieved mail to reclaim", p.OnRetrieve)
	case r.Do.Do == "":
		return errors.New("do: is missing; use one of " + list(retainVerbs))
	default:
		return r.Do.check("do", retainVerbs)
	}
}

// Languages are those of what is written to mail users; "" is English.
func Languages() []string { return []string{"", "en", "th"} }

// A Fill is what is known of the account's quota.
type Fill struct {
	// Of each folder, by upstream.ID.Folder; nil where the server does not tell.
	Folders []*upstream.FolderQuota
	// Target is that of the folder that quota_reclaim moves to; nil if nobody
	// knows.
	Target *upstream.FolderQuota
	// Before is what was in use when room was made the last time, if the server
	// may not have noticed yet.
	Before []upstream.Quota
}

// Limits are all that limits some folder, each once.
func (f *Fill) Limits() (all []upstream.Quota) {
	seen := map[upstream.Quota]bool{}
	for _, folder := range f.Folders {
		if folder == nil {
			continue
		}
		for _, q := range folder.Limits {
			if !seen[q] {
				seen[q] = true
				all = append(all, q)
			}
		}
	}
	return all
}

// Fullest is the limit that is nearest to being reached; ok is false if none is
// known.
func (f *Fill) Fullest() (q upstream.Quota, ok bool) {
	for _, other := range f.Limits() {
		if !ok || other.Percent() > q.Percent() {
			q, ok = other, true
		}
	}
	return q, ok
}

// over returns the limits above a percentage, with what has to go.
func (f *Fill) over(percent int) (all []shortage) {
	for _, q := range f.Limits() {
		allowed := q.Limit/100*int64(percent) + q.Limit%100*int64(percent)/100
		if q.Used > allowed {
			all = append(all, shortage{q, q.Used - allowed})
		}
	}
	return all
}

// NeedsTarget names the folder whose quota decides whether reclaiming may move
// there; "" if nothing is to be moved now.
func (p Policy) NeedsTarget(f *Fill) string {
	c, ok := p.QuotaReclaim.Do.change(upstream.ID{})
	if !ok || c.Do != upstream.Move || len(f.over(p.QuotaReclaim.Above)) == 0 {
		return ""
	}
	return c.Target
}

// A shortage is a limit and how much has to go from under it.
type shortage struct {
	upstream.Quota
	missing int64
}

func (q shortage) String() string {
	what := "octets"
	if q.Messages {
		what = "messages"
	}
	return fmt.Sprintf("quota %q is %d %% full (%d of %d %s)", q.Root, q.Percent(), q.Used, q.Limit, what)
}

// freed is what a message's removal makes free.
func (q shortage) freed(m *upstream.Message) int64 {
	if q.Messages {
		return 1
	}
	return m.Size
}

// reclaim removes the oldest mail that was retrieved until enough of it is
// gone. What leaves anyway, and what is flagged \Deleted already, counts as gone:
// sooner too little than too much.
func (u *update) reclaim() {
	short := u.s.Fill.over(u.p.QuotaReclaim.Above)
	if !u.p.QuotaReclaim.On() || len(short) == 0 {
		return
	}
	whyNot := u.cannotReclaim(short)
	if whyNot == "" && u.s.Held {
		whyNot = "the account is held"
	}
	for i := range u.msgs {
		if u.leaving[i] || u.msgs[i].Flags.Has(upstream.Deleted) {
			u.free(short, i)
		}
	}
	for _, i := range u.oldest() {
		if q := u.free(short, i); q != nil {
			u.reclaimOne(i, q, whyNot)
		}
	}
}

func (u *update) reclaimOne(i int, q *shortage, whyNot string) {
	why := fmt.Sprintf("quota_reclaim above %d %%: %s", u.p.QuotaReclaim.Above, q)
	if whyNot != "" {
		u.refrain(i, u.p.QuotaReclaim.Do, why, whyNot)
		return
	}
	u.stepOne(i, u.p.QuotaReclaim.Do, why)
	u.plan.Reclaims = true
}

// free takes a message off what has to go, and returns a limit that needed it;
// nil if none did.
func (u *update) free(short []shortage, i int) (needed *shortage) {
	m := &u.msgs[i]
	if m.ID.Folder >= len(u.s.Fill.Folders) || u.s.Fill.Folders[m.ID.Folder] == nil {
		return nil
	}
	roots := u.s.Fill.Folders[m.ID.Folder].Roots
	for n := range short {
		q := &short[n]
		if q.missing > 0 && slices.Contains(roots, q.Root) && q.freed(m) > 0 {
			q.missing -= q.freed(m)
			needed = q
		}
	}
	return needed
}

// oldest are the messages that may go, the oldest first: retrieved, and no other
// view waits for them.
func (u *update) oldest() (all []int) {
	for i := range u.msgs {
		retrieved := u.touched[i].retrieved || remembered(u.s.Of, i).First != 0
		if retrieved && !u.leaving[i] && !u.msgs[i].Flags.Has(upstream.Deleted) && u.s.othersDone(i) {
			all = append(all, i)
		}
	}
	byArrival := func(a, b int) int { return cmp.Or(u.msgs[a].Arrived.Compare(u.msgs[b].Arrived), cmp.Compare(a, b)) }
	if !slices.IsSortedFunc(all, byArrival) { // as folders usually are
		slices.SortFunc(all, byArrival)
	}
	return all
}

// cannotReclaim says why removing mail would make no room, or would go on
// without end; "" if it would.
func (u *update) cannotReclaim(short []shortage) string {
	if stale := u.stale(short); stale != "" {
		return stale
	}
	var why string
	switch move := u.p.QuotaReclaim.Do.moves(); {
	case !move && !u.s.Able.Expunges:
		why = "the server cannot remove single messages for good (no UIDPLUS)"
	case move && u.s.Able.MarksOnly():
		why = "the server cannot move messages (neither MOVE nor UIDPLUS)"
	case move && u.s.Fill.Target == nil:
		why = "the server does not tell which quota its target comes under"
	case move && u.sharesRoot(short):
		why = "its target comes under the same quota"
	default:
		return ""
	}
	u.alert(fmt.Sprintf("quota_reclaim = %s makes no room: %s", u.p.QuotaReclaim.Do, why))
	return why
}

// stale: servers may count what was removed only hours later. Until they do the
// same shortage would condemn more and more.
func (u *update) stale(short []shortage) string {
	for _, q := range short {
		for _, before := range u.s.Fill.Before {
			if before.Root == q.Root && before.Messages == q.Messages && q.Used >= before.Used {
				return "the server has not counted yet what was reclaimed the last time"
			}
		}
	}
	return ""
}

func (u *update) sharesRoot(short []shortage) bool {
	return slices.ContainsFunc(short, func(q shortage) bool { return slices.Contains(u.s.Fill.Target.Roots, q.Root) })
}

// alert says what an administrator should look at.
func (u *update) alert(text string) {
	u.plan.Alert = strings.TrimPrefix(u.plan.Alert+"; "+text, "; ")
}
