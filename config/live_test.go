package config

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fsnotify/fsnotify"
)

func listening(address string) string {
	return "[[listener]]\naddress = \"" + address + "\"\n[[upstream]]\nurl = \"imaps://imap.example.com\"\n"
}

func accept(_, _ *Snapshot) error { return nil }

func opened(t *testing.T, path string, apply func(old, new *Snapshot) error) *Live {
	t.Helper()
	clock := today
	l, err := newLive(func() (*Config, error) { return Load(path) }, apply, func() time.Time {
		clock = clock.Add(time.Second)
		return clock
	})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func first(l *Live) string { return l.Current().Listeners[0].Address }

func TestReload(t *testing.T) {
	dir := write(t, t.TempDir(), "c.toml", listening("127.0.0.1:1"))
	path := filepath.Join(dir, "c.toml")
	l := opened(t, path, accept)
	start := l.Current()

	write(t, dir, "c.toml", "listen = 5")
	err := l.Reload()
	if err == nil || l.Current() != start {
		t.Fatalf("a bad file: %v, changed %v", err, l.Current() != start)
	}
	if s := l.Status(); !errors.Is(s.Err, err) || s.Failures != 1 || s.Reloads != 1 || !s.Failed.After(s.Loaded) {
		t.Errorf("status after a bad file: %+v", s)
	}

	write(t, dir, "c.toml", listening("127.0.0.1:2"))
	if err := l.Reload(); err != nil || first(l) != "127.0.0.1:2" {
		t.Fatalf("a good file: %v, %s", err, first(l))
	}
	if s := l.Status(); s.Err != nil || s.Failures != 1 || s.Reloads != 2 || !s.Failed.IsZero() {
		t.Errorf("status after a good file: %+v", s)
	}
	if start.Listeners[0].Address != "127.0.0.1:1" {
		t.Error("the old snapshot changed")
	}
}

func TestApplyDecides(t *testing.T) {
	dir := write(t, t.TempDir(), "c.toml", listening("127.0.0.1:1"))
	var seen []string
	inUse := errors.New("port in use")
	l := opened(t, filepath.Join(dir, "c.toml"), func(old, new *Snapshot) error {
		from := "nothing"
		if old != nil {
			from = old.Listeners[0].Address
		}
		seen = append(seen, from+" to "+new.Listeners[0].Address)
		if new.Listeners[0].Address == "127.0.0.1:2" {
			return inUse
		}
		return nil
	})
	write(t, dir, "c.toml", listening("127.0.0.1:2"))
	if err := l.Reload(); !errors.Is(err, inUse) || first(l) != "127.0.0.1:1" || l.Status().Failures != 1 {
		t.Errorf("got %v, %s", err, first(l))
	}
	write(t, dir, "c.toml", listening("127.0.0.1:3"))
	if err := l.Reload(); err != nil {
		t.Error(err)
	}
	if got := strings.Join(seen, "; "); got != "nothing to 127.0.0.1:1; 127.0.0.1:1 to 127.0.0.1:2; 127.0.0.1:1 to 127.0.0.1:3" {
		t.Errorf("apply saw %s", got)
	}
}

func TestNewLiveFails(t *testing.T) {
	dir := write(t, t.TempDir(), "c.toml", "listen = 5")
	if l, err := NewLive(func() (*Config, error) { return Load(filepath.Join(dir, "c.toml")) }, accept); err == nil || l != nil {
		t.Errorf("got %v, %v", l, err)
	}
	refused := errors.New("refused")
	write(t, dir, "c.toml", good)
	_, err := NewLive(func() (*Config, error) { return Load(filepath.Join(dir, "c.toml")) }, func(_, _ *Snapshot) error { return refused })
	if !errors.Is(err, refused) {
		t.Errorf("got %v", err)
	}
}

// watched runs Watch until the test ends. The function it returns waits for a
// report after which done holds, and fails on a wrong kind of report.
func watched(t *testing.T, l *Live) func(what string, done func(error) bool) {
	t.Helper()
	return watchedAfter(t, l, 20*time.Millisecond)
}

func watchedAfter(t *testing.T, l *Live, debounce time.Duration) func(what string, done func(error) bool) {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	reports, ended := make(chan error, 100), make(chan error, 1)
	go func() { ended <- l.Watch(ctx, debounce, func() { reports <- l.Reload() }) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("Watch: %v", err)
		}
	})
	return func(what string, done func(error) bool) {
		t.Helper()
		deadline := time.After(20 * time.Second)
		for {
			select {
			case err := <-reports:
				if done(err) {
					return
				}
			case <-deadline:
				t.Fatalf("%s was not noticed", what)
			}
		}
	}
}

