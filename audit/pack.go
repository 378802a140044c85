package audit

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// halfPacked ends the name of a file that is being packed.
const halfPacked = gzipSuffix + ".part"

var errEnding = errors.New("ends")

// pack replaces a closed file by a compressed one, beside the writing of the
// next. What does not come to its end is done again at the next start.
func (f *file) pack(path string, failed func(error)) {
	f.packing.Go(func() {
		if err := f.packNow(path); err != nil && !errors.Is(err, errEnding) {
			failed(fmt.Errorf("compress %s: %w", path, err))
		}
	})
}

func (f *file) packNow(path string) error {
	part := path + halfPacked
	if err := f.compress(path, part); err != nil {
		_ = os.Remove(part)
		return err
	}
	if err := os.Rename(part, path+gzipSuffix); err != nil {
		return err
	}
	if err := syncDir(path); err != nil {
		return err
	}
	return os.Remove(path)
}

func (f *file) compress(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	if err := os.Remove(to); err != nil && !errors.Is(err, fs.ErrNotExist) { // it may be anything, a link too
		return err
	}
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, fileMode)
	if err != nil {
		return err
	}
	z := gzip.NewWriter(out)
	_, err = io.Copy(z, &interruptible{in, f.ending})
	return errors.Join(err, z.Close(), out.Sync(), out.Close())
}

// interruptible is a reader that ends when somebody wants it to.
type interruptible struct {
	io.Reader
	ending <-chan struct{}
}

func (r *interruptible) Read(p []byte) (int, error) {
	select {
	case <-r.ending:
		return 0, errEnding
	default:
		return r.Reader.Read(p)
	}
}

// dropHalfPacked removes what a crash has left of packing, and the plain files
// of those that were packed.
func (f *file) dropHalfPacked() error {
	entries, err := os.ReadDir(filepath.Dir(f.path))
	if err != nil {
		return err
	}
	for _, e := range entries {
		if name, half := strings.CutSuffix(e.Name(), halfPacked); half {
			if _, ours := readClosedName(f.path, name); ours {
				err = errors.Join(err, os.Remove(filepath.Join(filepath.Dir(f.path), e.Name())))
			}
		}
	}
	all, listing := listClosed(f.path)
	for _, c := range all {
		if strings.HasSuffix(c.path, gzipSuffix) {
			continue
		}
		if _, packed := os.Stat(c.path + gzipSuffix); packed == nil {
			err = errors.Join(err, os.Remove(c.path))
		}
	}
	return errors.Join(err, listing)
}

// packLeft compresses the closed files that are not.
func (f *file) packLeft(failed func(error)) {
	all, err := listClosed(f.path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		failed(err)
	}
	f.packing.Go(func() {
		for _, c := range all {
			if strings.HasSuffix(c.path, gzipSuffix) {
				continue
			}
			if err := f.packNow(c.path); errors.Is(err, errEnding) {
				return
			} else if err != nil {
				failed(fmt.Errorf("compress %s: %w", c.path, err))
			}
		}
	})
}
