package pop3_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/restante-mail/restante/pop3"
	"github.com/restante-mail/restante/pop3/pop3test"
)

// limited starts a server with limits.
func limited(t testing.TB, m *pop3test.Memory, l pop3.Limits) *pop3test.Running {
	return start(t, m, func(s *pop3.Server) { s.Limits = l })
}

func TestBadCommands(t *testing.T) {
	m := pop3test.NewMemory()
	r := limited(t, m, pop3.Limits{BadCommands: 3})
	c := signedIn(t, r, m)
	for range 5 { // only those in a row count
		c.Err("XYZZY")
		c.Err("%s", strings.Repeat("x", 600))
		c.OK("NOOP")
	}
	c.Err("RETR 1") // is a good command that fails
	c.Err("RETR 1")
	c.Err("RETR 1")
	c.Err("XYZZY")
	c.Err("RETR x")
	c.Err("NOOP x")
	c.Closed()
	if sum := r.Ends(1)[0]; sum.End != pop3.EndCommands {
		t.Errorf("ended with %q", sum.End)
	}
}

// The last answer arrives even if the client has much more to say.
func TestBadCommandsOfATalker(t *testing.T) {
	r := limited(t, pop3test.NewMemory(), pop3.Limits{BadCommands: 3})
	c := r.Dial(t)
	c.Send(strings.Repeat("GET / HTTP/1.1\r\n", 5000))
	all, err := io.ReadAll(c)
	if err != nil || strings.Count(string(all), "-ERR") != 3 {
		t.Errorf("%d times -ERR, %v", strings.Count(string(all), "-ERR"), err)
	}
}

func TestFailedSignIns(t *testing.T) {
	r := limited(t, pop3test.NewMemory(), pop3.Limits{SignIns: 3})
	c := r.Dial(t)
	c.OK("USER alice")
	c.Err("PASS wrong")
	c.Err("AUTH PLAIN AGFsaWNlAHdyb25n")
	c.OK("USER alice")
	if text := c.Err("PASS wrong"); !strings.HasPrefix(text, "[AUTH]") {
		t.Errorf("%q", text)
	}
	c.Closed()
	if sum := r.Ends(1)[0]; sum.End != pop3.EndSignIns || sum.FailedSignIns != 3 || sum.User != "" {
		t.Errorf("%+v", sum)
	}
}

// What is no fault of the client's does not count as guessing.
func TestOtherFailuresAreNoGuesses(t *testing.T) {
	m := pop3test.NewMemory()
	m.OnLogin = func(context.Context, pop3.Peer, pop3.Credentials) error {
		return &pop3.Error{Code: pop3.CodeInUse, Text: "in use"}
	}
	r := limited(t, m, pop3.Limits{SignIns: 2})
	c := r.Dial(t)
	for range 4 {
		c.OK("USER alice")
		c.Err("PASS wonder land")
	}
	c.Quit()
	if sum := r.Ends(1)[0]; sum.End != pop3.EndQuit || sum.FailedSignIns != 0 {
		t.Errorf("%+v", sum)
	}
}

// Names and passwords that no backend should ever see (rule 9), and those that
// it must see as they are.
func TestCredentials(t *testing.T) {
	m := pop3test.NewMemory()
	var got pop3.Credentials
	asked := 0
	m.OnLogin = func(_ context.Context, _ pop3.Peer, cred pop3.Credentials) error {
		asked++
		got, m.User, m.Password = cred, cred.User, cred.Secret.Reveal()
		return nil
	}
	r := limited(t, m, pop3.Limits{SignIns: -1})
	c := r.Dial(t)
	for _, talk := range [][]string{
		{"USER a", "PASS"}, {"USER a", "PASS "}, {"USER a\x00b", "PASS x"}, {"USER a", "PASS \x00"}, {"USER a\rb", "PASS x"},
		{"USER a", "PASS x\ry"}, {"AUTH PLAIN AAB4"}, {"AUTH PLAIN AGEA"}, {"AUTH PLAIN AGEAeA0K"}, {"AUTH PLAIN AGEKAHg="}, {"AUTH PLAIN Yg1jAGEAeA=="},
	} {
		for _, line := range talk[:len(talk)-1] {
			c.OK("%s", line)
		}
		if text := c.Err("%s", talk[len(talk)-1]); !strings.HasPrefix(text, "[AUTH]") {
			t.Errorf("%q: %q", talk, text)
		}
	}
	if asked > 0 {
		t.Errorf("the backend was asked %d times", asked)
	}
	_ = c.Close()
	for _, pair := range [][2]string{
		{"a b", " leading and trailing "}, {`a"b\c`, `"quoted" \ {5} % * (x)`}, {"{5}", "{5+}"}, {"\xe0\xb8\xaa", "\xff\xfe pass\tword"}, {"a", strings.Repeat("p", 500)},
	} {
		c := r.Dial(t)
		c.SignIn(pair[0], pair[1])
		c.Quit()
		if got.User != pair[0] || got.Secret.Reveal() != pair[1] || got.Mechanism != "USER" {
			t.Errorf("%q arrived as %q, %q", pair, got.User, got.Secret.Reveal())
		}
	}
}

