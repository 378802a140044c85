package proxy

import (
	"context"
	"crypto/tls"

	"github.com/restante-mail/restante/upstream"
)

// Visit connects to each address, whether the ones before answer or not. It
// does not sign in.
func (u *Upstream) Visit(ctx context.Context) (all []upstream.Visit) {
	for _, address := range u.options.Addresses {
		all = append(all, upstream.Call(ctx, address, u.options.TLS, func(ctx context.Context, settings *tls.Config) (upstream.Report, error) {
			alone := &Upstream{options: u.options}
			alone.options.Addresses, alone.options.TLS = []string{address}, settings
			return alone.Probe(ctx)
		}))
	}
	return all
}

// Survey implements upstream.Surveyor. What CAPA says after sign-in may differ
// from what it said before (RFC 2449 section 5).
func (m *Mailbox) Survey(ctx context.Context) (s upstream.Survey, err error) {
	err = m.attempt(ctx, func() error {
		m.line.Forget()
		caps, err := m.line.Capabilities(ctx)
		if err != nil {
			return err
		}
		s = upstream.Survey{Capabilities: inLines(caps), ReadsLeaveNoTrace: m.line.neutral()}
		return nil
	})
	return s, err
}
