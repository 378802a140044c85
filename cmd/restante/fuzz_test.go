package main

import (
	"io"
	"net"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/pires/go-proxyproto"

	"github.com/restante-mail/restante/uidl"
)

// wire is a connection that says what it was given, from this machine.
type wire struct {
	net.Conn
	r io.Reader
}

func (w *wire) Read(p []byte) (int, error)      { return w.r.Read(p) }
func (w *wire) Close() error                    { return nil }
func (w *wire) SetReadDeadline(time.Time) error { return nil }
func (w *wire) SetDeadline(time.Time) error     { return nil }
func (w *wire) RemoteAddr() net.Addr            { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 4711} }
func (w *wire) LocalAddr() net.Addr             { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 110} }

// FuzzProxyHeader: whatever comes where a PROXY header should be, a connection is
// nobody's or an address's, never the proxy's own (who might be trusted), and what
// follows the header is whole.
func FuzzProxyHeader(f *testing.F) {
	for _, seed := range []string{
		"PROXY TCP4 203.0.113.9 192.0.2.1 4711 110\r\nCAPA\r\n", "PROXY UNKNOWN\r\nCAPA\r\n", "PROXY TCP6 ::1 ::1 65536 0\r\n", "CAPA\r\n", "PROXY TCP4 " + strings.Repeat("1", 200),
		"\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x00CAPA\r\n", "\r\n\r\n\x00\r\nQUIT\n\x21\x11\xff\xff\x7f\x00\x00\x01",
		"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x14\xcb\x00\x71\x09\xc0\x00\x02\x01\x12\x67\x00\x6e\x20\x00\x05\x01\x00\x00\x00\x00CAPA\r\n",
		"\r\n\r\n\x00\r\nQUIT\n\x21\x31\x00\x00CAPA\r\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, said []byte) {
		p := &proxied{proxyproto.NewConn(&wire{r: iotest.OneByteReader(strings.NewReader(string(said)))}, proxyproto.WithPolicy(proxyproto.REQUIRE))}
		from := p.RemoteAddr()
		header := p.ProxyHeader()
		switch {
		case header == nil && from != unknownClient{}:
			t.Errorf("%q without a header is from %v", said, from)
		case header == nil && encryptedBeforeUs(p):
			t.Errorf("%q without a header is encrypted", said)
		}
		remote(p)
		rest, err := io.ReadAll(p)
		if header == nil && err == nil {
			t.Errorf("%q: without a header it goes on with %q", said, rest)
		}
		if !strings.HasSuffix(string(said), string(rest)) {
			t.Errorf("%q: it goes on with %q", said, rest)
		}
	})
}

// FuzzUsersFile: a file of users and passwords is understood as it is written, or
// what is wrong with it is told by line and without the passwords.
func FuzzUsersFile(f *testing.F) {
	for _, seed := range []string{"alice\tpw\r\nbob\tp w\tother\n", "# x\n\n\t\n", "a\tb\tc\td", "a\t\x00", "a\tb\na\tb", strings.Repeat("x", maxUserLine+1)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		all, err := readMigrants("users", strings.NewReader(text), func(string) error { return nil })
		if (all == nil) == (err == nil) {
			t.Fatalf("%d users, %v", len(all), err)
		}
		for _, m := range all {
			if m.user == "" || strings.ContainsAny(m.user+m.password.Reveal()+m.from.Reveal(), "\r\n\x00\t") || m.password.Empty() || m.from.Empty() {
				t.Errorf("%q became %q", text, m.user)
			}
		}
	})
}

// FuzzExportFile: of a file of names nothing is learned but what is valid.
func FuzzExportFile(f *testing.F) {
	good := "name\tINBOX\t7\t1\t5\t5\t0123456789abcdef01234567\tff"
	for _, seed := range []string{tsvHeader + "\n" + good, good + "\n" + good, strings.ReplaceAll(good, "7", "0"), "a\tb\n", "\x00\t\t\t\t\t\t\t"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		x, err := readExport("file", strings.NewReader(text))
		if err != nil {
			return
		}
		for key, entries := range x.lives {
			last := uint64(0)
			for _, e := range entries {
				x.count--
				if !uidl.Valid(e.UIDL) || key.Folder == "" || e.Listed < 0 || e.True < 0 || key.UIDValidity != 0 && e.Key <= last {
					t.Errorf("%+v: %+v", key, e)
				}
				last = e.Key
			}
		}
		if x.count != 0 {
			t.Errorf("%d are counted and not there", x.count)
		}
	})
}
