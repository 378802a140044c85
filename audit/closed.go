package audit

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// stampFormat is of times in the names of files.
const stampFormat = "20060102T150405Z"

// A closed file is named after the trail's own: audit.jsonl gives
// audit-000000000001-20260102T150405Z.jsonl, with the number of its first line
// and the time of its last.
type closedFile struct {
	path        string
	first, last uint64 // last is 0 if the next file is not there
	ended       time.Time
}

const gzipSuffix = ".gz"

func closedName(path string, first uint64, day time.Time) (string, error) {
	ext := filepath.Ext(path)
	base := strings.TrimSuffix(path, ext) + fmt.Sprintf("-%012d-%s", first, day.UTC().Format(stampFormat))
	for i := range 100 {
		name := base + ext
		if i > 0 {
			name = base + "." + strconv.Itoa(i) + ext
		}
		_, plain := os.Lstat(name)
		_, packed := os.Lstat(name + gzipSuffix)
		if errors.Is(plain, fs.ErrNotExist) && errors.Is(packed, fs.ErrNotExist) {
			return name, nil
		}
	}
	return "", fmt.Errorf("there are a hundred files with the name %s", base)
}

// readClosedName undoes closedName.
func readClosedName(path, name string) (c closedFile, ok bool) {
	ext := filepath.Ext(path)
	base := strings.TrimSuffix(filepath.Base(path), ext) + "-"
	c.path = filepath.Join(filepath.Dir(path), name)
	name, ours := strings.CutPrefix(strings.TrimSuffix(name, gzipSuffix), base)
	name, rest := strings.CutSuffix(name, ext)
	number, stamp, two := strings.Cut(name, "-")
	if !ours || !rest || !two || len(number) < 12 || len(stamp) < len(stampFormat) {
		return c, false
	}
	var err, wrong error
	c.first, err = strconv.ParseUint(number, 10, 63)
	c.ended, wrong = time.Parse(stampFormat, stamp[:len(stampFormat)])
	return c, err == nil && wrong == nil
}

// listClosed returns the closed files of a trail in the order of their lines.
// One that is there packed and plain is there once.
func listClosed(path string) ([]closedFile, error) {
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	var all []closedFile
	for _, e := range entries {
		if c, ok := readClosedName(path, e.Name()); ok && e.Type().IsRegular() {
			all = append(all, c)
		}
	}
	slices.SortStableFunc(all, func(a, b closedFile) int {
		if a.first != b.first {
			return int(min(max(int64(a.first)-int64(b.first), -1), 1))
		}
		return strings.Compare(a.path, b.path)
	})
	all = slices.CompactFunc(all, func(a, b closedFile) bool { return plainName(a.path) == plainName(b.path) })
	for i := range len(all) - 1 {
		all[i].last = all[i+1].first - 1
	}
	return all, nil
}

func plainName(path string) string { return strings.TrimSuffix(path, gzipSuffix) }

// Files returns the files of the trail at path that are there, oldest first.
func Files(path string) ([]string, error) {
	all, err := listClosed(path)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, c := range all {
		names = append(names, c.path)
	}
	if _, err := os.Stat(path); err == nil {
		names = append(names, path)
	}
	return names, nil
}

// Rotated tells whether a file was closed, or removed by retention, between two
// calls of Files. Whoever read the files in between may have missed some lines.
func Rotated(before, after []string) bool {
	return !slices.EqualFunc(before, after, func(a, b string) bool {
		return plainName(a) == plainName(b)
	})
}

// old returns the files that ended before a time, oldest first. It stops at the
// first that did not: no file is removed before an older one.
func (f *file) old(before time.Time) ([]closedFile, error) {
	all, err := listClosed(f.path)
	n := 0
	for n < len(all) && all[n].ended.Before(before) {
		if all[n].last == 0 {
			all[n].last = f.first - 1
		}
		n++
	}
	return all[:n], err
}

// remove removes a closed file, whether it is packed by now or not.
func (f *file) remove(c closedFile) error {
	for _, name := range []string{c.path, strings.TrimSuffix(c.path, gzipSuffix) + gzipSuffix} {
		if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return syncDir(c.path)
}
