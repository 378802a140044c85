package doctor

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/restante-mail/restante/gateway"
	"github.com/restante-mail/restante/upstream"
)

// wants are what Restante makes use of over IMAP, and what happens without.
var wants = []struct{ capability, or, without string }{
	{"UIDPLUS", "IMAP4REV2", "what is removed goes to the trash, or is only flagged \\Deleted and hidden"},
	{"MOVE", "IMAP4REV2", "moving is copying, and then removing"},
	{"ESEARCH", "IMAP4REV2", "searches of large folders are answered in longer words"},
	{"SPECIAL-USE", "IMAP4REV2", `\Trash, \Junk and \Archive may not be found: policies must name folders`},
	{"QUOTA", "", "quota_warn and quota_reclaim cannot work"},
	{"OBJECTID", "X-GM-EXT-1", "after a change of UIDVALIDITY, messages are recognised by their headers"},
	{"CONDSTORE", "", "nothing: Restante does not need it"},
	{"SASL-IR", "", "signing in takes a round trip more"},
}

func (d *Diagnosis) imap(f *Facts) {
	has := func(capability string) bool {
		return slices.ContainsFunc(f.Exam.Survey.Capabilities, func(c string) bool { return strings.EqualFold(c, capability) })
	}
	for _, w := range wants {
		if !has(w.capability) && (w.or == "" || !has(w.or)) {
			d.note("capabilities", "no "+w.capability+": "+w.without, "")
		}
	}
	if !f.Exam.Keywords {
		d.note("capabilities", "the server keeps no keywords of ours (PERMANENTFLAGS): flag: in a policy would not last", "")
	}
	if f.TellsClient && !has("ID") {
		d.find("capabilities", "tell_client is set, and the server has no ID: it is not told the clients' addresses", "take tell_client out of [[upstream]]")
	}
	for _, c := range f.Exam.Survey.Capabilities {
		if limit, ok := strings.CutPrefix(strings.ToUpper(c), "MESSAGELIMIT="); ok {
			d.note("limits", "the server does at most "+limit+" messages in one command (RFC 9738)", "")
		}
	}
	d.twice(f.Exam)
	if has("X-GM-EXT-1") {
		d.gmail(f.Exam)
	}
}

// twice: a use that two folders have leads to the first.
func (d *Diagnosis) twice(e *gateway.Examination) {
	first := map[string]string{}
	for _, folder := range e.Survey.Folders {
		for _, use := range folder.Uses {
			if other, ok := first[strings.ToLower(use)]; ok {
				d.note("folders", fmt.Sprintf("both %q and %q have the use %s: the first is taken", other, folder.Name, use), "")
			} else {
				first[strings.ToLower(use)] = folder.Name
			}
		}
	}
}

// gmailLimits are the choices of "Folder size limits" in Gmail's settings.
var gmailLimits = []int{1000, 2000, 5000, 10000}

func (d *Diagnosis) gmail(e *gateway.Examination) {
	for _, c := range e.Count {
		if slices.Contains(gmailLimits, c.Messages) {
			d.find("limits", fmt.Sprintf("%s has exactly %d messages, which is one of Gmail's limits for what IMAP shows of a folder: older mail is probably cut off", c.Folder, c.Messages),
				`Gmail's Settings, Forwarding and POP/IMAP, Folder size limits: "Do not limit the number of messages in an IMAP folder"`)
		}
	}
	for _, use := range []string{`\Trash`, `\All`} {
		if !slices.ContainsFunc(e.Survey.Folders, func(f upstream.SurveyedFolder) bool { return slices.Contains(f.Uses, use) }) {
			d.note("folders", "Gmail does not show the folder with the use "+use+" in IMAP"+map[string]string{`\Trash`: ": nothing can be removed for good"}[use],
				`Gmail's Settings, Labels: "Show in IMAP"`)
		}
	}
	d.note("limits", "Gmail allows 15 connections at once, and some 2,500 MB a day, for all programs of the account together", `octets_per_day in [limits], such as "2GB"`)
}

// pop3 judges what CAPA says.
func (d *Diagnosis) pop3(f *Facts) {
	caps := map[string]string{}
	for _, line := range f.Exam.Survey.Capabilities {
		name, value, _ := strings.Cut(line, " ")
		caps[strings.ToUpper(name)] = value
	}
	if f.Exam.Unnamed {
		d.find("capabilities", "the server has neither UIDL nor TOP: messages have no names, and clients that leave mail on the server fetch all of it each time",
			"a policy that removes what was retrieved")
	}
	for _, w := range []struct{ capability, without string }{
		{"UIDL", "messages are named by a hash of their headers"},
		{"TOP", "TOP is answered by fetching the whole message"},
		{"PIPELINING", "commands go one by one (pipelining = true, if the server can although it does not say so)"},
	} {
		if _, ok := caps[w.capability]; !ok {
			d.note("capabilities", "no "+w.capability+": "+w.without, "")
		}
	}
	d.days(f, caps)
}

// days: EXPIRE and LOGIN-DELAY of RFC 2449.
func (d *Diagnosis) days(f *Facts, caps map[string]string) {
	expire, told := caps["EXPIRE"]
	days := strings.Fields(expire + " -")[0]
	switch {
	case days == "0":
		d.find("limits", "the server removes what was retrieved when the session ends (EXPIRE 0): no policy can keep it", "change it at the server, if mail is to stay")
	case told && !strings.EqualFold(days, "NEVER"):
		d.note("limits", "the server removes mail after "+days+" days (EXPIRE)", "")
	case !told && !f.Neutral:
		d.note("limits", "the server does not say whether it keeps what was retrieved (no EXPIRE): nothing is read ahead", "neutral = true in [[upstream]], if it keeps it; much faster over a long line")
	}
	if seconds, err := strconv.Atoi(strings.Fields(caps["LOGIN-DELAY"] + " -")[0]); err == nil && seconds > 0 {
		d.note("limits", fmt.Sprintf("the server wants %d seconds between sign-ins (LOGIN-DELAY)", seconds), fmt.Sprintf("login_delay = \"%ds\" in the policy, so that clients are told", seconds))
	}
}
