package pop3

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

func TestClientBodies(t *testing.T) {
	long := strings.Repeat("x", 5<<20)
	tests := []struct {
		name, status, raw, want string
		err                     error
	}{
		{"empty", "+OK\r\n", ".\r\n", "", nil},
		{"one line", "+OK\r\n", "a\r\n.\r\n", "a\r\n", nil},
		{"stuffed", "+OK\r\n", "..\r\n...\r\n..a.\r\n.\r\n", ".\r\n..\r\n.a.\r\n", nil},
		{"forgot to stuff", "+OK\r\n", ".a\r\n.\rb\r\n.\r\n", ".a\r\n.\rb\r\n", nil},
		{"bare LF is no line end", "+OK\r\n", "a\n.\n..\n.\r\nb\r\n.\r\n", "a\n.\n..\n.\r\nb\r\n", nil},
		{"bare CR is no line end", "+OK\r\n", "a\r.\r\r\n.\r\n", "a\r.\r\r\n", nil},
		{"dot and LF after CRLF", "+OK\r\n", "a\r\n.\nb\r\n.\r\n", "a\r\n.\nb\r\n", nil},
		{"LF only", "+OK\n", "a\n..b\n\n.\n", "a\n.b\n\n", nil},
		{"LF only but for the end", "+OK\n", "a\nb\n.\r\n", "a\nb\n", nil},
		{"NUL and 8 bits", "+OK\r\n", "\x00\xff\r\n.\r\n", "\x00\xff\r\n", nil},
		{"a long line", "+OK\r\n", long + "\r\n.\r\n", long + "\r\n", nil},
		{"no octet", "+OK\r\n", "", "", io.ErrUnexpectedEOF},
		{"cut in a line", "+OK\r\n", "a", "a", io.ErrUnexpectedEOF},
		{"cut at a line", "+OK\r\n", "a\r\n", "a\r\n", io.ErrUnexpectedEOF},
		{"cut after the dot", "+OK\r\n", "a\r\n.", "a\r\n", io.ErrUnexpectedEOF},
		{"cut in the terminator", "+OK\r\n", "a\r\n.\r", "a\r\n", io.ErrUnexpectedEOF},
		{"no final dot", "+OK\r\n", "a\r\n..\r\n", "a\r\n.\r\n", io.ErrUnexpectedEOF},
	}
	for _, test := range tests {
		for _, chunk := range []int{0, 1, 2, 3, 5} {
			if chunk > 0 && len(test.raw) > 1000 {
				chunk *= 4093
			}
			t.Run(fmt.Sprint(test.name, chunk), func(t *testing.T) {
				got, err := readScripted(t, clientScript{text: fmt.Sprintf("C: RETR 1\nR: %q\nR: %q", test.status, test.raw), chunk: chunk}, nil)
				if !errors.Is(err, test.err) || string(got) != test.want {
					t.Errorf("%d octets %.60q, %v; want %d %.60q, %v", len(got), got, err, len(test.want), test.want, test.err)
				}
			})
		}
	}
}

