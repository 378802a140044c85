package admin

import (
	"fmt"
	"slices"
	"time"
)

// renewal is how long before its end a certificate should have been renewed:
// tools do so 30 days before.
const renewal = 7 * 24 * time.Hour

// problems says in words what somebody should look at.
func (s *Status) problems(now time.Time) []string {
	all := []string{}
	add := func(format string, args ...any) { all = append(all, fmt.Sprintf(format, args...)) }
	if s.Stopping {
		add("Restante is stopping: nobody is let in any more")
	}
	for _, f := range s.Findings {
		if f.Error != "" {
			add("%s %s: %s", f.Kind, f.Name, f.Error)
		}
	}
	if s.Reload.Error != "" {
		add("the last reload failed (%s), and the configuration before is in force: %s", s.Reload.Failed.Format(time.DateTime), s.Reload.Error)
	}
	for _, c := range s.Certificates {
		if left := c.NotAfter.Sub(now); left < 0 {
			add("certificate %s expired on %s", c.File, c.NotAfter.Format(time.DateOnly))
		} else if left < renewal {
			add("certificate %s expires on %s", c.File, c.NotAfter.Format(time.DateOnly))
		}
	}
	for _, p := range s.Providers {
		if p.Needing > 0 {
			add("%d account(s) of provider %s need authorization; restante account list says which", p.Needing, p.Name)
		}
		if p.Failing > 0 {
			add("provider %s gives no tokens for %d account(s); the log says why", p.Name, p.Failing)
		}
	}
	for _, sink := range s.Sinks {
		if sink.Failing {
			add("audit sink %s cannot write; the log says why", sink.Name)
		}
		if sink.Dropped > 0 {
			add("audit sink %s has dropped %d events since the start; the trail says where", sink.Name, sink.Dropped)
		}
	}
	return all
}

// Finding returns what was found out about one thing; false if it was not
// looked at.
func (s *Status) Finding(kind Kind, name string) (Finding, bool) {
	i := slices.IndexFunc(s.Findings, func(f Finding) bool { return f.Kind == kind && f.Name == name })
	if i < 0 {
		return Finding{}, false
	}
	return s.Findings[i], true
}
