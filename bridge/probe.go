package bridge

import (
	"context"
	"slices"
	"strings"

	"github.com/restante-mail/restante/upstream"
)

// Probe connects, with TLS as configured, and tells what the server announces.
// It does not sign in.
func (u *Upstream) Probe(ctx context.Context) (upstream.Report, error) {
	f, address, err := u.dial(ctx, false)
	if err != nil {
		return upstream.Report{}, err
	}
	defer func() { _ = f.Close() }()
	report := upstream.Report{Address: address, Capabilities: strings.Fields(f.caps)}
	slices.Sort(report.Capabilities)
	report.Findings = findings(f.has, u.o.TellClient)
	return report, nil
}

// findings tells certain things first. Many servers announce the rest only
// after sign-in.
func findings(has func(string) bool, tellClient bool) (found []string) {
	switch {
	case has("AUTH=PLAIN"):
	case !has("LOGINDISABLED"):
		found = append(found, "no AUTH=PLAIN: passwords go by LOGIN, and master users can not act for others")
	case has("AUTH=XOAUTH2") || has("AUTH=OAUTHBEARER"):
		found = append(found, "no passwords (LOGINDISABLED, no AUTH=PLAIN): only OAuth tokens can sign in")
	default:
		found = append(found, "no way to sign in that Restante knows: LOGINDISABLED, no AUTH=PLAIN, no AUTH=OAUTHBEARER or AUTH=XOAUTH2")
	}
	if tellClient && !has("ID") {
		found = append(found, "no ID: the server will not be told the clients' addresses")
	}
	for _, missing := range []struct{ capability, means string }{
		{"UIDPLUS", "deleted messages are moved to the trash, or only marked"},
		{"MOVE", "moving is copying, then removing"},
	} {
		if !has(missing.capability) && !has("IMAP4rev2") {
			found = append(found, "no "+missing.capability+" announced before sign-in; if it is missing afterwards too, "+missing.means)
		}
	}
	return found
}