func TestWatch(t *testing.T) {
	dir := write(t, t.TempDir(), "c.toml", listening("127.0.0.1:1"))
	path := filepath.Join(dir, "c.toml")
	l := opened(t, path, accept)
	wait := watched(t, l)
	now := func(address string) func(error) bool {
		return func(error) bool { return first(l) == address }
	}

	write(t, dir, "c.toml", listening("127.0.0.1:2"))
	wait("a write in place", now("127.0.0.1:2"))

	write(t, dir, "new", listening("127.0.0.1:3"))
	rename(t, filepath.Join(dir, "new"), path)
	wait("a rename", now("127.0.0.1:3"))

	write(t, dir, "new", "listen = 5")
	rename(t, filepath.Join(dir, "new"), path)
	wait("a bad file", func(err error) bool { return err != nil && first(l) == "127.0.0.1:3" })

	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	wait("a removal", func(err error) bool { return err != nil && strings.Contains(err.Error(), "no such file") })

	write(t, dir, "new", listening("127.0.0.1:4"))
	rename(t, filepath.Join(dir, "new"), path)
	wait("the repair", now("127.0.0.1:4"))
}

func rename(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

func TestWatchFolder(t *testing.T) {
	dir := write(t, t.TempDir(), "a.toml", listening("127.0.0.1:1"))
	l := opened(t, dir, accept)
	wait := watched(t, l)
	write(t, dir, "b.toml", "[[listener]]\naddress = \"127.0.0.1:2\"\n")
	wait("another file", func(error) bool { return len(l.Current().Listeners) == 2 })
	if err := os.Remove(filepath.Join(dir, "b.toml")); err != nil {
		t.Fatal(err)
	}
	wait("its removal", func(error) bool { return len(l.Current().Listeners) == 1 })
}

// TestWatchKubernetes exchanges a mounted volume as the kubelet does: the files
// are links through ..data, and ..data is replaced by a rename.
func TestWatchKubernetes(t *testing.T) {
	dir := t.TempDir()
	mount := func(version, address string) {
		folder := filepath.Join(dir, ".."+version)
		if err := os.Mkdir(folder, 0o700); err != nil {
			t.Fatal(err)
		}
		write(t, folder, "c.toml", listening(address))
		link(t, ".."+version, filepath.Join(dir, "..data_tmp"))
		rename(t, filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data"))
	}
	mount("2026_01", "127.0.0.1:1")
	link(t, filepath.Join("..data", "c.toml"), filepath.Join(dir, "c.toml"))
	l := opened(t, filepath.Join(dir, "c.toml"), accept)
	wait := watched(t, l)
	mount("2026_02", "127.0.0.1:2")
	wait("the exchange", func(error) bool { return first(l) == "127.0.0.1:2" })
	mount("2026_03", "127.0.0.1:3")
	wait("the next exchange", func(error) bool { return first(l) == "127.0.0.1:3" })
}

func link(t *testing.T, target, name string) {
	t.Helper()
	if err := os.Symlink(target, name); err != nil {
		t.Fatal(err)
	}
}

func TestWatchLinkedFile(t *testing.T) {
	real, dir := t.TempDir(), t.TempDir()
	write(t, real, "real.toml", listening("127.0.0.1:1"))
	link(t, filepath.Join(real, "real.toml"), filepath.Join(dir, "c.toml"))
	l := opened(t, filepath.Join(dir, "c.toml"), accept)
	wait := watched(t, l)
	write(t, real, "real.toml", listening("127.0.0.1:2"))
	wait("a change behind the link", func(error) bool { return first(l) == "127.0.0.1:2" })
}

// TestWatchRepairElsewhere: the new file names a certificate in a folder that
// the current configuration never named, and that comes later.
func TestWatchRepairElsewhere(t *testing.T) {
	dir, certs := t.TempDir(), t.TempDir()
	write(t, dir, "c.toml", listening("127.0.0.1:1"))
	l := opened(t, filepath.Join(dir, "c.toml"), accept)
	wait := watched(t, l)
	write(t, dir, "c.toml", listening("127.0.0.1:2")+"[tls]\ncert = \""+filepath.Join(certs, "cert.pem")+"\"\nkey = \""+filepath.Join(certs, "key.pem")+"\"\n")
	wait("the missing certificate", func(err error) bool { return err != nil && strings.Contains(err.Error(), "cert.pem: no such file") })
	testPair(t, certs)
	wait("the certificate", func(error) bool { return first(l) == "127.0.0.1:2" })
}

// TestCheckComparesContent: events without change reload nothing.
func TestCheckComparesContent(t *testing.T) {
	dir := write(t, t.TempDir(), "c.toml", listening("127.0.0.1:1"))
	path := filepath.Join(dir, "c.toml")
	l := opened(t, path, accept)
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		t.Fatal(err)
	}
	defer watcher.Close()
	w := watch{live: l, watcher: watcher, changed: func() { _ = l.Reload() }} // the outcome is counted
	expect := func(after string, reloads, failures int) {
		t.Helper()
		w.check()
		if s := l.Status(); s.Reloads != reloads || s.Failures != failures {
			t.Errorf("after %s: %+v", after, s)
		}
	}
	expect("nothing", 0, 0)
	if err := os.Chtimes(path, today, today); err != nil {
		t.Fatal(err)
	}
	expect("a touch", 0, 0)
	write(t, dir, "c.toml", listening("127.0.0.1:1"), "unrelated", "x")
	expect("the same content", 0, 0)
	write(t, dir, "c.toml", "listen = 5")
	expect("a bad file", 1, 1)
	expect("nothing more", 1, 1)
	write(t, dir, "c.toml", listening("127.0.0.1:2"))
	expect("the repair", 2, 1)
}

// TestWatchInANoisyFolder: a log that is written without end in the same folder
// must not put a reload off for ever.
func TestWatchInANoisyFolder(t *testing.T) {
	dir := write(t, t.TempDir(), "c.toml", listening("127.0.0.1:1"))
	l := opened(t, filepath.Join(dir, "c.toml"), accept)
	wait := watchedAfter(t, l, 200*time.Millisecond) // the noise has no gaps as long
	write(t, dir, "c.toml", listening("127.0.0.1:2"))
	wait("a change before the noise", func(error) bool { return first(l) == "127.0.0.1:2" })
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			default:
				_ = os.WriteFile(filepath.Join(dir, "log"), []byte("x"), 0o600) // only the event matters
			}
		}
	}()
	write(t, dir, "new", listening("127.0.0.1:3"))
	rename(t, filepath.Join(dir, "new"), filepath.Join(dir, "c.toml"))
	wait("a change among noise", func(error) bool { return first(l) == "127.0.0.1:3" })
	close(stop)
	<-stopped
}

