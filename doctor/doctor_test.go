package doctor

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/restante-mail/restante/gateway"
	"github.com/restante-mail/restante/upstream"
)

// TestSignIn: what providers say, and what people are told.
func TestSignIn(t *testing.T) {
	for _, test := range []struct {
		name, host, says string
		kind             upstream.Kind
		token            bool
		problem, remedy  string
	}{
		{"Microsoft 365 does not connect", "outlook.office365.com", "the server says BAD User is authenticated but not connected.", upstream.Denied, true,
			"does not open the mailbox", "Set-CASMailbox"},
		{"Microsoft 365 takes no passwords", "outlook.office365.com", "LOGIN failed.", upstream.Rejected, false, "takes none from programs", "restante account authorize"},
		{"a token that is refused there", "outlook.office365.com", "AUTHENTICATE failed.", upstream.Rejected, true, "refuses the token", "account authorize"},
		{"Gmail wants an app password", "imap.gmail.com", "[ALERT] Application-specific password required", upstream.Denied, false, "no ordinary password", "app password"},
		{"Gmail refuses", "imap.gmail.com", "[AUTHENTICATIONFAILED] Invalid credentials", upstream.Rejected, false, "only app passwords", "OAuth2"},
		{"not Gmail", "imap.notgmail.com", "Invalid credentials", upstream.Rejected, false, "refuses the name or the password", "identity"},
		{"Gmail without IMAP", "imap.gmail.com", "Your account is not enabled for IMAP use.", upstream.Denied, false, "switched off", "Forwarding"},
		{"iCloud", "imap.mail.me.com", "AUTHENTICATE Failed", upstream.Rejected, false, "iCloud", "{local}"},
		{"throttled", "imap.example.com", "Request is throttled.", upstream.Throttled, false, "left alone", "login_delay"},
		{"something else", "imap.example.com", "the oven is cold", upstream.Unavailable, false, "the oven is cold", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := &upstream.Error{Kind: test.kind, Doing: "sign in", Err: errors.New(test.says)}
			d := Diagnose(Facts{Err: err, Exam: &gateway.Examination{Tried: gateway.Tried{Host: test.host}, Token: test.token}})
			if len(d.Findings) != 1 {
				t.Fatalf("%q", d.Findings)
			}
			f := d.Findings[0]
			if !strings.Contains(f.Problem, test.problem) || !strings.Contains(f.Problem, test.says) || !strings.Contains(f.Remedy, test.remedy) {
				t.Errorf("%s; do: %s", f, f.Remedy)
			}
		})
	}
}

// said are all findings or notes in one text.
func said(all []Finding) string {
	var b strings.Builder
	for _, f := range all {
		b.WriteString(f.String() + "; do: " + f.Remedy + "\n")
	}
	return b.String()
}

// TestGmail: what its settings hide.
func TestGmail(t *testing.T) {
	gmail := func(messages int, uses ...string) *Diagnosis {
		e := &gateway.Examination{Keywords: true, Count: []gateway.FolderCount{{Folder: "INBOX", Messages: messages}}}
		e.Survey = upstream.Survey{ReadsLeaveNoTrace: true, Capabilities: []string{"IMAP4rev1", "MOVE", "UIDPLUS", "X-GM-EXT-1"}}
		for _, use := range uses {
			e.Survey.Folders = append(e.Survey.Folders, upstream.SurveyedFolder{Name: "x", Uses: []string{use}})
		}
		return Diagnose(Facts{Exam: e})
	}
	if d := gmail(999, `\Trash`, `\All`); len(d.Findings) != 0 || strings.Contains(said(d.Notes), "Show in IMAP") || !strings.Contains(said(d.Notes), "2,500 MB") {
		t.Errorf("all is well: %s%s", said(d.Findings), said(d.Notes))
	}
	for _, limit := range []int{1000, 2000, 5000, 10000} {
		if d := gmail(limit, `\Trash`, `\All`); !strings.Contains(said(d.Findings), "Folder size limits") {
			t.Errorf("a folder of %d: %s", limit, said(d.Findings))
		}
	}
	if d := gmail(1, `\All`); !strings.Contains(said(d.Notes), `the use \Trash in IMAP: nothing can be removed`) {
		t.Errorf("without trash: %s", said(d.Notes))
	}
	if d := gmail(1, `\Trash`); !strings.Contains(said(d.Notes), `the use \All`) || strings.Contains(said(d.Notes), "OBJECTID") {
		t.Errorf("without All Mail: %s", said(d.Notes))
	}
}

