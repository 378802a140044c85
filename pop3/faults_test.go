package pop3_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/restante-mail/restante/pop3"
	"github.com/restante-mail/restante/pop3/pop3test"
)

// start serves a backend and checks at the end that the connection kept its
// side of the contract.
func start(t testing.TB, m *pop3test.Memory, setup ...func(*pop3.Server)) *pop3test.Running {
	t.Helper()
	t.Cleanup(func() {
		for _, breach := range m.Broken() {
			t.Error(breach)
		}
	})
	s := &pop3.Server{Backend: m}
	for _, f := range setup {
		f(s)
	}
	return pop3test.Start(t, s)
}

func signedIn(t testing.TB, r *pop3test.Running, m *pop3test.Memory) *pop3test.Conn {
	t.Helper()
	c := r.Dial(t)
	c.SignIn(m.User, m.Password)
	return c
}

// told keeps what Hooks.Error is told.
type told struct {
	mu  sync.Mutex
	all []string
}

func (h *told) hook(s *pop3.Server) {
	s.Hooks.Error = func(peer pop3.Peer, user, doing string, err error) {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.all = append(h.all, fmt.Sprintf("%s|%s|%s|%v", peer.ID, user, doing, err))
	}
}

func (h *told) String() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return strings.Join(h.all, "\n")
}

var errSecret = errors.New("10.1.2.3: internal matters")

// Errors of a backend: what a client hears, with the session's ID and without
// the cause, and what the hook is told.
func TestBackendErrors(t *testing.T) {
	for _, test := range []struct {
		name string
		err  error
		want string // beginning of what follows -ERR
	}{
		{"neutral", errSecret, "[SYS/TEMP] the mail server has a problem"},
		{"auth", &pop3.Error{Code: pop3.CodeAuth, Text: "wrong", Err: errSecret}, "[AUTH] wrong (session "},
		{"in use", fmt.Errorf("wrapped: %w", &pop3.Error{Code: pop3.CodeInUse, Text: "locked"}), "[IN-USE] locked (session "},
		{"no code", &pop3.Error{Text: "just so"}, "just so (session "},
		{"looks like a code", &pop3.Error{Text: "[AUTH] no"}, "(AUTH] no (session "},
		{"bad code", &pop3.Error{Code: "X]\r\n+OK", Text: "no"}, "[SYS/TEMP] no (session "},
		{"injection", &pop3.Error{Code: pop3.CodeSysPerm, Text: "a\r\n+OK b\x00\xff"}, "[SYS/PERM] a??+OK b?? (session "},
		{"long", &pop3.Error{Code: pop3.CodeAuth, Text: strings.Repeat("long ", 1000)}, "[AUTH] long long "},
		{"timeout", context.DeadlineExceeded, "[SYS/TEMP] "},
	} {
		t.Run(test.name, func(t *testing.T) {
			var heard told
			m := pop3test.NewMemory(pop3test.Mail(2)...)
			m.OnLogin = func(context.Context, pop3.Peer, pop3.Credentials) error { return test.err }
			r := start(t, m, heard.hook)
			c := r.Dial(t)
			c.OK("USER alice")
			text := c.Err("PASS x")
			_ = c.Close()
			id := r.Ends(1)[0].Peer.ID
			if !strings.HasPrefix(text, test.want) || !strings.HasSuffix(text, " (session "+id+")") {
				t.Errorf("the client hears %q, want %q and session %s", text, test.want, id)
			}
			if want := fmt.Sprintf("%s|alice|sign in|%v", id, test.err); heard.String() != want {
				t.Errorf("the hook is told %q, want %q", &heard, want)
			}
		})
	}
}

// A listing that fails is tried again, and one that would break the protocol
// is no listing.
func TestListingErrors(t *testing.T) {
	m := pop3test.NewMemory(pop3test.Mail(2)...)
	fail := errSecret
	m.OnMessages = func(context.Context) error { return fail }
	r := start(t, m)
	c := signedIn(t, r, m)
	for _, command := range []string{"STAT", "LIST", "UIDL", "LIST 1", "UIDL 1", "RETR 1", "TOP 1 0", "DELE 1", "CAPA"} {
		if text := c.Err("%s", command); !strings.HasPrefix(text, "[SYS/TEMP] ") || strings.Contains(text, "internal") {
			t.Errorf("%s: %q", command, text)
		}
	}
	c.OK("NOOP")
	c.OK("RSET")
	fail = nil
	c.OK("DELE 1")
	c.Quit()

	for _, uidl := range []string{"a b", "a\r\nb", "\x7f", strings.Repeat("x", 71)} {
		m.UIDL = func(int) string { return uidl }
		c := signedIn(t, r, m)
		c.Err("UIDL")
		c.Err("STAT")
		c.Quit()
	}
}

