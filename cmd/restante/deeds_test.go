package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestDeedsAreRecorded: what an administrator's command does is in the trail,
// whether Restante runs or not, and the trail stays whole.
func TestDeedsAreRecorded(t *testing.T) {
	dir, err := os.MkdirTemp("", "deeds") // short: it is the path of a socket, too
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	must := func(want int, args ...string) {
		t.Helper()
		if got := run(args); got != want {
			t.Fatalf("restante %s: exit status %d, want %d", strings.Join(args, " "), got, want)
		}
	}
	trail := filepath.Join(dir, "audit.jsonl")
	must(0, "state", "init", "--state", filepath.Join(dir, "s.db"))
	must(0, "audit", "keygen", filepath.Join(dir, "key"))
	text := fmt.Sprintf("state = %q\n%s[[upstream]]\nname = \"main\"\nurl = \"imap://%s\"\n[audit]\nfile = %q\nkey = %q\n",
		filepath.Join(dir, "s.db"), plainListener, mailServer(t, "alice", 1), trail, filepath.Join(dir, "key"))
	file := filepath.Join(dir, "restante.toml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	must(0, "hold", "alice", "on", "--config", file) // nothing runs: it is written by the command itself
	r := start(t, text)
	must(0, "hold", "alice", "off", "--config", file)      // Restante runs, and is told
	must(1, "undelete", "alice", "--config", file)         // there is nothing to undelete
	must(2, "hold", "alice", "sideways", "--config", file) // nothing was tried
	if n, err := count(t, r.at("127.0.0.1:0"), "alice"); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	_ = r.trail.Close() // writes what is queued
	lines, err := os.ReadFile(trail)
	if err != nil {
		t.Fatal(err)
	}
	type deed struct {
		Event, Action, Base, Actor, Detail string
		OK                                 bool
	}
	var deeds []deed
	for line := range strings.Lines(string(lines)) {
		var d deed
		if err := json.Unmarshal([]byte(line), &d); err != nil {
			t.Fatal(err)
		}
		if d.Event == "admin" {
			deeds = append(deeds, d)
		}
	}
	me := whoAmI()
	want := []deed{{"admin", "hold", "alice", me, "hold alice on", true}, {"admin", "release", "alice", me, "hold alice off", true},
		{"admin", "undelete", "alice", me, "undelete alice", false}}
	if fmt.Sprint(deeds) != fmt.Sprint(want) {
		t.Errorf("recorded are %v, want %v", deeds, want)
	}
	must(0, "audit", "verify", "--key", filepath.Join(dir, "key.pub"), trail)
}
