package main

import (
	"net"
	"net/netip"

	"github.com/restante-mail/restante/config"
	"github.com/restante-mail/restante/pop3"
)

// quirksOf tells the POP3 server what the listener's clients cannot bear; nil
// if nothing is known of any.
func quirksOf(l *config.Listener) func(net.Addr) pop3.Quirks {
	if l.Clients == nil {
		return nil
	}
	return func(remote net.Addr) pop3.Quirks {
		var client netip.Addr
		if tcp, ok := remote.(*net.TCPAddr); ok {
			client = tcp.AddrPort().Addr().Unmap()
		}
		o := l.OdditiesOf(client)
		return pop3.Quirks{NoNULs: o.NULs, EndOfHeader: o.OpenHeaders, NoPlainSASL: o.PlainSASL, NoAPOP: o.Timestamps}
	}
}
