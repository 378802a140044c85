package bridge

import "github.com/restante-mail/restante/upstream"

// Connections is how many signed-in connections sessions have now, and how many
// wait for the next session.
func (u *Upstream) Connections() (inUse, idle int) {
	p := u.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, t := range p.tenants {
		inUse += len(t.inUse)
	}
	return inUse, p.idle.Len()
}

func (u *Upstream) listed(how upstream.Listing) {
	if u.o.Hooks.Listed != nil {
		u.o.Hooks.Listed(how)
	}
}
