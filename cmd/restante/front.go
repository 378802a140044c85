package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"syscall"

	"github.com/pires/go-proxyproto"
	"github.com/pires/go-proxyproto/tlvparse"
	"github.com/sirupsen/logrus"

	"github.com/restante-mail/restante/config"
	"github.com/restante-mail/restante/gateway"
	"github.com/restante-mail/restante/pop3"
)

// A front is an open socket. Which Server its connections get may change while
// it is open: each connection takes the one of the moment it came.
type front struct {
	listener net.Listener
	mu       sync.Mutex
	current  *attendant
	tls      *tls.Config
	log      logrus.FieldLogger
	done     chan struct{} // closed when the accept loop has ended
}

// An attendant is a Server, the listener's settings that it does not know, and
// the generation that both are of.
type attendant struct {
	server     *pop3.Server
	settings   *config.Listener
	generation *generation
}

// frontKey tells which listeners of two configurations are one socket. The
// system chooses another port each time that it may choose.
func frontKey(l *config.Listener) string {
	if strings.HasSuffix(l.Address, ":0") {
		return l.Address + " " + l.Name
	}
	return l.Address
}

func (s *service) listen(settings *config.Listener) (*front, error) {
	if l := s.handed.take(settings); l != nil {
		return s.newFront(l), nil
	}
	address := settings.Address
	l, err := net.Listen("tcp", address)
	ours := s.holderOf(address)
	switch {
	case errors.Is(err, syscall.EADDRINUSE) && ours != "":
		return nil, fmt.Errorf("listen on %s: the port is held by our own listener %s; restart Restante to change between the two", address, ours)
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("listen on %s: the port is in use by another program; stop that one or choose another port", address)
	case errors.Is(err, syscall.EACCES):
		return nil, fmt.Errorf("listen on %s: not allowed; ports below 1024 need the capability CAP_NET_BIND_SERVICE", address)
	case err != nil:
		return nil, fmt.Errorf("listen on %s: %w", address, err)
	}
	return s.newFront(l), nil
}

func (s *service) newFront(l net.Listener) *front {
	f := &front{listener: l, log: s.log}
	f.tls = &tls.Config{GetConfigForClient: f.currentTLS, MinVersion: tls.VersionTLS12}
	return f
}

// holderOf returns our own listener on the port of address, or "".
func (s *service) holderOf(address string) string {
	_, port, _ := net.SplitHostPort(address)
	for _, f := range s.fronts {
		if _, held, _ := net.SplitHostPort(f.listener.Addr().String()); held == port {
			return f.attendant().settings.Name
		}
	}
	return ""
}

func (f *front) attendant() *attendant {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.current
}

// currentTLS lets a handshake use what the last reload brought. The
// configuration around it stays, and with it the keys of session tickets: TLS
// sessions are resumed across a reload.
func (f *front) currentTLS(hello *tls.ClientHelloInfo) (*tls.Config, error) {
	l := f.attendant().settings
	switch {
	case l.LegacyTLS != nil && l.LegacyNetworks.Contains(remote(hello.Conn)):
		return l.LegacyTLS, nil
	case l.TLS != nil:
		return l.TLS, nil
	}
	return nil, errors.New("this listener has no TLS any more")
}

// serve gives connections from now on to a.
func (f *front) serve(a *attendant) {
	f.mu.Lock()
	f.current = a
	f.mu.Unlock()
	if f.done != nil {
		return
	}
	f.done = make(chan struct{})
	f.log.WithFields(logrus.Fields{"listener": a.settings.Name, "address": f.listener.Addr().String(),
		"tls": a.settings.Security.String()}).Info("listening")
	go func() {
		defer close(f.done)
		if err := pop3.Accept(f.listener, f.attend); err != nil {
			f.log.WithError(err).WithField("listener", a.settings.Name).Error("no more connections are accepted here")
		}
	}()
}