func TestWithoutUIDLs(t *testing.T) {
	m := pop3test.NewMemory(pop3test.Mail(2)...)
	m.UIDL = func(int) string { return "" }
	c := signedIn(t, start(t, m), m)
	c.Err("UIDL")
	c.Err("UIDL 1")
	if _, capa := c.Multi("CAPA"); strings.Contains(string(capa), "UIDL") {
		t.Errorf("CAPA lists UIDL: %q", capa)
	}
	c.Quit()
}

// A message that cannot be opened, or fails within the read-ahead, is an -ERR
// and the session goes on.
func TestMessageFailsBeforeOK(t *testing.T) {
	gone := &pop3.Error{Text: "message is gone"}
	for name, fault := range map[string]func(*pop3test.Memory){
		"open": func(m *pop3test.Memory) { m.OnOpen = func(_ context.Context, i, _ int) error { return only(i, gone) } },
		"read": func(m *pop3test.Memory) { m.OnRead = cutAfter(30, gone) },
	} {
		t.Run(name, func(t *testing.T) {
			m := pop3test.NewMemory(pop3test.Mail(2)...)
			fault(m)
			r := start(t, m)
			c := signedIn(t, r, m)
			for _, command := range []string{"RETR 1", "TOP 1 100"} {
				if text := c.Err("%s", command); !strings.HasPrefix(text, "message is gone (session ") {
					t.Errorf("%s: %q", command, text)
				}
			}
			c.Multi("RETR 2")
			c.Quit()
		})
	}
}

// only fails for message 1.
func only(i int, err error) error {
	if i == 0 {
		return err
	}
	return nil
}

