package proxy

import (
	"context"
	"net/netip"
	"slices"
	"strings"

	"github.com/restante-mail/restante/pop3"
	"github.com/restante-mail/restante/upstream"
)

// Probe connects, with TLS as configured, and tells what the server announces.
// It does not sign in.
func (u *Upstream) Probe(ctx context.Context) (upstream.Report, error) {
	l, err := u.dial(ctx, netip.AddrPort{})
	if err != nil {
		return upstream.Report{}, err
	}
	defer l.Client.Close()
	return upstream.Report{Address: l.address, Findings: findings(l.caps), Capabilities: inLines(l.caps)}, nil
}

// inLines are capabilities as CAPA lists them, sorted.
func inLines(caps pop3.ServerCaps) (lines []string) {
	for name, values := range caps {
		lines = append(lines, strings.TrimSpace(name+" "+strings.Join(values, " ")))
	}
	slices.Sort(lines)
	return lines
}

func findings(caps pop3.ServerCaps) (found []string) {
	for _, missing := range []struct{ capability, means string }{
		{"UIDL", "clients cannot tell new mail from old, and will fetch everything each time if they leave mail on the server"},
		{"TOP", "TOP is answered by fetching the whole message"},
		{"PIPELINING", "commands go one by one"},
	} {
		if !caps.Has(missing.capability) {
			found = append(found, "no "+missing.capability+" announced before sign-in; if it is missing afterwards too, "+missing.means)
		}
	}
	return found
}

// Close lets go of what the Upstream keeps, which is nothing but memory. Open
// mailboxes are not touched.
func (u *Upstream) Close() error { return nil }
