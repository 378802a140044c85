package audit

import (
	"fmt"
	"strings"
)

// Tell says in words what a line says. It holds what clients and messages said,
// which whoever shows it makes safe for his terminal.
func (f *Fields) Tell() string {
	if tell := tellers[f.Event]; tell != nil {
		return tell(f)
	}
	return f.Event + f.because()
}

var tellers = map[string]func(*Fields) string{
	string(KindSessionStarted): func(f *Fields) string { return fmt.Sprintf("%s connects to %s", f.Client, f.Listener) },
	string(KindTLS):            func(f *Fields) string { return fmt.Sprintf("%v, %s", f.TLS, f.Cipher) },
	string(KindRoute): func(f *Fields) string {
		return fmt.Sprintf("goes to %s as %s, policy %s", f.Upstream, f.Identity, f.Policy)
	},
	string(KindSignIn):  (*Fields).tellSignIn,
	string(KindListing): (*Fields).tellListing,
	string(KindRetrieval): func(f *Fields) string {
		return fmt.Sprintf("retrieves %s: %d octets, %s%s%s", f.which(), f.Octets, f.howMuch(), f.about(), f.because())
	},
	string(KindTop): func(f *Fields) string {
		return fmt.Sprintf("looks at %s: header and up to %d lines, %d octets", f.which(), f.Lines, f.Octets)
	},
	string(KindDelete): func(f *Fields) string { return fmt.Sprintf("deletes %s", f.which()) },
	string(KindDecision): func(f *Fields) string {
		return fmt.Sprintf("policy %s decides for %s: %s (%s: %s)%s", f.Policy, f.which(), f.doing(), f.Cause, f.Why, map[bool]string{true: ", and does not do it"}[f.Dry])
	},
	string(KindOutcome): func(f *Fields) string {
		return fmt.Sprintf("%s: %s %s%s", f.which(), f.doing(), f.Result, f.because())
	},
	string(KindAlert):      func(f *Fields) string { return fmt.Sprintf("alert of policy %s: %s", f.Policy, f.Text) },
	string(KindLimit):      func(f *Fields) string { return fmt.Sprintf("runs into the limit %v%s", f.Limit, f.because()) },
	string(KindTranscript): func(f *Fields) string { return "a transcript is written" + f.because() },
	string(KindAdmin): func(f *Fields) string {
		return fmt.Sprintf("%s does %s %s%s", f.Actor, f.Action, f.account(), f.because())
	},
	string(KindStarted): func(f *Fields) string { return "Restante " + f.Program + " starts" },
	string(KindBan):     (*Fields).tellBan,
	string(KindQuota): func(f *Fields) string {
		return fmt.Sprintf("the mailbox is full to %d %%: %s, %d messages%s", f.Percent, f.Action, f.Messages, f.because())
	},
	string(KindSessionEnded): (*Fields).tellEnd,
}

func (f *Fields) tellSignIn() string {
	who := f.User
	if f.View != "" {
		who = fmt.Sprintf("%s (view %s)", who, f.View)
	}
	text := fmt.Sprintf("%s signs in with %s: %s", who, f.Method, f.Result)
	if f.Warm {
		text += ", over a warm connection"
	}
	return text + f.because()
}

func (f *Fields) tellListing() string {
	text := fmt.Sprintf("sees %d messages, %d octets", f.Messages, f.Octets)
	if f.Hidden > 0 {
		text += fmt.Sprintf("; %d are hidden", f.Hidden)
	}
	return text
}

func (f *Fields) tellEnd() string {
	text := fmt.Sprintf("ends (%s) after %.1f s: %d retrieved", f.End, f.Seconds, f.Retrieved)
	if f.Deleted > 0 {
		text += fmt.Sprintf(", %d deleted", f.Deleted)
	}
	if f.Changed+f.Failed > 0 {
		text += fmt.Sprintf(", %d changed upstream, %d failed", f.Changed, f.Failed)
	}
	return text + f.because()
}

func (f *Fields) tellBan() string {
	if f.Lifted {
		return "is not refused any more" + f.because()
	}
	return fmt.Sprintf("is refused for %.0f s", f.Seconds) + f.because()
}

// which names a message.
func (f *Fields) which() string {
	var b strings.Builder
	if f.Number > 0 {
		fmt.Fprintf(&b, "message %d", f.Number)
	} else {
		b.WriteString("a message that is not shown")
	}
	if f.Folder != "" {
		fmt.Fprintf(&b, " (%s UID %d)", f.Folder, f.UID)
	}
	return b.String()
}

func (f *Fields) howMuch() string {
	switch {
	case f.Complete:
		return "complete"
	case f.Sent:
		return "sent, and not proven to have arrived"
	}
	return "not complete"
}

func (f *Fields) about() string {
	text := ""
	for _, part := range []string{f.From, f.Subject, f.MessageID} {
		if part != "" {
			text += "; " + part
		}
	}
	return text
}

func (f *Fields) doing() string { return strings.TrimSpace(f.Do + " " + f.Target) }

func (f *Fields) because() string {
	for _, text := range []string{f.Error, f.Detail, f.Reason} {
		if text != "" {
			return ": " + text
		}
	}
	return ""
}
