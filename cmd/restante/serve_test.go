package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pires/go-proxyproto"
	"github.com/pires/go-proxyproto/tlvparse"
	"github.com/sirupsen/logrus"

	"github.com/restante-mail/restante/config"
	"github.com/restante-mail/restante/memimap"
	"github.com/restante-mail/restante/pop3"
	"github.com/restante-mail/restante/secret"
)

// output collects what a running program prints.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
	news chan struct{}
}

func newOutput() *output { return &output{news: make(chan struct{}, 1)} }

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	select {
	case o.news <- struct{}{}:
	default:
	}
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// await waits until the output holds text.
func (o *output) await(t *testing.T, text string) {
	t.Helper()
	timeout := time.After(20 * time.Second)
	for !strings.Contains(o.String(), text) {
		select {
		case <-o.news:
		case <-timeout:
			t.Fatalf("%q was never said; only:\n%s", text, o)
		}
	}
}

// mailServer is an upstream with one account, and its address.
func mailServer(t *testing.T, name string, messages int) (address string) {
	t.Helper()
	server := memimap.New()
	server.InsecureAuth = true
	inbox := server.AddUser(name, secret.New("open sesame")).Mailbox("INBOX")
	for range messages {
		inbox.Append([]byte("Subject: one of them\r\n\r\ntext\r\n"), nil, time.Time{})
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(l) }()
	t.Cleanup(func() {
		server.Close()
		<-ended
	})
	return l.Addr().String()
}

// running is a service, its log, and the file that configures it.
type running struct {
	*service
	live *config.Live
	file string
	log  *output
}

// start serves what text configures.
func start(t *testing.T, text string) *running {
	t.Helper()
	r := &running{file: filepath.Join(t.TempDir(), "restante.toml"), log: newOutput()}
	r.write(t, text)
	logger := logrus.New()
	logger.SetOutput(r.log)
	r.service = newService(logger)
	live, err := config.NewLive(func() (*config.Config, error) { return config.Load(r.file) }, r.apply)
	if err != nil {
		t.Fatal(err)
	}
	r.live = live
	t.Cleanup(func() {
		if err := r.stop(0); err != nil {
			t.Error(err)
		}
	})
	return r
}

// patient connects as soon as there is room: a connection that its client has
// left counts until the server has noticed.
func patient(t *testing.T, address string) *pop3.Client {
	t.Helper()
	for {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		if c, err := pop3.NewClient(t.Context(), conn, pop3.ClientOptions{}); err == nil {
			return c
		} else if !strings.Contains(err.Error(), "too many") {
			t.Fatal(err)
		}
	}
}

