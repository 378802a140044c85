package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
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
