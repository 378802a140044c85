package pop3

import (
	"net"
	"net/netip"
	"sync"
)

// A Crowd counts connections for Limits. Servers that share one are limited
// together: several listeners of a process, or the Server before a reload and
// the one after it. It is safe for concurrent use; its zero value is empty.
type Crowd struct {
	mu       sync.Mutex
	all      int
	networks map[netip.Prefix]int
}

// admit counts a connection, and tells whether there is room for it. What was
// admitted must leave.
func (c *Crowd) admit(remote net.Addr, limits Limits) (place, bool) {
	network, counted := countedAs(remote)
	c.mu.Lock()
	defer c.mu.Unlock()
	if over(c.all+1, limits.Connections) || counted && over(c.networks[network]+1, limits.ConnectionsPerAddress) {
		return place{}, false
	}
	c.all++
	if counted {
		if c.networks == nil {
			c.networks = map[netip.Prefix]int{}
		}
		c.networks[network]++
	}
	return place{c, network}, true
}

// A place is what one connection takes up in a Crowd. Its zero value is none.
type place struct {
	crowd   *Crowd
	network netip.Prefix // invalid if not counted
}

func (p place) leave() {
	if p.crowd == nil {
		return
	}
	p.crowd.mu.Lock()
	defer p.crowd.mu.Unlock()
	p.crowd.all--
	if !p.network.IsValid() {
		return
	}
	if p.crowd.networks[p.network]--; p.crowd.networks[p.network] == 0 {
		delete(p.crowd.networks, p.network)
	}
}
