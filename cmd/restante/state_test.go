package main

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sirupsen/logrus"

	"github.com/restante-mail/restante/config"
)

func TestStateCommands(t *testing.T) {
	dir := t.TempDir()
	state, backup, file := filepath.Join(dir, "state.db"), filepath.Join(dir, "backup.db"), filepath.Join(dir, "restante.toml")
	if err := os.WriteFile(file, []byte("state = \"state.db\"\n[[listener]]\naddress = \"127.0.0.1:0\"\n[[upstream]]\nurl = \"imap://127.0.0.1\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	steps := []struct {
		args string
		want int
	}{
		{"state init --state " + state, 0},
		{"state init --state " + state, exitFailure}, // never over an existing one
		{"state show --config " + file, 0},           // the same file, named by the configuration
		{"state backup --state " + state + " " + backup, 0},
		{"state backup --state " + state + " " + backup, exitFailure},
		{"state restore --state " + state + " " + backup, 0},
		{"state restore --state " + state + " " + file, exitFailure}, // no state file
		{"state show --state " + state, 0},
		{"state show", exitUsage},
		{"state show --state a --config b", exitUsage},
		{"state backup --state " + state, exitUsage},
		{"state show --state " + filepath.Join(dir, "none.db"), exitFailure},
	}
	for _, step := range steps {
		if got := run(strings.Fields(step.args)); got != step.want {
			t.Errorf("restante %s: exit status %d, want %d", step.args, got, step.want)
		}
	}
}

// TestStateIsOpenedAndKept: the process owns its state file until it stops, and
// a reload cannot change which one it is.
func TestStateIsOpenedAndKept(t *testing.T) {
	text := "[[listener]]\naddress = \"127.0.0.1:0\"\n[[upstream]]\nurl = \"imap://" + mailServer(t, "alice", 1) + "\"\n"
	r := start(t, "state = \"state.db\"\n"+text)
	state := filepath.Join(filepath.Dir(r.file), "state.db")
	if _, err := os.Stat(state); err != nil {
		t.Fatal(err)
	}
	if got := run([]string{"state", "restore", "--state", state, state}); got != exitFailure {
		t.Error("a state file was replaced under a running process")
	}
	r.write(t, "state = \"other.db\"\n"+text)
	if err := r.live.Reload(); err == nil || !strings.Contains(err.Error(), "restart") {
		t.Errorf("got %v, want advice to restart", err)
	}
}

// TestKeepNeedsItsStateFile: a lost state file is not made anew silently, or all
// that was deleted would come back.
func TestKeepNeedsItsStateFile(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "restante.toml")
	text := "state = \"state.db\"\n[[listener]]\naddress = \"127.0.0.1:0\"\n[[upstream]]\nurl = \"imap://127.0.0.1:1\"\n[[route]]\npolicy = \"keep\"\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s := newService(logrus.New())
	s.log.SetOutput(io.Discard)
	load := func() (*config.Config, error) { return config.Load(file) }
	if _, err := config.NewLive(load, s.apply); err == nil || !strings.Contains(err.Error(), "restante state init") {
		t.Fatalf("got %v, want advice to run restante state init", err)
	}
	if got := run([]string{"state", "init", "--config", file}); got != 0 {
		t.Fatalf("state init: exit status %d", got)
	}
	if _, err := config.NewLive(load, s.apply); err != nil {
		t.Error(err)
	}
	if err := s.stop(0); err != nil {
		t.Error(err)
	}
}