func (f *front) attend(c net.Conn) {
	a := f.enter()
	defer a.generation.visitors.Add(-1)
	a.server.ServeConn(a.expectProxyHeader(c))
}

// enter counts a visitor under the lock that a reload takes: it either sees the
// visitor or has already replaced the attendant.
func (f *front) enter() *attendant {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.current.generation.visitors.Add(1)
	return f.current
}

// expectProxyHeader demands a PROXY header from the networks that the
// configuration names, and from nobody else: a header is a claim to be someone.
func (a *attendant) expectProxyHeader(c net.Conn) net.Conn {
	if !a.settings.ProxyProtocol.Contains(remote(c)) {
		return c
	}
	return &proxied{proxyproto.NewConn(c, proxyproto.WithPolicy(proxyproto.REQUIRE))}
}

// proxied is a connection that begins with a PROXY header.
type proxied struct{ *proxyproto.Conn }

// RemoteAddr is the client's address. A header may name no client: LOCAL, which
// proxies send for themselves, and UNKNOWN. Then it is nobody's, for the
// proxy's own would make a stranger somebody who is trusted.
func (p *proxied) RemoteAddr() net.Addr {
	if h := p.ProxyHeader(); h == nil || h.Command.IsLocal() || h.SourceAddr == nil {
		return unknownClient{}
	}
	return p.Conn.RemoteAddr()
}

type unknownClient struct{}

func (unknownClient) Network() string { return "tcp" }
func (unknownClient) String() string  { return "unknown" }

// close ends the accept loop. Connections go on.
func (f *front) close() {
	_ = f.listener.Close()
	if f.done != nil {
		<-f.done
	}
}

// newServer makes the POP3 server of one listener.
func (f *front) newServer(l *config.Listener, c *config.Snapshot, backend *gateway.Gateway) *pop3.Server {
	server := &pop3.Server{
		Name: l.Name, Backend: backend,
		Implicit: l.Security == config.ImplicitTLS,
		AllowPlain: func(c net.Conn) bool {
			return l.PlaintextAuth.Contains(remote(c)) || encryptedBeforeUs(c)
		},
		Admit:          backend.Admit,
		Implementation: "Restante", Mechanisms: l.Mechanisms,
		Limits: pop3.Limits{
			Connections: c.Limits.Connections, ConnectionsPerAddress: c.Limits.ConnectionsPerAddress,
			LoginTime: c.Limits.LoginTime.Duration, IdleTime: c.Limits.IdleTime.Duration,
			WriteTime: c.Limits.WriteTime.Duration, BackendTime: c.Limits.BackendTime.Duration,
			UpdateTime: c.Limits.UpdateTime.Duration, ProofTime: c.Limits.ProofTime.Duration,
			Line: c.Limits.Line, AuthLine: c.Limits.AuthLine,
			BadCommands: c.Limits.BadCommands, SignIns: c.Limits.SignIns,
		},
		Quirks: quirksOf(l),
		Hooks:  backend.Hooks(),
	}
	if l.TLS != nil {
		server.TLS = f.tls
	}
	for _, line := range []string{c.Expire(l.Name), c.LoginDelay(l.Name)} {
		if line != "" {
			server.Capabilities = append(server.Capabilities, line)
		}
	}
	return server
}

// encryptedBeforeUs tells whether a proxy that we believe says that the client
// used TLS (PP2_TYPE_SSL).
func encryptedBeforeUs(c net.Conn) bool {
	p, ok := c.(*proxied)
	if !ok || p.ProxyHeader() == nil || p.ProxyHeader().Command.IsLocal() {
		return false
	}
	tlvs, err := p.ProxyHeader().TLVs()
	if err != nil {
		return false
	}
	ssl, found := tlvparse.FindSSL(tlvs)
	return found && ssl.ClientSSL()
}

func remote(c net.Conn) netip.Addr {
	tcp, ok := c.RemoteAddr().(*net.TCPAddr)
	if !ok {
		return netip.Addr{}
	}
	return tcp.AddrPort().Addr().Unmap()
}
