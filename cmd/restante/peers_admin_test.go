package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/restante-mail/restante/peertest"
)

// ask runs the program beside the one that serves.
func ask(t *testing.T, binary string, args ...string) (out string, status int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, args...)
	text, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return string(text), cmd.ProcessState.ExitCode()
}

// fetch reads a URL.
func fetch(t *testing.T, url string) (status int, text string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(r)
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

// An administrator looks at sessions, ends one, and hears when the server
// behind is gone.
func administrator(t *testing.T, binary string) {
	dir, err := os.MkdirTemp("", "admin") // short, for the socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	socket := filepath.Join(dir, "s")
	d := peertest.Dovecot(t, alice())
	m := mail(2)
	d.Deliver("alice", "INBOX", m...)
	r := inFront(t, binary, d, fmt.Sprintf("[admin]\nsocket = %q\nlisten = \"127.0.0.1:0\"", socket))
	web := regexp.MustCompile(`"address":"(127\.0\.0\.1:\d+)"[^\n]*"administrators are answered`).FindStringSubmatch(r.Log())
	if web == nil {
		t.Fatalf("the log does not say where metrics are:\n%s", r.Log())
	}

	c := signIn(t, r)
	get(t, c, "RETR 1")
	say(t, c, "DELE 1")
	out, status := ask(t, binary, "sessions", "--socket", socket)
	if status != 0 || !regexp.MustCompile(`alice +- +127.0.0.1:\d+ +plain +- +transaction +DELE`).MatchString(out) {
		t.Errorf("%d:\n%s", status, out)
	}
	if out, status = ask(t, binary, "sessions", "kick", "--user", "alice", "--socket", socket); status != 0 || !strings.Contains(out, "ended session") {
		t.Errorf("%d: %s", status, out)
	}
	if answer, err := c.Do("QUIT"); err == nil {
		t.Errorf("a session that was ended still answers %q", answer)
	}
	r.Await(`"end":"kicked"`)
	holds(t, d, m...)

	_, metrics := fetch(t, "http://"+web[1]+"/metrics")
	for _, want := range []string{`restante_sessions_ended_total{end="kicked",listener="plain"} 1`, `restante_retrievals_total{result="complete"} 1`,
		`restante_sign_ins_total{connection="new",method="USER",result="ok"} 1`, `restante_deletions_asked_total 0`} {
		if !strings.Contains(metrics, want+"\n") {
			t.Errorf("there is no %s", want)
		}
	}
	d.Stop()
	if out, status = ask(t, binary, "status", "--socket", socket); status != exitFailure || !strings.Contains(out, "DOES NOT WORK") || strings.Contains(out+metrics, "pa55") {
		t.Errorf("without its upstream: %d\n%s", status, out)
	}
	if status, text := fetch(t, "http://"+web[1]+"/readyz"); status != http.StatusServiceUnavailable {
		t.Errorf("without its upstream: %d %s", status, text)
	}
}
