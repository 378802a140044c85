package gateway

import (
	"slices"

	"github.com/restante-mail/restante/audit"
	"github.com/restante-mail/restante/policy"
	"github.com/restante-mail/restante/store"
	"github.com/restante-mail/restante/upstream"
)

// recordAsked tells what the client asked for, whatever comes of it.
func (s *session) recordAsked(deleted []int) {
	if !s.recording() {
		return
	}
	for _, i := range deleted {
		s.gateway.Recorder.Record(&audit.Deletion{Header: s.header(), Message: s.message(s.index[i])})
	}
}

// recordPlan tells what the policy makes of it.
func (s *session) recordPlan(deleted []int, plan policy.Plan) {
	if !s.recording() {
		return
	}
	for _, step := range plan.Steps {
		s.recordDecision(step, false)
	}
	for _, step := range plan.Dry {
		s.recordDecision(step, true)
	}
	for _, hide := range s.hides(deleted, plan) {
		s.gateway.Recorder.Record(s.decisionOf(hide))
	}
	s.recordKept(deleted)
	s.recordReclaim(plan)
	if plan.Alert != "" {
		s.gateway.Recorder.Record(&audit.Alert{Header: s.header(), Policy: s.route.PolicyName, Text: plan.Alert})
	}
}

// recordDecision tells of one change upstream. That a message is marked as read
// is no fact that anybody asks for later.
func (s *session) recordDecision(step policy.Step, dry bool) {
	if step.Do == upstream.MarkSeen {
		return
	}
	s.gateway.Recorder.Record(&audit.Decision{Header: s.header(), Message: s.message(step.Index),
		Do: step.Do.String(), Target: step.Target, Policy: s.route.PolicyName, Cause: string(step.Cause), Why: step.Why, Dry: dry})
}

// A hide is a message that this view will not see again, and is still upstream.
type hide struct {
	index int
	cause policy.Cause
	why   string
}

// hides are the messages that the plan hides.
func (s *session) hides(deleted []int, plan policy.Plan) (all []hide) {
	for _, fact := range plan.Facts {
		if fact.Hidden == 0 {
			continue
		}
		h := hide{index: fact.Index, cause: policy.ByRetrieve, why: "on_retrieve = " + s.route.Policy.OnRetrieve.String()}
		if n, shown := slices.BinarySearch(s.index, fact.Index); shown && slices.Contains(deleted, n) {
			h.cause, h.why = policy.ByDelete, "on_delete = "+s.route.Policy.OnDelete.String()
		}
		if fact.Wish.Do != "" {
			h.why += ", when the other views are done with it"
		}
		all = append(all, h)
	}
	return all
}

func (s *session) decisionOf(h hide) *audit.Decision {
	return &audit.Decision{Header: s.header(), Message: s.message(h.index),
		Do: string(policy.Hide), Policy: s.route.PolicyName, Cause: string(h.cause), Why: h.why}
}

// recordKept: the client deleted them, and the policy keeps them.
func (s *session) recordKept(deleted []int) {
	if s.route.Policy.OnDelete.Do != policy.Keep {
		return
	}
	for _, i := range deleted {
		s.gateway.Recorder.Record(&audit.Decision{Header: s.header(), Message: s.message(s.index[i]),
			Do: string(policy.Keep), Policy: s.route.PolicyName, Cause: string(policy.ByDelete), Why: "on_delete = keep"})
	}
}

// recordChange tells what came of one change upstream.
func (s *session) recordChange(step policy.Step, result upstream.Result) {
	if !s.recording() || step.Do == upstream.MarkSeen {
		return
	}
	e := &audit.Outcome{Header: s.header(), Message: s.message(step.Index), Do: step.Do.String(), Target: step.Target,
		Policy: s.route.PolicyName, Cause: string(step.Cause), Result: audit.OutcomeDone,
		ToUIDValidity: result.UIDValidity, ToUID: result.UID, Error: text(result.Err)}
	switch {
	case result.Err != nil:
		e.Result = audit.OutcomeFailed
	case result.Hidden:
		e.Result = audit.OutcomeMarked
	}
	s.gateway.Recorder.Record(e)
}

// recordHidden tells whether the state file took what the view hides. err is
// what came of writing it.
func (s *session) recordHidden(deleted []int, plan policy.Plan, err error) {
	if !s.recording() {
		return
	}
	result := audit.OutcomeDone
	if err != nil {
		result = audit.OutcomeFailed
	}
	for _, h := range s.hides(deleted, plan) {
		s.gateway.Recorder.Record(&audit.Outcome{Header: s.header(), Message: s.message(h.index), Do: string(policy.Hide),
			Policy: s.route.PolicyName, Cause: string(h.cause), Result: result, Error: text(err)})
	}
}

// recordFound: a message that an interrupted session was to remove is gone.
func (s *session) recordFound(deed store.Deed) {
	if !s.recording() {
		return
	}
	m := audit.Message{UIDL: deed.UIDL, Upstream: s.route.Upstream, Host: s.route.Host, Folder: deed.Folder, UIDValidity: deed.UIDValidity}
	if deed.UIDValidity != 0 {
		m.UID = uint32(deed.Key)
	}
	s.gateway.Recorder.Record(&audit.Outcome{Header: s.header(), Message: m, Do: deed.Do, Target: deed.Target,
		Policy: s.route.PolicyName, Cause: audit.CauseFound, Result: audit.OutcomeDone})
}

// recordReclaim: the plan makes room.
func (s *session) recordReclaim(plan policy.Plan) {
	if !plan.Reclaims {
		return
	}
	chosen := 0
	for _, step := range plan.Steps {
		if step.Cause == policy.ByQuota {
			chosen++
		}
	}
	fullest, _ := s.memory.state.Fill.Fullest()
	s.recordQuota("reclaim", fullest, chosen)
}

func (s *session) recordQuota(action string, q upstream.Quota, chosen int) {
	if !s.recording() {
		return
	}
	e := &audit.Quota{Header: s.header(), Action: action, Root: q.Root, Counted: "octets", Used: q.Used, Limit: q.Limit, Messages: chosen}
	if q.Messages {
		e.Counted = "messages"
	}
	if q.Limit > 0 {
		e.Percent = q.Percent()
	}
	s.gateway.Recorder.Record(e)
}