// TestWatchFollowsReload: a reload that somebody else asked for may bring files
// in other folders.
func TestWatchFollowsReload(t *testing.T) {
	dir, certs := t.TempDir(), t.TempDir()
	testPair(t, certs)
	write(t, dir, "c.toml", listening("127.0.0.1:1"))
	path := filepath.Join(dir, "c.toml")
	l := opened(t, path, accept)
	wait := watched(t, l)
	write(t, dir, "c.toml", listening("127.0.0.1:2")+"ca = \""+filepath.Join(certs, "ca.pem")+"\"\n")
	if err := l.Reload(); err != nil { // as SIGHUP does
		t.Fatal(err)
	}
	write(t, certs, "ca.pem", "nothing")
	wait("the broken authority", func(err error) bool { return err != nil && strings.Contains(err.Error(), "holds no PEM certificate") })
}

func TestCertificateReplaced(t *testing.T) {
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	writePair(t, cert, key, "old.example.com", today, today.AddDate(0, 1, 0))
	write(t, dir, "c.toml", listening("127.0.0.1:0")+"[tls]\ncert = \"cert.pem\"\nkey = \"key.pem\"\n")
	l := opened(t, filepath.Join(dir, "c.toml"), accept)
	old := l.Current()
	wait := watched(t, l)
	writePair(t, filepath.Join(dir, "cert.new"), filepath.Join(dir, "key.new"), "new.example.com", today, today.AddDate(0, 1, 0))
	rename(t, filepath.Join(dir, "cert.new"), cert) // for a moment, the pair does not match
	rename(t, filepath.Join(dir, "key.new"), key)
	wait("the new certificate", func(err error) bool { return err == nil })
	if name := shown(t, l.Current()); name != "new.example.com" {
		t.Errorf("the new snapshot shows %s", name)
	}
	if name := shown(t, old); name != "old.example.com" {
		t.Errorf("the old snapshot shows %s", name)
	}
}

// shown is the name in the certificate that the first listener shows.
func shown(t *testing.T, s *Snapshot) string {
	t.Helper()
	return s.Listeners[0].TLS.Certificates[0].Leaf.Subject.CommonName
}
