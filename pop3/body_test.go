package pop3

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"time"
)

// sink is a connection that keeps what is written.
type sink struct {
	net.Conn
	bytes.Buffer
	writes int
}

func (s *sink) Write(p []byte) (int, error) {
	s.writes++
	return s.Buffer.Write(p)
}
func (s *sink) Read(p []byte) (int, error)       { return s.Buffer.Read(p) }
func (s *sink) SetWriteDeadline(time.Time) error { return nil }

// nowhere is a connection that keeps nothing.
type nowhere struct{ net.Conn }

func (nowhere) Write(p []byte) (int, error)      { return len(p), nil }
func (nowhere) SetWriteDeadline(time.Time) error { return nil }

// pass sends a message through all stages, in one go as a transfer does.
func passThrough(r io.Reader, lines int, dst net.Conn) (octets int, err error) {
	w := writer{dst: dst, timeout: time.Minute, waiting: new(atomic.Int64)}
	text := newCanonical(r)
	defer text.free()
	cut, stuff := cutter{lines: lines}, stuffer{}
	for last := false; err == nil && !last; {
		err = text.more()
		n := len(text.text)
		if lines >= 0 {
			n, last = cut.cut(text.text)
		}
		stuff.write(&w, text.text[:n])
		octets += n
		text.take()
		w.push(tailKept)
	}
	w.writeString(terminator)
	_ = w.flush()
	return octets, err
}

// The references are as plain as can be, octet by octet and line by line.

func refCanonical(message string) string {
	var out strings.Builder
	for i := 0; i < len(message); i++ {
		switch b := message[i]; {
		case b == '\n' && i > 0 && message[i-1] == '\r': // said with the CR
		case b == '\n' || b == '\r':
			out.WriteString("\r\n")
		default:
			out.WriteByte(b)
		}
	}
	if out.Len() > 0 && !strings.HasSuffix(out.String(), "\n") {
		out.WriteString("\r\n")
	}
	return out.String()
}

func refTop(canonical string, lines int) string {
	header, body, found := canonical, "", false
	if strings.HasPrefix(canonical, "\r\n") {
		header, body, found = "", canonical[2:], true
	} else if header, body, found = strings.Cut(canonical, "\r\n\r\n"); found {
		header += "\r\n"
	}
	if !found || lines < 0 {
		return canonical
	}
	kept := strings.SplitAfter(body, "\r\n")
	return header + "\r\n" + strings.Join(kept[:min(lines, len(kept))], "")
}

func refUnstuff(answer string) (message string, whole bool) {
	answer, whole = strings.CutSuffix("\r\n"+answer, "\r\n.\r\n")
	return strings.TrimPrefix(strings.ReplaceAll(answer+"\r\n", "\r\n.", "\r\n"), "\r\n"), whole
}

func checkBody(t *testing.T, message string, lines int, r io.Reader) {
	t.Helper()
	var got sink
	n, err := passThrough(r, lines, &got)
	if err != nil && err != io.EOF {
		t.Fatal(err)
	}
	want := refTop(refCanonical(message), lines)
	unstuffed, whole := refUnstuff(got.String())
	if !whole || unstuffed != want || n != len(want) {
		t.Fatalf("%.100q with %d lines gives %.100q, %d octets, whole %v; want %.100q, %d octets",
			message, lines, got.String(), n, whole, want, len(want))
	}
	if strings.Contains("\r\n"+strings.TrimSuffix(got.String(), terminator), "\r\n.\r\n") {
		t.Fatalf("%.100q gives a terminator too early: %.100q", message, got.String())
	}
}

// readers cut a message in different ways.
func readers(message string) map[string]io.Reader {
	return map[string]io.Reader{
		"whole":     strings.NewReader(message),
		"octets":    iotest.OneByteReader(strings.NewReader(message)),
		"halves":    iotest.HalfReader(strings.NewReader(message)),
		"early EOF": iotest.DataErrReader(strings.NewReader(message)),
	}
}

