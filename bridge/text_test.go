package bridge

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

// wanting makes the text of a message due, as if it had been asked for.
func wanting(f *framing, uid uint32, offset int64) {
	c := f.queue("FETCH", injection{})
	f.queued = nil
	f.wanted = append(f.wanted, want{uid: uid, offset: offset, size: 1 << 20, command: c, alone: true})
	f.asked = append(f.asked, c)
}

// readTexts reads all that is due, and writes what comes in one plain form.
func readTexts(f *framing) (out []byte, err error) {
	for len(f.wanted) > 0 {
		w := f.wanted[0]
		t, err := f.nextText()
		if err != nil {
			return out, err
		}
		if !t.begun || t.passed > 0 {
			err = f.nextWanted()
		} else {
			out, err = readOne(f, out, w, t)
		}
		if err != nil {
			return out, err
		}
	}
	return out, nil
}

func readOne(f *framing, out []byte, w want, t arrival) ([]byte, error) {
	origin := ""
	if w.offset >= 0 {
		origin = fmt.Sprintf("<%d>", w.offset)
	}
	switch {
	case t.absent:
		return fmt.Appendf(out, "* 1 FETCH (UID %d BODY[]%s NIL)\r\n", w.uid, origin), f.nextWanted()
	case !t.literal:
		out = fmt.Appendf(out, "* 1 FETCH (UID %d BODY[]%s %q)\r\n", w.uid, origin, t.quoted)
		return out, f.finishText()
	}
	out = fmt.Appendf(out, "* 1 FETCH (UID %d BODY[]%s {%d}\r\n", w.uid, origin, t.size)
	for left := t.size; left > 0; {
		p := make([]byte, 10)
		n, err := f.readText(p)
		if err != nil {
			return out, err
		}
		left -= int64(n)
		out = append(out, p[:n]...)
	}
	if err := f.finishText(); err != nil {
		return out, err
	}
	return append(out, ")\r\n"...), nil
}

