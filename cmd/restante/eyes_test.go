package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/restante-mail/restante/admin"
	"github.com/restante-mail/restante/pop3"
	"github.com/restante-mail/restante/secret"
)

// watched is a service with a state file, TLS, an admin socket, and metrics.
type watched struct {
	*running
	socket   string
	upstream string
}

const plainListener = "[[listener]]\nname = \"main\"\naddress = \"127.0.0.1:0\"\n"

func watch(t *testing.T, more string) *watched {
	t.Helper()
	dir, err := os.MkdirTemp("", "eyes") // short: it is the path of a socket, too
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	makeCertificate(t, dir)
	if got := run([]string{"state", "init", "--state", filepath.Join(dir, "s.db")}); got != 0 {
		t.Fatalf("state init: exit status %d", got)
	}
	w := &watched{upstream: mailServer(t, "alice", 3), socket: filepath.Join(dir, "s.db.sock")}
	w.running = start(t, fmt.Sprintf("state = %q\n%s[tls]\ncert = %q\nkey = %q\n[[upstream]]\nname = \"main\"\nurl = \"imap://%s\"\n%s",
		filepath.Join(dir, "s.db"), plainListener, filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"), w.upstream, more))
	w.service.live.Store(w.running.live)
	return w
}

func (w *watched) client(t *testing.T) *pop3.Client {
	t.Helper()
	c := patient(t, w.at("127.0.0.1:0"))
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func (w *watched) signedIn(t *testing.T) *pop3.Client {
	t.Helper()
	c := w.client(t)
	if err := c.Login(t.Context(), "alice", secret.New("open sesame")); err != nil {
		t.Fatal(err)
	}
	return c
}

// scrape reads a path of the web.
func (w *watched) scrape(t *testing.T, path string) (status int, text string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+w.web.serving.Addr().String()+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(body)
}

func TestSessionsCommand(t *testing.T) {
	w := watch(t, "")
	out, err := command(t, "sessions", "--socket", w.socket)
	want(t, out, err, "ID", "0 connection(s)")
	c := w.signedIn(t)
	if _, _, err := c.Stat(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.client(t)
	out, err = command(t, "sessions", "--config", w.file)
	want(t, out, err, "alice", "transaction", "STAT", "authorization", "2 connection(s)")
	out, err = command(t, "sessions", "--config", w.file, "--json")
	var all []admin.Session
	if e := errors.Join(err, json.Unmarshal([]byte(out), &all)); e != nil || len(all) != 2 {
		t.Fatalf("%v: %s", e, out)
	}
	if s := all[0]; s.Upstream != "main" || s.Account != "alice" || s.Policy != "classic" || s.Listener != "main" || s.In == 0 || s.Out == 0 {
		t.Errorf("%+v", s)
	}
}

// A kicked session deletes nothing, and the other goes on.
func TestKickCommand(t *testing.T) {
	w := watch(t, "[[route]]\nviews = [\"printer\"]\n")
	c := w.signedIn(t)
	if _, err := c.Dele(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	other := w.client(t)
	if err := other.Login(t.Context(), "alice+printer", secret.New("open sesame")); err != nil {
		t.Fatal(err)
	}
	id := ""
	for _, s := range w.sessions() {
		if s.View == "" {
			id = s.ID
		}
	}
	out, err := command(t, "sessions", "kick", id, "--socket", w.socket)
	want(t, out, err, "ended session "+id+" of alice")
	if err := c.Quit(t.Context()); err == nil {
		t.Error("the kicked session still quits")
	}
	w.log.await(t, "end=kicked")
	if n, err := count(t, w.at("127.0.0.1:0"), "alice"); n != 3 || err != nil {
		t.Errorf("%d messages, %v: a kicked session deleted something", n, err)
	}
	out, err = command(t, "sessions", "kick", "--user", "ALICE", "--socket", w.socket, "--json")
	want(t, out, err, `"view": "printer"`)
	if err := other.Noop(t.Context()); err == nil {
		t.Error("the other session goes on")
	}
	if _, err := command(t, "sessions", "kick", id, "--socket", w.socket); err == nil || !strings.Contains(err.Error(), "no such session") {
		t.Errorf("a session that has ended: %v", err)
	}
}

func TestAdminCommandMistakes(t *testing.T) {
	for line, status := range map[string]int{
		"sessions":                                exitUsage,
		"sessions --socket a --state b":           exitUsage,
		"sessions --socket /none --json --watch":  exitUsage,
		"sessions --socket /none/none":            exitFailure,
		"sessions kick --socket /none":            exitUsage,
		"sessions kick 1 --user x --socket /none": exitUsage,
		"sessions kick 1 2 --socket /none":        exitUsage,
		"sessions kick 1 --socket /none/none":     exitFailure,
		"status":                                  exitUsage,
		"status --state /none/none":               exitFailure,
		"status now --socket /none":               exitUsage,
	} {
		if got := run(strings.Fields(line)); got != status {
			t.Errorf("restante %s: exit status %d, want %d", line, got, status)
		}
	}
}

func TestStatusCommand(t *testing.T) {
	w := watch(t, "")
	w.signedIn(t)
	out, err := command(t, "status", "--config", w.file)
	// The test's certificate lasts an hour, and that is a problem.
	if err == nil || err.Error() != "1 problem(s)" {
		t.Errorf("%v", err)
	}
	want(t, out, nil, "1 connection(s), 1 signed in", "listener", "main on 127.0.0.1:", "upstream", "1 connection(s) in use, 0 idle, works",
		"s.db, ", "0 reload(s)", "cert.pem", "PROBLEM", "expires on")

	good, _ := os.ReadFile(w.file)
	w.write(t, string(good)+"nonsense = 1\n")
	if err := w.running.live.Reload(); err == nil {
		t.Fatal("nonsense was taken")
	}
	var s admin.Status
	out, err = command(t, "status", "--socket", w.socket, "--json")
	if e := json.Unmarshal([]byte(out), &s); e != nil || err == nil {
		t.Fatal(e, err)
	}
	if s.Reload.Failures != 1 || !strings.Contains(s.Reload.Error, "nonsense") || len(s.Problems) != 2 || s.PID != os.Getpid() {
		t.Errorf("%+v", s)
	}
}

// A user name that commands a terminal commands none.
func TestSessionsArePrintable(t *testing.T) {
	var out strings.Builder
	all := []admin.Session{{ID: "1", User: "a\x1b[2J\nb", View: "\u202ex", State: "transaction"}}
	if err := writeSessions(&out, all, time.Now()); err != nil || strings.ContainsAny(out.String(), "\x1b\u202e") || strings.Count(out.String(), "\n") != 3 {
		t.Errorf("%v, %q", err, out.String())
	}
	out.Reset()
	all[0].User = "a\u009b2J\U000e0001\u202e"
	var back []admin.Session
	if err := writeJSON(&out, all); err != nil || strings.ContainsAny(out.String(), "\x1b\u009b\u202e\U000e0001") {
		t.Errorf("%v, %q", err, out.String())
	}
	if err := json.Unmarshal([]byte(out.String()), &back); err != nil || back[0].User != all[0].User {
		t.Errorf("%v, %+v came back", err, back)
	}
}

func TestReadiness(t *testing.T) {
	w := watch(t, "[admin]\nlisten = \"127.0.0.1:0\"\n")
	if status, text := w.scrape(t, "/readyz"); status != 200 {
		t.Errorf("%d %s", status, text)
	}
	found := func(kind admin.Kind) (err error) {
		for _, check := range w.checks() {
			if check.Kind == kind {
				err = errors.Join(err, check.Do(t.Context()))
			}
		}
		return err
	}
	for _, kind := range []admin.Kind{admin.CheckListener, admin.CheckState, admin.CheckUpstream} {
		if err := found(kind); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
	}
	for _, f := range w.fronts {
		f.close()
	}
	if found(admin.CheckListener) == nil {
		t.Error("a listener that is closed works")
	}
}

// Doors open, move and close with reloads, and a reload that fails moves none.
func TestDoorsFollowReloads(t *testing.T) {
	w := watch(t, "")
	good, err := os.ReadFile(w.file)
	if err != nil {
		t.Fatal(err)
	}
	reload := func(more string) error {
		t.Helper()
		w.write(t, string(good)+more)
		return w.running.live.Reload()
	}
	if w.web.serving != nil || w.admin.Metrics() != nil || w.recorder(w.seen.Load().snapshot) != nil {
		t.Error("something is counted, and nobody looks")
	}
	if err := reload("[admin]\nlisten = \"127.0.0.1:0\"\n"); err != nil {
		t.Fatal(err)
	}
	w.signedIn(t)
	first := w.web.serving
	if _, text := w.scrape(t, "/metrics"); !strings.Contains(text, `restante_sign_ins_total{connection="new",method="USER",result="ok"} 1`+"\n") {
		t.Error("the sign-in was not counted")
	}
	if status, _ := w.scrape(t, "/debug/pprof/"); status != 404 {
		t.Errorf("profiles without being asked for: %d", status)
	}
	if err := reload("[admin]\nlisten = \"127.0.0.1:0\"\npprof = true\n"); err != nil || w.web.serving != first {
		t.Fatalf("%v, or another door", err)
	}
	if status, _ := w.scrape(t, "/debug/pprof/"); status != 200 {
		t.Errorf("no profiles: %d", status)
	}
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	moved := filepath.Join(filepath.Dir(w.socket), "b.sock")
	bad := fmt.Sprintf("[admin]\nsocket = %q\nlisten = %q\n", moved, taken.Addr())
	if err := reload(bad); err == nil || !strings.Contains(err.Error(), "metrics and health") {
		t.Errorf("a port that is taken: %v", err)
	}
	if _, err := os.Lstat(moved); err == nil || w.web.serving != first {
		t.Error("a reload that failed moved a door")
	}
	if err := reload(fmt.Sprintf("[admin]\nsocket = %q\n", moved)); err != nil || w.web.serving != nil {
		t.Errorf("%v, or the web stays", err)
	}
	if _, err := os.Lstat(w.socket); err == nil {
		t.Error("the socket stays where it was")
	}
	out, err := command(t, "sessions", "--socket", moved)
	want(t, out, err, "1 connection(s)")
}

// What an administrator does is recorded with who it was.
func TestKickIsRecorded(t *testing.T) {
	w := watch(t, "[admin]\nlisten = \"127.0.0.1:0\"\n")
	w.signedIn(t)
	if out, err := command(t, "sessions", "kick", "--user", "alice", "--socket", w.socket); err != nil {
		t.Fatal(out, err)
	}
	w.log.await(t, "session ended by an administrator")
	if _, text := w.scrape(t, "/metrics"); !strings.Contains(text, `restante_admin_actions_total{action="kick",result="ok"} 1`+"\n") {
		t.Error("the kick was not recorded")
	}
}
