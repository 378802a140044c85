package store

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// A lock makes one process the owner of a state file. It is an advisory lock
// on a file beside it, PATH.lock, and ends with the process however that ends.
//
// The state file itself would not do: closing any descriptor of it drops the
// POSIX locks that SQLite holds on it, and a restore replaces it. The lock
// file stays, because removing it would race with the next owner.
type lock struct{ file *os.File }

func takeLock(path string) (*lock, error) {
	f, err := os.OpenFile(path+".lock", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, explain(path, "lock", err)
	}
	if err := lockFile(f); err != nil {
		defer f.Close()
		if errors.Is(err, errLocked) {
			return nil, fault(path, ErrInUse, owner(f))
		}
		return nil, explain(path, "lock", err)
	}
	// Who owns it is a courtesy to the administrator; failing that is no harm.
	if f.Truncate(0) == nil {
		_, _ = fmt.Fprintln(f, os.Getpid())
	}
	return &lock{f}, nil
}

// release lets the next process have the file.
func (l *lock) release() error { return l.file.Close() }

var errLocked = errors.New("locked")

// owner says which process holds the lock, if it has said so.
func owner(f *os.File) error {
	pid := make([]byte, 20)
	n, _ := f.ReadAt(pid, 0)
	number, err := strconv.Atoi(strings.TrimSpace(string(pid[:n])))
	if err != nil {
		return nil
	}
	return fmt.Errorf("process %d", number)
}
