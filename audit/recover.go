package audit

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"io"
	"os"
	"time"
)

// recovered is what a file tells of its chain when it is opened again.
type recovered struct {
	head  head // seq 0: there is no line
	size  int64
	whole bool // it ends with a line end
	// torn octets behind the last line of the chain, and their hash.
	torn   int64
	sha256 sum
	signed bool // the last line is a checkpoint
	anew   bool // the next line is the first of a file
	first  uint64
	born   time.Time
}

// tailOctets is how much of a file's end is looked at for its last line. What a
// crash leaves behind it is at most one batch.
const tailOctets = batchOctets + 4*longestLine

var errForeign = errors.New("is not an audit trail, or its end is lost; move it away, and a new trail begins")

// readTail finds the last line of a file. A line without its line end is whole
// if it is JSON to its end.
func readTail(f *os.File) (*recovered, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("is not a regular file")
	}
	r := &recovered{size: info.Size(), whole: true}
	if r.size == 0 {
		return r, nil
	}
	from := max(0, r.size-tailOctets)
	tail := make([]byte, r.size-from)
	if _, err := f.ReadAt(tail, from); err != nil {
		return nil, err
	}
	r.whole = tail[len(tail)-1] == '\n'
	if !r.findLast(tail) {
		return nil, errForeign
	}
	return r, r.readFirst(f)
}

// findLast goes back over what is no line.
func (r *recovered) findLast(tail []byte) bool {
	for end := len(tail); end > 0; {
		from := bytes.LastIndexByte(tail[:end], '\n') + 1
		line := tail[from:end]
		if l, err := parseLink(line); err == nil && json.Valid(line) {
			r.head, r.signed = l.head(), kindOf(line) == kindCheckpoint
			r.tornBehind(tail[end:])
			return true
		}
		end = from - 1
	}
	return false
}

// tornBehind looks at what follows the last line: its line end, and what is no
// line.
func (r *recovered) tornBehind(rest []byte) {
	rest = bytes.TrimPrefix(rest, []byte("\n"))
	if len(rest) > 0 {
		r.torn, r.sha256 = int64(len(rest)), sha256.Sum256(rest)
		r.whole = false // a line end of our own says where it ends
	}
}

func (r *recovered) readFirst(f *os.File) error {
	start := make([]byte, longestLine)
	n, err := f.ReadAt(start, 0)
	if err != nil && err != io.EOF {
		return err
	}
	line, _, _ := bytes.Cut(start[:n], []byte("\n"))
	l, err := parseLink(line)
	if err != nil {
		return errForeign
	}
	var about struct{ Time time.Time }
	_ = json.Unmarshal(line, &about) // the zero time only makes the file old
	r.first, r.born = l.seq, about.Time
	return nil
}

// lastOf returns the head that a closed file ends with.
func lastOf(path string) (head, error) {
	var last head
	err := readFile(path, func(line []byte, _ int) error {
		if l, err := parseLink(line); err == nil {
			last = l.head()
		}
		return nil
	})
	if err == nil && last.seq == 0 {
		err = errForeign
	}
	return last, err
}

// beginning makes the lines that a chain begins, or goes on, with.
func (r *recovered) beginning(set Settings, host string) func(p *pending, day time.Time) {
	return func(p *pending, day time.Time) {
		if r.head.seq == 0 {
			p.record(record{Event: kindChain, Sink: set.Name, Host: host}, day)
		}
		if r.torn > 0 {
			p.record(record{Event: kindTorn, Torn: r.torn, SHA256: r.sha256.String()}, day)
		}
		why := whyResume
		if r.head.seq == 0 || r.anew {
			why = whyBegin
		}
		p.lines = append(p.lines, p.head.checkpoint(set.Signer, why, day))
	}
}
