package config

import "strings"

// tellings are the values of tell_client, and what each is for.
var tellings = map[string]Protocol{"id": IMAP, "xclient": POP3, "proxy": POP3, "proxy-v1": POP3}

// upstreamPOP3 reads what differs from protocol to protocol.
func (b *builder) upstreamPOP3(path string, t *UpstreamTable, u *Upstream) {
	u.TellClient, u.Neutral, u.Pipelining, u.APOP = t.TellClient, t.Neutral, t.Pipelining, t.APOP
	at := child(path, "tell_client")
	if u.TellClient != "" && b.oneOf(at, u.TellClient, "id", "xclient", "proxy", "proxy-v1") && tellings[u.TellClient] != u.Protocol {
		b.addf(at, "%q is for %v upstreams only", u.TellClient, tellings[u.TellClient])
	}
	if u.Protocol == POP3 {
		if u.ExactSizes && (u.Neutral == nil || !*u.Neutral) {
			b.addf(child(path, "sizes"), `"exact" retrieves messages that no client has asked for, and a POP3 server may remove what was retrieved; if this one does not, say neutral = true`)
		}
		return
	}
	for _, key := range []string{"neutral", "pipelining", "apop"} {
		if b.written(child(path, key)) {
			b.addf(child(path, key), "is for POP3 upstreams only")
		}
	}
}

// checkOverPOP3 refuses, by name, what a POP3 server cannot do.
func (b *builder) checkOverPOP3(path string, r *Route) {
	if r.Upstream == nil || r.Upstream.Protocol != POP3 {
		return
	}
	for _, lack := range r.Policy.OverPOP3() {
		b.addf(path, "policy %q has %s, but upstream %q speaks POP3, which has %s",
			r.PolicyName, strings.Join(lack.Keys, " and "), r.Upstream.Name, lack.What)
	}
}
