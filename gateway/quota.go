package gateway

import (
	"context"
	"slices"
	"time"

	"github.com/restante-mail/restante/policy"
	"github.com/restante-mail/restante/store"
	"github.com/restante-mail/restante/upstream"
)

// countingTime is how long a server may take to count what was removed: some
// work a day's changes off at night. Until then what it says is doubted.
const countingTime = 24 * time.Hour

// inspect asks the mailbox what it can do, and how full it is if the policy
// wants to know. A server that does not tell is no reason to fail.
func (s *session) inspect(ctx context.Context) {
	inspector, ok := s.mailbox.(upstream.Inspector)
	if s.memory == nil || !ok {
		return
	}
	state := &s.memory.state
	state.Able, state.Fill = inspector.Abilities(), policy.Fill{}
	if !s.route.Policy.NeedsQuota() {
		return
	}
	for _, folder := range s.folders {
		quota, err := inspector.Quota(ctx, folder.Name)
		if err != nil {
			s.log.WithError(err).Warn("the upstream's quota is not known")
		}
		state.Fill.Folders = append(state.Fill.Folders, quota)
	}
	s.recallReclaimed()
}

// recallReclaimed says when room was made lately: by this view, by a session
// beside this one after it was asked how full the mailbox is, or by the other
// views that a removal has to wait for.
func (s *session) recallReclaimed() {
	if s.memory == nil {
		return
	}
	fill := &s.memory.state.Fill
	fill.Before = nil
	for _, made := range append(s.memory.others, s.memory.view.Reclaimed) {
		if s.gateway.now().Sub(time.Unix(made.At, 0)) >= countingTime {
			continue
		}
		for _, used := range made.Used {
			fill.Before = append(fill.Before, upstream.Quota{Root: used.Root, Messages: used.Messages, Used: used.Used})
		}
	}
}

// learnCounted notes that the server has counted what was reclaimed: what fills
// the mailbox from now on is other mail.
func (s *session) learnCounted() {
	m := s.memory
	known := m.view.Reclaimed
	var doubted []store.Used
	for _, used := range known.Used {
		counted := slices.ContainsFunc(m.state.Fill.Limits(), func(q upstream.Quota) bool {
			return q.Root == used.Root && q.Messages == used.Messages && q.Used < used.Used
		})
		if !counted {
			doubted = append(doubted, used)
		}
	}
	if len(doubted) < len(known.Used) {
		m.learned.Reclaimed, m.news = &store.Reclaimed{At: known.At, Used: doubted}, true
	}
}

// inspectTarget asks which quota the folder comes under that quota_reclaim would
// move to now.
func (s *session) inspectTarget(ctx context.Context) {
	inspector, ok := s.mailbox.(upstream.Inspector)
	if s.memory == nil || !ok {
		return
	}
	fill := &s.memory.state.Fill
	target := s.route.Policy.NeedsTarget(fill)
	if target == "" {
		return
	}
	quota, err := inspector.Quota(ctx, target)
	if err != nil {
		s.log.WithError(err).Warn("the quota of the folder that quota_reclaim moves to is not known")
	}
	fill.Target = quota
}

// reclaimed is what is remembered when a plan makes room: before it does, for
// after a crash nobody could tell whether the server has counted it.
func (s *session) reclaimed(plan policy.Plan) *store.Reclaimed {
	if !plan.Reclaims {
		return nil
	}
	made := &store.Reclaimed{At: s.gateway.now().Unix()}
	for _, q := range s.memory.state.Fill.Limits() {
		made.Used = append(made.Used, store.Used{Root: q.Root, Messages: q.Messages, Used: q.Used})
	}
	return made
}
