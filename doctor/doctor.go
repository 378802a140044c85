// Package doctor knows what ails mail servers, seen from a POP3 front-end: it
// makes sentences, with what to do about them, of facts that others have found
// out. It connects to nothing and has no clock; what it knows of providers came
// from their documents and from what people met with.
package doctor

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/restante-mail/restante/gateway"
	"github.com/restante-mail/restante/upstream"
)

// Facts are what was found out of one login.
type Facts struct {
	// POP3: that is what the server speaks, and not IMAP.
	POP3 bool
	// ExactSizes, TellsClient and Neutral are settings of the upstream.
	ExactSizes, TellsClient, Neutral bool
	// Visits are of all addresses of the upstream.
	Visits []upstream.Visit
	// Exam is what signing in has found out, and Err why it found out no more.
	Exam *gateway.Examination
	Err  error
	Now  time.Time
}

// A Finding is something to know.
type Finding struct {
	// About is what it is about: "connect", "sign-in", "policy", "sizes".
	About string `json:"about"`
	// Problem says what is wrong, or is as it is; Remedy what can be done.
	Problem string `json:"problem"`
	Remedy  string `json:"remedy,omitempty"`
}

func (f Finding) String() string { return f.About + ": " + f.Problem }

// A Diagnosis is what is wrong, and what is worth knowing.
type Diagnosis struct {
	Findings []Finding `json:"findings"`
	Notes    []Finding `json:"notes,omitempty"`
}

// Diagnose looks at everything.
func Diagnose(f Facts) *Diagnosis {
	d := &Diagnosis{Findings: []Finding{}}
	for i := range f.Visits {
		d.visit(&f, &f.Visits[i])
	}
	if f.Err != nil {
		d.failure(&f)
	}
	if f.Exam == nil {
		return d
	}
	for _, u := range f.Exam.Unmet {
		d.find("policy", fmt.Sprintf("policy %s: %s: %s", u.Policy, u.Setting, u.Problem), unmetRemedy(u))
	}
	if len(f.Exam.Survey.Capabilities) == 0 {
		return d // it did not come so far
	}
	if f.POP3 {
		d.pop3(&f)
	} else {
		d.imap(&f)
	}
	d.sizes(&f)
	d.fullness(f.Exam.Quota)
	d.clock(&f)
	return d
}

func (d *Diagnosis) find(about, problem, remedy string) {
	d.Findings = append(d.Findings, Finding{about, problem, remedy})
}

func (d *Diagnosis) note(about, problem, remedy string) {
	d.Notes = append(d.Notes, Finding{about, problem, remedy})
}

// remedies are by what gateway.Unmet says.
var remedies = []struct{ words, remedy string }{
	{"neither UIDPLUS nor MOVE", `if the folder fills up with hidden mail, let another program expunge it; or choose on_delete = "hide", which says what happens`},
	{"no UIDPLUS", `choose on_delete = "trash" to say what happens anyway, and let the server empty its trash`},
	{"PERMANENTFLAGS", "the server refuses keywords (Exchange knows none): choose hide, which needs none, or a folder with move:"},
	{"same quota", "choose a folder of another quota, or do = \"expunge\""},
	{"which quota", "choose do = \"expunge\""},
	{"no QUOTA", "take quota_warn and quota_reclaim out of the policy"},
	{"tells no limit", "give the account a quota at the server, or take quota_warn and quota_reclaim out of the policy"},
	{"part of the maildrop", "take the folder out of folders, or move elsewhere"},
	{"with the use", `make such a folder at the server and give it its special use (at Gmail: Settings, Labels, "Show in IMAP"), or name one: move:FOLDER`},
	{"no folder", "make it, or name another in the policy; the server's names are listed above"},
	{"first folder", "name a folder that is there first"},
}

func unmetRemedy(u gateway.Unmet) string {
	for _, r := range remedies {
		if strings.Contains(u.Problem, r.words) {
			return r.remedy
		}
	}
	return "choose another setting"
}

// sizes compares what was listed with what was read.
func (d *Diagnosis) sizes(f *Facts) {
	sampled := f.Exam.Sampled
	wrong := slices.DeleteFunc(slices.Clone(sampled), func(s gateway.Sample) bool { return s.Listed == s.Octets })
	switch {
	case !f.Exam.Survey.ReadsLeaveNoTrace:
		d.note("sizes", "no message was read to be measured: over POP3 that may count as retrieved",
			"neutral = true in [[upstream]], if the server does nothing to messages that are retrieved")
	case len(wrong) == 0:
	case f.ExactSizes:
		d.note("sizes", howWrong(wrong, sampled), `sizes = "exact" is set, and lists true ones`)
	default:
		d.find("sizes", howWrong(wrong, sampled), `sizes = "exact" in [[upstream]], if a program minds: some stop reading at the listed size`)
	}
}

func howWrong(wrong, of []gateway.Sample) string {
	w := wrong[0]
	return fmt.Sprintf("the server lists wrong sizes: of %d of the %d messages that were measured (UID %d in %s: listed with %d octets, RETR sends %d)",
		len(wrong), len(of), w.UID, w.Folder, w.Listed, w.Octets)
}

// almostFull is when people should be told, in percent.
const almostFull = 95

func (d *Diagnosis) fullness(q *upstream.FolderQuota) {
	if q == nil {
		return
	}
	for _, limit := range q.Limits {
		if percent := limit.Percent(); percent >= almostFull {
			d.find("quota", fmt.Sprintf("the quota %q is %d %% full; when it is, new mail is sent back", limit.Root, percent),
				"remove mail, or have quota_reclaim do so")
		}
	}
}

// apart is how far clocks may differ.
const apart = 5 * time.Minute

// clock: IMAP and POP3 tell no time. But what has arrived has arrived before now.
func (d *Diagnosis) clock(f *Facts) {
	if ahead := f.Exam.Latest.Sub(f.Now); ahead > apart {
		d.find("clock", fmt.Sprintf("the latest message has arrived in %v from now: this machine's clock is slow, or the server's is fast", ahead.Round(time.Second)),
			"set the clocks (NTP); max_age and retain count from such times")
	}
}
