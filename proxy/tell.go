package proxy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"

	"github.com/pires/go-proxyproto"

	"github.com/restante-mail/restante/pop3"
	"github.com/restante-mail/restante/upstream"
)

// Tell is how a server learns the address of the client behind us.
type Tell uint8

const (
	TellNothing Tell = iota
	TellXClient      // Dovecot's XCLIENT command, where the server takes it
	TellProxy        // the PROXY protocol, version 2, before anything else
	TellProxyV1      // the same in version 1
)

// sendProxy writes the PROXY header of a connection to an upstream. Without a
// client, as in a probe, the header says that the connection is our own.
func (u *Upstream) sendProxy(conn net.Conn, client netip.AddrPort) error {
	version := map[Tell]byte{TellProxy: 2, TellProxyV1: 1}[u.options.Tell]
	if version == 0 {
		return nil
	}
	header := proxyproto.HeaderProxyFromAddrs(version, nil, nil)
	if to, ok := conn.RemoteAddr().(*net.TCPAddr); ok && client.IsValid() {
		from, to := sameFamily(client, to.AddrPort())
		header = proxyproto.HeaderProxyFromAddrs(version, net.TCPAddrFromAddrPort(from), net.TCPAddrFromAddrPort(to))
	}
	if _, err := header.WriteTo(conn); err != nil {
		return fmt.Errorf("send the PROXY header: %w", err)
	}
	return nil
}

// sameFamily makes one of two addresses IPv6 if the other is, for a header has
// one family.
func sameFamily(a, b netip.AddrPort) (from, to netip.AddrPort) {
	unmapped := func(p netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(p.Addr().Unmap(), p.Port()) }
	mapped := func(p netip.AddrPort) netip.AddrPort {
		return netip.AddrPortFrom(netip.AddrFrom16(p.Addr().As16()), p.Port())
	}
	a, b = unmapped(a), unmapped(b)
	if a.Addr().Is4() == b.Addr().Is4() {
		return a, b
	}
	return mapped(a), mapped(b)
}

// announce says XCLIENT to a server that takes it. One that does not serves us
// all the same, and the log says so once.
func (u *Upstream) announce(ctx context.Context, l *line, login upstream.Login) error {
	if u.options.Tell != TellXClient || !login.Client.IsValid() {
		return nil
	}
	err := errNoXClient
	if strings.Contains(l.Greeting(), "[XCLIENT]") || l.caps.Has("XCLIENT") {
		err = l.XClient(ctx, clientOf(login))
	}
	var refused *pop3.ReplyError
	if err == nil || !errors.As(err, &refused) && !errors.Is(err, errNoXClient) {
		return err
	}
	if u.caps.knows(l.address).deaf {
		return nil
	}
	u.caps.learn(l.address, func(f *facts) { f.deaf = true })
	u.options.Log.WithField("address", l.address).WithError(err).
		Warn("the POP3 upstream is not told the clients' addresses: let it trust this machine (Dovecot: login_trusted_networks)")
	return nil
}

var errNoXClient = errors.New("it does not offer XCLIENT")

// clientOf is the client's address; an unknown port is 1, for 0 is none.
func clientOf(login upstream.Login) netip.AddrPort {
	return netip.AddrPortFrom(login.Client, max(login.ClientPort, 1))
}
