package main

import (
	"context"
	"crypto/tls"
	"errors"
	"net/netip"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/restante-mail/restante/admin"
	"github.com/restante-mail/restante/audit"
	"github.com/restante-mail/restante/bridge"
	"github.com/restante-mail/restante/config"
	"github.com/restante-mail/restante/gateway"
	"github.com/restante-mail/restante/pop3"
	"github.com/restante-mail/restante/proxy"
)

// eyes are what an administrator sees the service by. What they read is
// published by each reload, for they look at any time.
type eyes struct {
	admin    *admin.Server
	socket   door
	web      door
	started  time.Time
	seen     atomic.Pointer[sight]
	live     atomic.Pointer[config.Live] // nil where nothing reloads
	stopping atomic.Bool
}

// A sight is what there is to see, between two reloads.
type sight struct {
	snapshot    *config.Snapshot
	generations []*generation // the newest is the last
	fronts      []*front
}

// open opens the service's eyes.
func (s *service) open() {
	s.started = time.Now()
	s.seen.Store(&sight{snapshot: &config.Snapshot{}})
	s.admin = admin.NewServer(admin.Process{Sessions: s.sessions, Kick: s.kick, Record: s.takeDeed, Sweep: s.sweeps.now, Status: s.status, Checks: s.checks,
		Complain: func(text string) { s.log.Error("administrators' answers: " + text) }})
}

// show publishes what a reload has made.
func (s *service) show(next *config.Snapshot) {
	now := &sight{snapshot: next, generations: append(append([]*generation(nil), s.old...), s.now)}
	for _, l := range next.Listeners {
		now.fronts = append(now.fronts, s.fronts[frontKey(l)])
	}
	s.seen.Store(now)
}

func (s *service) sessions() []admin.Session {
	all := []admin.Session{}
	for _, g := range s.seen.Load().generations {
		for _, server := range g.servers {
			for _, l := range server.Live() {
				all = append(all, sessionOf(&l, s.shared))
			}
		}
	}
	return all
}

func sessionOf(l *pop3.Live, shared *gateway.Shared) admin.Session {
	a := admin.Session{
		ID: l.Peer.ID, User: l.User, Client: "unknown", Listener: l.Peer.Listener, State: l.State,
		Command: l.Command, Idle: l.Idle.Seconds(), In: l.In, Out: l.Out, Since: l.Start,
	}
	if l.Peer.Remote != nil {
		a.Client = l.Peer.Remote.String()
	}
	if l.Peer.TLS != nil {
		a.TLS = tls.VersionName(l.Peer.TLS.Version)
	}
	if known, ok := shared.Live(l.Peer.ID); ok {
		a.Base, a.View, a.Account, a.Upstream, a.Policy = known.Base, known.View, known.Account, known.Upstream, known.Policy
	}
	return a
}

// kick ends a session, and records that and who asked for it.
func (s *service) kick(a admin.Session, by string) (ended bool) {
	for _, g := range s.seen.Load().generations {
		for _, server := range g.servers {
			ended = ended || server.Kick(a.ID)
		}
	}
	if !ended {
		return false
	}
	s.log.WithField("session", a.ID).WithField("user", a.User).WithField("by", by).Info("session ended by an administrator")
	s.record(&audit.Admin{Action: audit.ActionKick, Actor: by, OK: true, Header: audit.Header{
		Time: time.Now(), Session: a.ID, Listener: a.Listener, Client: addressOf(a.Client),
		User: a.User, Base: a.Base, View: a.View,
	}})
	return true
}

func (s *service) status() admin.Status {
	now := s.seen.Load()
	status := admin.Status{
		Version: versionText(), PID: os.Getpid(), Started: s.started, Stopping: s.stopping.Load(),
		Reload: s.reloadStatus(), State: stateOf(now.snapshot.State), Sinks: s.trailSinks(),
	}
	for i, l := range now.snapshot.Listeners {
		status.Listeners = append(status.Listeners, listenerStatus(l, now.fronts[i], now.generations))
	}
	for _, u := range now.snapshot.Upstreams {
		opened := now.generations[len(now.generations)-1].upstreams[u.Name]
		status.Upstreams = append(status.Upstreams, upstreamStatus(u, opened))
	}
	status.Providers = s.providerStatus(now.snapshot)
	for _, c := range now.snapshot.Certificates() {
		status.Certificates = append(status.Certificates, admin.Certificate{File: c.File, NotAfter: c.NotAfter})
	}
	return status
}

func (s *service) reloadStatus() admin.Reload {
	live := s.live.Load()
	if live == nil {
		return admin.Reload{Loaded: s.started}
	}
	was := live.Status()
	r := admin.Reload{Loaded: was.Loaded, Reloads: was.Reloads, Failures: was.Failures, Failed: was.Failed}
	if was.Err != nil {
		r.Error = was.Err.Error()
	}
	return r
}

// stateOf is the file and what is not yet folded into it.
func stateOf(path string) *admin.State {
	if path == "" {
		return nil
	}
	state := &admin.State{Path: path}
	for _, suffix := range []string{"", "-wal"} {
		if info, err := os.Stat(path + suffix); err == nil {
			state.Octets += info.Size()
		}
	}
	return state
}

func listenerStatus(l *config.Listener, f *front, all []*generation) admin.Listener {
	status := admin.Listener{Name: l.Name, Address: f.listener.Addr().String(), TLS: l.Security.String()}
	for _, g := range all {
		for _, server := range g.servers {
			if server.Name == l.Name {
				status.Connections += server.Connections()
			}
		}
	}
	return status
}

// upstreamStatus asks the upstream nothing. Connections to a POP3 server are not
// kept, and not counted.
func upstreamStatus(u *config.Upstream, opened openedUpstream) admin.Upstream {
	status := admin.Upstream{Name: u.Name, Protocol: strings.ToLower(u.Protocol.String()), Addresses: u.Addresses}
	if pool, ok := opened.server.(interface{ Connections() (inUse, idle int) }); ok {
		status.InUse, status.Idle = pool.Connections()
	}
	var octets bridge.ReadAhead
	switch u := opened.server.(type) {
	case *bridge.Upstream:
		octets = u.ReadAhead()
	case *proxy.Upstream:
		octets = bridge.ReadAhead(u.ReadAhead())
	}
	status.Read, status.Ahead, status.Wasted = octets.Read, octets.Ahead, octets.Wasted
	return status
}

// checks are what must work for mail to go through.
func (s *service) checks() []admin.Check {
	now := s.seen.Load()
	var all []admin.Check
	for i, l := range now.snapshot.Listeners {
		all = append(all, admin.Check{Kind: admin.CheckListener, Name: l.Name, Do: now.fronts[i].accepts})
	}
	if s.shared.Store != nil {
		all = append(all, admin.Check{Kind: admin.CheckState, Name: now.snapshot.State, Do: s.shared.Store.Probe})
	}
	if len(now.generations) == 0 {
		return all
	}
	for name, u := range now.generations[len(now.generations)-1].upstreams {
		all = append(all, admin.Check{Kind: admin.CheckUpstream, Name: name, Do: func(ctx context.Context) error {
			_, err := u.server.Probe(ctx)
			return err
		}})
	}
	return all
}

// accepts fails if the listener lets nobody in any more.
func (f *front) accepts(context.Context) error {
	select {
	case <-f.done:
		return errors.New("no more connections are accepted here")
	default:
		return nil
	}
}

// addressOf is the address of host:port, if it has one.
func addressOf(hostport string) netip.Addr {
	a, _ := netip.ParseAddrPort(hostport)
	return a.Addr().Unmap()
}
