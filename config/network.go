package config

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// Networks is a set of addresses.
type Networks []netip.Prefix

// Contains tells whether an address is in one of the networks. An IPv4 address
// that was written as IPv6 (::ffff:10.0.0.1) is that IPv4 address.
func (n Networks) Contains(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	for _, p := range n {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// covers tells whether every address of p is in one of the networks.
func (n Networks) covers(p netip.Prefix) bool {
	for _, q := range n {
		if q.Bits() <= p.Bits() && q.Contains(p.Addr()) {
			return true
		}
	}
	return false
}

var loopback = Networks{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}

// parseNetworks keeps the difference between no list (nil) and an empty one.
func (b *builder) parseNetworks(path string, list []string) Networks {
	if list == nil {
		return nil
	}
	networks := Networks{}
	for i, text := range list {
		p, err := parseNetwork(text)
		if err != nil {
			b.addf(element(path, i), "%v", err)
			continue
		}
		networks = append(networks, p)
	}
	return networks
}

// parseNetwork reads 10.0.0.0/8, or 10.0.0.1 for that address alone. Address
// bits behind the prefix are refused: 10.1.2.3/8 may mean one host or 16
// million, and that is a matter of trust.
func parseNetwork(text string) (netip.Prefix, error) {
	wrong := fmt.Errorf("%q is not a network; write one such as %q, %q or %q", text, "10.0.0.0/8", "192.0.2.7", "2001:db8::/32")
	if !strings.Contains(text, "/") {
		a, err := netip.ParseAddr(text)
		if err != nil || a.Zone() != "" {
			return netip.Prefix{}, wrong
		}
		a = a.Unmap()
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(text)
	if err != nil {
		return netip.Prefix{}, wrong
	}
	if p.Addr().Is4In6() && p.Bits() >= 96 {
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	if p != p.Masked() {
		return netip.Prefix{}, fmt.Errorf("%q has address bits behind its /%d; write %q for the network or %q for the one address",
			text, p.Bits(), p.Masked(), p.Addr())
	}
	return p, nil
}

// hostPort checks host:port. The host may be empty if any will do, the port 0
// if the system is to choose one.
func hostPort(address string, listen bool) (host, port string, err error) {
	host, port, err = net.SplitHostPort(address)
	if err != nil || !isHost(host) && (host != "" || !listen) {
		return "", "", fmt.Errorf("%q is not host:port, such as %q or %q", clip(address, 80), "192.0.2.7:110", "[2001:db8::7]:110")
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 && !listen {
		return "", "", fmt.Errorf("%q is not a port; write a number from 1 to 65535", clip(port, 80))
	}
	return host, strconv.FormatUint(n, 10), nil
}

// isHost accepts addresses and DNS names, loosely: the resolver has the last
// word. What no name has is refused, so that it cannot reach a log or a
// protocol.
func isHost(host string) bool {
	const allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:%"
	foreign := func(r rune) bool { return !strings.ContainsRune(allowed, r) }
	return host != "" && len(host) <= 253 && !strings.ContainsFunc(host, foreign)
}

// isLoopback is true only of what can be nothing else.
func isLoopback(host string) bool {
	a, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || err == nil && a.Unmap().IsLoopback()
}

func isWildcard(host string) bool {
	a, err := netip.ParseAddr(host)
	return host == "" || err == nil && a.IsUnspecified()
}
