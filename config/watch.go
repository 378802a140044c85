package config

import (
	"context"
	"fmt"
	"time"

	"github.com/fsnotify/fsnotify"
)

const (
	// patience is how many times the debounce is waited at most.
	patience = 10
	// recheck finds what no event tells of: changes on network file systems, a
	// folder that was replaced together with its watch.
	recheck = time.Minute
)

// Watch calls changed when the content of any file differs from what the last
// reload read, good or bad: configuration, certificates, keys, authorities. It
// ends with ctx. changed is meant to have Reload called, itself or elsewhere;
// until then it may be called again. A touch without change calls nothing. The
// error is about the watching itself. debounce is how long the files must be
// quiet before they are compared: editors and deployment tools write in several
// steps, and 200 ms covers them.
//
// The folders are watched, not the files: a file that is replaced by a rename,
// or by Kubernetes' exchange of the ..data link, is gone with its watch.
func (l *Live) Watch(ctx context.Context, debounce time.Duration, changed func()) error {
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		return fmt.Errorf("watch the configuration: %w", err)
	}
	defer watcher.Close()
	w := watch{live: l, watcher: watcher, changed: changed}
	w.check() // it may have changed since it was loaded
	return w.run(ctx, debounce)
}

type watch struct {
	live    *Live
	watcher *fsnotify.Watcher
	changed func()
}

func (w *watch) run(ctx context.Context, debounce time.Duration) error {
	quiet := time.NewTimer(debounce)
	defer quiet.Stop()
	again := time.NewTicker(recheck)
	defer again.Stop()
	var since time.Time // of the first event that was not looked after
	stir := func() {
		if since.IsZero() {
			since = time.Now()
		}
		// A folder in which something writes without end, such as a log, is
		// never quiet.
		if time.Since(since) < patience*debounce {
			quiet.Reset(debounce)
		}
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-w.watcher.Events:
			stir()
		case <-w.watcher.Errors: // events were lost; look for ourselves
			stir()
		case <-quiet.C:
			since = time.Time{}
			w.check()
		case <-again.C:
			w.check()
		case <-w.live.reloaded: // there may be other files now
			w.check()
		}
	}
}

// check compares. The folders are watched before, so that a change in between
// is not missed.
func (w *watch) check() {
	w.live.mu.Lock()
	sources := w.live.sources // it is replaced, never changed
	w.live.mu.Unlock()
	w.follow(sources)
	if sources.changed() {
		w.changed()
	}
}

// follow watches the folders of s and no others. A folder that does not exist
// cannot be watched; recheck finds what appears there.
func (w *watch) follow(s *sources) {
	unwanted := map[string]bool{}
	for _, dir := range w.watcher.WatchList() {
		unwanted[dir] = true
	}
	for _, dir := range s.dirs() {
		_ = w.watcher.Add(dir)
		delete(unwanted, dir)
	}
	for dir := range unwanted {
		_ = w.watcher.Remove(dir)
	}
}
