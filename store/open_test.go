package store

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// Each thing that can be wrong with a file has its error, says what to do, and
// leaves the file as it was.
func TestOpenRefuses(t *testing.T) {
	tests := []struct {
		name   string
		create bool
		make   func(t *testing.T) string
		want   error
		says   string
	}{
		{"missing", false, func(t *testing.T) string { return filepath.Join(t.TempDir(), "none.db") }, ErrMissing, "restante state init"},
		{"directory missing", true, func(t *testing.T) string { return filepath.Join(t.TempDir(), "none", "s.db") }, ErrNoDirectory, "create it"},
		{"a directory", true, func(t *testing.T) string { return t.TempDir() }, ErrNotState, "plain file"},
		{"an empty file", true, func(t *testing.T) string { return plainFile(t, "") }, ErrNotState, "right file"},
		{"a text", true, func(t *testing.T) string { return plainFile(t, strings.Repeat("Dear diary,\n", 1000)) }, ErrNotState, "right file"},
		{"another program's database", true, func(t *testing.T) string {
			path := filepath.Join(t.TempDir(), "other.db")
			edit(t, path, `CREATE TABLE t (x)`, `PRAGMA application_id = 7`)
			return path
		}, ErrNotState, "left as it is"},
		{"a newer version", true, func(t *testing.T) string {
			path := closedFile(t)
			edit(t, path, `PRAGMA user_version = 99`)
			return path
		}, ErrNewer, "schema version 99"},
		{"a page overwritten", true, func(t *testing.T) string { return overwrite(t, closedFile(t), 1) }, ErrCorrupt, "state restore"},
		{"cut short", true, func(t *testing.T) string {
			path := closedFile(t)
			if err := os.Truncate(path, 3*4096); err != nil {
				t.Fatal(err)
			}
			return path
		}, ErrCorrupt, "state restore"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			path := test.make(t)
			before, _ := os.ReadFile(path)
			s, err := Open(path, test.create)
			if s != nil || !errors.Is(err, test.want) || !strings.Contains(err.Error(), test.says) || !strings.Contains(err.Error(), path) {
				t.Errorf("Open: %v, %v; want %q, saying %q", s, err, test.want, test.says)
			}
			if after, _ := os.ReadFile(path); string(after) != string(before) {
				t.Error("the file was changed")
			}
		})
	}
}

func plainFile(t *testing.T, content string) string {
	path := filepath.Join(t.TempDir(), "s.db")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// overwrite puts garbage over everything from a page on.
func overwrite(t *testing.T, path string, page int) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := page * 4096; i < len(content); i++ {
		content[i] = 0xA5
	}
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestOneOwner(t *testing.T) {
	f := fresh(t)
	link := filepath.Join(t.TempDir(), "link.db")
	if err := os.Symlink(f.path, link); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{f.path, link} {
		_, err := Open(path, false)
		if !errors.Is(err, ErrInUse) || !strings.Contains(err.Error(), "process ") {
			t.Errorf("Open %s: %v; want ErrInUse and by which process", path, err)
		}
	}
	remember(t, f, "a", 10) // its owner is not disturbed
	closeFile(t, f)
	wantRemembered(t, reopen(t, link), "a", 10)
}

// Names that mean something in a URI are names only.
func TestOddNames(t *testing.T) {
	for _, name := range []string{"a b.db", "a?mode=memory", "a#b", "100%41.db", "ü.db", "file:x", ":memory:"} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), name)
			f := openWith(t, path, defaults)
			remember(t, f, "a", 10)
			closeFile(t, f)
			if _, err := os.Stat(path); err != nil {
				t.Fatal(err)
			}
			wantRemembered(t, reopen(t, path), "a", 10)
		})
	}
}

func TestCreateIsWholeOrNotAtAll(t *testing.T) {
	path := filepath.Join(t.TempDir(), "restante.db")
	for _, left := range []string{".new", ".new-journal", "-wal", "-shm"} { // of crashes
		if err := os.WriteFile(path+left, []byte("left behind"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	f := openWith(t, path, defaults)
	remember(t, f, "a", 10)
	closeFile(t, f)
	wantRemembered(t, reopen(t, path), "a", 10)
	if aside, _ := filepath.Glob(path + ".old-*-wal"); len(aside) != 1 {
		t.Errorf("the log without its file was not set aside: %q", aside)
	}
	broken := defaults
	broken.schema = []string{"CREATE NONSENSE"}
	other := filepath.Join(t.TempDir(), "broken.db")
	if _, err := open(other, true, broken); err == nil {
		t.Error("a broken schema made a file")
	}
	if left, _ := filepath.Glob(other + "*"); len(left) != 1 || left[0] != other+".lock" {
		t.Errorf("left behind: %q", left)
	}
}

// A commit is durable only with these settings, and the bounds on memory and
// on the log's size are theirs too.
func TestSettings(t *testing.T) {
	f := fresh(t)
	for pragma, want := range map[string]string{
		"journal_mode": "wal", "synchronous": "2", "foreign_keys": "1", "busy_timeout": "5000", "trusted_schema": "0",
		"application_id": "1382372212", "user_version": strconv.Itoa(len(schema)), "journal_size_limit": "67108864",
	} {
		var got string
		if err := f.writer.db.QueryRow("PRAGMA " + pragma).Scan(&got); err != nil || got != want {
			t.Errorf("%s = %q, %v; want %q", pragma, got, err, want)
		}
	}
	if _, err := f.reads.Exec(`DELETE FROM about`); err == nil {
		t.Error("a reader can write")
	}
}
