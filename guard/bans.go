package guard

import (
	"context"
	"fmt"
	"net/netip"
	"time"
)

const (
	// bookInterval is how often the book is asked about a ban that is hit:
	// somebody may have lifted it beside this process.
	bookInterval = 5 * time.Second
	// repeatedWithin the end of a ban the next one lasts longer.
	repeatedWithin = 24 * time.Hour
	maxBan         = 24 * time.Hour
)

// A Ban shuts a network out until a time.
type Ban struct {
	Network      netip.Prefix
	Since, Until time.Time
	// Times counts bans of the network that followed each other, this included.
	Times  int
	Reason string

	asked time.Time // of the book
}

// A Book keeps bans when the process ends, and lets an administrator lift them.
type Book interface {
	Bans(ctx context.Context) ([]Ban, error)
	// Ban returns the ban of one network, if there is one.
	Ban(ctx context.Context, network netip.Prefix) (Ban, bool, error)
	PutBan(ctx context.Context, b Ban) error
}

// Load reads the bans that an earlier process made.
func (g *Guard) Load(ctx context.Context) error {
	all, err := g.book.Bans(ctx)
	if err != nil {
		return fmt.Errorf("read bans: %w", err)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, b := range all {
		g.bans.Add(b.Network, &b)
	}
	return nil
}

// Shuts tells why an address is not let in; "" if it is.
func (g *Guard) Shuts(ctx context.Context, a netip.Addr) (reason string) {
	g.mu.Lock()
	network, now := Counted(a), g.now()
	blocked, allowed := contains(g.settings.Block, a), !g.counts(a)
	b, banned := g.bans.Get(network)
	if !banned || !now.Before(b.Until) {
		banned = false
	}
	ask := banned && now.Sub(b.asked) >= bookInterval
	if ask {
		b.asked = now
	}
	g.mu.Unlock()
	switch {
	case blocked:
		return "blocked"
	case allowed || !banned || ask && g.lifted(ctx, network):
		return ""
	}
	return "banned"
}

// lifted asks the book whether a ban is still there. If the book cannot be read
// it is.
func (g *Guard) lifted(ctx context.Context, network netip.Prefix) bool {
	_, found, err := g.book.Ban(ctx, network)
	if err != nil || found {
		return false
	}
	g.mu.Lock()
	b, had := g.bans.Get(network)
	tell := g.tell
	g.bans.Remove(network)
	g.addresses.Remove(network)
	g.mu.Unlock()
	if had {
		tell(*b, true)
	}
	return true
}

// ban makes one. g.mu is held.
func (g *Guard) ban(network netip.Prefix, failures int, now time.Time) Ban {
	times := 1
	if before, ok := g.bans.Get(network); ok && now.Sub(before.Until) < repeatedWithin {
		times = before.Times + 1
	}
	lasts := min(g.settings.BanTime<<min(times-1, 10), max(maxBan, g.settings.BanTime))
	b := Ban{Network: network, Since: now, Until: now.Add(lasts), Times: times, asked: now,
		Reason: fmt.Sprintf("%d failed sign-ins", failures)}
	g.bans.Add(network, &b)
	return b
}

func (g *Guard) keep(ctx context.Context, b Ban) error {
	if err := g.book.PutBan(ctx, b); err != nil {
		return fmt.Errorf("write down the ban of %s: %w", b.Network, err)
	}
	return nil
}
