package config

import (
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/restante-mail/restante/policy"
)

// A Transcript says whose protocol is written down, where and for how long.
type Transcript struct {
	Folder string
	// Until is when it ends.
	Until time.Time
	// Session and Total bound one file and all of the folder's, in octets.
	Session, Total int64
	// Keep is how old a file may become.
	Keep time.Duration

	user      *regexp.Regexp
	network   Networks
	listeners []string
	routes    []string
	place     Problem // for warnings
}

// OfClient tells whether a connection can be meant.
func (t *Transcript) OfClient(client netip.Addr, listener string) bool {
	return (t.network == nil || t.network.Contains(client)) && (t.listeners == nil || slices.Contains(t.listeners, listener))
}

// NeedsLogin: only a sign-in tells whether a session is meant.
func (t *Transcript) NeedsLogin() bool { return t.user != nil || t.routes != nil }

// OfLogin tells whether a sign-in is meant: by the user's name as it was
// written or without a view, and the name of its route.
func (t *Transcript) OfLogin(user, base, route string) bool {
	return (t.user == nil || t.user.MatchString(user) || t.user.MatchString(base)) &&
		(t.routes == nil || slices.Contains(t.routes, route))
}

const (
	// defaultTranscriptSession holds some hundred thousand commands.
	defaultTranscriptSession = 1 << 20
	// defaultTranscriptTotal is what nobody misses on a disk.
	defaultTranscriptTotal = 100 << 20
	// defaultTranscriptKeep is long enough to have a look.
	defaultTranscriptKeep = 7 * 24 * time.Hour
	// maxTranscriptKeep: what is kept for longer is no search for a fault.
	maxTranscriptKeep = 366 * 24 * time.Hour
	// minTranscriptSession is less than the smallest session of any use.
	minTranscriptSession = 4 << 10
)

func (b *builder) buildTranscripts() (all []*Transcript) {
	for i := range b.Transcripts {
		all = append(all, b.buildTranscript(element("transcript", i), &b.Transcripts[i]))
	}
	return all
}

func (b *builder) buildTranscript(path string, table *TranscriptTable) *Transcript {
	t := &Transcript{Folder: table.Folder, listeners: table.Listener, routes: table.Route, place: b.places.problem(path, ""),
		Session: octets(table.SessionSize, defaultTranscriptSession), Total: octets(table.FolderSize, defaultTranscriptTotal)}
	if t.Folder == "" {
		b.addf(child(path, "folder"), "is missing; name the folder to write to")
	}
	t.Until = b.transcriptEnd(child(path, "until"), table.Until)
	t.Keep = table.Keep.Duration
	if t.Keep == 0 {
		t.Keep = defaultTranscriptKeep
	}
	if t.Keep < 0 || t.Keep > maxTranscriptKeep {
		b.addf(child(path, "keep"), "%v is out of range; write something above 0s, at most 366d", table.Keep)
	}
	if t.Session < minTranscriptSession || t.Session > t.Total {
		b.addf(child(path, "session_size"), "%d octets is out of range; write at least 4KiB, and not more than folder_size (%d)", t.Session, t.Total)
	}
	t.network = b.parseNetworks(child(path, "network"), table.Network)
	b.transcriptConditions(path, table, t)
	return t
}

func octets(written policy.Size, fallback int64) int64 {
	if written == 0 {
		return fallback
	}
	return int64(written)
}

// transcriptEnd is when a transcript ends: a moment, or the end of a day (UTC).
func (b *builder) transcriptEnd(path, text string) time.Time {
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		return at
	}
	if day, err := time.Parse(time.DateOnly, text); err == nil {
		return day.AddDate(0, 0, 1)
	}
	if text == "" {
		b.addf(path, "is missing; say when it ends, as in %q: nobody wants to be listened to for ever", "2026-12-31")
		return time.Time{}
	}
	b.addf(path, "%q is neither a day such as %q nor a moment such as %q", text, "2026-12-31", "2026-12-31T18:00:00Z")
	return time.Time{}
}

func (b *builder) transcriptConditions(path string, table *TranscriptTable, t *Transcript) {
	if table.User != "" && table.User != "*" {
		user, err := wholeName(glob(table.User))
		if err != nil || len(table.User) > maxPattern {
			b.addf(child(path, "user"), "%.80q cannot be used as a pattern", table.User)
		}
		t.user = user
	}
	for i, name := range table.Listener {
		if !slices.ContainsFunc(b.listeners, func(l *Listener) bool { return l.Name == name }) {
			b.addf(element(child(path, "listener"), i), "there is no [[listener]] with the name %q", name)
		}
	}
	for i, name := range table.Route {
		if name == "" || !slices.ContainsFunc(b.routes, func(r Route) bool { return r.Name == name }) {
			b.addf(element(child(path, "route"), i), "there is no [[route]] with the name %q", name)
		}
	}
}

// warning tells of a transcript whose time is over.
func (t *Transcript) warning(now time.Time) (p Problem, ok bool) {
	p = t.place
	p.Text = "its time is over, and nothing is written any more; take it out"
	return p, !now.Before(t.Until)
}

// checkRouteName: names lead to routes, so they must differ.
func (b *builder) checkRouteName(path, name string) {
	if strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
		b.addf(path, "%q has spaces or control characters", name)
	}
	if name != "" && slices.ContainsFunc(b.routes, func(r Route) bool { return r.Name == name }) {
		b.addf(path, "%q is the name of another route too; names must differ", name)
	}
}
