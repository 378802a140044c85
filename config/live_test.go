package config

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func listening(address string) string {
	return "[[listener]]\naddress = \"" + address + "\"\n[[upstream]]\nurl = \"imaps://imap.example.com\"\n"
}

func accept(_, _ *Snapshot) error { return nil }

func opened(t *testing.T, path string, apply func(old, new *Snapshot) error) *Live {
	t.Helper()
	clock := today
	l, err := open(func() (*Snapshot, error) { return LoadSnapshot(path) }, apply, func() time.Time {
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

func TestOpenFails(t *testing.T) {
	dir := write(t, t.TempDir(), "c.toml", "listen = 5")
	if l, err := Open(func() (*Snapshot, error) { return LoadSnapshot(filepath.Join(dir, "c.toml")) }, accept); err == nil || l != nil {
		t.Errorf("got %v, %v", l, err)
	}
	refused := errors.New("refused")
	write(t, dir, "c.toml", good)
	_, err := Open(func() (*Snapshot, error) { return LoadSnapshot(filepath.Join(dir, "c.toml")) }, func(_, _ *Snapshot) error { return refused })
	if !errors.Is(err, refused) {
		t.Errorf("got %v", err)
	}
}

// watched runs Watch until the test ends. The function it returns waits for a
// report after which done holds, and fails on a wrong kind of report.
func watched(t *testing.T, l *Live) func(what string, done func(error) bool) {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	reports, ended := make(chan error, 100), make(chan error, 1)
	go func() { ended <- l.Watch(ctx, 20*time.Millisecond, func(err error) { reports <- err }) }()
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
	loads := 0
	l := opened(t, path, func(_, _ *Snapshot) error { loads++; return nil })
	reports := 0
	check := func() {
		if l.sources.changed() {
			reports++
			_ = l.Reload() // what is counted is the outcome
		}
	}
	check()
	if err := os.Chtimes(path, today, today); err != nil {
		t.Fatal(err)
	}
	check()
	write(t, dir, "c.toml", listening("127.0.0.1:1"), "unrelated", "x")
	check()
	if loads != 1 || reports != 0 {
		t.Errorf("after touches: %d loads, %d reports", loads, reports)
	}
	write(t, dir, "c.toml", "listen = 5")
	check()
	check()
	if loads != 1 || reports != 1 {
		t.Errorf("a bad file is tried once: %d loads, %d reports", loads, reports)
	}
	write(t, dir, "c.toml", listening("127.0.0.1:2"))
	check()
	if loads != 2 || reports != 2 {
		t.Errorf("after the repair: %d loads, %d reports", loads, reports)
	}
}

func TestCertificateReplaced(t *testing.T) {
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	writePair(t, cert, key, "old.example.com", today, today.AddDate(0, 1, 0))
	write(t, dir, "c.toml", listening("127.0.0.1:0")+"[tls]\ncert = \"cert.pem\"\nkey = \"key.pem\"\n")
	l := opened(t, filepath.Join(dir, "c.toml"), accept)
	server := l.TLS("127.0.0.1:0")
	sessions := tls.NewLRUClientSessionCache(1)
	if name, _ := handshake(t, server, sessions); name != "old.example.com" {
		t.Errorf("first certificate: %s", name)
	}

	wait := watched(t, l)
	writePair(t, filepath.Join(dir, "cert.new"), filepath.Join(dir, "key.new"), "new.example.com", today, today.AddDate(0, 1, 0))
	rename(t, filepath.Join(dir, "cert.new"), cert) // for a moment, the pair does not match
	rename(t, filepath.Join(dir, "key.new"), key)
	wait("the new certificate", func(err error) bool { return err == nil })
	if _, resumed := handshake(t, server, sessions); !resumed {
		t.Error("the session was not resumed after the reload")
	}
	if name, _ := handshake(t, server, nil); name != "new.example.com" {
		t.Errorf("second certificate: %s", name)
	}
}

// handshake connects to a server and returns the name in its certificate.
func handshake(t *testing.T, server *tls.Config, sessions tls.ClientSessionCache) (name string, resumed bool) {
	t.Helper()
	ours, theirs := net.Pipe()
	defer ours.Close()
	_ = ours.SetDeadline(time.Now().Add(20 * time.Second)) // a pipe has deadlines
	done := make(chan struct{})
	go func() {
		defer close(done)
		s := tls.Server(theirs, server)
		_, _ = s.Write([]byte("+OK\r\n")) // the client's side tells whether it worked
		_ = theirs.Close()
	}()
	client := tls.Client(ours, &tls.Config{
		ServerName: "pop.example.com", ClientSessionCache: sessions,
		Time:               func() time.Time { return today.AddDate(0, 0, 1) }, // sessions end with their certificate
		InsecureSkipVerify: true,                                               // looked at below
		VerifyConnection: func(state tls.ConnectionState) error {
			name, resumed = subject(state.PeerCertificates), state.DidResume
			return nil
		},
	})
	if _, err := client.Read(make([]byte, 100)); err != nil {
		t.Errorf("handshake: %v", err)
	}
	_ = ours.Close()
	<-done
	return name, resumed
}

func subject(chain []*x509.Certificate) string {
	if len(chain) == 0 {
		return ""
	}
	return chain[0].Subject.CommonName
}

func TestTLSOfALostListener(t *testing.T) {
	l := opened(t, filepath.Join(write(t, t.TempDir(), "c.toml", good), "c.toml"), accept)
	if _, err := l.TLS("127.0.0.1:1110").GetConfigForClient(nil); err == nil {
		t.Error("a listener without TLS has a configuration")
	}
}
