package peertest

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// A CourierServer is Courier's pop3d on loopback. Signing in is done here, for
// Courier's own sign-in asks a daemon at a place that is compiled in; all that
// follows PASS is Courier's.
type CourierServer struct {
	t         T
	owner     owner
	dir       string
	users     map[string]string // passwords
	homes     map[string]string
	listener  net.Listener
	all       sync.WaitGroup
	delivered atomic.Int64
	stopped   chan struct{}

	mu    sync.Mutex
	log   bytes.Buffer
	conns map[net.Conn]bool
}

// courierFiles are what pop3d needs of the unpacked packages.
var courierFiles = []string{
	"usr/lib/courier/courier/courierpop3d", "usr/lib/libcourierauth.so.0",
	"usr/lib/*/libcourier-unicode.so.[0-9]", "usr/lib/*/libidn.so.[0-9][0-9]",
}

// Courier starts one for these users and passwords, each with an empty
// Maildir, and stops it when the test ends. Its packages conflict with
// Dovecot's, so that courier.sh has to have unpacked them (make peers).
func Courier(t T, users map[string]string) *CourierServer {
	t.Helper()
	s := &CourierServer{t: t, owner: ordinaryUser(t), users: users, homes: map[string]string{}, conns: map[net.Conn]bool{}, stopped: make(chan struct{})}
	s.dir = s.owner.tempDir(t)
	s.unpack()
	for name := range users {
		s.homes[name] = filepath.Join(s.dir, "home", strconv.Itoa(len(s.homes)))
		s.owner.mkdir(t, s.homes[name])
		s.owner.mkdir(t, s.maildir(name))
		for _, sub := range []string{"cur", "new", "tmp"} {
			s.owner.mkdir(t, filepath.Join(s.maildir(name), sub))
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("Courier: %v", err)
	}
	s.listener = l
	s.all.Go(s.accept)
	t.Cleanup(s.stop)
	return s
}

// unpack copies the program to where an ordinary user may run it.
func (s *CourierServer) unpack() {
	s.t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		s.t.Fatalf("Courier: %v", err)
	}
	for _, pattern := range courierFiles {
		found, _ := filepath.Glob(filepath.Join(cache, "restante", "courier", pattern))
		if len(found) == 0 {
			const missing = "Courier's pop3d is not unpacked in %s, and this test needs it: run peertest/courier.sh (Debian)"
			if os.Getenv("CI") == "true" {
				s.t.Fatalf(missing, cache)
			}
			s.t.Skipf(missing, cache)
		}
		program, err := os.ReadFile(found[0])
		if err == nil {
			err = os.WriteFile(filepath.Join(s.dir, filepath.Base(found[0])), program, 0o755)
		}
		if err != nil {
			s.t.Fatalf("Courier: %v", err)
		}
	}
}

// maildir is where a user's mail is stored.
func (s *CourierServer) maildir(user string) string {
	home, ok := s.homes[user]
	if !ok {
		s.t.Fatalf("this Courier has no user %q", user)
	}
	return filepath.Join(home, "Maildir")
}

// POP3Addr is the host:port of POP3, without TLS.
func (s *CourierServer) POP3Addr() string { return s.listener.Addr().String() }

// Log is all that Courier has logged.
func (s *CourierServer) Log() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.log.String()
}

// Deliver puts messages into a user's Maildir as a delivery agent does: CRLF
// becomes LF. They are numbered in the order of the arguments.
func (s *CourierServer) Deliver(user string, messages ...[]byte) {
	s.t.Helper()
	dir := s.maildir(user)
	for _, m := range messages {
		name := fmt.Sprintf("%d.peertest", 1_000_000_000+s.delivered.Add(1))
		tmp := filepath.Join(dir, "tmp", name)
		if err := os.WriteFile(tmp, bytes.ReplaceAll(m, []byte("\r\n"), []byte("\n")), 0o644); err != nil {
			s.t.Fatalf("deliver: %v", err)
		}
		s.owner.own(s.t, tmp)
		if err := os.Rename(tmp, filepath.Join(dir, "new", name)); err != nil {
			s.t.Fatalf("deliver: %v", err)
		}
	}
}

// Messages are what is stored for a user, in the order of delivery, with the line
// ends of POP3. Courier removes messages after its answer to QUIT, so that the end
// of all sessions is waited for.
func (s *CourierServer) Messages(user string) (all [][]byte) {
	s.t.Helper()
	for deadline := time.Now().Add(stopTime); s.connections() > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			s.t.Fatalf("Courier's sessions do not end")
		}
	}
	old, _ := filepath.Glob(filepath.Join(s.maildir(user), "cur", "*"))
	fresh, _ := filepath.Glob(filepath.Join(s.maildir(user), "new", "*"))
	for _, path := range append(old, fresh...) { // what is new came last
		m, err := os.ReadFile(path)
		if err != nil {
			s.t.Fatalf("%v", err)
		}
		all = append(all, bytes.ReplaceAll(m, []byte("\n"), []byte("\r\n")))
	}
	return all
}

func (s *CourierServer) connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns)
}

func (s *CourierServer) stop() {
	_ = s.listener.Close()
	close(s.stopped)
	s.mu.Lock()
	for c := range s.conns {
		_ = c.Close()
	}
	s.mu.Unlock()
	s.all.Wait()
	if s.t.Failed() {
		s.t.Logf("Courier's log:\n%s", s.Log())
	}
}

// command is pop3d for a user who has signed in on that socket.
func (s *CourierServer) command(user string, socket *os.File) *exec.Cmd {
	cmd := s.owner.as(exec.Command(filepath.Join(s.dir, "courierpop3d"), "Maildir"))
	cmd.Dir = s.homes[user]
	cmd.Env = []string{"LD_LIBRARY_PATH=" + s.dir, "MAILDIR=Maildir", "HOME=" + cmd.Dir, "AUTHENTICATED=" + user}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = socket, socket, courierLog{s}
	return cmd
}

// A courierLog takes what a session logs.
type courierLog struct{ s *CourierServer }

func (l courierLog) Write(p []byte) (int, error) {
	l.s.mu.Lock()
	defer l.s.mu.Unlock()
	return l.s.log.Write(p)
}

// SizeList is the file in which Courier's pop3d keeps the UIDs that it gave to a
// user's messages.
func (s *CourierServer) SizeList(user string) string {
	s.t.Helper()
	return filepath.Join(s.maildir(user), "courierpop3dsizelist")
}