func TestBodyStages(t *testing.T) {
	around := strings.Repeat("0123456789abcde\n", 8192) // bare LFs across the read-ahead
	for _, message := range []string{
		"", ".", "\r", "\n", "\r\n", "..", ".\r", ".\n.", "\r.\r", "\n.\n", "a\r\r\nb", "\n\r", "\r\n\r", "a", "a\r\n.", "\x00",
		"h: 1\r\n\r\nb1\r\nb2\r\n", "h: 1\n\nb1\nb2", "h: 1\r\rb1\rb2", "h: 1", "h: 1\r\n", "h: 1\r\n\r\n", "\r\n\r\nb", "\n.b\n.",
		around, strings.ReplaceAll(around, "\n", "\r\n"), strings.ReplaceAll(around, "\n", "\r"), strings.Repeat("\n", 200000),
		strings.Repeat(".\r\n", 50000), strings.Repeat("x", readAhead), strings.Repeat("x", readAhead-1) + "\r\n" + "y",
		strings.Repeat("x", readAhead) + "\r\n.\r\n", strings.Repeat("\r", readAhead+1) + "\n", strings.Repeat("\r\n.", 30000),
	} {
		for _, lines := range []int{-1, 0, 1, 2, 1000, 99999999} {
			for name, r := range readers(message) {
				t.Run(fmt.Sprintf("%.12q/%d/%s", message, lines, name), func(t *testing.T) { checkBody(t, message, lines, r) })
			}
		}
	}
}

// The terminator leaves in one write with the end of the message, wherever the
// message ends in the buffer (cyrusimap/cyrus-imapd#4717).
func TestTerminatorLeavesWithTheEnd(t *testing.T) {
	for length := writeSize - 10; length < writeSize+10; length++ {
		var got lastWrite
		w, stuff := writer{dst: &got, waiting: new(atomic.Int64)}, stuffer{}
		stuff.write(&w, []byte(strings.Repeat("x", length)+"\r\n"))
		w.writeString(terminator)
		if err := w.flush(); err != nil || !bytes.HasSuffix(got.last, []byte("x\r\n.\r\n")) {
			t.Errorf("a message of %d octets ends with a write of %q, %v", length, got.last, err)
		}
	}
}

type lastWrite struct {
	nowhere
	last []byte
}

func (l *lastWrite) Write(p []byte) (int, error) {
	l.last = bytes.Clone(p)
	return len(p), nil
}

// A Reader that breaks its promise and gives nothing for ever must not hang.
func TestReaderWithoutProgress(t *testing.T) {
	text := newCanonical(silent{})
	defer text.free()
	if err := text.more(); err != io.ErrNoProgress {
		t.Errorf("got %v", err)
	}
}

type silent struct{}

func (silent) Read([]byte) (int, error) { return 0, nil }

func FuzzBody(f *testing.F) {
	for _, s := range []string{"", ".", "a\r\n.\r\n", "h\n\n.\n\r.\r\r\n", "\r\n\r\n.."} {
		f.Add(s, -1, uint16(1))
		f.Add(s, 1, uint16(3))
	}
	f.Fuzz(func(t *testing.T, message string, lines int, repeat uint16) {
		message = strings.Repeat(message, int(repeat%512)+1)
		if len(message) > 1<<20 {
			return
		}
		for _, r := range readers(message) {
			checkBody(t, message, max(lines, -1), r)
		}
	})
}

// benchBody measures all stages between the backend's reader and the socket.
func benchBody(b *testing.B, unit string) {
	message := []byte(strings.Repeat(unit, 4<<20/len(unit)))
	b.SetBytes(int64(len(message)))
	b.ReportAllocs()
	r := bytes.NewReader(message)
	for b.Loop() {
		r.Reset(message)
		if _, err := passThrough(r, -1, nowhere{}); err != io.EOF {
			b.Fatal(err)
		}
	}
}

func BenchmarkBody(b *testing.B) {
	base64 := strings.Repeat("QUJD", 19) + "\r\n"
	text := "Some lines of text. They have a few dots, e.g. this one, but none at first.\r\n"
	b.Run("base64", func(b *testing.B) { benchBody(b, base64) })
	b.Run("text", func(b *testing.B) { benchBody(b, text) })
	b.Run("dots", func(b *testing.B) { benchBody(b, "."+text) })
	b.Run("bare-LF", func(b *testing.B) { benchBody(b, strings.ReplaceAll(text, "\r", "")) })
}
