package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/restante-mail/restante/audit"
	"github.com/restante-mail/restante/auth"
	"github.com/restante-mail/restante/config"
	"github.com/restante-mail/restante/gateway"
	"github.com/restante-mail/restante/pop3"
	"github.com/restante-mail/restante/store"
)

// A service is all that a process serves. Its configuration may be replaced
// while it runs.
type service struct {
	log     *logrus.Logger
	shared  *gateway.Shared
	fronts  map[string]*front // by frontKey
	crowd   *pop3.Crowd       // of all listeners, across reloads
	sweeps  *sweeper
	signIns *auth.Memory // of accounts, across reloads
	tokens  *tokenKeeper // of accounts, across reloads; nil before the first configuration
	now     *generation
	old     []*generation // replaced, with sessions that go on
	eyes                  // of the administrator
	trail   *audit.Trail
	handed  handed // by systemd
}

// A generation is what was made from one configuration.
type generation struct {
	upstreams upstreams
	servers   []*pop3.Server
	// transcripts are the folders that sessions are written down in.
	transcripts transcripts
	// visitors are the connections that were given to the servers. They are
	// counted before they are, so that none falls between two generations.
	visitors atomic.Int64
}

func newService(log *logrus.Logger) *service {
	s := &service{log: log, shared: gateway.NewShared(), fronts: map[string]*front{}, crowd: new(pop3.Crowd), signIns: auth.NewMemory(), sweeps: &sweeper{log: log, first: firstSweep},
		now: &generation{}, trail: audit.NewTrail(tellTrouble(log))}
	s.open()
	return s
}

// apply makes next the configuration that new connections get. All that can
// fail is done before anything is replaced, so an error means that nothing
// changed.
func (s *service) apply(old, next *config.Snapshot) error {
	made := &generation{}
	err := s.openState(old, next)
	if err != nil {
		return err
	}
	if made.upstreams, err = openUpstreams(next, s.now.upstreams, s.shared.Store, s.upstreamHooks, s.log); err != nil {
		return err
	}
	made.transcripts, err = openTranscripts(next)
	if err != nil {
		return errors.Join(err, made.upstreams.closeExcept(s.now.upstreams))
	}
	trail, err := s.prepareTrail(next)
	if err != nil {
		made.transcripts.close()
		return errors.Join(err, made.upstreams.closeExcept(s.now.upstreams))
	}
	opened, err := s.openMissing(next)
	if err != nil {
		trail.Discard()
		made.transcripts.close()
		return errors.Join(err, made.upstreams.closeExcept(s.now.upstreams))
	}
	setLog(s.log, next.Log)
	s.count(next)
	s.useTrail(trail, next)
	s.replace(next, made, opened)
	for _, w := range next.Warnings(time.Now()) {
		s.log.Warn(w.Error())
	}
	s.tidyState(next)
	return nil
}

// openState opens the state file, which one process owns from its start to its
// end.
func (s *service) openState(old, next *config.Snapshot) (err error) {
	switch {
	case old != nil && old.State != next.State:
		return fmt.Errorf("state: cannot change from %q to %q while Restante runs; restart it", old.State, next.State)
	case next.State != "" && s.shared.Store == nil:
		s.shared.Store, err = store.OpenWith(next.State, !next.NeedsState, s.storeHooks())
		if err == nil {
			err = s.shared.Guard.Load(context.Background())
		}
	}
	return err
}

// openMissing opens a socket for every address that has none yet, the
// administrator's too.
func (s *service) openMissing(next *config.Snapshot) (map[string]*front, error) {
	opened := map[string]*front{}
	err := s.openDoors(next.Admin)
	for _, l := range next.Listeners {
		if err != nil || s.fronts[frontKey(l)] != nil {
			continue
		}
		var f *front
		if f, err = s.listen(l); err == nil {
			opened[frontKey(l)] = f
		}
	}
	if err == nil {
		return opened, nil
	}
	for _, f := range opened {
		f.close()
	}
	return nil, errors.Join(err, s.closeNewDoors())
}

