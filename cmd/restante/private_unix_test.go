//go:build unix

package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestFilesArePrivate: with a umask of 0 nobody else can read what a service and
// the commands write; the audit trail is for its group too, where log readers are.
// The mask is a process's, so this is no parallel test.
func TestFilesArePrivate(t *testing.T) {
	old := syscall.Umask(0)
	defer syscall.Umask(old)
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	text := "state = \"restante.db\"\n" + strings.Replace(hostileText(t, dir, "text", "", new(listening), new(listening)), "[audit]\n", "[audit]\nkey = \"audit.key\"\n", 1) +
		"accounts = \"first\"\n[[transcript]]\nfolder = \"transcripts\"\nuntil = \"2099-01-01\"\n"
	for _, args := range [][]string{{"audit", "keygen", at("audit.key")}, {"state", "init", "--state", at("restante.db")}} {
		if got := run(args); got != 0 {
			t.Fatalf("%q: %d", args, got)
		}
	}
	r := launch(t, dir, text)
	config := r.file
	for _, args := range [][]string{{"account", "keygen", "--config", config}, {"account", "keygen", "--rotate", "--config", config},
		{"account", "add", "alice", "--generate", "--config", config}, {"state", "backup", "--config", config, at("backup.db")}} {
		if got := run(args); got != 0 {
			t.Fatalf("%q: %d", args, got)
		}
	}
	speak(t, r.fronts["127.0.0.1:0 imap"].listener.Addr().String(), []string{"USER alice", "PASS x"})
	if err := r.stop(10 * time.Second); err != nil {
		t.Error(err)
	}
	checkPrivate(t, dir)
}

func checkPrivate(t *testing.T, folder string) {
	t.Helper()
	seen := map[string]bool{}
	err := filepath.WalkDir(folder, func(path string, e fs.DirEntry, err error) error {
		if err != nil || path == folder || strings.HasSuffix(path, ".toml") || strings.HasSuffix(path, ".pub") {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		others := fs.FileMode(0o077)
		if strings.Contains(path, "audit.jsonl") {
			others = 0o037
		}
		if info.Mode().Perm()&others != 0 {
			t.Errorf("%s: mode %v", path, info.Mode())
		}
		seen[e.Name()] = true
		seen[filepath.Ext(path)] = true
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"restante.db", "backup.db", "audit.key", "audit.jsonl", "transcripts", ".txt", ".lock"} {
		if !seen[want] {
			t.Errorf("there is no %s among %v", want, seen)
		}
	}
}

// TestNothingIsWrittenThroughLinks: who can put a link where a file is to be made
// does not have another file written.
func TestNothingIsWrittenThroughLinks(t *testing.T) {
	for _, args := range [][]string{{"state", "init", "--state", "FILE"}, {"audit", "keygen", "FILE"}, {"state", "backup", "--state", "STATE", "FILE"}} {
		t.Run(strings.Join(args[:2], " "), func(t *testing.T) {
			dir := t.TempDir()
			file, state, victim := filepath.Join(dir, "file"), filepath.Join(dir, "state"), filepath.Join(t.TempDir(), "victim")
			if got := run([]string{"state", "init", "--state", state}); got != 0 {
				t.Fatal(got)
			}
			if err := os.Symlink(victim, file); err != nil {
				t.Fatal(err)
			}
			for i := range args {
				args[i] = strings.NewReplacer("FILE", file, "STATE", state).Replace(args[i])
			}
			_ = run(args) // it refuses, or replaces the link
			if _, err := os.Lstat(victim); err == nil {
				t.Errorf("%q wrote through the link", args)
			}
		})
	}
}
