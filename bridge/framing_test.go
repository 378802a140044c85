package bridge

import (
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/emersion/go-imap/v2/imapclient"
)

// wire is a connection that gives what it was given, and takes everything.
type wire struct {
	io.Reader
	sent strings.Builder
}

func (w *wire) Write(p []byte) (int, error)      { return w.sent.Write(p) }
func (w *wire) Close() error                     { return nil }
func (w *wire) LocalAddr() net.Addr              { return nil }
func (w *wire) RemoteAddr() net.Addr             { return nil }
func (w *wire) SetDeadline(time.Time) error      { return nil }
func (w *wire) SetReadDeadline(time.Time) error  { return nil }
func (w *wire) SetWriteDeadline(time.Time) error { return nil }

func framed(r io.Reader) *framing {
	w := &wire{Reader: r}
	return newFraming(w, w, time.Second)
}

// TestFraming: what the library sees of what the server says, however it is
// cut into reads.
func TestFraming(t *testing.T) {
	type row struct {
		name, in, out string
		prepare       func(f *framing)
		err           error // io.EOF if nil
		words         string
	}
	signing := func(f *framing) { f.setSigning(true) }
	trash := func(f *framing) { f.look(`\Trash`) }
	for _, c := range []row{
		{name: "nothing"},
		{name: "unknown responses are dropped", in: "* VANISHED (EARLIER) 1:5\r\n* LSUB () \"/\" a\r\n* XYZZY {3}\r\nabc\r\n* 5 RECENT\r\n* 7\r\n* \r\n*\r\n\r\n* FLAGS (\\Seen )\r\nT1 OK x\r\n",
			out: "T1 OK x\r\n"},
		{name: "text may look like a literal", in: "* OK wait {5}\r\nT1 NO {99999999999}\r\n", out: "T1 NO {99999999999}\r\n"},
		{name: "EXISTS with two spaces", in: "*  522  exists\r\n", out: "* 522 EXISTS\r\n"},
		{name: "numbers do not wrap", in: "* 4294967296 EXISTS\r\n* 99999999999999999999 EXISTS\r\n* -1 EXISTS\r\n"},
		{name: "bare LF ends a line", in: "T1 OK x\n", out: "T1 OK x\r\n"},
		{name: "Exchange's error code", in: `T1 OK [Error="WrongServer [x] Exception" Proxy=a] done` + "\r\n", out: `T1 OK - [Error="WrongServer [x] Exception" Proxy=a] done` + "\r\n"},
		{name: "codes without arguments pass", in: "T1 NO [authenticationfailed] no\r\n", out: "T1 NO [AUTHENTICATIONFAILED] no\r\n"},
		{name: "codes lose arguments the library cannot read", in: "T1 NO [BADCHARSET (UTF-8 {x)] no\r\nT2 OK [APPENDUID x] y\r\n", out: "T1 NO [BADCHARSET] no\r\nT2 OK y\r\n"},
		{name: "COPYUID", in: "T1 OK [COPYUID 7 1:3 4:6] y\r\nT2 OK [COPYUID 7  ] y\r\nT3 OK [COPYUID 7 1:* 4] y\r\nT4 OK [COPYUID 0 1 0] y\r\n",
			out: "T1 OK [COPYUID 7 1:3 4:6] y\r\nT2 OK y\r\nT3 OK y\r\nT4 OK y\r\n"},
		{name: "no text", in: "T1 OK\r\nT2 OK [READ-ONLY]\r\n", out: "T1 OK -\r\nT2 OK [READ-ONLY] -\r\n"},
		{name: "UIDVALIDITY", in: "* OK [UIDVALIDITY 5] x\r\n* OK [UIDVALIDITY x] x\r\n* OK [UIDNEXT 4294967296] y\r\n", out: "* OK [UIDVALIDITY 5] -\r\n"},
		{name: "parentheses in capabilities", in: "* CAPABILITY IMAP4rev1 (X) \"Y\\\r\n* OK [CAPABILITY  A  B(] x\r\n", out: "* CAPABILITY IMAP4rev1 _X_ _Y_\r\n* OK [CAPABILITY A B_] -\r\n"},
		{name: "rev2 is hidden behind rev1", in: "* CAPABILITY IMAP4rev2 IMAP4REV1 X\r\n* CAPABILITY IMAP4rev2 X\r\n", out: "* CAPABILITY IMAP4REV1 X\r\n* CAPABILITY IMAP4rev2 X\r\n"},
		{name: "capabilities do not change any more", in: "* CAPABILITY X\r\nT1 OK [CAPABILITY Y] a\r\n", out: "* CAPABILITY A\r\nT1 OK [CAPABILITY A] a\r\n",
			prepare: func(f *framing) { f.caps, f.settled = "A", true }},
		{name: "sign-in always ends with capabilities", in: "T1 OK in\r\n", out: "T1 OK [CAPABILITY IMAP4rev1] in\r\n", prepare: signing},
		{name: "Gmail's untagged ones", in: "* CAPABILITY A B\r\nT1 OK in\r\n", out: "* CAPABILITY A B\r\nT1 OK [CAPABILITY A B] in\r\n", prepare: signing},
		{name: "a refused sign-in needs none", in: "T1 NO out\r\n", out: "T1 NO out\r\n", prepare: signing},
		{name: "continuation unasked", in: "+ hello\r\n+\r\nT1 OK x\r\n", out: "T1 OK x\r\n"},
		{name: "continuation of a literal, once", in: "+ hello {3}\r\n+ more\r\n", out: "+ go on\r\n",
			prepare: func(f *framing) { f.Write([]byte("T1 LOGIN {3}\r\n")) }},
		{name: "continuation of SASL", in: "+ YWJj\r\n", out: "+ YWJj\r\n", prepare: signing},
		{name: "LIST", in: "* LIST (\\trash) \"/\" {3}\r\nBin\r\n* LIST () \"/\" \"&bad\"\r\n", out: "* LIST (\\trash) \"/\" {3}\r\nBin\r\n", prepare: trash},
		{name: "LIST unasked", in: "* LIST (\\Trash) \"/\" Bin\r\n"},
		{name: "flags nobody asked for", in: "* 7 FETCH (FLAGS (\\Seen))\r\n* 7 FETCH (UID 7 BODY[] {3}\r\nabc)\r\n"},

		{name: "truncated line", in: "T1 OK", err: io.ErrUnexpectedEOF},
		{name: "giant line", in: "* OK " + strings.Repeat("x", maxUnit) + "\r\n", err: errTooLong},
		{name: "giant line without end", in: strings.Repeat("x", 4*maxUnit), err: errTooLong},
		{name: "BYE", in: "* BYE [UNAVAILABLE] shutting down\r\nT1 OK x\r\n", words: "BYE [UNAVAILABLE] shutting down"},
		{name: "answer to nothing", in: "X9 OK x\r\n", words: "never given"},
		{name: "no status", in: "T1 WELL x\r\n", words: `"T1 WELL x"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			for name, cut := range map[string]func(io.Reader) io.Reader{
				"whole": func(r io.Reader) io.Reader { return r }, "octets": iotest.OneByteReader, "halves": iotest.HalfReader, "with error": iotest.DataErrReader,
			} {
				if name != "whole" && len(c.in) > maxUnit {
					continue
				}
				f := framed(cut(strings.NewReader(c.in)))
				if c.prepare != nil {
					c.prepare(f)
				}
				out, err := readAll(f)
				if string(out) != c.out {
					t.Errorf("%s: the library sees\n%q, want\n%q", name, out, c.out)
				}
				switch {
				case c.words != "" && strings.Contains(err.Error(), c.words):
				case c.words == "" && errors.Is(err, errOr(c.err)):
				default:
					t.Errorf("%s: error %v, want %v %q", name, err, c.err, c.words)
				}
				if _, again := f.Read(make([]byte, 10)); again != err {
					t.Errorf("%s: then %v, and the error was %v", name, again, err)
				}
			}
		})
	}
}

func errOr(err error) error {
	if err == nil {
		return io.EOF
	}
	return err
}

// readAll is io.ReadAll that tells io.EOF, and reads little at a time.
func readAll(r io.Reader) (out []byte, err error) {
	p := make([]byte, 100)
	for err == nil {
		var n int
		n, err = r.Read(p)
		out = append(out, p[:n]...)
	}
	return out, err
}

func TestWritingIsWatched(t *testing.T) {
	for _, c := range []struct {
		write, sent string
		signing     bool
		fails       bool
	}{
		{write: "T1 NOOP\r\n", sent: "T1 NOOP\r\n"},
		{write: "=\r\n", sent: "=\r\n"},
		{write: "=\r\n", sent: "\r\n", signing: true},
		{write: "YQ==\r\n", sent: "YQ==\r\n", signing: true},
		{write: "T9 UID EXPUNGE 1\r\n", sent: "T9 UID EXPUNGE 1\r\n"},
		{write: "T9 EXPUNGE\r\n", fails: true},
		{write: "T9 CLOSE\r\n", fails: true},
	} {
		f := framed(strings.NewReader(""))
		f.setSigning(c.signing)
		n, err := f.Write([]byte(c.write))
		if (err != nil) != c.fails || (err == nil && n != len(c.write)) {
			t.Errorf("%q: %d, %v", c.write, n, err)
		}
		if got := f.conn.(*wire).sent.String(); got != c.sent {
			t.Errorf("%q was sent as %q, want %q", c.write, got, c.sent)
		}
	}
}

// TestSlidingTimeout: only waiting counts, and only while something is due.
func TestSlidingTimeout(t *testing.T) {
	server, client := net.Pipe()
	defer server.Close()
	f := newFraming(client, client, time.Second)
	defer f.Close()
	const timeout = 200 * time.Millisecond
	wrote := make(chan struct{})
	go func() { // twice the timeout in all, but never silent for as long
		defer close(wrote)
		for range 8 {
			time.Sleep(timeout / 4)
			server.Write([]byte("T1 OK x\r\n"))
		}
	}()
	f.expect(timeout)
	line := make([]byte, len("T1 OK x\r\n"))
	for range 8 {
		if _, err := io.ReadFull(f, line); err != nil {
			t.Fatal(err)
		}
	}
	<-wrote
	f.SetReadDeadline(time.Now().Add(-time.Hour)) // the library's; means nothing
	begun := time.Now()
	_, err := f.Read(line)
	if !errors.Is(err, os.ErrDeadlineExceeded) || !strings.Contains(err.Error(), "said nothing for 200ms") {
		t.Errorf("got %v", err)
	}
	if waited := time.Since(begun); waited < timeout || waited > 20*timeout {
		t.Errorf("gave up after %v", waited)
	}
}

// TestExpectReachesARead: a timeout binds a read that has begun without one,
// and an ended one does not end a read.
func TestExpectReachesARead(t *testing.T) {
	server, client := net.Pipe()
	defer server.Close()
	f := newFraming(client, client, time.Second)
	ended := make(chan error, 1)
	go func() {
		_, err := f.Read(make([]byte, 10))
		ended <- err
	}()
	f.expect(time.Hour)
	f.expect(0)
	f.expect(time.Millisecond)
	if err := <-ended; !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

// TestIdleBuffer: after a listing the buffer is small again.
func TestIdleBuffer(t *testing.T) {
	lines := strings.Repeat("* 1 FETCH (UID 1 RFC822.SIZE 5)\r\n", 10000)
	f := framed(strings.NewReader(lines + "X1 OK x\r\n"))
	if _, err := f.inject("LIST", new(lister)); err != nil {
		t.Fatal(err)
	}
	largest := 0
	for f.next() == nil {
		largest = max(largest, len(f.buf))
	}
	if largest != bulkBuffer || len(f.buf) != idleBuffer {
		t.Errorf("the buffer was %d and is %d", largest, len(f.buf))
	}
}

// FuzzFraming: whatever a server says, reading it ends, and the library
// survives what it is given.
func FuzzFraming(f *testing.F) {
	for _, seed := range []string{
		"* OK [CAPABILITY (X)] hi\r\nT1 OK x\r\n",
		"* 3 FETCH (UID 7 BODY[] {5}\r\nhello)\r\nT1 OK x\r\n",
		"* 3 FETCH (BODY[]<0> ~{5+}\r\nhello UID 7 X (\"a\\\"\" {2}\r\n))))\r\n",
		"* SEARCH 1 2 (MODSEQ 5)\r\n* ESEARCH (TAG \"T1\") UID ALL 1:*\r\n",
		"* LIST (\\Trash) \"/\" {3}\r\nBin\r\n+ x\r\nX1 OK\r\nT1 OK [COPYUID 1 1:4 5:8]\r\n",
		"* 1 FETCH (UID 1 RFC822.SIZE 5 FLAGS (\\Seen) INTERNALDATE \" 1-Jul-1996 02:44:25 -0700\" EMAILID (M1))\r\n",
	} {
		f.Add(seed, byte(0))
		f.Add(seed, byte(255))
	}
	f.Fuzz(func(t *testing.T, said string, mode byte) {
		conn := framed(iotest.OneByteReader(strings.NewReader(said)))
		if mode&1 != 0 {
			wanting(conn, 7, int64(mode&2)-2)
			read := make(chan struct{})
			go func() {
				if _, err := readTexts(conn); err != nil {
					conn.Close()
				}
				close(read)
			}()
			defer func() { <-read }()
		}
		if mode&4 != 0 {
			conn.inject("FETCH", new(lister))
		}
		conn.setSigning(mode&8 != 0)
		if mode&16 != 0 {
			conn.look(`\Trash`)
		}
		conn.literalSent = mode&32 != 0
		if mode&64 != 0 {
			readAll(conn)
			return
		}
		conn.caps = "IMAP4rev1"
		conn.synthesize()
		client := imapclient.New(conn, nil)
		select {
		case <-client.Closed():
		case <-time.After(10 * time.Second):
			t.Fatal("the library hangs")
		}
	})
}