// replace cannot fail.
func (s *service) replace(next *config.Snapshot, made *generation, opened map[string]*front) {
	backend := &gateway.Gateway{Route: routing(next, made.upstreams), Shared: s.shared, Log: s.log, ReadOnly: next.ReadOnly,
		Transcripts: made.transcripts.rules, Recorder: s.recorder(next), SessionsPerUser: next.Limits.SessionsPerUser,
		Allowance: gateway.Allowance{Messages: next.Limits.MessagesPerDay, Octets: int64(next.Limits.OctetsPerDay)}}
	backend.Accounts = directory(next, accountsOf(s.shared.Store), s.signIns, s.tokensFor(next))
	s.sweeps.use(backend, next, made)
	s.shared.Guard.Set(next.Guard, backend.TellBan)
	kept := map[string]*front{}
	for _, l := range next.Listeners {
		f := s.fronts[frontKey(l)]
		if f == nil {
			f = opened[frontKey(l)]
		}
		server := f.newServer(l, next, backend)
		server.Crowd = s.crowd
		server.Hooks.Answered = s.commandHook(next)
		offer(server, l, next, made.upstreams)
		made.servers = append(made.servers, server)
		f.serve(&attendant{server, l, made})
		kept[frontKey(l)] = f
	}
	for key, f := range s.fronts {
		if kept[key] == nil {
			f.close()
		}
	}
	s.fronts = kept
	s.retire(made)
	s.show(next)
	s.useDoors(next.Admin)
}

// retire keeps what was replaced for as long as it has sessions.
func (s *service) retire(made *generation) {
	s.now.transcripts.close()
	s.old = append(s.old, s.now)
	s.now = made
	var busy []*generation
	for _, g := range s.old {
		if g.visitors.Load() > 0 {
			busy = append(busy, g)
			continue
		}
		if err := g.upstreams.closeExcept(made.upstreams); err != nil {
			s.log.WithError(err).Warn("closing connections to a replaced upstream")
		}
	}
	s.old = busy
}

// routing is the gateway's view of the configuration's routes.
func routing(next *config.Snapshot, servers upstreams) func(string, netip.Addr, string) (gateway.Route, error) {
	endpoints := openLookups(next)
	return func(user string, client netip.Addr, listener string) (gateway.Route, error) {
		r, ok := next.Route(user, client, listener)
		if !ok {
			return gateway.Route{}, fmt.Errorf("no route matches user %q from %v at listener %q", user, client, listener)
		}
		return gatewayRoute(next, servers, endpoints, r)
	}
}

// predecessor is how the state file knows the account of before; "" if there is
// none.
func predecessor(r config.Route) (string, error) {
	upstream, identity, err := r.Predecessor(r.Base)
	if err != nil || upstream == "" {
		return "", err
	}
	return gateway.Maildrop(upstream, identity), nil
}

// stop lets nobody in any more and gives sessions some time to end.
func (s *service) stop(grace time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	s.stopping.Store(true)
	s.sweeps.stop(ctx)
	for _, f := range s.fronts {
		f.close()
	}
	s.now.transcripts.close()
	all := append(s.old, s.now)
	s.shutdown(ctx, all)
	errs := []error{s.closeDoors()}
	for _, g := range all {
		errs = append(errs, g.upstreams.closeExcept(nil))
	}
	if s.tokens != nil {
		s.tokens.Close() // before the store: what was granted is kept yet
	}
	errs = append(errs, s.endTrail(errors.Join(errs...)))
	if s.shared.Store != nil {
		errs = append(errs, s.shared.Store.Close())
	}
	s.log.Info("restante has stopped")
	return errors.Join(errs...)
}

// shutdown ends the servers of all generations at the same time.
func (s *service) shutdown(ctx context.Context, all []*generation) {
	var ends []chan error
	for _, g := range all {
		for _, server := range g.servers {
			end := make(chan error, 1)
			ends = append(ends, end)
			go func() { end <- server.Shutdown(ctx) }()
		}
	}
	for _, end := range ends {
		if err := <-end; err != nil {
			s.log.WithError(err).Warn("sessions were still running when time was up; nothing of those that were closed was deleted")
		}
	}
}