func TestConnectionLimits(t *testing.T) {
	m := pop3test.NewMemory()
	r := limited(t, m, pop3.Limits{Connections: 2})
	one, _ := r.Dial(t), r.Dial(t)
	nc, err := net.Dial("tcp", r.Address)
	if err != nil {
		t.Fatal(err)
	}
	if answer, _ := io.ReadAll(nc); !strings.HasPrefix(string(answer), "-ERR [SYS/TEMP] ") {
		t.Errorf("the third connection hears %q", answer)
	}
	_ = nc.Close()
	if sum := r.Ends(1)[0]; sum.End != pop3.EndRefused {
		t.Errorf("ended with %q", sum.End)
	}
	one.Quit()
	r.Ends(2)
	waitFor(t, func() bool { return r.Connections() == 1 })
	r.Dial(t).Quit()
}

// waitFor waits for what no event tells.
func waitFor(t testing.TB, ready func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !ready(); runtime.Gosched() {
		if time.Now().After(end) {
			t.Fatal("waited in vain")
		}
	}
}

func TestConnectionsPerAddress(t *testing.T) {
	s := &pop3.Server{Backend: pop3test.NewMemory(), Limits: pop3.Limits{ConnectionsPerAddress: 1}}
	greeting := func(address string) (string, *net.TCPConn) {
		server, client := socketPair(t)
		go s.ServeConn(from(server, address))
		line := make([]byte, 512)
		n, err := client.Read(line)
		if err != nil {
			t.Fatal(err)
		}
		return string(line[:n]), client
	}
	for _, test := range []struct{ address, want string }{
		{"192.0.2.1:1", "+OK"}, {"192.0.2.1:2", "-ERR [SYS/TEMP]"}, {"192.0.2.2:1", "+OK"},
		{"[2001:db8::1]:1", "+OK"}, {"[2001:db8::2]:1", "-ERR [SYS/TEMP]"}, {"[2001:db8:0:1::1]:1", "+OK"},
		{"127.0.0.1:1", "+OK"}, {"127.0.0.1:2", "+OK"}, {"[::ffff:192.0.2.2]:1", "-ERR [SYS/TEMP]"},
	} {
		if got, _ := greeting(test.address); !strings.HasPrefix(got, test.want) {
			t.Errorf("%s hears %q, want %q", test.address, got, test.want)
		}
	}
	over, cancel := context.WithCancel(context.Background())
	cancel()
	_ = s.Shutdown(over)
}

// Servers that share a Crowd are limited together.
func TestCrowd(t *testing.T) {
	crowd := new(pop3.Crowd)
	setup := func(s *pop3.Server) { s.Crowd, s.Limits.Connections = crowd, 2 }
	before, after := start(t, pop3test.NewMemory(), setup), start(t, pop3test.NewMemory(), setup)
	first, _ := before.Dial(t), after.Dial(t)
	third, err := net.Dial("tcp", after.Address)
	if err != nil {
		t.Fatal(err)
	}
	defer third.Close()
	line, _ := io.ReadAll(third)
	if !strings.HasPrefix(string(line), "-ERR [SYS/TEMP]") {
		t.Errorf("the third of two hears %q", line)
	}
	first.Quit()
	waitFor(t, func() bool { return before.Connections() == 0 })
	after.Dial(t).Quit()
}

// Who does not sign in, or says nothing more, is cut off without a word.
func TestTimeouts(t *testing.T) {
	m := pop3test.NewMemory(pop3test.Mail(1)...)
	r := limited(t, m, pop3.Limits{LoginTime: 30 * time.Millisecond})
	r.Dial(t).Closed()
	if sum := r.Ends(1)[0]; sum.End != pop3.EndLogin {
		t.Errorf("ended with %q", sum.End)
	}
	r = limited(t, m, pop3.Limits{IdleTime: 30 * time.Millisecond})
	c := signedIn(t, r, m)
	c.Send("DELE 1\r\nQUIT")
	c.Line()
	c.Closed()
	if sum := r.Ends(1)[0]; sum.End != pop3.EndIdle || sum.User != "alice" {
		t.Errorf("%+v", sum)
	}
	if len(m.Mail()) != 1 {
		t.Error("a message was deleted")
	}
}

