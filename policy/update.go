package policy

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/restante-mail/restante/upstream"
)

// A Session is what a client did, by index into the messages: what it was
// proven to have, and what it deleted.
type Session struct{ Retrieved, Deleted []int }

// A Step is one change that a policy wants made upstream, and why.
type Step struct {
	upstream.Change
	Index int // of the message
	Why   string
	// Removes: the message will not be where it is any more.
	Removes bool
	// Own: the session's own RETR or DELE asked for it, not an earlier session,
	// or another view's, or time.
	Own bool
	// Cause sorts Why.
	Cause Cause
}

// Cause is what a Step comes of.
type Cause string

const (
	ByDelete    Cause = "delete"    // on_delete
	ByRetrieve  Cause = "retrieve"  // on_retrieve
	ByViews     Cause = "views"     // no view waits for it any more
	ByRetention Cause = "retention" // a retain rule
	ByQuota     Cause = "quota"     // quota_reclaim
)

// A Fact is what is newly known of a message once its steps have been made.
type Fact struct {
	Index int
	Memory
}

// A Plan is what a completed session comes to.
type Plan struct {
	// Steps to take upstream, in this order.
	Steps []Step
	// Facts to remember of messages none of whose steps failed.
	Facts []Fact
	// Dry are steps that were decided and are not taken; Why says why not.
	Dry []Step
	// Withheld are facts that are not remembered, for the policy runs dry.
	Withheld []Fact
	// Reclaims: some of Steps make room in a mailbox that is nearly full.
	Reclaims bool
	// Alert says what an administrator should look at; "" if nothing.
	Alert string
}

// Update decides what a completed session changes upstream, and what is to be
// remembered. DELE outranks RETR, and both outrank retention; but what was read
// is marked so before it is moved away.
func (p Policy) Update(msgs []upstream.Message, done Session, s *State, now time.Time) Plan {
	u := update{p: &p, msgs: msgs, s: s, now: now, touched: map[int]touch{}}
	for _, i := range done.Retrieved {
		u.touched[i] = touch{retrieved: true}
	}
	for _, i := range done.Deleted {
		u.touched[i] = touch{retrieved: u.touched[i].retrieved, deleted: true}
	}
	u.clientsWish()
	u.cause = ByViews
	u.grantWishes()
	before := len(u.plan.Steps)
	u.cause = ByRetention
	u.retention()
	u.cause = ByQuota
	u.reclaim()
	u.limit(before)
	if p.DryRun {
		u.plan = Plan{Dry: append(relabel(u.plan.Steps, "dry_run"), u.plan.Dry...), Withheld: u.plan.Facts, Alert: u.plan.Alert}
	}
	return u.plan
}

// touch is what a session did to one message.
type touch struct{ retrieved, deleted bool }

// update is a plan in the making.
type update struct {
	p       *Policy
	msgs    []upstream.Message
	s       *State
	now     time.Time
	touched map[int]touch
	leaving map[int]bool     // messages that a step removes
	copies  map[string][]int // the messages that are the same, by their name
	cause   Cause            // of the steps that are added
	plan    Plan
}

// clientsWish carries out on_retrieve and on_delete, in the order of the list.
func (u *update) clientsWish() {
	u.findCopies()
	for _, i := range slices.Sorted(maps.Keys(u.touched)) {
		t := u.touched[i]
		f := Fact{Index: i}
		if t.retrieved {
			f.First, f.Last = u.now.Unix(), u.now.Unix()
			if !(t.deleted && u.p.OnDelete.removes() && u.p.OnRetrieve.removes()) {
				u.cause = ByRetrieve
				u.act(i, u.p.OnRetrieve, "retrieved (on_retrieve = "+u.p.OnRetrieve.String()+")", &f, false)
			}
		}
		if t.deleted {
			f.Deleted = u.now.Unix()
			u.cause = ByDelete
			u.act(i, u.p.OnDelete, "deleted by the client (on_delete = "+u.p.OnDelete.String()+")", &f, true)
		}
		u.remember(f)
	}
}

// remember a fact, of all copies of the message.
func (u *update) remember(f Fact) {
	u.plan.Facts = append(u.plan.Facts, f)
	for _, i := range u.copiesOf(f.Index) {
		f.Index = i
		u.plan.Facts = append(u.plan.Facts, f)
	}
}

// act does to a message what the setting says: upstream, or in the memory, or
// later when the other views are done with it.
func (u *update) act(i int, a Act, why string, f *Fact, byClient bool) {
	switch {
	case a.Do == Hide:
		f.Hidden = u.now.Unix()
	case a.removes() && !u.s.othersDone(i):
		f.Hidden, f.Wish = u.now.Unix(), Wish{a, byClient}
	case a.removes() && u.s.Held && !byClient:
		u.refrain(i, a, why, "the account is held")
	default:
		u.step(i, a, why)
	}
}

// step adds a change of a message and of its copies.
func (u *update) step(i int, a Act, why string) {
	u.stepOne(i, a, why)
	for _, other := range u.copiesOf(i) {
		u.stepOne(other, a, why)
	}
}

