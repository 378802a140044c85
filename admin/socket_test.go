package admin

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// socketIn is a path that is short enough for every system.
func socketIn(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "admin")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return filepath.Join(dir, "a.sock")
}

func listen(t *testing.T, path string) net.Listener {
	t.Helper()
	l, err := ListenSocket(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func TestSocketIsPrivateAndGoesWithItsListener(t *testing.T) {
	path := socketIn(t)
	l := listen(t, path)
	info, err := os.Lstat(path)
	if err != nil || info.Mode() != fs.ModeSocket|0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it stays behind: %v", err)
	}
}

func TestStaleSocketIsReplaced(t *testing.T) {
	path := socketIn(t)
	killed, err := net.ListenUnix("unix", &net.UnixAddr{Name: path})
	if err != nil {
		t.Fatal(err)
	}
	killed.SetUnlinkOnClose(false)
	if err := killed.Close(); err != nil {
		t.Fatal(err)
	}
	listen(t, path)
}

func TestLiveSocketIsLeftAlone(t *testing.T) {
	path := socketIn(t)
	first := listen(t, path)
	if _, err := ListenSocket(path); !errors.Is(err, ErrInUse) {
		t.Errorf("a second one: %v", err)
	}
	if c, err := first.Accept(); err == nil { // the look of the second one
		_ = c.Close()
	}
	c, err := net.Dial("unix", path)
	if err != nil {
		t.Fatalf("the first one is gone: %v", err)
	}
	_ = c.Close()
}

func TestWhatIsNoSocketIsLeftAlone(t *testing.T) {
	path := socketIn(t)
	if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ListenSocket(path); err == nil || !strings.Contains(err.Error(), "no socket") {
		t.Errorf("%v", err)
	}
	if data, err := os.ReadFile(path); string(data) != "precious" {
		t.Errorf("%q, %v", data, err)
	}
}

func TestSocketWithoutFolder(t *testing.T) {
	if _, err := ListenSocket(filepath.Join(socketIn(t), "b.sock")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v", err)
	}
}