func readScripted(t *testing.T, s clientScript, through func(io.Reader) io.Reader) ([]byte, error) {
	t.Helper()
	body, err := s.client(t).Retr(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	if through == nil {
		through = func(r io.Reader) io.Reader { return r }
	}
	got, err := io.ReadAll(through(body))
	if closing := body.Close(); closing != nil {
		t.Error(closing)
	}
	return got, err
}

func TestClientBodyReader(t *testing.T) {
	const want = ".a\r\n\r\n.\r\nb\r\n"
	script := clientSays("C: RETR 1\nS: +OK\nS: ..a\nS:\nS: ..\nS: b\nS: .")
	got, err := readScripted(t, script, iotest.OneByteReader)
	if string(got) != want || err != nil {
		t.Errorf("octet by octet: %q, %v", got, err)
	}
	got, err = readScripted(t, script, iotest.HalfReader)
	if string(got) != want || err != nil {
		t.Errorf("in halves: %q, %v", got, err)
	}
}

func TestClientBodyKeepsOthersOut(t *testing.T) {
	c := clientSays("C: RETR 1\nS: +OK\nS: a\nS: .\nC: NOOP\nS: +OK").client(t)
	body, err := c.Retr(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Noop(t.Context()); !errors.Is(err, ErrBodyOpen) {
		t.Error(err)
	}
	if err := body.Close(); err != nil { // drains
		t.Error(err)
	}
	if _, err := body.Read(make([]byte, 10)); err == nil || errors.Is(err, io.EOF) {
		t.Errorf("a closed body reads %v", err)
	}
	if err := c.Noop(t.Context()); err != nil {
		t.Error(err)
	}
	if err := body.Close(); err != nil {
		t.Error(err)
	}
}

func TestClientBodyTooLongToDrain(t *testing.T) {
	line := "S: " + strings.Repeat("x", 1000) + "\n"
	c := clientSays("C: RETR 1\nS: +OK\n" + strings.Repeat(line, 300) + "S: .").client(t)
	body, err := c.Retr(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := body.Close(); err != nil {
		t.Error(err)
	}
	if !errors.Is(c.Err(), errAbandoned) {
		t.Errorf("the connection's error is %v", c.Err())
	}
}

// A server that falls silent cannot keep Close for ever, however slowly it
// goes on.
func TestClientBodyDrainEnds(t *testing.T) {
	c := clientScript{text: "C: RETR 1\nS: +OK\nS: a", stay: true}.client(t)
	body, err := c.Retr(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	c.options.ReadTimeout = time.Millisecond
	if err := body.Close(); err == nil || c.Err() == nil {
		t.Errorf("Close: %v, connection's %v", err, c.Err())
	}
}

// clientCanned is a connection to a server that has said everything already.
type clientCanned struct {
	net.Conn
	said  io.Reader
	chunk int
}

func (c *clientCanned) Read(p []byte) (int, error) {
	if c.chunk > 0 && len(p) > c.chunk {
		p = p[:c.chunk]
	}
	return c.said.Read(p)
}
func (*clientCanned) Write(p []byte) (int, error)      { return len(p), nil }
func (*clientCanned) SetReadDeadline(time.Time) error  { return nil }
func (*clientCanned) SetWriteDeadline(time.Time) error { return nil }
func (*clientCanned) SetDeadline(time.Time) error      { return nil }
func (*clientCanned) Close() error                     { return nil }

// unstuffReference does the obvious thing: line by line, lines ending in CRLF
// (or LF). whole tells that the terminator was met.
func unstuffReference(raw, end string) (message string, whole bool) {
	var out strings.Builder
	for {
		line, rest, ended := strings.Cut(raw, end)
		if ended && (line == "." || end == "\n" && line == ".\r") {
			return out.String(), true
		}
		if strings.HasPrefix(line, "..") {
			line = line[1:]
		}
		out.WriteString(line)
		if !ended {
			return out.String(), false
		}
		out.WriteString(end)
		raw = rest
	}
}

func FuzzClientUnstuff(f *testing.F) {
	for _, seed := range []string{"", ".\r\n", "..\r\n.\r\n", "a\n.\r\nb\r\n.\r\n", "a\r\n..\r\n.\r\nrest", "\r\n.\r.\r\n.\n.\r\n", "a\n..\n.\n"} {
		f.Add([]byte(seed), 1, 7)
		f.Add([]byte(seed), 0, 1)
	}
	f.Fuzz(func(t *testing.T, raw []byte, chunk, size int) {
		for _, end := range []string{"\r\n", "\n"} {
			want, whole := unstuffReference(string(raw), end)
			conn := &clientCanned{said: io.MultiReader(strings.NewReader("+OK"+end+"+OK"+end), bytes.NewReader(raw)), chunk: max(0, chunk)}
			c, err := NewClient(t.Context(), conn, ClientOptions{})
			if err != nil {
				t.Fatal(err)
			}
			// What came in one read with the greeting is unasked data; this
			// server is excused.
			c.input = nil
			conn.said = io.MultiReader(strings.NewReader("+OK"+end), bytes.NewReader(raw))
			body, err := c.Retr(t.Context(), 1)
			if err != nil {
				t.Fatal(err)
			}
			c.asked = []Ask{{2, -1}} // so that something may follow
			got, err := readSteps(body, 1+max(0, size)%70000)
			if (err == nil) != whole || whole && string(got) != want || !strings.HasPrefix(want, string(got)) {
				t.Fatalf("end %q: got %q, %v; want %q, whole %v", end, got, err, want, whole)
			}
		}
	})
}

func readSteps(r io.Reader, size int) (all []byte, err error) {
	p := make([]byte, size)
	for {
		n, err := r.Read(p)
		all = append(all, p[:n]...)
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return all, err
		}
	}
}

// FuzzClient gives hostile answers to everything a client can say. It must
// come to an end, and give no clean end to a body without a terminator.
func FuzzClient(f *testing.F) {
	for _, seed := range []string{
		"+OK\r\n", "-ERR [IN-USE]\r\n", "+OK <a@b>\r\n+OK\r\n+OK 2 3\r\n", "+OK\r\n1 2\r\n.\r\n", "+OK\r\n..\r\n.\r\n",
		"+OK\r\nTOP\r\nPIPELINING\r\n.\r\n", "+ \r\n+ \r\n", "+OK\n1 a\n.\n", "1 99999999999999999999\r\n",
	} {
		f.Add([]byte(seed), []byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 13, 14}, 3)
	}
	f.Fuzz(func(t *testing.T, said, steps []byte, chunk int) {
		conn := &clientCanned{said: io.MultiReader(strings.NewReader("+OK\r\n"), bytes.NewReader(said)), chunk: max(0, chunk)}
		c, err := NewClient(t.Context(), conn, ClientOptions{MaxMessages: 100})
		if err != nil {
			t.Fatal(err)
		}
		for _, step := range steps[:min(len(steps), 50)] {
			c.input = nil // a server that talks ahead is excused, to get further
			hostileStep(t, c, step, said)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
}

func hostileStep(t *testing.T, c *Client, step byte, said []byte) {
	ctx := t.Context()
	steps := []func(){
		func() { _, _ = c.Capabilities(ctx) },
		func() { _, _, _ = c.Stat(ctx) },
		func() { _, _ = c.List(ctx) },
		func() { _, _ = c.UIDL(ctx) },
		func() { _, _, _ = c.ListUIDL(ctx) },
		func() { _, _ = c.Dele(ctx, 1, 2, 3) },
		func() { _ = c.Auth(ctx, NewXOAuth2Client("a", clientTestToken)) },
		func() { _ = c.Auth(ctx, NewOAuthBearerClient("a", clientTestToken)) },
		func() { _ = c.Login(ctx, "a", clientTestToken) },
		func() { _, _ = c.Last(ctx) },
		func() {
			body, err := c.Retr(ctx, 1)
			if err != nil {
				return
			}
			_, err = readSteps(body, 100)
			if err == nil && !bytes.Contains(said, []byte(".\r\n")) && !bytes.Contains(said, []byte(".\n")) {
				t.Error("a body ended without a terminator")
			}
			_ = body.Close()
		},
		func() {
			if body, err := c.Top(ctx, 1, 0); err == nil {
				_ = body.Close()
			}
		},
		func() { hostileAsks(ctx, c) },
		func() { _ = c.XClient(ctx, netip.MustParseAddrPort("192.0.2.1:1")) },
		func() { _ = c.APOP(ctx, "a", clientTestToken) },
	}
	steps[int(step)%len(steps)]()
}

// hostileAsks pipelines.
func hostileAsks(ctx context.Context, c *Client) {
	c.options.Pipelining = true
	_ = c.Ask(ctx, Ask{1, -1}, Ask{2, 0}, Ask{3, -1})
	for len(c.Asked()) > 0 {
		body, err := c.Next(ctx)
		if err != nil {
			continue
		}
		if body.Empty() {
			body.TakeDot()
		}
		_, _ = readSteps(body, 10)
		_ = c.AnswerFollows()
		_ = body.Close()
	}
}

func BenchmarkClientUnstuff(b *testing.B) {
	for name, line := range map[string]string{
		"text": strings.Repeat("x", 76) + "\r\n", "dots": "..x\r\n", "long": strings.Repeat("x", 1<<20) + "\r\n",
	} {
		raw := []byte("+OK\r\n" + strings.Repeat(line, (25<<20)/len(line)) + ".\r\n")
		b.Run(name, func(b *testing.B) {
			said := bytes.NewReader(nil)
			c, err := NewClient(b.Context(), &clientCanned{said: io.MultiReader(strings.NewReader("+OK\r\n"), said)}, ClientOptions{})
			if err != nil {
				b.Fatal(err)
			}
			p := make([]byte, 32<<10)
			b.SetBytes(int64(len(raw)))
			b.ReportAllocs()
			for b.Loop() {
				said.Reset(raw)
				body, err := c.Retr(b.Context(), 1)
				if err != nil {
					b.Fatal(err)
				}
				for err == nil {
					_, err = body.Read(p)
				}
				if !errors.Is(err, io.EOF) {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkClientListing(b *testing.B) {
	var raw bytes.Buffer
	raw.WriteString("+OK\r\n")
	for i := range 100_000 {
		fmt.Fprintf(&raw, "%d %d\r\n", i+1, i*31)
	}
	raw.WriteString(".\r\n")
	said := bytes.NewReader(nil)
	c, err := NewClient(b.Context(), &clientCanned{said: io.MultiReader(strings.NewReader("+OK\r\n"), said)}, ClientOptions{})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		said.Reset(raw.Bytes())
		if _, err := c.List(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}
