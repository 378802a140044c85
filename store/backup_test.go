package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// A backup taken while 8 writers write is one moment of theirs: what was
// acknowledged before it began is in it, and it is sound.
func TestBackupWhileItRuns(t *testing.T) {
	f := fresh(t)
	ctx, stop := context.WithCancel(bounded(t))
	var all sync.WaitGroup
	began := make(chan struct{}, 8)
	for w := range 8 {
		all.Go(func() {
			for n := uint32(1); ctx.Err() == nil; n++ {
				err := f.LearnSizes(ctx, FolderKey{Maildrop: fmt.Sprint(w)}, map[uint32]int64{n: int64(n)})
				if err != nil && ctx.Err() == nil {
					t.Errorf("LearnSizes: %v", err)
				}
				if n == 3 {
					began <- struct{}{}
				}
			}
		})
	}
	for range 8 {
		<-began
	}
	to := filepath.Join(t.TempDir(), "a b?.backup")
	if err := Backup(bounded(t), f.path, to); err != nil {
		t.Fatal(err)
	}
	stop()
	all.Wait()
	b := reopen(t, to)
	for w := range 8 {
		sizes, err := b.Sizes(bounded(t), FolderKey{Maildrop: fmt.Sprint(w)})
		if err != nil || len(sizes) < 3 {
			t.Errorf("writer %d: the backup has %d sizes, %v; 3 were written before", w, len(sizes), err)
		}
		for n := range uint32(len(sizes)) {
			if sizes[n+1] != int64(n+1) {
				t.Errorf("writer %d: size %d is missing before later ones", w, n+1)
			}
		}
	}
}

func TestBackupRefuses(t *testing.T) {
	path := closedFile(t)
	there := plainFile(t, "precious")
	if err := Backup(bounded(t), path, there); !errors.Is(err, ErrExists) {
		t.Errorf("over a file: %v; want ErrExists", err)
	}
	if content, _ := os.ReadFile(there); string(content) != "precious" {
		t.Error("the file was overwritten")
	}
	to := filepath.Join(t.TempDir(), "backup")
	if err := Backup(bounded(t), path+".none", to); !errors.Is(err, ErrMissing) {
		t.Errorf("of nothing: %v; want ErrMissing", err)
	}
	if err := Backup(bounded(t), there, to); !errors.Is(err, ErrNotState) {
		t.Errorf("of a text: %v; want ErrNotState", err)
	}
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	if err := Backup(ended, path, to); !errors.Is(err, context.Canceled) {
		t.Errorf("with a context that has ended: %v", err)
	}
	if err := Backup(bounded(t), overwrite(t, closedFile(t), 2), to); err == nil {
		t.Error("a damaged file was backed up")
	}
	if left, _ := filepath.Glob(to + "*"); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

// Inspect works beside the owner, does not disturb it, and shows what is not
// yet folded into the main file.
func TestInspect(t *testing.T) {
	f := fresh(t)
	remember(t, f, "a", 1000)
	beside, err := Inspect(bounded(t), f.path)
	if err != nil {
		t.Fatal(err)
	}
	own, err := f.Info(bounded(t))
	if err != nil || own != beside || own.Path != f.path || own.Listings != 1 || own.Folders != 1 || own.Schema != len(schema) {
		t.Errorf("Inspect: %+v; Info: %+v, %v", beside, own, err)
	}
	remember(t, f, "b", 1000)
	closeFile(t, f)
	if after, err := Inspect(bounded(t), f.path); err != nil || after.Listings != 2 {
		t.Errorf("Inspect without an owner: %+v, %v", after, err)
	}
	if left, _ := filepath.Glob(f.path + "*"); len(left) != 2 { // the file and its lock
		t.Errorf("left behind: %q", left)
	}
	if _, err := Inspect(bounded(t), f.path+".none"); !errors.Is(err, ErrMissing) {
		t.Errorf("Inspect of nothing: %v; want ErrMissing", err)
	}
}

func TestRestore(t *testing.T) {
	f := fresh(t)
	remember(t, f, "a", 1000)
	backup := filepath.Join(t.TempDir(), "backup")
	if err := Backup(bounded(t), f.path, backup); err != nil {
		t.Fatal(err)
	}
	remember(t, f, "b", 2000)
	if _, err := Restore(bounded(t), f.path, backup); !errors.Is(err, ErrInUse) {
		t.Errorf("Restore of a file in use: %v; want ErrInUse", err)
	}
	closeFile(t, f)
	aside, err := Restore(bounded(t), f.path, backup)
	if err != nil {
		t.Fatal(err)
	}
	restored, old := reopen(t, f.path), reopen(t, aside)
	wantRemembered(t, restored, "a", 1000)
	if blob, _ := restored.Listing(bounded(t), "b"); blob != nil {
		t.Error("what came after the backup is there")
	}
	wantRemembered(t, old, "b", 2000)
	wantRemembered(t, reopen(t, backup), "a", 1000) // it is still there too
}

// A damaged file, or none, can be replaced; with the log of one that was not
// closed.
func TestRestoreOverRuins(t *testing.T) {
	backup := closedFile(t)
	ruin := overwrite(t, closedFile(t), 1)
	if err := os.WriteFile(ruin+"-wal", []byte("a log"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{ruin, filepath.Join(t.TempDir(), "none.db")} {
		aside, err := Restore(bounded(t), path, backup)
		if err != nil || (aside == "") != (path != ruin) {
			t.Fatalf("Restore: %q, %v", aside, err)
		}
		wantRemembered(t, reopen(t, path), "a", 1000)
		if _, err := os.Stat(aside + "-wal"); path == ruin && err != nil {
			t.Errorf("the log was not set aside: %v", err)
		}
	}
}

func TestRestoreRefuses(t *testing.T) {
	path := closedFile(t)
	newer := closedFile(t)
	edit(t, newer, `PRAGMA user_version = 99`)
	for from, want := range map[string]error{
		path + ".none":                    ErrMissing,
		plainFile(t, "no state"):          ErrNotState,
		newer:                             ErrNewer,
		overwrite(t, closedFile(t), 1):    ErrCorrupt,
		filepath.Dir(path):                ErrNotState,
		filepath.Join(path+".none", "no"): ErrNoDirectory,
	} {
		aside, err := Restore(bounded(t), path, from)
		if !errors.Is(err, want) || aside != "" || !strings.Contains(err.Error(), from) {
			t.Errorf("Restore from %s: %q, %v; want %v", from, aside, err, want)
		}
	}
	wantRemembered(t, reopen(t, path), "a", 1000)
}
