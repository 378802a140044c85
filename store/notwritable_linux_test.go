package store

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestNotWritable(t *testing.T) {
	tests := []struct {
		name    string
		protect func(t *testing.T, path string)
	}{
		{"the directory", func(t *testing.T, path string) { chmod(t, filepath.Dir(path), 0o555) }},
		{"the lock", func(t *testing.T, path string) { chmod(t, path+".lock", 0o444) }},
		{"the file", func(t *testing.T, path string) { chmod(t, path, 0o444) }},
		{"the file, to be read neither", func(t *testing.T, path string) { chmod(t, path, 0) }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			path := closedFile(t)
			chmod(t, filepath.Dir(path), 0o777)
			chmod(t, path+".lock", 0o666)
			chmod(t, path, 0o666)
			test.protect(t, path)
			asNobody(t, func() {
				_, err := Open(path, true)
				if !errors.Is(err, ErrNotWritable) || !strings.Contains(err.Error(), "must belong to the user") {
					t.Errorf("Open: %v; want ErrNotWritable", err)
				}
			})
		})
	}
}

func chmod(t *testing.T, path string, mode os.FileMode) {
	t.Helper()
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

// asNobody calls f as a user that owns nothing here; root may write
// everywhere. Linux keeps the user for files by thread.
func asNobody(t *testing.T, f func()) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("this test steps down from root")
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := unix.Setfsuid(65534); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Setfsuid(0) }()
	f()
}