// cutAfter makes message 1 fail after so many octets.
func cutAfter(octets int64, err error) func(context.Context, int, io.Reader) io.Reader {
	return func(_ context.Context, i int, r io.Reader) io.Reader {
		if i != 0 {
			return r
		}
		return io.MultiReader(io.LimitReader(r, octets), failing{err})
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// big is a message of several read-aheads.
func big() []byte {
	return append([]byte("Subject: big\r\n\r\n"), bytes.Repeat([]byte("0123456789abcdef\r\n"), 20000)...)
}

// After +OK a message that fails ends the connection, and never with a
// terminator (rule 2).
func TestMessageFailsAfterOK(t *testing.T) {
	lineEnd := int64(bytes.Index(big(), []byte("\r\n\r\n")) + 4 + 11111*18)
	for command, cut := range map[string]int64{"RETR 1": lineEnd, "RETR 01": lineEnd + 7, "RETR 001": lineEnd - 1, "TOP 1 15000": lineEnd} {
		t.Run(command, func(t *testing.T) {
			m := pop3test.NewMemory(big(), big())
			m.OnRead = cutAfter(cut, errSecret)
			var heard told
			r := start(t, m, heard.hook)
			c := signedIn(t, r, m)
			c.OK("DELE 2")
			c.Send(command + "\r\nQUIT\r\n")
			rest, err := io.ReadAll(c)
			if err != nil || bytes.HasSuffix(rest, []byte(".\r\n")) || !bytes.HasPrefix(rest, []byte("+OK")) || bytes.Count(rest, []byte("+OK")) != 1 {
				t.Errorf("%d octets, %v, ending with %q", len(rest), err, rest[max(0, len(rest)-100):])
			}
			sum := r.Ends(1)[0]
			if sum.End != pop3.EndBody || !errors.Is(sum.Err, errSecret) || !strings.Contains(heard.String(), "|read message 1|") {
				t.Errorf("ended with %q, %v; told %q", sum.End, sum.Err, &heard)
			}
			if d := m.Deliveries(); len(d) != 1 || d[0].Whole || d[0].Proven || d[0].Octets < 100000 {
				t.Errorf("deliveries: %+v", d)
			}
			if len(m.Mail()) != 2 {
				t.Error("a message was deleted without UPDATE")
			}
		})
	}
}

// The size in RETR's +OK is true, or it is not told (rule 1).
func TestSizes(t *testing.T) {
	small := []byte("Subject: x\n\nno final line end") // 2 longer for the bare LFs, 2 for the end
	for _, test := range []struct {
		name    string
		message []byte
		size    func(int, int64) (int64, bool)
		want    string
		report  bool
	}{
		{"fits, known", small, nil, "33 octets", false},
		{"fits, unknown", small, func(int, int64) (int64, bool) { return 7, false }, "33 octets", false},
		{"fits, lie", small, func(int, int64) (int64, bool) { return 7, true }, "33 octets", true},
		{"large, known", big(), nil, fmt.Sprintf("%d octets", len(big())), false},
		{"large, unknown", big(), func(int, int64) (int64, bool) { return 7, false }, "", false},
		{"large, lie", big(), func(_ int, n int64) (int64, bool) { return n - 2, true }, fmt.Sprintf("%d octets", len(big())-2), true},
	} {
		t.Run(test.name, func(t *testing.T) {
			var heard told
			m := pop3test.NewMemory(test.message)
			m.Size = test.size
			c := signedIn(t, start(t, m, heard.hook), m)
			status, body := c.Multi("RETR 1")
			if status != test.want || string(body) != string(pop3test.Canonical(test.message)) {
				t.Errorf("%q and %d octets, want %q and the whole message", status, len(body), test.want)
			}
			c.Quit()
			if strings.Contains(heard.String(), "announced") != test.report {
				t.Errorf("told %q", &heard)
			}
		})
	}
}

// A Sniffer sees what is sent, before dots are stuffed.
func TestSniffer(t *testing.T) {
	message := append([]byte(".a\n\n.b\n"), bytes.Repeat([]byte(".\n"), 100000)...)
	m := pop3test.NewMemory(message)
	var seen []byte
	m.OnSniff = func(_ int, p []byte) { seen = append(seen, p...) }
	c := signedIn(t, start(t, m), m)
	for _, command := range []string{"RETR 1", "TOP 1 1", "TOP 1 90000"} {
		seen = nil
		_, body := c.Multi("%s", command)
		if string(seen) != string(body) {
			t.Errorf("%s: the Sniffer saw %d octets of %d", command, len(seen), len(body))
		}
	}
	c.Quit()
}

// QUIT tells when its work failed (rule 3).
func TestUpdateFails(t *testing.T) {
	for want, err := range map[string]error{
		"[SYS/TEMP] the mail server has a problem": errSecret,
		"[SYS/PERM] read-only":                     &pop3.Error{Code: pop3.CodeSysPerm, Text: "read-only"},
		"[SYS/TEMP] 2 messages were not deleted":   &pop3.Error{Text: "2 messages were not deleted"},
	} {
		m := pop3test.NewMemory(pop3test.Mail(2)...)
		m.OnUpdate = func(context.Context, []int) error { return err }
		r := start(t, m)
		c := signedIn(t, r, m)
		c.OK("DELE 1")
		if text := c.Err("QUIT"); !strings.HasPrefix(text, want) {
			t.Errorf("QUIT answers %q, want %q", text, want)
		}
		c.Closed()
		if sum := r.Ends(1)[0]; sum.End != pop3.EndFailed || !errors.Is(sum.Err, err) || sum.Deleted != 1 {
			t.Errorf("%+v", sum)
		}
	}
}

// From QUIT's line end the update runs, whether the client waits or not.
func TestUpdateOutlivesTheClient(t *testing.T) {
	m := pop3test.NewMemory(pop3test.Mail(2)...)
	began, gone := make(chan struct{}), make(chan struct{})
	m.OnUpdate = func(ctx context.Context, deleted []int) error {
		close(began)
		<-gone
		if _, bounded := ctx.Deadline(); !bounded {
			t.Error("the update is not bounded")
		}
		return ctx.Err()
	}
	r := start(t, m)
	c := signedIn(t, r, m)
	c.OK("DELE 1")
	c.Send("QUIT\r\n")
	<-began
	_ = c.Close()
	close(gone)
	r.WaitIdle()
	if len(m.Mail()) != 1 {
		t.Error("the message is still there")
	}
}

// A backend that waits for ever is waited for in bounded time only.
func TestBackendStalls(t *testing.T) {
	stall := func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
	brief := func(s *pop3.Server) {
		s.Limits.BackendTime, s.Limits.UpdateTime = 20*time.Millisecond, 20*time.Millisecond
	}
	t.Run("sign-in", func(t *testing.T) {
		m := pop3test.NewMemory()
		m.OnLogin = func(ctx context.Context, _ pop3.Peer, _ pop3.Credentials) error { return stall(ctx) }
		c := start(t, m, brief).Dial(t)
		c.OK("USER alice")
		c.Err("PASS x")
	})
	t.Run("listing", func(t *testing.T) {
		m := pop3test.NewMemory()
		m.OnMessages = stall
		c := signedIn(t, start(t, m, brief), m)
		c.Err("STAT")
		c.Quit()
	})
	t.Run("opening", func(t *testing.T) {
		m := pop3test.NewMemory(pop3test.Mail(1)...)
		m.OnOpen = func(ctx context.Context, _, _ int) error { return stall(ctx) }
		c := signedIn(t, start(t, m, brief), m)
		c.Err("RETR 1")
		c.Quit()
	})
	t.Run("reading", func(t *testing.T) {
		m := pop3test.NewMemory(big())
		m.OnRead = func(ctx context.Context, _ int, r io.Reader) io.Reader {
			return io.MultiReader(io.LimitReader(r, 100000), stalling{ctx})
		}
		r := start(t, m, brief)
		c := signedIn(t, r, m)
		c.Send("RETR 1\r\n")
		if rest, err := io.ReadAll(c); err != nil || bytes.Contains(rest, []byte("\n.\r\n")) || len(rest) < 64<<10 {
			t.Errorf("%d octets, %v", len(rest), err)
		}
		if sum := r.Ends(1)[0]; sum.End != pop3.EndBody {
			t.Errorf("ended with %q", sum.End)
		}
	})
	t.Run("updating", func(t *testing.T) {
		m := pop3test.NewMemory()
		m.OnUpdate = func(ctx context.Context, _ []int) error { return stall(ctx) }
		c := signedIn(t, start(t, m, brief), m)
		c.Err("QUIT")
		c.Closed()
	})
}

type stalling struct{ ctx context.Context }

func (s stalling) Read([]byte) (int, error) { <-s.ctx.Done(); return 0, s.ctx.Err() }

// Nothing is left unsent while the backend is waited for (rule 13).
func TestFlushBeforeTheBackend(t *testing.T) {
	m := pop3test.NewMemory(pop3test.Mail(1)...)
	proceed := make(chan struct{})
	m.OnLogin = func(context.Context, pop3.Peer, pop3.Credentials) error { <-proceed; return nil }
	m.OnMessages = func(context.Context) error { <-proceed; return nil }
	m.OnOpen = func(context.Context, int, int) error { <-proceed; return nil }
	m.OnUpdate = func(context.Context, []int) error { <-proceed; return nil }
	c := start(t, m).Dial(t)
	c.Send("USER alice\r\nPASS wonder land\r\nNOOP\r\nSTAT\r\nNOOP\r\nRETR 1\r\nNOOP\r\nQUIT\r\n")
	for _, answers := range []int{1, 2, 2} { // USER, wait; PASS NOOP, wait; STAT NOOP, wait
		for range answers {
			c.Line()
		}
		proceed <- struct{}{}
	}
	c.Line()
	c.Body()
	c.Line() // NOOP
	proceed <- struct{}{}
	c.Line()
	c.Closed()
}

// TOP is answered before the backend reads the rest of the message that nobody
// wants; and it may not do that for ever.
func TestClosingEarly(t *testing.T) {
	m := pop3test.NewMemory(big())
	answered := make(chan struct{})
	m.OnClose = func(ctx context.Context, _ int) {
		<-answered
		<-ctx.Done()
	}
	r := limited(t, m, pop3.Limits{CloseTime: 10 * time.Millisecond})
	c := signedIn(t, r, m)
	c.Multi("TOP 1 0")
	close(answered)
	c.OK("NOOP")
	c.Quit()
}

// Nor does it go on when the client has gone.
func TestClosingAfterADrop(t *testing.T) {
	m := pop3test.NewMemory(endless(64 << 20))
	m.OnClose = func(ctx context.Context, _ int) { <-ctx.Done() }
	r := limited(t, m, pop3.Limits{CloseTime: time.Hour})
	c := signedIn(t, r, m)
	c.Send("RETR 1\r\n")
	c.Line()
	_ = c.Close()
	if sum := r.Ends(1)[0]; sum.End != pop3.EndDropped {
		t.Errorf("%+v", sum)
	}
}

// A panic in a backend ends its own session only.
func TestPanic(t *testing.T) {
	m := pop3test.NewMemory(pop3test.Mail(1)...)
	m.OnOpen = func(_ context.Context, _, lines int) error {
		if lines == 0 {
			panic("a bug")
		}
		return nil
	}
	var heard told
	r := start(t, m, heard.hook)
	other, c := signedIn(t, r, m), signedIn(t, r, m)
	c.Send("TOP 1 0\r\n")
	c.Closed()
	if sum := r.Ends(1)[0]; sum.End != pop3.EndPanic || !strings.Contains(heard.String(), "a bug") {
		t.Errorf("ended with %q; told %q", sum.End, &heard)
	}
	other.Multi("RETR 1")
	other.Quit()
}
