package main

import (
	"time"

	"github.com/restante-mail/restante/audit"
	"github.com/restante-mail/restante/config"
	"github.com/restante-mail/restante/pop3"
	"github.com/restante-mail/restante/store"
	"github.com/restante-mail/restante/upstream"
)

// count begins to count if somebody is meant to look. Until then nothing is
// counted, and nothing is spent on it.
func (s *service) count(next *config.Snapshot) {
	if next.Admin.Listen != "" {
		s.admin.Count(versionText())
	}
}

// recorder is who hears of facts; nil if nobody does.
func (s *service) recorder(now *config.Snapshot) audit.Recorder {
	var trail, metrics audit.Recorder
	if len(now.Audit.Sinks) > 0 {
		trail = s.trail
	}
	if m := s.admin.Metrics(); m != nil && now.Admin.Listen != "" {
		metrics = m
	}
	return audit.Join(trail, metrics)
}

// record takes note of a fact about the process itself.
func (s *service) record(e audit.Event) {
	if r := s.recorder(s.seen.Load().snapshot); r != nil {
		r.Record(e)
	}
}

// commandHook counts commands; nil if nobody looks.
func (s *service) commandHook(next *config.Snapshot) func(string, pop3.Outcome, time.Duration) {
	m := s.admin.Metrics()
	if m == nil || next.Admin.Listen == "" {
		return nil
	}
	return func(verb string, o pop3.Outcome, took time.Duration) { m.Command(verb, o.String(), took) }
}

// upstreamHooks count what an upstream does. They stay over reloads, which may
// begin and end the counting.
func (s *service) upstreamHooks(name string) upstream.Hooks {
	return upstream.Hooks{
		Dialed: func(took time.Duration, err error) {
			if m := s.admin.Metrics(); m != nil {
				m.Dialed(name, took, err)
			}
		},
		Opened: func(warm bool, took time.Duration, err error) {
			if m := s.admin.Metrics(); m != nil {
				m.Opened(name, warm, openResult(err), took)
			}
		},
		Listed: func(how upstream.Listing) {
			if m := s.admin.Metrics(); m != nil {
				m.Listed(name, how.String())
			}
		},
	}
}

// noHooks is for upstreams that nobody counts.
func noHooks(string) upstream.Hooks { return upstream.Hooks{} }

func openResult(err error) string {
	if err == nil {
		return "ok"
	}
	return upstream.KindOf(err).String()
}

func (s *service) storeHooks() store.Hooks {
	return store.Hooks{
		Read: func(took time.Duration, err error) {
			if m := s.admin.Metrics(); m != nil {
				m.Read(took, err)
			}
		},
		Wrote: func(took time.Duration, err error) {
			if m := s.admin.Metrics(); m != nil {
				m.Wrote(took, err)
			}
		},
	}
}