// TestText: what is read of the text of UID 7, which is due, from what the
// server says, however that is cut into reads; then, what the library sees.
func TestText(t *testing.T) {
	for _, c := range []struct {
		name, in, out string
		offset        int64
		err           error // nil: the command's end comes, and then io.EOF
		words         string
	}{
		{name: "a message", in: "* 3 FETCH (UID 7 BODY[] {5}\r\nhello)\r\n* 9 EXISTS\r\n", out: "* 1 FETCH (UID 7 BODY[] {5}\r\nhello)\r\n", offset: -1},
		{name: "UID after the text", in: "* 3 FETCH (FLAGS () BODY[] {5}\r\nhello UID 7)\r\n", out: "* 1 FETCH (UID 7 BODY[] {5}\r\nhello)\r\n", offset: -1},
		{name: "all kinds of attributes", in: "* 3 fetch (X-GM-MSGID 123 FLAGS (\\Seen ) X {3}\r\n)((ENVELOPE (\"a)\" NIL (\"b\\\"\" {2}\r\n))) UID 7 BODY.PEEK[] ~{5}\r\nhello MODSEQ (5) X \"\")\r\n",
			out: "", offset: -1, err: errAttributes},
		{name: "nested lists, literals and strings", in: "* 3 fetch (X-GM-MSGID 123 FLAGS (\\Seen ) X {3}\r\n)(( Y (\"a)\" NIL (\"b\\\"\" {2}\r\n)))) UID 7 BODY.PEEK[] ~{5}\r\nhello MODSEQ (5) X \"\" Z {2}\r\n)) )\r\n",
			out: "* 1 FETCH (UID 7 BODY[] {5}\r\nhello)\r\n", offset: -1},
		{name: "flags before the text", in: "* 3 FETCH (UID 7 FLAGS (\\Seen))\r\n* 3 FETCH (UID 7 BODY[] {1}\r\nx)\r\n", out: "* 1 FETCH (UID 7 BODY[] {1}\r\nx)\r\n", offset: -1},
		{name: "flags of another before the text", in: "* 4 FETCH (UID 8 FLAGS (\\Seen))\r\n* 3 FETCH (UID 7 BODY[] {1}\r\nx)\r\n", out: "* 1 FETCH (UID 7 BODY[] {1}\r\nx)\r\n", offset: -1},
		{name: "NIL", in: "* 3 FETCH (UID 7 BODY[] NIL)\r\n", out: "* 1 FETCH (UID 7 BODY[] NIL)\r\n", offset: -1},
		{name: "quoted", in: "* 3 FETCH (BODY[] \"a\\\"b\" UID 7)\r\n", out: "* 1 FETCH (UID 7 BODY[] \"a\\\"b\")\r\n", offset: -1},
		{name: "empty", in: "* 3 FETCH (UID 7 BODY[] {0}\r\n)\r\n", out: "* 1 FETCH (UID 7 BODY[] {0}\r\n)\r\n", offset: -1},
		{name: "a part", in: "* 3 FETCH (UID 7 BODY[]<10> {2}\r\nab)\r\n", out: "* 1 FETCH (UID 7 BODY[]<10> {2}\r\nab)\r\n", offset: 10},
		{name: "another part", in: "* 3 FETCH (UID 7 BODY[]<0> {2}\r\nab)\r\n", offset: 10},
		{name: "the whole instead of a part", in: "* 3 FETCH (UID 7 BODY[] {2}\r\nab)\r\n", offset: 0},
		{name: "a header instead", in: "* 3 FETCH (UID 7 BODY[HEADER] {2}\r\nab)\r\n", offset: -1},
		{name: "text twice", in: "* 3 FETCH (UID 7 BODY[] {2}\r\nab)\r\n* 3 FETCH (UID 7 BODY[] {2}\r\ncd)\r\n", out: "* 1 FETCH (UID 7 BODY[] {2}\r\nab)\r\n", offset: -1},
		{name: "wrong UID", in: "* 3 FETCH (UID 8 BODY[] {2}\r\nab)\r\n", offset: -1, words: "asked for UID 7, the server sent UID 8"},
		{name: "wrong UID after", in: "* 3 FETCH (BODY[] {2}\r\nab UID 8)\r\n", out: "* 1 FETCH (UID 7 BODY[] {2}\r\nab", offset: -1, words: "sent UID 8"},
		{name: "two UIDs", in: "* 3 FETCH (UID 7 BODY[] {2}\r\nab UID 8)\r\n", out: "* 1 FETCH (UID 7 BODY[] {2}\r\nab", offset: -1, words: "sent UID 8"},
		{name: "UID 0", in: "* 3 FETCH (UID 0 BODY[] {2}\r\nab)\r\n", offset: -1, words: `UID "0"`},
		{name: "UID wraps", in: "* 3 FETCH (UID 4294967303 BODY[] {2}\r\nab)\r\n", offset: -1, words: "4294967303"},
		{name: "no UID", in: "* 3 FETCH (BODY[] {2}\r\nab)\r\n", out: "* 1 FETCH (UID 7 BODY[] {2}\r\nab", offset: -1, words: "without saying which"},
		{name: "truncated text", in: "* 3 FETCH (UID 7 BODY[] {100}\r\nab", out: "* 1 FETCH (UID 7 BODY[] {100}\r\nab", offset: -1, err: io.ErrUnexpectedEOF},
		{name: "cut right after the text", in: "* 3 FETCH (UID 7 BODY[] {2}\r\nab", out: "* 1 FETCH (UID 7 BODY[] {2}\r\nab", offset: -1, err: io.ErrUnexpectedEOF},
		{name: "cut in the remainder", in: "* 3 FETCH (UID 7 BODY[] {2}\r\nab FLAGS {9}\r\nx", out: "* 1 FETCH (UID 7 BODY[] {2}\r\nab", offset: -1, err: io.ErrUnexpectedEOF},
		{name: "garbage after the text", in: "* 3 FETCH (UID 7 BODY[] {2}\r\nab\r\n", out: "* 1 FETCH (UID 7 BODY[] {2}\r\nab", offset: -1, err: errAttributes},
		{name: "more after the list", in: "* 3 FETCH (UID 7 BODY[] {2}\r\nab) x\r\n", out: "* 1 FETCH (UID 7 BODY[] {2}\r\nab", offset: -1, err: errAttributes},
		{name: "unended string", in: "* 3 FETCH (UID 7 X \"abc)\r\n", offset: -1, err: errAttributes},
		{name: "giant message", in: "* 3 FETCH (UID 7 BODY[] {99999999999}\r\n", offset: -1, words: "99999999999 octets"},
		{name: "giant literal", in: "* 3 FETCH (UID 7 X {9999999}\r\n", offset: -1, err: errTooLong},
	} {
		t.Run(c.name, func(t *testing.T) {
			for name, cut := range map[string]func(io.Reader) io.Reader{
				"whole": func(r io.Reader) io.Reader { return r }, "octets": iotest.OneByteReader, "halves": iotest.HalfReader, "with error": iotest.DataErrReader,
			} {
				in := c.in
				if c.err == nil && c.words == "" {
					in += "X1 OK done\r\n"
				}
				f := framed(cut(strings.NewReader(in)))
				f.alone = true
				wanting(f, 7, c.offset)
				out, err := readTexts(f)
				if string(out) != c.out {
					t.Errorf("%s: read\n%q, want\n%q", name, out, c.out)
				}
				switch {
				case c.words != "" && err != nil && strings.Contains(err.Error(), c.words):
				case c.words == "" && errors.Is(err, c.err):
				default:
					t.Errorf("%s: error %v, want %v %q", name, err, c.err, c.words)
				}
			}
		})
	}
}

// repeating gives the same octets again and again.
type repeating struct {
	octets []byte
	at     int
}

func (r *repeating) Read(p []byte) (int, error) {
	n := copy(p, r.octets[r.at:])
	r.at = (r.at + n) % len(r.octets)
	return n, nil
}

// BenchmarkText is what reading a message costs that is on its way, the
// server and the socket not included.
func BenchmarkText(b *testing.B) {
	for _, size := range []int{4 << 10, 75 << 10} {
		b.Run(fmt.Sprintf("%dKiB", size>>10), func(b *testing.B) {
			answer := fmt.Appendf(nil, "* 1 FETCH (UID 7 BODY[] {%d}\r\n%s)\r\n", size, text(size))
			f := framed(&repeating{octets: answer})
			f.alone = true
			l := &link{u: open(b, Options{Addresses: []string{"127.0.0.1:1"}}), f: f}
			wanting(f, 7, -1)
			two := []want{f.wanted[0], f.wanted[0]}
			f.wanted = append(f.wanted[:0], two...)
			p := make([]byte, 64<<10)
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				body, err := l.begin(b.Context())
				if err != nil {
					b.Fatal(err)
				}
				for err == nil {
					_, err = body.Read(p)
				}
				if err != io.EOF {
					b.Fatal(err)
				}
				f.wanted = append(f.wanted[:0], two...)
			}
		})
	}
}
