package audit

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// A file is an output of lines in a file, and of the closed ones beside it. It
// is nobody else's as long as it is open.
type file struct {
	path  string
	f     *os.File // nil: to be made at the next write
	lock  *os.File
	size  int64
	whole bool // the file ends with a line end
	torn  bool // behind size there is what a failed write has left
	first uint64
	born  time.Time

	packing sync.WaitGroup
	ending  chan struct{} // closed when packing must end
	buffer  []byte
	rename  func(from, to string) error
}

// files are for the user that Restante runs as, and for its group to read.
const fileMode = 0o640

// openFile opens a trail's file, or makes it, and finds where its chain has got
// to.
func openFile(path string) (*file, *recovered, error) {
	lock, err := lockFile(path)
	if err != nil {
		return nil, nil, err
	}
	f := &file{path: path, lock: lock, ending: make(chan struct{}), rename: os.Rename}
	r, err := f.recover()
	if err != nil {
		return nil, nil, errors.Join(err, lock.Close())
	}
	return f, r, nil
}

// recover reads where the chain of the last file is.
func (f *file) recover() (*recovered, error) {
	if err := f.dropHalfPacked(); err != nil {
		return nil, err
	}
	h, err := os.OpenFile(f.path, os.O_RDWR|os.O_APPEND, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return f.recoverClosed()
	}
	if err != nil {
		return nil, err
	}
	r, err := readTail(h)
	if err == nil && r.head.seq == 0 {
		_ = h.Close()
		if err := os.Remove(f.path); err != nil { // it is empty
			return nil, err
		}
		return f.recoverClosed()
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", f.path, err), h.Close())
	}
	f.f, f.size, f.whole, f.first, f.born = h, r.size, r.whole, r.first, r.born
	return r, nil
}

// recoverClosed is for when there is no file to go on in.
func (f *file) recoverClosed() (*recovered, error) {
	all, err := listClosed(f.path)
	if err != nil || len(all) == 0 {
		return &recovered{whole: true}, err
	}
	h, err := lastOf(all[len(all)-1].path)
	if err != nil {
		return nil, fmt.Errorf("the trail cannot go on: %w; move the file away to begin another", err)
	}
	return &recovered{head: h, whole: true, anew: true}, nil
}

// write implements output: all lines or none are in the file.
func (f *file) write(lines [][]byte) (int, error) {
	if f.f == nil {
		if err := f.create(lines[0]); err != nil {
			return 0, err
		}
	}
	if err := f.untear(); err != nil {
		return 0, err
	}
	f.buffer = f.buffer[:0]
	if !f.whole {
		f.buffer = append(f.buffer, '\n')
	}
	for _, line := range lines {
		f.buffer = append(append(f.buffer, line...), '\n')
	}
	n, err := f.f.Write(f.buffer)
	if err == nil {
		f.size, f.whole = f.size+int64(n), true
		return len(lines), nil
	}
	f.torn = n > 0
	return 0, errors.Join(err, f.untear())
}

// untear takes back what a failed write has left. Nothing else is written
// before that is done.
func (f *file) untear() error {
	if !f.torn {
		return nil
	}
	if err := f.f.Truncate(f.size); err != nil {
		return fmt.Errorf("take a half written line back: %w", err)
	}
	f.torn = false
	return nil
}

// create makes the file. What somebody else has put at its place is moved
// aside, for it may be evidence.
func (f *file) create(firstLine []byte) error {
	if info, err := os.Lstat(f.path); err == nil {
		aside := f.path + ".foreign-" + time.Now().UTC().Format(stampFormat)
		if err := os.Rename(f.path, aside); err != nil {
			return fmt.Errorf("move %s (%d octets, not ours) aside: %w", f.path, info.Size(), err)
		}
	}
	h, err := os.OpenFile(f.path, os.O_RDWR|os.O_APPEND|os.O_CREATE|os.O_EXCL, fileMode)
	if err != nil {
		return err
	}
	l, err := parseLink(firstLine)
	if err != nil {
		return errors.Join(err, h.Close())
	}
	f.f, f.size, f.whole, f.first, f.born = h, 0, true, l.seq, time.Now()
	return syncDir(f.path)
}

// sync implements output.
func (f *file) sync() error {
	if f.f == nil {
		return nil
	}
	return f.f.Sync()
}

// close implements output.
func (f *file) close() error {
	close(f.ending)
	f.packing.Wait()
	var err error
	if f.f != nil {
		err = f.f.Close()
	}
	return errors.Join(err, f.lock.Close())
}

// lost tells whether the file is no longer at its place.
func (f *file) lost() error {
	if f.f == nil {
		return nil
	}
	there, err := os.Stat(f.path)
	if err == nil {
		if ours, err := f.f.Stat(); err != nil || os.SameFile(there, ours) {
			return nil
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil // nothing can be told now
	}
	return fmt.Errorf("%s was removed or renamed by another program; the trail goes on in a new file", f.path)
}

// forget gives a lost file up.
func (f *file) forget() {
	_ = f.f.Sync() // it may only have another name
	_ = f.f.Close()
	f.f, f.torn = nil, false
}

// due tells whether the file is to be closed.
func (f *file) due(size int64, age time.Duration, day time.Time) bool {
	return f.f != nil && (size > 0 && f.size >= size || age > 0 && day.Sub(f.born) >= age)
}

// rotate gives the file the name of a closed one; "" if it has its own still,
// and can be written to.
func (f *file) rotate(day time.Time) (closed string, err error) {
	if err := f.f.Sync(); err != nil {
		return "", err
	}
	if closed, err = closedName(f.path, f.first, day); err != nil {
		return "", err
	}
	if err = f.rename(f.path, closed); err != nil {
		return "", err
	}
	err = f.f.Close()
	f.f = nil
	return closed, errors.Join(err, syncDir(closed))
}

func syncDir(path string) error {
	d, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
