package gateway

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/sirupsen/logrus"

	"github.com/restante-mail/restante/policy"
	"github.com/restante-mail/restante/pop3"
	"github.com/restante-mail/restante/store"
	"github.com/restante-mail/restante/upstream"
)

// errReadOnly is why a session that must not change anything does not.
var errReadOnly = errors.New("the state file could not be written when the session began")

// Update implements pop3.Session: decide, do, record. What is to be changed
// upstream is remembered before it is changed, and the outcome before the
// client is told.
func (s *session) Update(ctx context.Context, deleted []int) error {
	deleted = s.takeNotice(deleted)
	s.recordAsked(deleted)
	if s.memory != nil && s.memory.readOnly {
		if len(deleted) > 0 || s.dismissed {
			return stateError(errReadOnly)
		}
		return nil
	}
	if err := errors.Join(s.readAgain(ctx, deleted), s.loadOthers(ctx)); err != nil {
		return err
	}
	s.inspectTarget(ctx)
	plan := s.decide(deleted)
	s.tellPlan(plan)
	s.recordPlan(deleted, plan)
	intent, err := s.intend(ctx, plan)
	if err != nil {
		return err
	}
	crash("intended")
	changes := make([]upstream.Change, len(plan.Steps))
	for i := range plan.Steps {
		changes[i] = plan.Steps[i].Change
		changes[i].Again = s.half(changes[i])
	}
	results := s.mailbox.Apply(ctx, changes)
	crash("applied")
	failed := s.record(plan.Steps, results)
	err = s.conclude(ctx, plan, results, intent)
	s.recordHidden(deleted, plan, err)
	return errors.Join(failed, err)
}

// decide asks the policy. The client's numbers become those of the listing.
func (s *session) decide(deleted []int) policy.Plan {
	var done policy.Session
	for _, i := range slices.Sorted(maps.Keys(s.retrieved)) {
		done.Retrieved = append(done.Retrieved, s.index[i])
	}
	for _, i := range deleted {
		done.Deleted = append(done.Deleted, s.index[i])
	}
	return s.route.Policy.Update(s.listed, done, s.state(), s.gateway.now())
}

// tellPlan logs what was decided and is not done.
func (s *session) tellPlan(plan policy.Plan) {
	if plan.Alert != "" {
		s.log.WithField("alert", true).Error(plan.Alert)
	}
	s.tellWithheld(plan.Withheld)
	for n, step := range plan.Dry {
		if n == 10 {
			s.log.Infof("and %d more that are not done", len(plan.Dry)-n)
			return
		}
		s.log.WithFields(logrus.Fields{"uid": step.ID.UID, "do": step.Do.String(), "why": step.Why}).Info("would change upstream")
	}
}

// tellWithheld logs what a policy that runs dry would remember.
func (s *session) tellWithheld(facts []policy.Fact) {
	hidden := 0
	for _, f := range facts {
		if f.Hidden != 0 {
			hidden++
		}
	}
	if s.route.Policy.DryRun {
		s.log.WithFields(logrus.Fields{"would_remember": len(facts), "would_hide": hidden}).Info("dry_run: nothing is changed upstream, and nothing is remembered")
	}
}

// loadOthers reads what the other views remember, if a removal has to wait for
// them.
func (s *session) loadOthers(ctx context.Context) error {
	if s.memory == nil || s.listed == nil {
		return nil
	}
	s.memory.state.Others, s.memory.others = nil, nil
	for _, name := range s.route.Others {
		view, err := s.memory.store.View(ctx, store.ViewKey{Maildrop: s.memory.key.Maildrop, View: name})
		if err != nil {
			return stateError(err)
		}
		known, err := s.align(view, s.listed)
		if err != nil {
			return err
		}
		s.memory.state.Others = append(s.memory.state.Others, known.of)
		s.memory.others = append(s.memory.others, view.Reclaimed)
	}
	s.recallReclaimed()
	return nil
}

