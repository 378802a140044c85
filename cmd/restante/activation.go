package main

import (
	"fmt"
	"net"
	"net/netip"
	"slices"

	"github.com/coreos/go-systemd/v22/activation"

	"github.com/restante-mail/restante/config"
)

// handed are sockets that systemd has opened for us (socket activation) and no
// listener has taken yet.
type handed struct {
	byName map[string][]net.Listener
}

// takeHanded takes them out of the environment; there are none as a rule. What
// is no listening socket is left to systemd.
func takeHanded() (handed, error) {
	all, err := activation.ListenersWithNames()
	if err != nil {
		return handed{}, fmt.Errorf("sockets of systemd: %w", err)
	}
	return handed{all}, nil
}

// take gives the socket that is for a listener, or nil: the one of its name, if
// it is alone in having it, or else the one of its address. systemd names all
// sockets of a unit alike unless it is told otherwise.
func (h *handed) take(l *config.Listener) net.Listener {
	if named := h.byName[l.Name]; len(named) == 1 {
		delete(h.byName, l.Name)
		return named[0]
	}
	for name, all := range h.byName {
		i := slices.IndexFunc(all, func(s net.Listener) bool { return isAddress(s.Addr(), l.Address) })
		if i >= 0 {
			s := all[i]
			h.byName[name] = slices.Delete(all, i, i+1)
			return s
		}
	}
	return nil
}

// isAddress tells whether a socket is what a configuration calls host:port. No
// host is every address, of IPv4 and IPv6 alike.
func isAddress(socket net.Addr, address string) bool {
	tcp, ok := socket.(*net.TCPAddr)
	host, port, err := net.SplitHostPort(address)
	if !ok || err != nil || port != fmt.Sprint(tcp.Port) {
		return false
	}
	at := tcp.AddrPort().Addr().Unmap()
	if host == "" {
		return at.IsUnspecified()
	}
	want, err := netip.ParseAddr(host)
	return err == nil && (want == at || want.IsUnspecified() && at.IsUnspecified())
}

// left closes those that no listener wanted, and names them: clients that
// connect there would wait for ever.
func (h *handed) left() (addresses []string) {
	for name, all := range h.byName {
		for _, s := range all {
			addresses = append(addresses, fmt.Sprintf("%s (%s)", s.Addr(), name))
			_ = s.Close()
		}
	}
	h.byName = nil
	slices.Sort(addresses)
	return addresses
}
