package proxy

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/restante-mail/restante/peertest"
	"github.com/restante-mail/restante/secret"
	"github.com/restante-mail/restante/upstream"
)

// elsewhere is alice, from an address that is not ours.
func elsewhere(address string) upstream.Login {
	login := alice
	login.Client, login.ClientPort = netip.MustParseAddr(address), 4711
	return login
}

func TestXClient(t *testing.T) {
	for _, c := range []struct {
		name, greeting, answer string
		want                   []string
	}{
		{"offered", "+OK [XCLIENT] ready", "+OK Updated", []string{"CAPA", "XCLIENT ADDR=192.0.2.7 PORT=4711", "USER alice", "PASS secret"}},
		{"refused", "+OK [XCLIENT] ready", "-ERR You are not from trusted IP", []string{"CAPA", "XCLIENT ADDR=192.0.2.7 PORT=4711", "USER alice", "PASS secret"}},
		{"not offered", "+OK ready", "", []string{"CAPA", "USER alice", "PASS secret"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFake(t)
			f.does(func(_ int, command string) string {
				switch {
				case command == "greeting":
					return c.greeting + "\r\n"
				case strings.HasPrefix(command, "XCLIENT"):
					return c.answer + "\r\n"
				}
				return ""
			})
			u := f.upstream(t)
			u.options.Tell = TellXClient
			m, err := u.Open(t.Context(), elsewhere("192.0.2.7"))
			if err != nil {
				t.Fatal(err)
			}
			_ = m.Close()
			if said := f.commands(); !slices.Equal(said, c.want) {
				t.Errorf("said %q", said)
			}
			if deaf := u.caps.knows(f.address).deaf; deaf != (c.name != "offered") {
				t.Errorf("logged: %v", deaf)
			}
		})
	}
}

func TestProxyHeader(t *testing.T) {
	for _, c := range []struct {
		tell   Tell
		client string
		want   string
	}{
		{TellProxyV1, "192.0.2.7", "PROXY TCP4 192.0.2.7 127.0.0.1 4711 "},
		{TellProxyV1, "2001:db8::7", "PROXY TCP6 2001:db8::7 ::ffff:127.0.0.1 4711 "},
		{TellProxyV1, "", "PROXY UNKNOWN\r\n"},
		{TellProxy, "192.0.2.7", "\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c\xc0\x00\x02\x07\x7f\x00\x00\x01\x12\x67"},
		{TellProxy, "", "\r\n\r\n\x00\r\nQUIT\n\x20"},
		{TellNothing, "192.0.2.7", ""},
	} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		conn, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		server, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		var client netip.AddrPort
		if c.client != "" {
			client = clientOf(elsewhere(c.client))
		}
		u := &Upstream{options: Options{Tell: c.tell}}
		if err := u.sendProxy(conn, client); err != nil {
			t.Error(err)
		}
		_ = conn.Close()
		got := make([]byte, 200)
		n, _ := server.Read(got)
		if !strings.HasPrefix(string(got[:n]), c.want) || c.want == "" && n > 0 {
			t.Errorf("%v of %q: %q", c.tell, c.client, got[:n])
		}
		_, _ = server.Close(), l.Close()
	}
}

// TestDovecotIsTold: a real server's log has the client's address.
func TestDovecotIsTold(t *testing.T) {
	d := peertest.Dovecot(t, peertest.WithHAProxy())
	for i, c := range []struct {
		address string
		tell    Tell
	}{{d.POP3Addr(), TellXClient}, {d.HAProxyAddr(), TellProxy}, {d.HAProxyAddr(), TellProxyV1}} {
		u, err := New(Options{Addresses: []string{c.address}, Security: Plain, Tell: c.tell})
		if err != nil {
			t.Fatal(err)
		}
		for _, address := range []string{fmt.Sprintf("192.0.2.%d", 10+i), fmt.Sprintf("2001:db8::%d", 10+i)} {
			m, err := u.Open(t.Context(), elsewhere(address))
			if err != nil {
				t.Fatalf("%v: %v", c.tell, err)
			}
			m.Apply(t.Context(), nil)
			if !strings.Contains(d.Log(), "rip="+address+",") {
				t.Errorf("way %v: Dovecot does not know %s", c.tell, address)
			}
		}
	}
}

// TestDovecotAPOP: no password goes over the line.
func TestDovecotAPOP(t *testing.T) {
	d := peertest.Dovecot(t, peertest.WithPOP3(), peertest.WithConfig("auth_mechanisms = plain login apop"))
	d.Deliver("alice", "INBOX", []byte("Subject: a\r\n\r\n"))
	u, err := New(Options{Addresses: []string{d.POP3Addr()}, Security: Plain, APOP: true})
	if err != nil {
		t.Fatal(err)
	}
	m, err := u.Open(t.Context(), alice)
	if err != nil {
		t.Fatal(err)
	}
	m.Apply(t.Context(), nil)
	if !strings.Contains(d.Log(), "method=APOP") {
		t.Error("Dovecot does not speak of APOP")
	}
	wrong := alice
	wrong.Secret = secret.New("wrong")
	if _, err := u.Open(t.Context(), wrong); upstream.KindOf(err) != upstream.Rejected {
		t.Errorf("a wrong password: %v", err)
	}
	f := newFake(t)
	u.options.Addresses = []string{f.address}
	if _, err := u.Open(t.Context(), alice); upstream.KindOf(err) != upstream.Denied {
		t.Errorf("no timestamp: %v", err)
	}
	if said := f.commands(); slices.Contains(said, "PASS secret") {
		t.Errorf("said %q", said)
	}
}
