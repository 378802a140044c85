package gateway

import (
	"context"
	"time"

	"github.com/restante-mail/restante/policy"
	"github.com/restante-mail/restante/store"
	"github.com/restante-mail/restante/upstream"
)

// look decides what of the listing the client sees.
func (s *session) look(ctx context.Context, msgs []upstream.Message) error {
	if err := s.openLedger(ctx, msgs); err != nil {
		return err
	}
	if err := s.alignMemory(ctx, msgs); err != nil {
		return err
	}
	s.inspect(ctx)
	s.listed, s.shown, s.index, s.hidden = msgs, nil, nil, 0 // it may be done again after a failure
	state, now := s.state(), s.gateway.now()
	verdicts := s.route.Policy.View(msgs, state, now)
	if n := shown(verdicts); n > 0 { // of exactly that size: a listing can be large
		s.shown, s.index = make([]upstream.Message, 0, n), make([]int, 0, n)
	}
	for i, verdict := range verdicts {
		if verdict.Show {
			s.shown, s.index = append(s.shown, msgs[i]), append(s.index, i)
		} else {
			s.hidden++
		}
	}
	s.nameDistinctly()
	if s.ledger != nil {
		s.ledger.listed, s.ledger.at = true, s.gateway.now()
	}
	if s.memory == nil {
		return nil
	}
	s.learnListing(msgs, now)
	s.learnCarried()
	s.learnReborn(msgs)
	s.recover()
	s.learnNotice(now)
	s.learnCounted()
	if err := s.keepNow(ctx); err != nil {
		return err
	}
	s.showNotice()
	return nil
}

// keepNow writes what cannot wait for an orderly end of the session: what decides
// what this view will ever see.
func (s *session) keepNow(ctx context.Context) error {
	if s.beginsNotice() {
		return s.keepNotice(ctx)
	}
	if s.route.Policy.FromNowOn && s.memory.view.Begun == 0 || s.strict() && (s.memory.reborn != nil || s.memory.hasCarried()) {
		return s.keepLearned(ctx)
	}
	return nil
}

func shown(verdicts []policy.Verdict) (n int) {
	for _, verdict := range verdicts {
		if verdict.Show {
			n++
		}
	}
	return n
}

// beginView lists at a view's first sign-in, where it matters what was there
// then: a client that quits without listing has begun, too.
func (s *session) beginView(ctx context.Context) (err error) {
	if s.memory != nil && s.route.Policy.FromNowOn && s.memory.view.Begun == 0 {
		s.begun, err = s.Messages(ctx)
	}
	return err
}

// state is what the policy is told of earlier sessions.
func (s *session) state() *policy.State {
	if s.memory == nil {
		return &policy.State{}
	}
	return &s.memory.state
}

// learnListing notes what a listing teaches about the folders: where new mail
// begins, what "newest" leaves out, when mail was first seen.
func (s *session) learnListing(msgs []upstream.Message, now time.Time) {
	m := s.memory
	m.learned = store.Changes{At: now.Unix(), Begun: m.before.Begun, Folders: make([]store.ViewFolder, len(s.folders))}
	first := policy.FirstUIDs(msgs, len(s.folders))
	var edges []uint32
	if !s.sweeps { // what falls out of view does so when a client looks
		edges = s.route.Policy.Edges(msgs, &m.state)
	}
	for i, folder := range s.folders {
		f := store.ViewFolder{Name: folder.Name, UIDValidity: folder.UIDValidity}
		if m.view.Begun == 0 && m.before.Begun == 0 {
			f.First = first[i]
			m.news = m.news || s.route.Policy.NeedsFirst()
		} else if m.folder(folder) == nil {
			m.news = m.news || s.route.Policy.NeedsFirst() // its mail came later, from now on
		}
		if edges != nil && edges[i] > m.state.Folders[i].Edge {
			f.Edge, m.news = edges[i], true
		}
		m.learned.Folders[i] = f
	}
	for _, fact := range s.route.Policy.Arrivals(msgs, &m.state, now) {
		s.note(&m.learned, &msgs[fact.Index], store.Memory{Seen: fact.Seen})
		m.news = true
	}
}

// note adds what is to be remembered of a message.
func (s *session) note(c *store.Changes, m *upstream.Message, known store.Memory) {
	if known.Key = s.keyOf(m); known.Key != 0 {
		f := &c.Folders[m.ID.Folder]
		f.Memories = append(f.Memories, known)
	}
}

// keepLearned writes what holds however the session ends, in one transaction,
// if it is worth one.
func (s *session) keepLearned(ctx context.Context) error {
	m := s.memory
	if m == nil || !m.news || m.readOnly || m.dry {
		return nil
	}
	if err := s.remember(ctx, m.learned); err != nil {
		return stateError(err)
	}
	m.forgetLearned()
	return nil
}

// forgetLearned: what the listing taught is in the state file.
func (m *memory) forgetLearned() {
	m.learned, m.news = store.Changes{At: m.learned.At, Begun: m.before.Begun, Folders: bare(m.learned.Folders)}, false
}

// bare folders have no memories.
func bare(folders []store.ViewFolder) []store.ViewFolder {
	all := make([]store.ViewFolder, len(folders))
	for i, f := range folders {
		all[i] = store.ViewFolder{Name: f.Name, UIDValidity: f.UIDValidity, First: f.First, Edge: f.Edge}
	}
	return all
}

// remember writes, and notes whether writing is possible.
func (s *session) remember(ctx context.Context, c store.Changes) error {
	err := s.memory.store.Remember(ctx, s.memory.key, c)
	s.gateway.Shared.ailing.Store(err != nil)
	return err
}

// endMemory is the end of a session, orderly or not.
func (s *session) endMemory() {
	if s.memory == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), storeTime)
	defer cancel()
	if err := s.keepLearned(ctx); err != nil {
		s.log.WithError(err).Error("what the listing taught could not be remembered")
	}
	if s.intent != 0 {
		s.gateway.Shared.intents.Delete(s.intent)
	}
}
