package proxy

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/restante-mail/restante/pop3"
	"github.com/restante-mail/restante/upstream"
)

// A line is a connection that nobody has signed in on yet.
type line struct {
	*pop3.Client
	address string
	caps    pop3.ServerCaps
	// declared is Options.Neutral.
	declared *bool
}

// dial connects to the first address that greets us as it should.
func (u *Upstream) dial(ctx context.Context, client netip.AddrPort) (*line, error) {
	var failures []error
	for _, address := range u.options.Addresses {
		start := time.Now()
		l, err := u.dialOne(ctx, address, client)
		if u.options.Hooks.Dialed != nil {
			u.options.Hooks.Dialed(time.Since(start), err)
		}
		if err == nil {
			return l, nil
		}
		failures = append(failures, fmt.Errorf("%s: %w", address, err))
		if ctx.Err() != nil {
			break
		}
		u.options.Log.WithField("address", address).WithError(err).Warn("POP3 upstream does not answer as it should")
	}
	err := errors.Join(failures...)
	return nil, &upstream.Error{Kind: kindOf(err, connecting), Doing: "connect", Err: err}
}

func (u *Upstream) dialOne(ctx context.Context, address string, client netip.AddrPort) (*line, error) {
	ctx, cancel := context.WithTimeout(ctx, u.options.DialTimeout)
	defer cancel()
	conn, err := u.connect(ctx, address, client)
	if err != nil {
		return nil, err
	}
	c, err := pop3.NewClient(ctx, conn, pop3.ClientOptions{
		ReadTimeout: u.options.ReplyTimeout,
		ListTimeout: u.options.ListTimeout,
		MaxMessages: u.options.MaxMessages,
		Pipelining:  u.options.Pipelining,
	})
	if err != nil {
		return nil, err
	}
	l := &line{Client: c, address: address, declared: u.options.Neutral}
	if err := u.prepare(ctx, l); err != nil {
		_ = c.Close()
		return nil, err
	}
	return l, nil
}

// connect dials, says who the client is, and begins TLS where it is implicit.
func (u *Upstream) connect(ctx context.Context, address string, client netip.AddrPort) (net.Conn, error) {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	conn = u.options.Hooks.Watch(conn)
	if err := u.sendProxy(conn, client); err != nil {
		_ = conn.Close()
		return nil, err
	}
	if u.options.Security != ImplicitTLS {
		return conn, nil
	}
	secure := tls.Client(conn, u.tlsFor(address))
	if err := secure.HandshakeContext(ctx); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return secure, nil
}

// prepare begins TLS by STLS, which is never optional, and learns what the
// server can do.
func (u *Upstream) prepare(ctx context.Context, l *line) (err error) {
	if u.options.Security == STLS {
		if err := l.StartTLS(ctx, u.tlsFor(l.address)); err != nil {
			return fmt.Errorf("begin TLS, which this upstream must offer: %w", err)
		}
	}
	var known bool
	if l.caps, known = u.caps.get(l.address); known {
		l.Assume(l.caps)
		return nil
	}
	if l.caps, err = l.Capabilities(ctx); err != nil {
		return err
	}
	u.caps.put(l.address, l.caps)
	return nil
}

func (u *Upstream) tlsFor(address string) *tls.Config {
	config := u.options.TLS.Clone()
	if config == nil {
		config = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	if config.ServerName == "" {
		config.ServerName, _, _ = net.SplitHostPort(address)
	}
	return config
}
