package peertest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// BuildRestante builds the program of the module in the working directory,
// with the race detector if wanted and possible, and returns its path.
func BuildRestante(t T, race bool) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "restante")
	args := []string{"build", "-o", path}
	if race && canRace() {
		args = append(args, "-race")
	}
	cmd := exec.Command("go", append(args, "github.com/restante-mail/restante/cmd/restante")...)
	if !race {
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build ./cmd/restante: %v\n%s", err, out)
	}
	return path
}

// canRace tells whether there is a C compiler, which the race detector needs.
func canRace() bool {
	out, err := exec.Command("go", "env", "CGO_ENABLED").Output()
	return err == nil && strings.TrimSpace(string(out)) == "1"
}

// A RestanteServer is a running Restante.
type RestanteServer struct {
	t       T
	process *Process
	log     *liveLog
	Home    string // its directory, for files that a test adds
	// POP3 and POP3S are the host:port of its listeners: one with STLS, one
	// with implicit TLS. CA is the file of their authority.
	POP3, POP3S, CA string
}

// listeners are two that take free ports, and a certificate. The hosts differ
// in spelling only because addresses in a configuration must differ.
const listeners = `
[log]
format = "json"
[tls]
cert = %q
key = %q
[[listener]]
name = "plain"
address = "127.0.0.1:0"
tls = "starttls"
[[listener]]
name = "implicit"
address = "localhost:0"
tls = "implicit"
`

// Restante starts the binary with the given configuration, to which it adds
// two listeners and a log in JSON. It is stopped with the test, which fails if that takes a
// second signal, if the exit status is not 0, or if the race detector spoke.
func Restante(t T, binary, config string) *RestanteServer {
	t.Helper()
	home := t.TempDir()
	c := NewCertificate(t, home)
	path := filepath.Join(home, "restante.toml")
	if err := os.WriteFile(path, fmt.Appendf([]byte(config), listeners, c.Cert, c.Key), 0o600); err != nil {
		t.Fatalf("%v", err)
	}
	r := RestanteWith(t, binary, "serve", "--config", path)
	r.Home, r.CA = home, c.CA
	return r
}

// RestanteWith starts the binary with the given arguments, which must make it
// log in JSON.
func RestanteWith(t T, binary string, args ...string) *RestanteServer {
	t.Helper()
	r := &RestanteServer{t: t, log: newLiveLog()}
	cmd := exec.Command(binary, args...)
	// The race detector sleeps for a second before each exit unless told not to.
	cmd.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=0")
	cmd.Stdout, cmd.Stderr = r.log, r.log
	p, err := startProcess(cmd)
	if err != nil {
		t.Fatalf("start %s: %v", binary, err)
	}
	r.process = p
	t.Cleanup(r.cleanup)
	r.Await("restante is ready")
	for _, e := range r.log.entries() {
		switch {
		case e.Message != "listening":
		case e.TLS == "implicit":
			r.POP3S = e.Address
		default:
			r.POP3 = e.Address
		}
	}
	return r
}

// For writes the [[upstream]] of a configuration.
func For(url string, lines ...string) string {
	return fmt.Sprintf("[[upstream]]\nname = \"main\"\nurl = %q\n%s\n", url, strings.Join(lines, "\n"))
}

// Await waits until the log has a line with the text.
func (r *RestanteServer) Await(text string) {
	r.t.Helper()
	deadline := time.NewTimer(30 * time.Second)
	defer deadline.Stop()
	for {
		log, more := r.log.read()
		if strings.Contains(log, text) {
			return
		}
		select {
		case <-more:
		case <-r.process.Ended():
			r.t.Fatalf("restante ended (%v) before it logged %q:\n%s", r.process.err, text, r.Log())
		case <-deadline.C:
			r.t.Fatalf("restante did not log %q:\n%s", text, r.Log())
		}
	}
}

// Address is where the listener of that name serves.
func (r *RestanteServer) Address(listener string) string {
	r.t.Helper()
	for _, e := range r.log.entries() {
		if e.Message == "listening" && e.Listener == listener {
			return e.Address
		}
	}
	r.t.Fatalf("restante has no listener %q:\n%s", listener, r.Log())
	return ""
}

// PID is the process id.
func (r *RestanteServer) PID() int { return r.process.PID() }

// Process is the process, to stop it or to kill it.
func (r *RestanteServer) Process() *Process { return r.process }

// Log is all that was logged.
func (r *RestanteServer) Log() string {
	log, _ := r.log.read()
	return log
}

func (r *RestanteServer) cleanup() {
	select {
	case <-r.process.Ended(): // the test has judged that
	default:
		if status, err := r.process.Stop(); err != nil || status != 0 {
			r.t.Errorf("restante: exit status %d, %v", status, err)
		}
	}
	log := r.Log()
	if strings.Contains(log, "DATA RACE") || strings.Contains(log, "panic:") {
		r.t.Errorf("restante has a data race or panicked")
	}
	if r.t.Failed() {
		r.t.Logf("restante's log:\n%s", log)
	}
}

// A liveLog keeps what a process writes and tells when there is more.
type liveLog struct {
	mu   sync.Mutex
	text bytes.Buffer
	more chan struct{} // closed at the next write
}

func newLiveLog() *liveLog { return &liveLog{more: make(chan struct{})} }

func (l *liveLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	close(l.more)
	l.more = make(chan struct{})
	return l.text.Write(p)
}

func (l *liveLog) read() (string, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String(), l.more
}

type logEntry struct {
	Message string `json:"msg"`
	Address string `json:"address"`
	TLS     string `json:"tls"`
	// Listener is its name.
	Listener string `json:"listener"`
}

func (l *liveLog) entries() (all []logEntry) {
	text, _ := l.read()
	for line := range strings.Lines(text) {
		var e logEntry
		if json.Unmarshal([]byte(line), &e) == nil {
			all = append(all, e)
		}
	}
	return all
}