// TestPOP3: what CAPA says.
func TestPOP3(t *testing.T) {
	for _, test := range []struct {
		name, caps       string
		findings, notes  []string
		neutral, unnamed bool
	}{
		{"all", "TOP,UIDL,PIPELINING,EXPIRE NEVER", nil, []string{}, false, false},
		{"EXPIRE 0", "TOP,UIDL,PIPELINING,EXPIRE 0", []string{"EXPIRE 0"}, nil, false, false},
		{"EXPIRE 30, and before sign-in for users", "TOP,UIDL,PIPELINING,EXPIRE 30 USER", nil, []string{"after 30 days"}, false, false},
		{"LOGIN-DELAY", "TOP,UIDL,PIPELINING,EXPIRE NEVER,LOGIN-DELAY 900 USER", nil, []string{`login_delay = "900s"`}, false, false},
		{"nothing", "USER", []string{"neither UIDL nor TOP"}, []string{"no UIDL", "no TOP", "no PIPELINING", "neutral = true"}, false, true},
		{"said to be neutral", "TOP,UIDL,PIPELINING", nil, []string{}, true, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			e := &gateway.Examination{Unnamed: test.unnamed, Survey: upstream.Survey{ReadsLeaveNoTrace: test.notes != nil && len(test.notes) == 0, Capabilities: strings.Split(test.caps, ",")}}
			d := Diagnose(Facts{POP3: true, Neutral: test.neutral, Exam: e})
			for _, want := range test.findings {
				if !strings.Contains(said(d.Findings), want) {
					t.Errorf("not found: %q in %q", want, said(d.Findings))
				}
			}
			for _, want := range test.notes {
				if !strings.Contains(said(d.Notes), want) {
					t.Errorf("not noted: %q in %q", want, said(d.Notes))
				}
			}
			if len(d.Findings) != len(test.findings) || test.notes != nil && len(test.notes) == 0 && len(d.Notes) != 0 {
				t.Errorf("found %s noted %s", said(d.Findings), said(d.Notes))
			}
		})
	}
}

// TestKeywords: Exchange keeps none, and announces little.
func TestKeywords(t *testing.T) {
	e := &gateway.Examination{Survey: upstream.Survey{ReadsLeaveNoTrace: true, Capabilities: []string{"IMAP4rev1", "UIDPLUS", "MOVE"}},
		Unmet: []gateway.Unmet{{Policy: "p", Setting: "on_retrieve = flag:$Done", Problem: `the server does not keep $Done in "INBOX" (PERMANENTFLAGS)`}}}
	d := Diagnose(Facts{Exam: e, TellsClient: true})
	if !strings.Contains(said(d.Findings), "choose hide") || !strings.Contains(said(d.Findings), "tell_client") || !strings.Contains(said(d.Notes), "no keywords of ours") {
		t.Errorf("%s%s", said(d.Findings), said(d.Notes))
	}
}

// TestClock: only what arrived in times to come tells.
func TestClock(t *testing.T) {
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, test := range []struct {
		latest time.Time
		want   int
	}{{time.Time{}, 0}, {now.Add(-time.Hour), 0}, {now.Add(time.Minute), 0}, {now.Add(time.Hour), 1}} {
		e := &gateway.Examination{Latest: test.latest, Keywords: true, Survey: upstream.Survey{ReadsLeaveNoTrace: true, Capabilities: []string{"IMAP4rev1"}}}
		if d := Diagnose(Facts{Now: now, Exam: e}); len(d.Findings) != test.want {
			t.Errorf("latest %v: %s", test.latest, said(d.Findings))
		}
	}
}
