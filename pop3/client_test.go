package pop3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/restante-mail/restante/secret"
)

// The example session of RFC 1939 section 10.
const clientRFC1939 = `
S: +OK POP3 server ready <1896.697170952@dbc.mtview.ca.us>
C: APOP mrose c4c9334bac560ecc979e58001b3e22fb
S: +OK mrose's maildrop has 2 messages (320 octets)
C: STAT
S: +OK 2 320
C: LIST
S: +OK 2 messages (320 octets)
S: 1 120
S: 2 200
S: .
C: RETR 1
S: +OK 120 octets
S: From: mrose
S:
S: ..
S: ..stuffed
S: .
C: DELE 1
S: +OK message 1 deleted
C: TOP 2 99999999
S: +OK 200 octets
S: Subject: second
S: .
C: UIDL
S: +OK
S: 1 whqtswO00WBw418f9t5JxYwZ
S: 2 QhdPYR:00WBw1Ph7x7
S: .
C: LAST
S: +OK 1
C: RSET
S: +OK maildrop has 2 messages (320 octets)
C: NOOP
S: +OK
C: QUIT
S: +OK dewey POP3 server signing off (maildrop empty)
`

func TestClientTranscript(t *testing.T) {
	for chunk := range 30 {
		t.Run(fmt.Sprint("chunk ", chunk), func(t *testing.T) {
			talkRFC1939(t, clientScript{text: clientRFC1939, chunk: chunk}.dial(t))
		})
	}
}

