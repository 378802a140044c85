package config

import "net"

// Admin is what an administrator sees a running Restante by.
type Admin struct {
	// Socket is the path of the Unix socket, or "".
	Socket string
	// Listen is host:port for metrics and health, or "".
	Listen string
	Pprof  bool
}

// noSocket is how a file says that there is to be none.
const noSocket = "none"

// maxSocket is the longest path of a Unix socket that every system takes.
const maxSocket = 103

// DefaultSocket is the admin socket beside a state file; "" without one.
func DefaultSocket(state string) string {
	if state == "" {
		return ""
	}
	return state + ".sock"
}

func (b *builder) buildAdmin() (a Admin) {
	a.Pprof, a.Socket = b.Admin.Pprof, b.adminSocket()
	if b.Admin.Listen == "" {
		return a
	}
	host, port, err := hostPort(b.Admin.Listen, true)
	if err != nil {
		b.addf("admin.listen", "%v", err)
		return a
	}
	a.Listen = net.JoinHostPort(host, port)
	b.checkAdminListen(host, &a)
	return a
}

// checkAdminListen keeps what there is to see on this machine, unless the file
// says otherwise: nobody is asked for a password there.
func (b *builder) checkAdminListen(host string, a *Admin) {
	if !isLoopback(host) && !b.Admin.Remote {
		b.addf("admin.listen", "%s can be reached from other machines, and nobody is asked for a password there; write an address of this machine, such as %q, or say remote = true", a.Listen, "127.0.0.1:9110")
	}
	for i, l := range b.listeners {
		if collide(a.Listen, l.Address) {
			b.addf("admin.listen", "%s is taken by the listener in %s (%s)", a.Listen, b.places.where(element("listener", i)), l.Address)
		}
	}
}

// adminSocket is the path; one that nobody asked for is no reason not to start.
func (b *builder) adminSocket() string {
	path := b.Admin.Socket
	switch {
	case path == noSocket:
		return ""
	case path == "" && len(DefaultSocket(b.State)) > maxSocket:
		b.warnf("state", "there is no admin socket, for beside the state file its path has more than the %d octets that systems allow; name one with socket in [admin]", maxSocket)
		return ""
	case path == "":
		return DefaultSocket(b.State)
	case len(path) > maxSocket:
		b.addf("admin.socket", "%q is too long for a Unix socket, which has at most %d octets; write another, such as %q, or %q", path, maxSocket, "/run/restante/admin.sock", noSocket)
	}
	return path
}
