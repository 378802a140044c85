package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/restante-mail/restante/audit"
	"github.com/restante-mail/restante/peertest"
)

// TestAuditTrail runs the real program between real clients and a real Dovecot,
// and asks its trail.
func TestAuditTrail(t *testing.T) {
	peertest.Need(t, "dovecot")
	theBinary = peertest.BuildRestante(t, false)
	t.Run("Asked", auditAsked)
	t.Run("Killed", auditKilled)
	t.Run("Reloaded", auditReloaded)
}

// trailConfig are the lines of a configuration with a trail in dir, and a key for
// it.
func trailConfig(t *testing.T, dir, more string) string {
	t.Helper()
	runRestante(t, 0, "audit", "keygen", filepath.Join(dir, "audit.key"))
	return fmt.Sprintf(`
[audit]
key = %q
[[audit.sink]]
type = "file"
path = %q
%s
`, filepath.Join(dir, "audit.key"), filepath.Join(dir, "audit.jsonl"), more)
}

// theBinary runs commands in tests of this file.
var theBinary string

// runRestante runs a command and wants an exit status.
func runRestante(t *testing.T, status int, args ...string) string {
	t.Helper()
	cmd := exec.Command(theBinary, args...)
	var out, complaints bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaints
	err := cmd.Run()
	if cmd.ProcessState == nil {
		t.Fatalf("restante %v: %v", args, err)
	}
	if got := cmd.ProcessState.ExitCode(); got != status {
		t.Fatalf("restante %q: status %d, want %d\n%s%s", args, got, status, &out, &complaints)
	}
	return out.String() + complaints.String()
}

// audited starts Restante before d with a trail in a new directory, and returns
// its file.
func audited(t *testing.T, d *peertest.DovecotServer, dir, more string) (*peertest.RestanteServer, string) {
	t.Helper()
	trail := filepath.Join(dir, "audit.jsonl")
	config := fmt.Sprintf("state = %q\n", filepath.Join(dir, "restante.db")) + peertest.For("imap://"+d.IMAPAddr(), trailConfig(t, dir, more))
	return peertest.Restante(t, theBinary, config), trail
}

// stopped wants a process to end in good order.
func stopped(t *testing.T, r *peertest.RestanteServer) {
	t.Helper()
	if code, err := r.Process().Stop(); code != 0 || err != nil {
		t.Fatalf("stop: %d, %v\n%s", code, err, r.Log())
	}
}

func fetchWith(t *testing.T, r *peertest.RestanteServer, name string) int {
	t.Helper()
	for _, client := range peertest.Clients() {
		if client.Name == name {
			return len(client.Fetch(t, peertest.Account{Addr: r.POP3, User: "alice", Password: "secret", Home: t.TempDir()}))
		}
	}
	t.Fatalf("there is no client %s", name)
	return 0
}

// says wants all texts in what a command writes.
func says(t *testing.T, out string, texts ...string) {
	t.Helper()
	for _, want := range texts {
		if !strings.Contains(out, want) {
			t.Errorf("it does not say %q:\n%s", want, out)
		}
	}
}

func letters(from, to int) (m [][]byte) {
	for i := from; i <= to; i++ {
		m = append(m, fmt.Appendf(nil, "From: Bob <bob@example.org>\r\nSubject: \x1b[31mletter %d\r\nMessage-ID: <letter.%d@example.org>\r\n\r\nHello %d\r\n", i, i, i))
	}
	return m
}

