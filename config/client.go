package config

import (
	"maps"
	"net/netip"
	"slices"
)

// A Client says which program clients in some networks are.
type Client struct {
	Networks Networks
	Oddities
}

// Oddities are what a program cannot bear. docs/clients.md has the source of each.
type Oddities struct {
	// NULs in messages.
	NULs bool
	// OpenHeaders: messages without the blank line that ends a header.
	OpenHeaders bool
	// PlainSASL: that SASL is announced without TLS.
	PlainSASL bool
	// Timestamps in the greeting, for APOP.
	Timestamps bool
}

// profiles are the programs that are known.
var profiles = map[string]Oddities{
	"outlook":  {NULs: true, OpenHeaders: true},
	"netscape": {OpenHeaders: true},
	"c-client": {PlainSASL: true},
	"mailkit":  {Timestamps: true},
}

func (b *builder) clients(path string, tables []ClientTable) (all []Client) {
	for i, t := range tables {
		at := element(path, i)
		c := Client{Networks: b.parseNetworks(child(at, "network"), t.Network), Oddities: profiles[t.Profile]}
		if t.Network == nil {
			c.Networks = everywhere
		}
		b.oneOf(child(at, "profile"), t.Profile, slices.Sorted(maps.Keys(profiles))...)
		all = append(all, c)
	}
	return all
}

// everywhere is every address.
var everywhere = Networks{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")}

// OdditiesOf is what is known of a client at an address.
func (l *Listener) OdditiesOf(client netip.Addr) Oddities {
	for _, c := range l.Clients {
		if c.Networks.Contains(client) {
			return c.Oddities
		}
	}
	return Oddities{}
}