// intend remembers what is about to be changed upstream. 0 is no intent.
func (s *session) intend(ctx context.Context, plan policy.Plan) (int64, error) {
	m := s.memory
	if m == nil || len(plan.Steps) == 0 {
		return 0, nil
	}
	facts := map[int]policy.Memory{}
	for _, f := range plan.Facts {
		facts[f.Index] = f.Memory
	}
	deeds := make([]store.Deed, len(plan.Steps))
	for i, step := range plan.Steps {
		deeds[i] = s.deed(step.Index, step.Do.String(), step.Target)
		if step.Removes {
			deeds[i].Then = storeMemory(facts[step.Index])
		}
	}
	learned := m.learned // what "newest" leaves out must not come back when newer mail is gone
	learned.At = s.gateway.now().Unix()
	if made := s.reclaimed(plan); made != nil {
		learned.Reclaimed = made
	}
	id, err := m.store.Intend(ctx, m.key, learned, deeds)
	s.gateway.Shared.ailing.Store(err != nil)
	if err == nil {
		m.forgetLearned()
		s.gateway.Shared.intents.Store(id, true)
		s.intent = id
		return id, nil
	}
	if s.strict() {
		return 0, stateError(err)
	}
	s.log.WithError(err).Warn("what is changed upstream could not be remembered")
	return 0, nil
}

func (s *session) deed(i int, do, target string) store.Deed {
	m := &s.listed[i]
	folder := s.folders[m.ID.Folder]
	return store.Deed{Folder: folder.Name, UIDValidity: folder.UIDValidity, Key: s.keyOf(m), UIDL: s.uidl(i), Do: do, Target: target}
}

func storeMemory(m policy.Memory) store.Memory {
	return store.Memory{Seen: m.Seen, First: m.First, Last: m.Last, Deleted: m.Deleted, Hidden: m.Hidden, Wish: m.Wish.String()}
}

// conclude remembers what came of a plan, in one transaction, if there is
// anything to remember.
func (s *session) conclude(ctx context.Context, plan policy.Plan, results []upstream.Result, intent int64) error {
	m := s.memory
	if m == nil {
		return nil
	}
	c := s.outcome(plan, results)
	if intent != 0 {
		c.Settled = append(c.Settled, intent)
	}
	if n := s.dismissal(); n != nil {
		c.Notice = n
	}
	if m.dry || !m.news && c.Undo == nil && c.Notice == nil && len(c.Settled) == 0 && len(plan.Facts) == 0 {
		return nil
	}
	s.tidy(&c)
	err := s.remember(ctx, c)
	crash("concluded")
	if err == nil {
		m.news = false
		return nil
	}
	if s.strict() {
		return stateError(err)
	}
	s.log.WithError(err).Warn("what the session did could not be remembered")
	return nil
}

// outcome is what the session taught: facts about messages none of whose
// changes failed, and what can be undone.
func (s *session) outcome(plan policy.Plan, results []upstream.Result) store.Changes {
	c := s.memory.learned
	c.At = s.gateway.now().Unix()
	c.Folders, c.Undo = slices.Clone(c.Folders), nil // what an earlier session did is undone no more
	failed, ends := s.ends(plan, results)
	for _, f := range plan.Facts {
		if failed[f.Index] {
			continue
		}
		known, undo := storeMemory(f.Memory), store.DoHide
		if end, ok := ends[f.Index]; ok {
			if known = end.merged(known); end.hidden != 0 {
				undo = store.DoMark
			}
			delete(ends, f.Index)
		}
		s.note(&c, &s.listed[f.Index], known)
		if known.Hidden != 0 && known.Removed == 0 {
			c.Undo = append(c.Undo, s.deed(f.Index, undo, ""))
			s.hid++
		}
	}
	for _, i := range slices.Sorted(maps.Keys(ends)) { // what retention and other views' wishes removed
		s.note(&c, &s.listed[i], ends[i].merged(store.Memory{}))
	}
	for i, step := range plan.Steps {
		if step.Own && step.Removes && results[i].Err == nil && !results[i].Hidden {
			deed := s.deed(step.Index, step.Do.String(), step.Target)
			deed.To = s.destination(step, results[i])
			if folder := results[i].Folder; folder != "" { // as near to removing as the server can come
				deed.Do, deed.Target = upstream.Move.String(), folder
			}
			c.Undo = append(c.Undo, deed)
		}
	}
	if c.Undo == nil {
		c.Undo = s.memory.learned.Undo // but if this one did nothing
	}
	return c
}

// An end is what became of a message that was to leave.
type end struct {
	removed, hidden int64
	moved           store.Place
}

func (e end) merged(m store.Memory) store.Memory {
	m.Removed, m.Moved = e.removed, e.moved
	if e.hidden != 0 {
		m.Hidden = e.hidden
	}
	return m
}