// stepOne adds a change of a message alone.
func (u *update) stepOne(i int, a Act, why string) {
	c, ok := a.change(u.msgs[i].ID)
	already := a.Do == Seen && u.msgs[i].Flags.Has(upstream.Seen)
	if !ok || already || u.leaving[i] || a.removes() && u.marked(i) {
		return
	}
	u.plan.Steps = append(u.plan.Steps, u.newStep(c, i, why, a))
	if a.removes() {
		u.leave(i)
	}
}

func (u *update) newStep(c upstream.Change, i int, why string, a Act) Step {
	own := u.cause == ByRetrieve || u.cause == ByDelete
	return Step{Change: c, Index: i, Why: why, Removes: a.removes(), Own: own, Cause: u.cause}
}

// marked tells whether removing has come as far as the server can go: it only
// flags messages, and this one is flagged. Doing it again and again would copy
// what is to be moved each time. What the client itself asks for is done all the
// same.
func (u *update) marked(i int) bool {
	asked := u.cause == ByDelete || u.cause == ByRetrieve
	return !asked && u.s.Able.MarksOnly() && u.msgs[i].Flags.Has(upstream.Deleted)
}

func (u *update) leave(i int) {
	if u.leaving == nil {
		u.leaving = map[int]bool{}
	}
	u.leaving[i] = true
}

// refrain notes a change that is not made.
func (u *update) refrain(i int, a Act, why, whyNot string) {
	if c, ok := a.change(u.msgs[i].ID); ok {
		u.plan.Dry = append(u.plan.Dry, u.newStep(c, i, why+"; not done: "+whyNot, a))
	}
}

func relabel(steps []Step, whyNot string) []Step {
	for i := range steps {
		steps[i].Why += "; not done: " + whyNot
	}
	return steps
}

// grantWishes removes what some view wanted removed, now that no view waits for
// it any more: the others are done with it, or the route has no others now.
func (u *update) grantWishes() {
	for i := range u.msgs {
		wish := u.wishFor(i)
		if wish.Do == "" || u.leaving[i] || !u.doneHere(i) || !u.s.othersDone(i) {
			continue
		}
		const why = "no view waits for it any more"
		if u.s.Held && !wish.ByClient {
			u.refrain(i, wish.Act, why, "the account is held")
			continue
		}
		u.step(i, wish.Act, why)
	}
}

// wishFor is what some view wants done to a message; a DELE outranks the rest.
func (u *update) wishFor(i int) Wish {
	wish := remembered(u.s.Of, i).Wish
	for _, of := range u.s.Others {
		if other := remembered(of, i).Wish; other.Do != "" && (wish.Do == "" || other.ByClient && !wish.ByClient) {
			wish = other
		}
	}
	return wish
}

func (u *update) doneHere(i int) bool {
	t := u.touched[i]
	return t.retrieved || t.deleted || remembered(u.s.Of, i).done()
}

// Arrivals are facts about when messages were first seen, where a rule of
// retention will want to know: they hold however the session ends.
func (p Policy) Arrivals(msgs []upstream.Message, s *State, now time.Time) (facts []Fact) {
	if !p.remembersArrival() {
		return nil
	}
	for i := range msgs {
		if (s.cameLater(&msgs[i]) || msgs[i].Arrived.IsZero()) && remembered(s.Of, i).Seen == 0 {
			facts = append(facts, Fact{i, Memory{Seen: now.Unix()}})
		}
	}
	return facts
}

// retention removes what its time is up for, unless that is suspended.
func (u *update) retention() {
	if len(u.p.Retain) == 0 {
		return
	}
	for i := range u.msgs {
		if n := u.p.due(&u.msgs[i], i, u.s, u.now); n >= 0 && !u.leaving[i] {
			u.retire(i, n)
		}
	}
}

// limit takes back the steps that no client asked for, from the one with that
// number on, if they are more than an administrator would expect.
func (u *update) limit(from int) {
	removals := u.plan.Steps[from:]
	if len(removals) <= u.p.MaxRemovals {
		return
	}
	u.alert(fmt.Sprintf("retain and quota_reclaim would remove %d messages in one session, and max_removals is %d: nothing was removed", len(removals), u.p.MaxRemovals))
	u.plan.Dry = append(u.plan.Dry, relabel(removals, "more than max_removals")...)
	u.plan.Steps, u.plan.Reclaims = u.plan.Steps[:from:from], false
}

// retire removes one message whose time is up. A copy elsewhere may have come
// later: each is judged by itself.
func (u *update) retire(i, n int) {
	rule := u.p.Retain[n]
	why := fmt.Sprintf("retain rule %d: %s", n+1, rule)
	switch {
	case n >= len(u.s.Approved) || !u.s.Approved[n]:
		u.refrain(i, rule.Do, why, "the rule waits for restante policy approve")
	case u.s.Held:
		u.refrain(i, rule.Do, why, "the account is held")
	default:
		u.stepOne(i, rule.Do, why)
	}
}

// findCopies finds out which messages are the same.
func (u *update) findCopies() {
	if !severalFolders(u.msgs) {
		return
	}
	u.copies = map[string][]int{}
	for i := range u.msgs {
		if name := u.msgs[i].Unique; name != "" {
			u.copies[name] = append(u.copies[name], i)
		}
	}
}

// copiesOf returns the other copies of a message.
func (u *update) copiesOf(i int) (others []int) {
	for _, other := range u.copies[u.msgs[i].Unique] {
		if other != i {
			others = append(others, other)
		}
	}
	return others
}