func (r *running) write(t *testing.T, text string) {
	t.Helper()
	if err := os.WriteFile(r.file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// at is the address of the listener that was configured with address.
func (r *running) at(address string) string {
	for _, f := range r.fronts {
		if f.attendant().settings.Address == address {
			return f.listener.Addr().String()
		}
	}
	return "no listener " + address
}

// count signs in and returns how many messages there are.
func count(t *testing.T, address, user string) (int, error) {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return 0, err
	}
	return countOver(t, conn, user)
}

func countOver(t *testing.T, conn net.Conn, user string) (int, error) {
	t.Helper()
	c, err := pop3.NewClient(t.Context(), conn, pop3.ClientOptions{})
	if err != nil {
		return 0, err
	}
	defer c.Close()
	if err := c.Login(t.Context(), user, secret.New("open sesame")); err != nil {
		return 0, err
	}
	n, _, err := c.Stat(t.Context())
	return n, errors.Join(err, c.Quit(t.Context()))
}

func TestDemo(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	out := newOutput()
	ended := make(chan error, 1)
	go func() { ended <- demo(ctx, out, "127.0.0.1:0") }()
	out.await(t, "Ctrl-C ends the demo")
	_, rest, _ := strings.Cut(out.String(), "listening for POP3 on ")
	address, _, _ := strings.Cut(rest, ".\x20")
	compareSample(t, strings.Fields(address)[0])
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if strings.Contains(out.String(), "level=error") {
		t.Errorf("the demo reports an error:\n%s", out)
	}
}

// compareSample reads everything as the demo's printed advice says.
func compareSample(t *testing.T, address string) {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimSuffix(address, "."))
	if err != nil {
		t.Fatal(err)
	}
	c, err := pop3.NewClient(t.Context(), conn, pop3.ClientOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Login(t.Context(), demoUser, secret.New(demoPassword)); err != nil {
		t.Fatal(err)
	}
	for i, m := range memimap.Sample() {
		body, err := c.Retr(t.Context(), i+1)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(body)
		if err != nil {
			t.Fatal(err)
		}
		if want, _ := pop3.CountOctets(bytes.NewReader(m.Raw)); int64(len(got)) != want {
			t.Errorf("message %d has %d octets, want %d", i+1, len(got), want)
		}
		if plain := strings.ReplaceAll(string(m.Raw), "\r", ""); strings.TrimSuffix(strings.ReplaceAll(string(got), "\r", ""), "\n") != strings.TrimSuffix(plain, "\n") {
			t.Errorf("message %d is not what the mailbox holds", i+1)
		}
	}
	if err := c.Quit(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestReloadReplacesAllOrNothing(t *testing.T) {
	alices, bobs := mailServer(t, "alice", 1), mailServer(t, "bob", 2)
	const first, second = "127.0.0.1:0", "localhost:0"
	text := func(upstream, address string) string {
		return "[[listener]]\naddress = \"" + address + "\"\n[[upstream]]\nurl = \"imap://" + upstream + "\"\n"
	}
	r := start(t, text(alices, first))
	old := r.at(first)
	if n, err := count(t, old, "alice"); n != 1 || err != nil {
		t.Fatal(n, err)
	}

	t.Run("a bad file changes nothing", func(t *testing.T) {
		r.write(t, text(bobs, first)+"nonsense = 1\n")
		if err := r.live.Reload(); err == nil || !strings.Contains(err.Error(), "nonsense") {
			t.Errorf("got %v", err)
		}
		if n, err := count(t, old, "alice"); n != 1 || err != nil {
			t.Error(n, err)
		}
	})
	t.Run("a port in use changes nothing", func(t *testing.T) {
		taken, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer taken.Close()
		r.write(t, text(bobs, first)+"[[listener]]\naddress = \""+taken.Addr().String()+"\"\n")
		if err := r.live.Reload(); err == nil || !strings.Contains(err.Error(), "in use by another program") {
			t.Errorf("got %v", err)
		}
		if n, err := count(t, old, "alice"); n != 1 || err != nil {
			t.Error(n, err)
		}
	})
	t.Run("a wider address cannot take over its own port", func(t *testing.T) {
		_, port, _ := net.SplitHostPort(old)
		r.write(t, text(bobs, "127.0.0.1:"+port))
		if err := r.live.Reload(); err == nil || !strings.Contains(err.Error(), "held by our own listener "+first) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("limits go on over a reload", func(t *testing.T) {
		limited := text(alices, first) + "[limits]\nconnections = 1\n"
		r.write(t, limited)
		if err := r.live.Reload(); err != nil {
			t.Fatal(err)
		}
		c := patient(t, old)
		defer c.Close()
		r.write(t, limited+"idle_time = \"11m\"\n")
		if err := r.live.Reload(); err != nil {
			t.Fatal(err)
		}
		if _, err := count(t, old, "alice"); err == nil || !strings.Contains(err.Error(), "too many connections") {
			t.Errorf("the second of one hears %v", err)
		}
	})
	t.Run("a session keeps what it began with", func(t *testing.T) {
		c := patient(t, old)
		defer c.Close()
		r.write(t, text(bobs, second))
		if err := r.live.Reload(); err != nil {
			t.Fatal(err)
		}
		if err := c.Login(t.Context(), "alice", secret.New("open sesame")); err != nil {
			t.Errorf("a connection from before the reload: %v", err)
		}
		if n, err := count(t, r.at(second), "bob"); n != 2 || err != nil {
			t.Error(n, err)
		}
		if _, err := net.Dial("tcp", old); err == nil {
			t.Error("the listener that was removed still accepts connections")
		}
		if err := c.Quit(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// TestTwoListenersOnAnyPort: both are served, each as it is configured.
func TestTwoListenersOnAnyPort(t *testing.T) {
	r := start(t, "[[listener]]\nname = \"one\"\naddress = \"127.0.0.1:0\"\n[[listener]]\nname = \"two\"\naddress = \"127.0.0.1:0\"\n"+
		"[[upstream]]\nurl = \"imap://"+mailServer(t, "alice", 1)+"\"\n")
	if len(r.fronts) != 2 {
		t.Fatalf("%d listeners, want 2", len(r.fronts))
	}
	for _, f := range r.fronts {
		if n, err := count(t, f.listener.Addr().String(), "alice"); n != 1 || err != nil {
			t.Error(n, err)
		}
		r.log.await(t, "listener="+f.attendant().settings.Name)
	}
}

func TestPROXYProtocol(t *testing.T) {
	upstream := "[[upstream]]\nurl = \"imap://" + mailServer(t, "alice", 1) + "\"\n"
	far := &net.TCPAddr{IP: net.IPv4(203, 0, 113, 9), Port: 4711}
	tests := []struct {
		name     string
		believed string // proxy_protocol
		header   func(h *proxyproto.Header)
		send     bool
		ok       bool
		client   string // as the log has it
	}{
		{name: "a header that is believed, without TLS", believed: `["127.0.0.1"]`, send: true, client: "203.0.113.9"},
		{name: "a header that says TLS", believed: `["127.0.0.1"]`, send: true, ok: true, client: "203.0.113.9",
			header: func(h *proxyproto.Header) {
				tlv, err := (tlvparse.PP2SSL{Client: tlvparse.PP2_BITFIELD_CLIENT_SSL,
					TLV: []proxyproto.TLV{{Type: proxyproto.PP2_SUBTYPE_SSL_VERSION, Value: []byte("TLSv1.3")}}}).Marshal()
				if err != nil {
					t.Fatal(err)
				}
				if err := h.SetTLVs([]proxyproto.TLV{tlv}); err != nil {
					t.Fatal(err)
				}
			}},
		{name: "a header of the proxy's own (LOCAL)", believed: `["127.0.0.1"]`, send: true, client: "unknown",
			header: func(h *proxyproto.Header) { *h = proxyproto.Header{Version: 2, Command: proxyproto.LOCAL} }},
		{name: "a header that knows no client (UNKNOWN)", believed: `["127.0.0.1"]`, send: true, client: "unknown",
			header: func(h *proxyproto.Header) { *h = proxyproto.Header{Version: 1} }},
		{name: "a header from a stranger", believed: `["192.0.2.1"]`, send: true, client: "127.0.0.1"},
		{name: "no header where one is demanded", believed: `["127.0.0.1"]`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := start(t, "[[listener]]\naddress = \"127.0.0.1:0\"\nproxy_protocol = "+test.believed+"\n"+upstream)
			conn, err := net.Dial("tcp", r.at("127.0.0.1:0"))
			if err != nil {
				t.Fatal(err)
			}
			if test.send {
				header := proxyproto.HeaderProxyFromAddrs(2, far, &net.TCPAddr{IP: net.IPv4(203, 0, 113, 1), Port: 110})
				if test.header != nil {
					test.header(header)
				}
				if _, err := header.WriteTo(conn); err != nil {
					t.Fatal(err)
				}
			}
			if !test.send {
				io.WriteString(conn, "USER alice\r\n")
			}
			_, err = countOver(t, conn, "alice")
			if (err == nil) != test.ok {
				t.Errorf("sign-in: %v, want success: %v", err, test.ok)
			}
			if test.client != "" {
				r.log.await(t, "client="+test.client)
			}
		})
	}
}

func TestExitStatus(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "missing.toml")
	tests := []struct {
		args string
		want int
	}{
		{"version", 0}, {"help", 0}, {"", 0}, {"check --help", 0},
		{"bogus", exitUsage}, {"version now", exitUsage}, {"serve", exitUsage}, {"check", exitUsage},
		{"serve --bogus", exitUsage}, {"serve --config a --upstream b", exitUsage},
		{"check --config " + missing, exitFailure}, {"serve --config " + missing, exitFailure},
		{"serve --upstream gopher://x", exitFailure},
	}
	for _, test := range tests {
		if got := run(strings.Fields(test.args)); got != test.want {
			t.Errorf("restante %s: exit status %d, want %d", test.args, got, test.want)
		}
	}
}

func TestTLSSessionsSurviveAReload(t *testing.T) {
	dir := t.TempDir()
	makeCertificate(t, dir)
	text := "[[listener]]\naddress = \"127.0.0.1:0\"\ntls = \"implicit\"\ncert = \"" + dir + "/cert.pem\"\nkey = \"" + dir + "/key.pem\"\n" +
		"[[upstream]]\nurl = \"imap://" + mailServer(t, "alice", 1) + "\"\n"
	r := start(t, text)
	client := &tls.Config{InsecureSkipVerify: true, ClientSessionCache: tls.NewLRUClientSessionCache(1), ServerName: "localhost"}
	resumed := func() bool {
		t.Helper()
		conn, err := tls.Dial("tcp", r.at("127.0.0.1:0"), client)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := countOver(t, conn, "alice"); err != nil {
			t.Fatal(err)
		}
		return conn.ConnectionState().DidResume
	}
	if resumed() {
		t.Fatal("the first session cannot be a resumed one")
	}
	r.write(t, text+"[limits]\nbad_commands = 7\n")
	if err := r.live.Reload(); err != nil {
		t.Fatal(err)
	}
	if !resumed() {
		t.Error("the TLS session was not resumed after a reload")
	}
}