// ends says which messages had a change that failed, and what became of those
// that were to leave.
func (s *session) ends(plan policy.Plan, results []upstream.Result) (failed map[int]bool, ends map[int]end) {
	failed, ends = map[int]bool{}, map[int]end{}
	now := s.gateway.now().Unix()
	for i, step := range plan.Steps {
		switch result := results[i]; {
		case result.Err != nil:
			failed[step.Index] = true
		case step.Removes && result.Hidden:
			ends[step.Index] = end{hidden: now} // flagged \Deleted, and to its owner still there
		case step.Removes:
			ends[step.Index] = end{removed: now, moved: s.destination(step, result)}
		}
	}
	for i := range failed {
		delete(ends, i)
	}
	return failed, ends
}

func (s *session) destination(step policy.Step, result upstream.Result) store.Place {
	if result.UID == 0 {
		return store.Place{}
	}
	return store.Place{Folder: cmp.Or(result.Folder, step.Target), UIDValidity: result.UIDValidity, UID: result.UID}
}

// tidy adds to changes what is cheap to add: which remembered messages are
// missing, which are there again, and which have been missing for so long that
// they can be forgotten. Only a session that saw a message missing before may
// forget it.
func (s *session) tidy(c *store.Changes) {
	there := s.present()
	for i, folder := range s.folders {
		known := s.memory.folder(folder)
		if known == nil {
			continue
		}
		purge := store.ViewFolder{Name: folder.Name, UIDValidity: folder.UIDValidity}
		for _, m := range known.Memories {
			listed := there[i][m.Key]
			switch {
			case listed && m.Absent != 0:
				c.Folders[i].Memories = append(c.Folders[i].Memories, store.Memory{Key: m.Key})
			case !listed && m.Absent == 0:
				c.Folders[i].Memories = append(c.Folders[i].Memories, store.Memory{Key: m.Key, Absent: c.At})
			case !listed && c.At-m.Absent > store.Tombstone:
				purge.Memories = append(purge.Memories, store.Memory{Key: m.Key})
			}
		}
		if purge.Memories != nil {
			c.Purge = append(c.Purge, purge)
		}
	}
}

// present says what was listed of each folder.
func (s *session) present() []map[uint64]bool {
	there := make([]map[uint64]bool, len(s.folders))
	for i := range there {
		there[i] = map[uint64]bool{}
	}
	for i := range s.listed {
		there[s.listed[i].ID.Folder][s.keyOf(&s.listed[i])] = true
	}
	return there
}

// record logs each outcome and returns what the client is told of the whole.
func (s *session) record(steps []policy.Step, results []upstream.Result) error {
	var first error
	for i, result := range results {
		s.recordOne(steps[i], result)
		if result.Err != nil && first == nil {
			first = result.Err
		}
	}
	s.tellRemovals(steps, results)
	if s.marked > 0 {
		s.log.WithField("messages", s.marked).Warn("the upstream cannot remove single messages (no UIDPLUS): they were flagged \\Deleted and are hidden instead")
	}
	if s.failed == 0 {
		return nil
	}
	return &pop3.Error{Code: pop3.CodeSysTemp,
		Text: fmt.Sprintf("%d of %d changes could not be made; what was deleted may still be there", s.failed, len(steps)),
		Err:  first}
}

// tellRemovals logs what left the mailbox: a line for each thing done and each
// reason, not for each message.
func (s *session) tellRemovals(steps []policy.Step, results []upstream.Result) {
	type removal struct{ do, target, why string }
	count, order := map[removal]int{}, []removal(nil)
	for i, step := range steps {
		if !step.Removes || results[i].Err != nil {
			continue
		}
		r := removal{step.Do.String(), step.Target, step.Why}
		if count[r]++; count[r] == 1 {
			order = append(order, r)
		}
	}
	for _, r := range order {
		fields := logrus.Fields{"messages": count[r], "do": r.do, "why": r.why}
		if r.target != "" {
			fields["target"] = r.target
		}
		s.log.WithFields(fields).Info("removed upstream")
	}
}

func (s *session) recordOne(step policy.Step, result upstream.Result) {
	s.noteMark(step, result)
	s.recordChange(step, result)
	log := s.log.WithFields(logrus.Fields{"uid": step.ID.UID, "do": step.Do.String(), "why": step.Why})
	switch {
	case result.Err != nil:
		s.failed++
		log.WithError(result.Err).Debug("change failed upstream") // the session's error says how many, and why the first
	case result.Hidden:
		s.changed++
		s.marked++
		log.Debug("flagged \\Deleted upstream")
	default:
		s.changed++
		if step.Removes {
			s.noteGone(step.Index)
		}
		log.Debug("changed upstream")
	}
}

// noteGone: the message is not where it was, and nothing has to be learned of it.
func (s *session) noteGone(i int) {
	if s.gone == nil {
		s.gone = map[int]bool{}
	}
	s.gone[i] = true
}
