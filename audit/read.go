package audit

import (
	"bufio"
	"bytes"
	"compress/flate"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
)

// readLines calls each for every line, without its line end, and for what comes
// behind the last one. A line that is longer than any of ours comes in pieces
// of that length, for nothing is kept of it. each must not keep the line. whole
// tells whether the line end was there.
func readLines(r io.Reader, each func(line []byte, whole bool) error) error {
	b := bufio.NewReaderSize(r, longestLine+1)
	for {
		line, err := b.ReadSlice('\n')
		whole := err == nil
		if len(line) > 0 {
			if e := each(bytes.TrimSuffix(line, []byte("\n")), whole); e != nil {
				return e
			}
		}
		switch {
		case err == io.EOF:
			return nil
		case err != nil && !errors.Is(err, bufio.ErrBufferFull):
			return err
		}
	}
}

// openLines opens a file of lines, compressed or not. One that was compressed
// since its name was read is found by its new name.
func openLines(path string) (io.ReadCloser, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) && !strings.HasSuffix(path, gzipSuffix) {
		if packed, e := os.Open(path + gzipSuffix); e == nil {
			path, f, err = path+gzipSuffix, packed, nil
		}
	}
	if err != nil || !strings.HasSuffix(path, gzipSuffix) {
		return f, err
	}
	z, err := gzip.NewReader(bufio.NewReaderSize(f, 64<<10))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", path, err), f.Close())
	}
	return &unzipped{z, f}, nil
}

// damaged tells whether a compressed file is not what it was. What comes before
// the damage can be read, and so can all other files.
func damaged(err error) bool {
	var corrupt flate.CorruptInputError
	return errors.As(err, &corrupt) || errors.Is(err, gzip.ErrChecksum) || errors.Is(err, gzip.ErrHeader) || errors.Is(err, io.ErrUnexpectedEOF)
}

type unzipped struct {
	*gzip.Reader
	file *os.File
}

func (u *unzipped) Close() error { return errors.Join(u.Reader.Close(), u.file.Close()) }

// readFile calls each for every line of a file, with its number from 1.
func readFile(path string, each func(line []byte, number int) error) error {
	f, err := openLines(path)
	if err != nil {
		return err
	}
	defer f.Close()
	number := 0
	err = readLines(f, func(line []byte, _ bool) error {
		number++
		return each(line, number)
	})
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}