// auditAsked asks who had a message, of files and of the state file.
func auditAsked(t *testing.T) {
	dir := t.TempDir()
	d := peertest.Dovecot(t)
	d.Deliver("alice", "INBOX", letters(1, 3)...)
	r, trail := audited(t, d, dir, "[[audit.sink]]\ntype = \"state\"\n[[audit.sink]]\ntype = \"stdout\"")
	if n := fetchWith(t, r, "fetchmail"); n != 3 {
		t.Fatalf("fetchmail brought %d messages", n)
	}
	d.Deliver("alice", "INBOX", letters(4, 6)...)
	if n := fetchWith(t, r, "python3"); n != 3 {
		t.Fatalf("poplib brought %d messages", n)
	}
	stopped(t, r)
	config := filepath.Join(r.Home, "restante.toml")
	for _, where := range [][]string{{trail}, {"--config", config}, {"--config", config, "--files"}} {
		ask := func(status int, args ...string) string {
			return runRestante(t, status, append(append([]string{"audit"}, args...), where...)...)
		}
		says(t, ask(0, "search", "--message-id", "letter.2@example.org"), "looks at message 2", "deletes message 2", "expunge done", "127.0.0.1")
		out := ask(0, "search", "--user", "ALICE", "--event", "retrieval", "--client", "127.0.0.0/8", "--since", "1h", "--message-id", "<letter.5@example.org>")
		says(t, out, "retrieves message 2", "complete", "bob@example.org")
		session := regexp.MustCompile(`Z  (\S+)`).FindStringSubmatch(out)[1]
		says(t, ask(0, "show", session), "connects to plain", "alice signs in with USER: ok", "sees 3 messages", "retrieves message 3", "ends (quit)")
		says(t, ask(0, "stats", "--by", "user"), " 2         0          3         3 ")
		says(t, ask(0, "search", "--csv", "--event", "retrieval"), "time,event,session", ",<letter.6@example.org>,")
		if out := ask(0, "search", "--json", "--event", "retrieval"); strings.Count(out, "\n") != 3 || strings.Contains(out, "\x1b") {
			t.Errorf("as JSON: %q", out)
		}
		ask(1, "search", "--user", "mallory")
		ask(1, "search", "--event", "retrieval", "--until", "2020-01-01")
		ask(2, "search", "--since", "yesterday")
	}
	says(t, runRestante(t, 0, "audit", "verify", "--key", filepath.Join(dir, "audit.key.pub"), trail), "nothing is unproven")
	both := runRestante(t, 0, "audit", "verify", "--config", config)
	says(t, both, "of sink file", "of sink state")
	if strings.Count(both, "nothing is unproven") != 2 {
		t.Errorf("not all is proven:\n%s", both)
	}
	auditStdout(t, r)
	auditTampered(t, trail, config)
}

// auditStdout: what was written to stdout is a trail too.
func auditStdout(t *testing.T, r *peertest.RestanteServer) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "journal")
	if err := os.WriteFile(path, []byte(r.Log()), 0o600); err != nil {
		t.Fatal(err)
	}
	says(t, runRestante(t, 0, "audit", "verify", "--syslog", "--config", filepath.Join(r.Home, "restante.toml"), path), "of sink stdout", "nothing is unproven")
}

// auditTampered: somebody takes the proof away.
func auditTampered(t *testing.T, trail, config string) {
	t.Helper()
	data, err := os.ReadFile(trail)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.SplitAfter(string(data), "\n")
	for i, line := range lines {
		if strings.Contains(line, `"event":"delete"`) {
			lines[i] = ""
			break
		}
	}
	if err := os.WriteFile(trail, []byte(strings.Join(lines, "")), 0o600); err != nil {
		t.Fatal(err)
	}
	says(t, runRestante(t, 1, "audit", "verify", "--config", config), "NOT AS IT WAS WRITTEN", "removed: line")
	says(t, runRestante(t, 1, "audit", "verify", "--json", "--config", config), `"kind": "removed"`)
}

