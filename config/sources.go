package config

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

const (
	// maxFile bounds each file: a thousand routes take 100 KiB, a bundle of all
	// public authorities 250 KiB.
	maxFile = 1 << 20
	// maxFiles bounds a folder.
	maxFiles = 256
)

// sources reads files, and remembers what it read: which files, and a hash of
// each, so that a change can be told from a touch. A file that could not be
// read is remembered by its error.
type sources struct{ sums map[string][sha256.Size]byte }

func newSources() *sources { return &sources{sums: map[string][sha256.Size]byte{}} }

// clone returns a copy to go on from; of nil, an empty one.
func (s *sources) clone() *sources {
	c := newSources()
	if s != nil {
		maps.Copy(c.sums, s.sums)
	}
	return c
}

// read returns the content of a regular file of at most maxFile octets.
func (s *sources) read(path string) ([]byte, error) {
	data, err := readBounded(path)
	s.note(path, data, err)
	return data, err
}

// list returns the *.toml files of a folder, sorted. Names with a leading dot
// are left to editors and to Kubernetes.
func (s *sources) list(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	var files []string
	for _, e := range entries {
		if name := e.Name(); strings.HasSuffix(name, ".toml") && !strings.HasPrefix(name, ".") {
			files = append(files, filepath.Join(dir, name))
		}
	}
	err = errors.Join(err, tooMany(files))
	s.note(dir, []byte(strings.Join(files, "\x00")), err)
	return files, err
}

func tooMany(files []string) error {
	if len(files) > maxFiles {
		return fmt.Errorf("has %d files; at most %d are read", len(files), maxFiles)
	}
	return nil
}

func (s *sources) note(path string, content []byte, err error) {
	if err != nil {
		content = []byte("error: " + err.Error())
	}
	s.sums[path] = sha256.Sum256(content)
}

// changed reads everything again and tells whether anything is different.
func (s *sources) changed() bool {
	now := newSources()
	for path := range s.sums {
		if info, err := os.Stat(path); err == nil && info.IsDir() {
			_, _ = now.list(path) // an error is content too
		} else {
			_, _ = now.read(path)
		}
	}
	return !maps.Equal(s.sums, now.sums)
}

// dirs are the folders in which a change may show: those of the files, and
// those of the files that they are symbolic links to.
func (s *sources) dirs() []string {
	var dirs []string
	for path := range s.sums {
		if info, err := os.Stat(path); err == nil && info.IsDir() {
			dirs = append(dirs, path)
		}
		dirs = append(dirs, filepath.Dir(path))
		if target, err := filepath.EvalSymlinks(path); err == nil {
			dirs = append(dirs, filepath.Dir(target))
		}
	}
	slices.Sort(dirs)
	return slices.Compact(dirs)
}

// readBounded refuses what is no regular file: opening a pipe may wait for ever.
func readBounded(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, plain(err)
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("is not a regular file")
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, plain(err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, plain(err)
	}
	if len(data) > maxFile {
		return nil, fmt.Errorf("is larger than %d octets", maxFile)
	}
	return data, nil
}

// plain takes the operation and the path out of an error of package os: the
// message around it names the file already.
func plain(err error) error {
	var e *os.PathError
	if errors.As(err, &e) {
		return e.Err
	}
	return err
}