func talkRFC1939(t *testing.T, conn net.Conn) {
	ctx := t.Context()
	c, err := NewClient(ctx, conn, ClientOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.APOP(ctx, "mrose", secret.New("tanstaaf")); err != nil {
		t.Fatal(err)
	}
	count, size, err := c.Stat(ctx)
	if count != 2 || size != 320 || err != nil {
		t.Fatalf("STAT: %d, %d, %v", count, size, err)
	}
	list, err := c.List(ctx)
	if want := []Listed{{1, 120}, {2, 200}}; !reflect.DeepEqual(list, want) || err != nil {
		t.Fatalf("LIST: %v, %v", list, err)
	}
	body, err := c.Retr(ctx, 1)
	if got := mustRead(t, body, err); got != "From: mrose\r\n\r\n.\r\n.stuffed\r\n" {
		t.Errorf("RETR: %q", got)
	}
	if refused, err := c.Dele(ctx, 1); err != nil || len(refused) != 1 || refused[0] != nil {
		t.Errorf("DELE: %v, %v", refused, err)
	}
	body, err = c.Top(ctx, 2, 99999999)
	if got := mustRead(t, body, err); got != "Subject: second\r\n" {
		t.Errorf("TOP: %q", got)
	}
	uidls, err := c.UIDL(ctx)
	want := []Identified{{1, "whqtswO00WBw418f9t5JxYwZ"}, {2, "QhdPYR:00WBw1Ph7x7"}}
	if !reflect.DeepEqual(uidls, want) || err != nil {
		t.Errorf("UIDL: %v, %v", uidls, err)
	}
	if last, err := c.Last(ctx); last != 1 || err != nil {
		t.Errorf("LAST: %d, %v", last, err)
	}
	if err := errors.Join(c.Reset(ctx), c.Noop(ctx), c.Quit(ctx)); err != nil {
		t.Error(err)
	}
}

func TestClientStatusLines(t *testing.T) {
	tests := []struct {
		raw  string // what the server says to NOOP
		want error  // nil, ErrMalformed, io.ErrUnexpectedEOF, or a *ReplyError
	}{
		{"+OK\r\n", nil},
		{"+OK\n", nil},
		{"+OK \r\n", nil},
		{"+OK text \x00\xff\r\n", nil},
		{"+OK " + strings.Repeat("x", 1000) + "\r\n", nil},
		{"-ERR\r\n", &ReplyError{"NOOP", "", ""}},
		{"-ERR\n", &ReplyError{"NOOP", "", ""}},
		{"-ERR no\r\n", &ReplyError{"NOOP", "", "no"}},
		{"-ERR [IN-USE] busy\r\n", &ReplyError{"NOOP", "IN-USE", "busy"}},
		{"-ERR [sys/temp]  later\r\n", &ReplyError{"NOOP", "SYS/TEMP", "later"}},
		{"-ERR [\x01]\x1b[2J\x7f\xc3\xa9\r\n", &ReplyError{"NOOP", "?", "?[2J??"}},
		{"-ERR [no end\r\n", &ReplyError{"NOOP", "", "[no end"}},
		{"+OKAY\r\n", ErrMalformed},
		{"-ERROR\r\n", ErrMalformed},
		{"+ERR no\r\n", ErrMalformed},
		{"+ok\r\n", ErrMalformed},
		{" +OK\r\n", ErrMalformed},
		{"\r\n+OK\r\n", ErrMalformed},
		{"junk\r\n+OK\r\n", ErrMalformed},
		{"+\r\n", ErrMalformed},
		{"+OK " + strings.Repeat("x", clientMaxLine) + "\r\n", ErrMalformed},
		{"+OK " + strings.Repeat("x", 2*clientBuffer), ErrMalformed},
		{"", io.ErrUnexpectedEOF},
		{"+OK", io.ErrUnexpectedEOF},
		{"+OK\r", io.ErrUnexpectedEOF},
	}
	for _, test := range tests {
		t.Run(fmt.Sprintf("%.30q", test.raw), func(t *testing.T) {
			c := clientSays(fmt.Sprintf("C: NOOP\nR: %q", test.raw)).client(t)
			err := c.Noop(t.Context())
			var refused *ReplyError
			switch want := test.want.(type) {
			case *ReplyError:
				if !errors.As(err, &refused) || *refused != *want {
					t.Errorf("error is %#v, want %#v", err, want)
				}
				if c.Err() != nil {
					t.Error("-ERR broke the connection")
				}
			default:
				if !errors.Is(err, want) || (want == nil) != (c.Err() == nil) {
					t.Errorf("error is %v, connection's %v, want %v", err, c.Err(), want)
				}
			}
		})
	}
}

func TestClientGreetings(t *testing.T) {
	tests := []struct{ raw, timestamp, wrong string }{
		{"+OK\r\n", "", ""},
		{"+OK POP3 <1.2@host>\r\n", "<1.2@host>", ""},
		{"+OK <1.2@host> ready\n", "<1.2@host>", ""},
		{"+OK <no at>\r\n", "", ""},
		{"+OK <a@b@c>\r\n", "", ""},
		{"+OK <a\x80@b>\r\n", "", ""},
		{"+OK <<a@b>\r\n", "", ""},
		{"+OK <a@b\r\n", "", ""},
		{"-ERR [SYS/TEMP] too many connections\r\n", "", "SYS/TEMP"},
		{"HTTP/1.1 400 Bad Request\r\n", "", "malformed"},
		{"", "", "unexpected EOF"},
	}
	for _, test := range tests {
		conn := clientScript{text: fmt.Sprintf("R: %q", test.raw)}.dial(t)
		c, err := NewClient(t.Context(), conn, ClientOptions{})
		if test.wrong != "" {
			if err == nil || !strings.Contains(err.Error(), test.wrong) {
				t.Errorf("greeting %q: error %v, want %q", test.raw, err, test.wrong)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if c.Timestamp() != test.timestamp {
			t.Errorf("greeting %q: timestamp %q", test.raw, c.Timestamp())
		}
	}
}

func TestClientArgumentsStayData(t *testing.T) {
	ctx := context.Background()
	hostile := []string{"a\r\nDELE 1", "a\nb", "a\rb", "a\x00b"}
	c := clientScript{text: "C: NOOP\nS: +OK"}.client(t)
	for _, s := range hostile {
		for name, err := range map[string]error{
			"USER": c.Login(ctx, s, secret.New("x")),
			"PASS": c.Login(ctx, "x", secret.New(s)),
			"APOP": c.APOP(ctx, s, secret.New("x")),
		} {
			if !errors.Is(err, ErrArgument) || strings.Contains(err.Error(), s) {
				t.Errorf("%s with %q: %v", name, s, err)
			}
		}
	}
	_, errDele := c.Dele(ctx, 1, 0)
	_, errRetr := c.Retr(ctx, -1)
	_, errTop := c.Top(ctx, 1, -1)
	for i, err := range []error{errDele, errRetr, errTop, c.Login(ctx, "", secret.New("x")), c.Login(ctx, "x", secret.Text{})} {
		if !errors.Is(err, ErrArgument) {
			t.Errorf("%d: %v", i, err)
		}
	}
	// Nothing of all this was sent.
	if err := c.Noop(ctx); err != nil {
		t.Error(err)
	}
}

func TestClientUnaskedData(t *testing.T) {
	c := clientScript{text: "C: NOOP\nR: \"+OK\\r\\n+OK injected\\r\\n\"", stay: true}.client(t)
	if err := c.Noop(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantMalformed(t, c, c.Noop(t.Context()))
}

func TestClientPipelining(t *testing.T) {
	script := `
C: CAPA
S: +OK
S: PIPELINING
S: SASL PLAIN LOGIN
S: .
C: USER alice
C: PASS a  b
S: +OK
S: +OK
C: LIST
C: UIDL
S: +OK
S: 1 10
S: .
S: +OK
S: 1 one
S: .
C: DELE 1
C: DELE 2
S: +OK
S: -ERR no such message
`
	ctx := t.Context()
	c := clientSays(script).client(t)
	caps, err := c.Capabilities(ctx)
	if err != nil || !caps.Has("PIPELINING") || !caps.SASL("login") || caps.SASL("XOAUTH2") {
		t.Fatalf("CAPA: %v, %v", caps, err)
	}
	if err := c.Login(ctx, "alice", secret.New("a  b")); err != nil {
		t.Fatal(err)
	}
	if _, uidls, err := c.ListUIDL(ctx); err != nil || len(uidls) != 1 {
		t.Fatal(uidls, err)
	}
	refused, err := c.Dele(ctx, 1, 2)
	if err != nil || refused[0] != nil || refused[1] == nil {
		t.Fatal(refused, err)
	}
}

func TestClientWaitsWithoutPipelining(t *testing.T) {
	script := `
C: CAPA
S: -ERR unknown command
C: USER alice
S: +OK
C: PASS secret
S: +OK
C: LIST
S: +OK
S: .
C: UIDL
S: +OK
S: .
C: DELE 1
S: +OK
C: DELE 2
S: +OK
C: QUIT
S: -ERR some deleted messages not removed
`
	ctx := t.Context()
	c := clientSays(script).client(t)
	if caps, err := c.Capabilities(ctx); caps != nil || err != nil {
		t.Fatal(caps, err)
	}
	if err := c.Login(ctx, "alice", secret.New("secret")); err != nil {
		t.Fatal(err)
	}
	if _, _, err := c.ListUIDL(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Dele(ctx, 1, 2); err != nil {
		t.Fatal(err)
	}
	var refused *ReplyError
	if err := c.Quit(ctx); !errors.As(err, &refused) {
		t.Errorf("QUIT: %v", err)
	}
	if c.Err() == nil {
		t.Error("still connected after QUIT")
	}
}

// More DELEs than a window, each answered, over a connection that holds
// nothing at all: neither side may wait for the other.
func TestClientDeleteManyPipelined(t *testing.T) {
	var script strings.Builder
	numbers := make([]int, 3*clientWindow+1)
	for start := 0; start < len(numbers); start += clientWindow {
		some := numbers[start:min(start+clientWindow, len(numbers))]
		for i := range some {
			some[i] = start + i + 1
			fmt.Fprintf(&script, "C: DELE %d\n", some[i])
		}
		script.WriteString(strings.Repeat("S: +OK\n", len(some)))
	}
	c := clientSays(script.String()).client(t)
	c.Assume(ServerCaps{"PIPELINING": nil})
	if refused, err := c.Dele(t.Context(), numbers...); err != nil || len(refused) != len(numbers) {
		t.Error(len(refused), err)
	}
}

func TestClientTimeouts(t *testing.T) {
	client, server := net.Pipe()
	t.Cleanup(func() { _, _ = client.Close(), server.Close() })
	if _, err := NewClient(t.Context(), client, ClientOptions{ReadTimeout: time.Millisecond}); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("silent server: %v", err)
	}
	c := clientScript{text: "", stay: true}.client(t)
	c.options.WriteTimeout, c.options.ReadTimeout = time.Millisecond, time.Millisecond
	if err := c.Noop(t.Context()); !errors.Is(err, os.ErrDeadlineExceeded) || c.Err() == nil {
		t.Errorf("silent server: %v", err)
	}
}

func TestClientCancel(t *testing.T) {
	for _, at := range []string{"greeting", "NOOP", "RETR"} {
		t.Run(at, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			reason := errors.New("client is gone")
			client, server := net.Pipe()
			t.Cleanup(func() { _, _ = client.Close(), server.Close() })
			go cancelWhenReached(server, at, func() { cancel(reason) })
			if err := cancelled(ctx, client, at); !errors.Is(err, reason) {
				t.Errorf("error is %v", err)
			}
		})
	}
}

// cancelWhenReached is a server that falls silent at one point.
func cancelWhenReached(server net.Conn, at string, cancel func()) {
	defer cancel()
	if at == "greeting" {
		return
	}
	_, _ = io.WriteString(server, "+OK\r\n")
	_, _ = server.Read(make([]byte, 100))
	if at == "RETR" {
		_, _ = io.WriteString(server, "+OK\r\nSubject: half\r\n")
	}
}

func cancelled(ctx context.Context, conn net.Conn, at string) error {
	c, err := NewClient(ctx, conn, ClientOptions{})
	if err != nil || at == "greeting" {
		return err
	}
	if at == "NOOP" {
		return c.Noop(ctx)
	}
	body, err := c.Retr(ctx, 1)
	if err != nil {
		return err
	}
	_, err = io.ReadAll(body)
	return errors.Join(err, body.Close())
}

func TestClientIdleHoldsNoBuffer(t *testing.T) {
	c := clientSays("C: RETR 1\nS: +OK\nS: text\nS: .").client(t)
	if c.input != nil {
		t.Error("a buffer is held after the greeting")
	}
	body, err := c.Retr(t.Context(), 1)
	mustRead(t, body, err)
	if c.input != nil {
		t.Error("a buffer is held after RETR")
	}
}