// A line that comes octet by octet has no more time than any other.
func TestSlowLine(t *testing.T) {
	m := pop3test.NewMemory()
	r := limited(t, m, pop3.Limits{IdleTime: 50 * time.Millisecond})
	c := signedIn(t, r, m)
	go func() {
		for range 500 {
			if _, err := c.Write([]byte("x")); err != nil {
				return
			}
			time.Sleep(time.Millisecond) // the fault itself, not a wait for anything
		}
	}()
	if sum := r.Ends(1)[0]; sum.End != pop3.EndIdle || sum.In > 300 {
		t.Errorf("ended with %q after %d octets", sum.End, sum.In)
	}
	_ = c.Close()
}

// A client that does not read is cut off.
func TestStalledClient(t *testing.T) {
	m := pop3test.NewMemory(endless(64 << 20))
	r := limited(t, m, pop3.Limits{WriteTime: 30 * time.Millisecond})
	c := signedIn(t, r, m)
	c.Send("RETR 1\r\n")
	if sum := r.Ends(1)[0]; sum.End != pop3.EndStalled || sum.Retrieved != 0 {
		t.Errorf("%+v", sum)
	}
	if d := m.Deliveries(); len(d) != 1 || d[0].Whole {
		t.Errorf("deliveries: %+v", d)
	}
}

func endless(octets int) []byte { return make([]byte, octets) }

// A line without an end costs no memory.
func TestEndlessLine(t *testing.T) {
	m := pop3test.NewMemory()
	c := limited(t, m, pop3.Limits{}).Dial(t)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	megabyte := bytes.Repeat([]byte("A"), 1<<20)
	for _, start := range []string{"NOOP ", "AUTH PLAIN "} {
		c.Send(start)
		for range 64 {
			if _, err := c.Write(megabyte); err != nil {
				t.Fatal(err)
			}
		}
		if line := c.Line(); !strings.HasPrefix(line, "-ERR") {
			t.Fatal(line)
		}
		c.Send("\r\n")
		c.OK("CAPA")
		c.Body()
	}
	runtime.ReadMemStats(&after)
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 4<<20 {
		t.Errorf("%d MiB were allocated", grown>>20)
	}
}

// A token of nearly 12 KiB passes in AUTH, and nowhere else.
func TestLongToken(t *testing.T) {
	m := pop3test.NewMemory()
	m.Password = strings.Repeat("t", 8000)
	token := base64Of("user=alice\x01auth=Bearer " + m.Password + "\x01\x01")
	r := limited(t, m, pop3.Limits{})
	c := r.Dial(t)
	c.OK("AUTH XOAUTH2 %s", token)
	c.Err("AUTH XOAUTH2 %s", token)
	c.Quit()
	c = r.Dial(t)
	c.Send("AUTH XOAUTH2\r\n")
	c.Line()
	c.OK("%s", token)
	c.Quit()
	c = r.Dial(t)
	c.Err("AUTH XOAUTH2 %s%s", token, token)
	c.Send("AUTH XOAUTH2\r\n")
	c.Line()
	c.Err("%s%s", token, token)
	c.Err("NOOP %s", token)
	c.Quit()
}

// flaky fails to accept for lack of files, and then works.
type flaky struct {
	net.Listener
	failures int
}

func (f *flaky) Accept() (net.Conn, error) {
	if f.failures--; f.failures >= 0 {
		return nil, &net.OpError{Op: "accept", Err: syscall.EMFILE}
	}
	return f.Listener.Accept()
}

func TestServeSurvivesLackOfFiles(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &pop3.Server{Backend: pop3test.NewMemory()}
	served := make(chan error, 1)
	go func() { served <- s.Serve(&flaky{l, 3}) }()
	pop3test.Dial(t, l.Addr().String()).Quit()
	if err := errors.Join(s.Shutdown(context.Background()), <-served); err != nil {
		t.Error(err)
	}
	l, _ = net.Listen("tcp", "127.0.0.1:0")
	if err := s.Serve(l); err != nil { // after Shutdown
		t.Error(err)
	}
}
