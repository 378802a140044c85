package main

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/restante-mail/restante/admin"
	"github.com/restante-mail/restante/auth"
	"github.com/restante-mail/restante/config"
	"github.com/restante-mail/restante/gateway"
)

const (
	// firstSweep is when the first sweep begins after a start: clients that come
	// back then have had their turn, and a process that is restarted each day
	// sweeps all the same.
	firstSweep = 10 * time.Minute
	// idleSweep is how often it is looked whether there is anything to sweep.
	idleSweep = 10 * time.Minute
)

// A sweeper lets retention act in the maildrops of accounts whose clients do
// not come, one after the other, with what is kept for them.
type sweeper struct {
	log   logrus.FieldLogger
	first time.Duration

	mu      sync.Mutex
	gateway *gateway.Gateway
	conf    *config.Snapshot
	made    *generation
	cancel  context.CancelFunc // nil: it does not run
	done    chan struct{}
}

// use is for the next sweep. The first call begins the waiting for it.
func (w *sweeper) use(g *gateway.Gateway, c *config.Snapshot, made *generation) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.gateway, w.conf, w.made = g, c, made
	if w.cancel != nil {
		return
	}
	var ctx context.Context
	ctx, w.cancel = context.WithCancel(context.Background())
	w.done = make(chan struct{})
	go w.run(ctx, w.done)
}

// stop ends a sweep, and returns when it has, or ctx ends: a mailbox that is
// being changed is changed to the end.
func (w *sweeper) stop(ctx context.Context) {
	w.mu.Lock()
	cancel, done := w.cancel, w.done
	w.mu.Unlock()
	if cancel == nil {
		return
	}
	cancel()
	select {
	case <-done:
	case <-ctx.Done():
	}
}

func (w *sweeper) run(ctx context.Context, done chan struct{}) {
	defer close(done)
	timer := time.NewTimer(w.first)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
			timer.Reset(w.sweep(ctx))
		case <-ctx.Done():
			return
		}
	}
}

// enter takes what there is now, and counts as its visitor.
func (w *sweeper) enter() (*gateway.Gateway, *config.Snapshot, *generation) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.made.visitors.Add(1)
	return w.gateway, w.conf, w.made
}

// sweep looks after all accounts, and returns when to come again.
func (w *sweeper) sweep(ctx context.Context) time.Duration {
	names, every, err := w.names(ctx)
	if err != nil {
		w.log.WithError(err).Error("retention without clients: accounts cannot be read")
	}
	if err != nil || every == 0 {
		return idleSweep
	}
	ctx, cancel := context.WithTimeout(ctx, every) // the next one begins then
	defer cancel()
	began, total := time.Now(), tally{}
	for _, name := range names {
		if ctx.Err() != nil {
			w.log.WithField("accounts", len(names)).Warn("retention without clients was not finished in time; it goes on at the next")
			break
		}
		total.add(w.account(ctx, name))
	}
	if total.looked+total.failed > 0 {
		w.log.WithFields(logrus.Fields{"maildrops": total.looked, "changed": total.changed, "failed": total.failed,
			"seconds": time.Since(began).Seconds()}).Info("retention without clients")
	}
	return every
}

// names are those of the accounts, and how often to look after them; 0 is never.
func (w *sweeper) names(ctx context.Context) (names []string, every time.Duration, err error) {
	g, c, made := w.enter()
	defer made.visitors.Add(-1)
	if c.SweepEvery == 0 || g.Accounts == nil {
		return nil, 0, nil
	}
	names, err = g.Accounts.Names(ctx)
	return names, c.SweepEvery, err
}

// tally counts maildrops that were looked into, messages that were changed, and
// maildrops where something failed.
type tally struct{ looked, changed, failed int }

func (t *tally) add(o tally) {
	t.looked, t.changed, t.failed = t.looked+o.looked, t.changed+o.changed, t.failed+o.failed
}

// account looks after all views of one, by the configuration that there is now:
// a sweep of many accounts takes hours, and what was changed meanwhile counts.
func (w *sweeper) account(ctx context.Context, name string) (t tally) {
	g, c, made := w.enter()
	defer made.visitors.Add(-1)
	if c.SweepEvery == 0 || g.Accounts == nil {
		return t
	}
	r, settled := c.Settled(name) // where routes depend on where a client is, nobody knows which of them the account's clients take
	if !settled || r.Accounts == auth.UseNone {
		return t
	}
	for _, view := range r.ViewNames() {
		t.add(w.view(ctx, g, name, view, c.Limits.UpdateTime.Duration))
	}
	return t
}

// now looks after a view of an account because an administrator asks for it.
func (w *sweeper) now(ctx context.Context, r admin.SweepRequest) (why string) {
	w.mu.Lock()
	ready := w.made != nil
	w.mu.Unlock()
	if !ready {
		return "Restante is not ready yet"
	}
	g, c, made := w.enter()
	defer made.visitors.Add(-1)
	if g.Accounts == nil {
		return "there are no accounts"
	}
	swept, err := g.Sweep(ctx, r.Account, r.View, c.Limits.UpdateTime.Duration)
	switch {
	case err != nil:
		return err.Error()
	case swept.Failed > 0:
		return "not everything could be done; the log has more"
	}
	return swept.Skipped
}

func (w *sweeper) view(ctx context.Context, g *gateway.Gateway, name, view string, limit time.Duration) (t tally) {
	log := w.log.WithFields(logrus.Fields{"user": name, "view": view})
	swept, err := g.Sweep(ctx, name, view, limit)
	switch {
	case errors.Is(err, gateway.ErrNotSwept):
		log.WithError(err).Debug("retention without a client does not act here")
		return t
	case err != nil && ctx.Err() == nil:
		t.failed++
		log.WithError(err).Warn("retention without a client failed; it is tried again at the next")
	case swept.Skipped != "":
		log.Debug("retention without a client: " + swept.Skipped)
		return t
	}
	t.looked++
	t.changed += swept.Changed
	return t
}
