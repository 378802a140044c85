package pop3_test

import (
	"bytes"
	"net"
	"strings"
	"testing"

	"github.com/restante-mail/restante/pop3"
	"github.com/restante-mail/restante/pop3/pop3test"
)

// odd serves messages with quirks.
func odd(t *testing.T, quirks pop3.Quirks, server *pop3.Server, messages ...[]byte) (*pop3test.Memory, *pop3test.Conn) {
	t.Helper()
	m := pop3test.NewMemory(messages...)
	server.Backend = m
	server.Quirks = func(remote net.Addr) pop3.Quirks {
		if remote.(*net.TCPAddr).IP.IsLoopback() {
			return quirks
		}
		return pop3.Quirks{}
	}
	return m, pop3test.Start(t, server).Dial(t)
}

// TestEndOfHeader: what has no blank line gets one, and no number of octets that
// would be wrong; what is learned is the size that is stored.
func TestEndOfHeader(t *testing.T) {
	long := []byte(strings.Repeat("X-Long: header without an end of it\r\n", 5000)) // does not fit what is read ahead
	for name, test := range map[string]struct {
		message []byte
		status  string
		added   string
	}{
		"a header":                {[]byte("Subject: a\r\n"), "14 octets", "\r\n"},
		"without a line end":      {[]byte("Subject: a"), "14 octets", "\r\n"},
		"nothing":                 {nil, "2 octets", "\r\n"},
		"an end":                  {[]byte("Subject: a\r\n\r\n"), "14 octets", ""},
		"no header":               {[]byte("\r\nSubject: a\r\n"), "14 octets", ""},
		"bare line feeds":         {[]byte("Subject: a\n\nb\n"), "17 octets", ""},
		"long":                    {long, "", "\r\n"},
		"long, with an early end": {append([]byte("A: b\r\n\r\n"), long...), "185008 octets", ""},
	} {
		t.Run(name, func(t *testing.T) {
			m, c := odd(t, pop3.Quirks{EndOfHeader: true}, &pop3.Server{}, test.message)
			f := m.Fixture()
			c.SignIn(f.User, f.Password)
			status, got := c.Multi("RETR 1")
			stored := pop3test.Canonical(test.message)
			if want := string(stored) + test.added; string(got) != want || status != test.status {
				t.Errorf("RETR says %q and sends %d octets, want %q and %d", status, len(got), test.status, len(want))
			}
			c.Quit()
			if d := m.Deliveries(); len(d) != 1 || d[0].Octets != int64(len(stored)) || !d[0].Whole {
				t.Errorf("learned %+v, and %d octets are stored", d, len(stored))
			}
		})
	}
}

// TestNoNULs: also where a piece ends, and in as many octets.
func TestNoNULs(t *testing.T) {
	message := append([]byte("Subject: \x00\r\n\r\n"), bytes.Repeat([]byte{0, 'x', 0, 0}, 100_000)...)
	m, c := odd(t, pop3.Quirks{NoNULs: true}, &pop3.Server{}, message)
	f := m.Fixture()
	c.SignIn(f.User, f.Password)
	_, got := c.Multi("RETR 1")
	if want := pop3test.Canonical(message); len(got) != len(want) || bytes.IndexByte(got, 0) >= 0 || bytes.Count(got, []byte{0x80}) != 300_001 {
		t.Errorf("%d octets, want %d; %d of them 0x80", len(got), len(want), bytes.Count(got, []byte{0x80}))
	}
	c.Quit()
}

// TestNoPlainSASL: without TLS there is none, and USER and PASS are there.
func TestNoPlainSASL(t *testing.T) {
	m, c := odd(t, pop3.Quirks{NoPlainSASL: true}, &pop3.Server{}, []byte("A: b\r\n\r\n"))
	if _, capa := c.Multi("CAPA"); strings.Contains(string(capa), "SASL") || !strings.Contains(string(capa), "USER") {
		t.Errorf("CAPA says\n%s", capa)
	}
	if _, listed := c.Multi("AUTH"); len(listed) != 0 {
		t.Errorf("AUTH lists\n%s", listed)
	}
	c.Err("AUTH PLAIN =")
	f := m.Fixture()
	c.SignIn(f.User, f.Password)
	c.Quit()
}

// TestNoAPOP: the greeting has no timestamp.
func TestNoAPOP(t *testing.T) {
	for _, quirks := range []pop3.Quirks{{}, {NoAPOP: true}} {
		m := pop3test.NewMemory()
		address := pop3test.Start(t, &pop3.Server{Backend: m, APOP: true, Quirks: func(net.Addr) pop3.Quirks { return quirks }}).Address
		nc, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, 512)
		n, err := nc.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(buf[:n]), "<") == quirks.NoAPOP {
			t.Errorf("%+v: %q", quirks, buf[:n])
		}
		_ = nc.Close()
	}
}
