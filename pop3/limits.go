package pop3

import (
	"net"
	"net/netip"
	"time"
)

// Limits bound what clients can cost. A zero field takes the default named
// beside it; a negative count means no limit.
type Limits struct {
	// Connections at once. Default 10000: a plain idle session costs about
	// 10 KiB here, so that many fit in a small machine.
	Connections int
	// ConnectionsPerAddress at once, counted per IPv4 address and per IPv6
	// /64. Default 100: an office behind one address, but not a flood. The
	// machine itself (loopback) is not limited, for a webmail or a relay
	// there speaks for everybody.
	ConnectionsPerAddress int
	// LoginTime is how long after the connection began a client may still
	// begin to sign in, TLS handshake included. Default 3 minutes: time to type
	// a password, too little to hold connections for nothing.
	LoginTime time.Duration
	// IdleTime is how long a signed-in client may take for its next command.
	// Default 10 minutes, the least that RFC 1939 section 3 allows.
	IdleTime time.Duration
	// WriteTime bounds each write of at most 64 KiB. Default 5 minutes: a
	// client slower than 220 octets a second is gone.
	WriteTime time.Duration
	// BackendTime bounds each wait for the backend: a sign-in, a listing, one
	// read of a body. Default 5 minutes: opening a cold mailbox of 100,000
	// messages upstream takes more than one.
	BackendTime time.Duration
	// UpdateTime bounds the whole UPDATE state. Default 5 minutes.
	UpdateTime time.Duration
	// ProofTime is how long QUIT waits for the client to acknowledge messages
	// it retrieved just before. Default 2 seconds: a few round trips of any
	// line; without the acknowledgement a message counts as not retrieved.
	ProofTime time.Duration
	// CloseTime is how long a backend may take to let go of a message that
	// nobody wants the rest of, before its context ends. Default 5 seconds.
	CloseTime time.Duration
	// Line is the longest command, its line end included. Default 512 octets:
	// twice what RFC 2449 section 4 demands, for long user names.
	Line int
	// AuthLine is the longest AUTH command and SASL response. Default 12 KiB,
	// which RFC 5034 section 4 asks for; OAuth tokens come near it.
	AuthLine int
	// BadCommands in a row after which the client is cut off: unknown ones,
	// overlong lines, arguments that are none. Default 20: a person may
	// mistype, a program that speaks another protocol need not go on.
	BadCommands int
	// SignIns that may fail on one connection. Default 3: then guessing
	// needs a new connection, which can be counted and delayed.
	SignIns int
}

// withDefaults fills the zero fields.
func (l Limits) withDefaults() Limits {
	count := func(p *int, n int) {
		if *p == 0 {
			*p = n
		}
	}
	span := func(p *time.Duration, d time.Duration) {
		if *p <= 0 {
			*p = d
		}
	}
	count(&l.Connections, 10000)
	count(&l.ConnectionsPerAddress, 100)
	span(&l.LoginTime, 3*time.Minute)
	span(&l.IdleTime, 10*time.Minute)
	span(&l.WriteTime, 5*time.Minute)
	span(&l.BackendTime, 5*time.Minute)
	span(&l.UpdateTime, 5*time.Minute)
	span(&l.ProofTime, 2*time.Second)
	span(&l.CloseTime, 5*time.Second)
	count(&l.Line, 512)
	count(&l.AuthLine, 12<<10)
	count(&l.BadCommands, 20)
	count(&l.SignIns, 3)
	return l
}

// over tells whether n is more than max allows.
func over(n, max int) bool { return max >= 0 && n > max }

// hostOf is the IP address of a, and whether it has one.
func hostOf(a net.Addr) (netip.Addr, bool) {
	if a == nil {
		return netip.Addr{}, false
	}
	if t, ok := a.(*net.TCPAddr); ok {
		ip, ok := netip.AddrFromSlice(t.IP)
		return ip.Unmap(), ok
	}
	ap, err := netip.ParseAddrPort(a.String())
	return ap.Addr().Unmap().WithZone(""), err == nil
}

// fromHere tells whether a client is on this machine: a loopback address or a
// Unix socket.
func fromHere(a net.Addr) bool {
	if _, ok := a.(*net.UnixAddr); ok {
		return true
	}
	ip, ok := hostOf(a)
	return ok && ip.IsLoopback()
}

// countedAs is the network that ConnectionsPerAddress counts a client under,
// and whether it counts at all. One IPv6 customer has a whole /64.
func countedAs(a net.Addr) (netip.Prefix, bool) {
	ip, ok := hostOf(a)
	if !ok || ip.IsLoopback() {
		return netip.Prefix{}, false
	}
	bits := 32
	if ip.Is6() {
		bits = 64
	}
	p, err := ip.Prefix(bits)
	return p, err == nil
}
