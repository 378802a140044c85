package admin

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"syscall"
	"time"
)

// socketMode: only the user that Restante runs as, and root, may ask and kick.
const socketMode = 0o600

// ErrInUse: another process answers at the socket.
var ErrInUse = errors.New("another process answers there")

// ListenSocket listens on a Unix socket. One that a process left behind is
// replaced; one at which somebody answers, and anything that is no socket, is
// left alone.
func ListenSocket(path string) (net.Listener, error) {
	l, err := bind(path)
	if errors.Is(err, syscall.EADDRINUSE) {
		if err = removeStale(path); err == nil {
			l, err = bind(path)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("admin socket %s: %w", path, err)
	}
	return l, nil
}

// bind makes the socket with its mode from the beginning, where the system
// takes it from the socket's own, as Linux does; else right afterwards.
func bind(path string) (net.Listener, error) {
	private := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		return c.Control(makePrivate)
	}}
	l, err := private.Listen(context.Background(), "unix", path)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, socketMode); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

func removeStale(path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil // it is gone by now
	case err != nil:
		return err
	case info.Mode()&fs.ModeSocket == 0:
		return errors.New("there is a file of that name that is no socket; move it away, or name another with socket in [admin]")
	}
	c, err := net.DialTimeout("unix", path, time.Second)
	if err == nil {
		_ = c.Close()
		return fmt.Errorf("%w; stop that one, or name another with socket in [admin]", ErrInUse)
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return err
	}
	return os.Remove(path)
}
