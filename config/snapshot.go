package config

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/restante-mail/restante/auth"
	"github.com/restante-mail/restante/guard"
	"github.com/restante-mail/restante/policy"
)

// A Snapshot is a configuration ready for use. It never changes; sessions keep
// the one they began with.
type Snapshot struct {
	Listeners    []*Listener
	Upstreams    []*Upstream
	Limits       Limits
	Guard        guard.Settings
	Log          Log
	Admin        Admin
	ShutdownTime time.Duration
	// State is the path of the state file, or "".
	State string
	// ReadOnly: while the state file cannot be written, sessions that would have
	// to remember something change nothing; otherwise they are refused.
	ReadOnly bool
	// NeedsState: the state file must be there already; without it, deleted
	// mail would come back.
	NeedsState bool

	// Transcripts say whose protocol is written down.
	Transcripts []*Transcript
	// Audit is where the audit trail goes; no sinks: there is none.
	Audit *Audit

	// Accounts that the files name.
	Accounts []auth.Account
	// KeyFile is where the keys of sealed secrets are, or will be; "" if nothing
	// can be sealed.
	KeyFile string
	// Htpasswd is nil if no file is named.
	Htpasswd *auth.Htpasswd
	// SweepEvery is how often retention acts without clients; 0: it does not.
	SweepEvery time.Duration

	// Providers of tokens, by name.
	Providers []*OAuth
	// Lookups are endpoints that say where logins lead.
	Lookups []*Lookup

	policies     map[string]policy.Policy // by name: all that a secret may name
	routes       []Route
	warnings     []Problem
	certificates []certificate
	sources      *sources
}

// Compile checks everything and makes a Snapshot. The error is an *Error with
// everything that is wrong.
func (c *Config) Compile() (*Snapshot, error) {
	p := newProblems(c.origins)
	s := c.compile(p)
	if err := p.err(s.sources); err != nil {
		return nil, err
	}
	return s, nil
}

func (c *Config) compile(p *problems) *Snapshot {
	b := &builder{Config: c, problems: p, files: c.sources.clone(), pairs: map[pairFiles]*pair{}}
	s := &Snapshot{Limits: c.Limits, Log: c.Log, ShutdownTime: c.ShutdownTime.Duration, State: c.State}
	b.buildListeners()
	b.buildUpstreams()
	b.checkPolicies()
	b.buildLookups()
	b.buildRoutes()
	s.Transcripts = b.buildTranscripts()
	b.buildOAuth()
	b.buildAccounts()
	s.SweepEvery = b.sweepEvery()
	b.checkProviders()
	b.checkLimits()
	s.Guard = b.guard()
	b.checkLog()
	b.checkState()
	s.Admin = b.buildAdmin()
	s.Audit = b.buildAudit()
	s.ReadOnly = c.StateFailure == "read-only"
	s.NeedsState = slices.ContainsFunc(b.routes, func(r Route) bool { return r.needsState() || r.Accounts != auth.UseNone })
	s.Listeners, s.Upstreams, s.routes = b.listeners, b.upstreams, b.routes
	s.Accounts, s.KeyFile, s.Htpasswd, s.policies = b.accounts, c.keyFile(), b.htpasswd, b.allPolicies()
	s.Providers, s.Lookups = b.oauth, b.lookups
	s.warnings, s.certificates, s.sources = b.warnings, b.certificates, b.files
	return s
}

// Warnings are what is allowed but probably not meant, among it certificates
// that have expired by now.
func (s *Snapshot) Warnings(now time.Time) []Problem {
	list := slices.Clone(s.warnings)
	for _, c := range s.certificates {
		if text := c.warning(now); text != "" {
			list = append(list, Problem{File: c.place.File, Line: c.place.Line, Path: c.place.Path, Text: text})
		}
	}
	for _, t := range s.Transcripts {
		if p, over := t.warning(now); over {
			list = append(list, p)
		}
	}
	return list
}

// builder makes the parts of a Snapshot. A part with a problem is left out or
// incomplete.
type builder struct {
	*Config
	*problems
	files        *sources
	pairs        map[pairFiles]*pair
	listeners    []*Listener
	upstreams    []*Upstream
	routes       []Route
	accounts     []auth.Account
	htpasswd     *auth.Htpasswd
	oauth        []*OAuth
	lookups      []*Lookup
	warnings     []Problem
	certificates []certificate
}

func (b *builder) warnf(path, format string, args ...any) {
	b.warnings = append(b.warnings, b.places.problem(path, fmt.Sprintf(format, args...)))
}

// oneOf tells whether value is one of the words, and reports it if not.
func (b *builder) oneOf(path, value string, words ...string) bool {
	if slices.Contains(words, value) {
		return true
	}
	b.addf(path, "%q is not known; write one of %s", value, strings.Join(words, ", "))
	return false
}

// maxDuration of a wait: what waits longer has no bound.
const maxDuration = 24 * time.Hour

// duration returns d, or fallback if the file has none.
func (b *builder) duration(path string, d, fallback Duration) time.Duration {
	_, written := b.places[path]
	if d == (Duration{}) && !written {
		d = fallback
	}
	if d.Duration <= 0 || d.Duration > maxDuration {
		b.addf(path, "%v is out of range; write something above 0s, at most 24h", d)
	}
	return d.Duration
}

func (b *builder) checkLimits() {
	l, ok := b.Limits, Defaults().Limits
	b.count("limits.connections", l.Connections, 1, 1_000_000)
	b.count("limits.connections_per_address", l.ConnectionsPerAddress, 1, 1_000_000)
	b.count("limits.bad_commands", l.BadCommands, 1, 1000)
	b.count("limits.sign_ins", l.SignIns, 1, 1000)
	b.count("limits.sessions_per_user", l.SessionsPerUser, 1, 1_000_000)
	b.count("limits.messages_per_day", l.MessagesPerDay, 0, 1_000_000_000)
	if l.OctetsPerDay < 0 {
		b.addf("limits.octets_per_day", "%v is out of range; write 0 for any number, or a size such as \"5GB\"", l.OctetsPerDay)
	}
	b.count("limits.line", l.Line, 255, 64<<10) // RFC 2449 section 4 demands 255
	b.count("limits.auth_line", l.AuthLine, 512, 1<<20)
	b.duration("limits.login_time", l.LoginTime, ok.LoginTime)
	b.duration("limits.write_time", l.WriteTime, ok.WriteTime)
	b.duration("limits.update_time", l.UpdateTime, ok.UpdateTime)
	b.duration("limits.backend_time", l.BackendTime, ok.BackendTime)
	b.duration("limits.proof_time", l.ProofTime, ok.ProofTime)
	b.duration("shutdown_time", b.ShutdownTime, Defaults().ShutdownTime)
	if idle := b.duration("limits.idle_time", l.IdleTime, ok.IdleTime); idle < 10*time.Minute {
		b.warnf("limits.idle_time", "%v is less than the 10 minutes that RFC 1939 grants; clients that show a message while connected will lose their session", idle)
	}
}

func (b *builder) count(path string, n, least, most int) {
	if n < least || n > most {
		b.addf(path, "%d is out of range; write a number from %d to %d", n, least, most)
	}
}

func (b *builder) checkLog() {
	b.oneOf("log.level", b.Log.Level, "error", "warn", "info", "debug")
	b.oneOf("log.format", b.Log.Format, "text", "json")
}
