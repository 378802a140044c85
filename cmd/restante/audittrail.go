package main

import (
	"context"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/restante-mail/restante/admin"
	"github.com/restante-mail/restante/audit"
	"github.com/restante-mail/restante/config"
	"github.com/restante-mail/restante/store"
)

// prepareTrail opens the sinks that a configuration adds.
func (s *service) prepareTrail(next *config.Snapshot) (*audit.Change, error) {
	sinks := make([]audit.Settings, len(next.Audit.Sinks))
	for i, set := range next.Audit.Sinks {
		if set.To == audit.ToState {
			set.Table = auditTable{s.shared.Store}
		}
		sinks[i] = set
	}
	return s.trail.Prepare(sinks)
}

// useTrail replaces the sinks. Those that are left out have written what they
// had.
func (s *service) useTrail(change *audit.Change, next *config.Snapshot) {
	if err := change.Make(&audit.Encoder{Instance: next.Audit.Instance, Privacy: next.Audit.Privacy}); err != nil {
		s.log.WithError(err).Error("audit trail")
	}
}

// tellTrouble logs what an administrator should know of a sink.
func tellTrouble(log *logrus.Logger) func(audit.Trouble) {
	return func(t audit.Trouble) {
		entry := log.WithField("sink", t.Sink)
		if t.Dropped > 0 {
			entry = entry.WithField("dropped", t.Dropped)
		}
		if t.Err == nil {
			entry.Warn("audit trail: the sink works again")
			return
		}
		entry.WithError(t.Err).Error("audit trail: the sink is in trouble")
	}
}

// began and ended frame what the process writes; reload is in between.
func (s *service) began(source string) {
	s.record(&audit.Started{Header: audit.Header{Time: time.Now()}, Program: versionText(), Config: source})
}

func (s *service) recordReload(err error) {
	e := &audit.Reloaded{Header: audit.Header{Time: time.Now()}, OK: err == nil}
	if err != nil {
		e.Error = err.Error()
	}
	s.record(e)
}

// endTrail is called when no session runs any more, and the state file is still
// open.
func (s *service) endTrail(err error) error {
	now := time.Now()
	e := &audit.Stopped{Header: audit.Header{Time: now}, Seconds: now.Sub(s.started).Seconds()}
	if err != nil {
		e.Error = err.Error()
	}
	s.record(e)
	return s.trail.Close()
}

// auditTable keeps the trail's lines in the state file.
type auditTable struct{ lines store.AuditLines }

func (t auditTable) Append(ctx context.Context, rows []audit.Row) error {
	lines := make([]store.AuditLine, len(rows))
	for i, r := range rows {
		lines[i] = store.AuditLine(r)
	}
	return t.lines.AppendAudit(ctx, lines)
}

func (t auditTable) Last(ctx context.Context) ([]byte, error) { return t.lines.LastAudit(ctx) }

func (t auditTable) Old(ctx context.Context, before int64) (first, last uint64, err error) {
	return t.lines.OldAudit(ctx, before)
}

func (t auditTable) Prune(ctx context.Context, last uint64) error {
	return t.lines.PruneAudit(ctx, last)
}

// trailSinks tells an administrator how the sinks do.
func (s *service) trailSinks() (all []admin.Sink) {
	for _, st := range s.trail.Stats() {
		all = append(all, admin.Sink{Name: st.Name, Written: st.Lines, Dropped: st.Dropped, Queued: st.QueuedLines, Errors: st.Errors, Failing: st.Failing})
	}
	return all
}