// auditKilled kills the process under load, twice. What a client knows that it
// has, it knows because the server answered something later; with fsync = event
// it is on disk then.
func auditKilled(t *testing.T) {
	const clients, messages = 4, 50
	dir := t.TempDir()
	d := peertest.Dovecot(t, peertest.WithUsers(map[string]string{"alice": "secret", "bob": "secret", "carol": "secret", "dave": "secret"}))
	users := []string{"alice", "bob", "carol", "dave"}
	for _, user := range users {
		d.Deliver(user, "INBOX", letters(1, messages)...)
	}
	had := map[string]bool{}
	config := trailConfig(t, dir, `fsync = "event"`)
	trail := filepath.Join(dir, "audit.jsonl")
	for round := range 2 {
		r := inFront(t, theBinary, d, config)
		known := make(chan string, 2*clients*messages)
		var all sync.WaitGroup
		for _, user := range users {
			all.Go(func() { retrieveUntilCut(r.POP3, user, messages, known) })
		}
		for range clients * messages / 3 {
			had[fmt.Sprint(round, " ", <-known)] = true
		}
		r.Process().Kill()
		all.Wait()
		close(known)
		for one := range known {
			had[fmt.Sprint(round, " ", one)] = true
		}
		out := runRestante(t, 0, "audit", "verify", "--key", filepath.Join(dir, "audit.key.pub"), trail)
		if !strings.Contains(out, "UNPROVEN") {
			t.Errorf("what was written since the last checkpoint is unproven, and this does not say so:\n%s", out)
		}
	}
	found := retrievedIn(t, trail)
	missing := 0
	for one := range had {
		if !found[one[2:]] {
			missing++
		}
	}
	if missing > 0 || len(had) < clients*messages/3 {
		t.Errorf("of %d retrievals that clients knew of, the trail lacks %d", len(had), missing)
	}
	stopped(t, inFront(t, theBinary, d, config))
	out := runRestante(t, 0, "audit", "verify", "--key", filepath.Join(dir, "audit.key.pub"), trail)
	says(t, out, "nothing is unproven", "signed only by the start after a crash")
}

// retrieveUntilCut tells which messages it has for sure.
func retrieveUntilCut(addr, user string, messages int, known chan<- string) {
	c, err := peertest.DialPOP3(addr, nil)
	if err != nil {
		return
	}
	defer c.Close()
	if c.Login(user, "secret") != nil {
		return
	}
	for i := 1; i <= messages; i++ {
		if _, err := c.Get(fmt.Sprint("RETR ", i)); err != nil {
			return
		}
		for range 2 { // the first may have been sent before the server looked what came
			if _, err := c.Do("NOOP"); err != nil {
				return
			}
		}
		known <- fmt.Sprint(user, " ", i)
	}
}

func retrievedIn(t *testing.T, trail string) map[string]bool {
	t.Helper()
	found := map[string]bool{}
	for line := range strings.Lines(runRestante(t, 0, "audit", "search", "--json", "--event", "retrieval", trail)) {
		var f audit.Fields
		if err := json.Unmarshal([]byte(line), &f); err != nil {
			t.Fatal(err)
		}
		if f.Complete {
			found[fmt.Sprint(f.User, " ", f.Number)] = true
		}
	}
	return found
}

// auditReloaded: a sink goes on through a reload; one that cannot be opened
// changes nothing; a trail may begin and end while the process runs.
func auditReloaded(t *testing.T) {
	dir := t.TempDir()
	d := peertest.Dovecot(t)
	d.Deliver("alice", "INBOX", letters(1, 1)...)
	r, trail := audited(t, d, dir, "")
	path := filepath.Join(r.Home, "restante.toml")
	first, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	second := filepath.Join(dir, "second.jsonl")
	more := string(first) + fmt.Sprintf("[[audit.sink]]\nname = \"second\"\ntype = \"file\"\npath = %q\n", second)
	for i, step := range []struct{ text, says string }{
		{more, "configuration reloaded"},
		{string(first) + "[[audit.sink]]\nname = \"third\"\ntype = \"file\"\npath = \"/nowhere/at/all.jsonl\"\n", "not reloaded"},
		{string(first), "configuration reloaded"},
	} {
		before := strings.Count(r.Log(), step.says)
		if err := os.WriteFile(path, []byte(step.text), 0o600); err != nil {
			t.Fatal(err)
		}
		until := time.Now().Add(30 * time.Second)
		for strings.Count(r.Log(), step.says) == before {
			if time.Now().After(until) {
				t.Fatalf("step %d: the log does not say %q", i, step.says)
			}
			time.Sleep(10 * time.Millisecond)
		}
		if i == 0 {
			fetchWith(t, r, "python3")
		}
	}
	stopped(t, r)
	key := filepath.Join(dir, "audit.key.pub")
	says(t, runRestante(t, 0, "audit", "verify", "--key", key, trail, second), "of sink file", "of sink second")
	says(t, runRestante(t, 0, "audit", "search", trail), " starts", "reloaded", "retrieves message 1", "stopped")
	out := runRestante(t, 0, "audit", "search", second)
	says(t, out, "retrieves message 1")
	if strings.Contains(out, "stopped") {
		t.Errorf("a sink that was taken away went on:\n%s", out)
	}
}
