package pop3_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/restante-mail/restante/pop3"
	"github.com/restante-mail/restante/pop3/pop3test"
)

// sized makes a message of so many octets.
func sized(octets int) []byte {
	const head, end = "Subject: x\r\n\r\n", "\r\n"
	return []byte(head + strings.Repeat("x", octets-len(head)-len(end)) + end)
}

// shown is how a message of sized stands in a transcript.
func shown(octets int) string {
	return "S: " + strings.ReplaceAll(strings.TrimSuffix(string(sized(octets)), "\r\n"), "\r\n", "\nS: ")
}

// mrose is the maildrop of RFC 1939's examples.
func mrose(t *testing.T) *pop3test.Memory {
	m := pop3test.NewMemory(sized(120), sized(200))
	m.User, m.Password = "mrose", "tanstaaf"
	m.UIDL = func(nth int) string { return []string{"", "whqtswO00WBw418f9t5JxYwZ", "QhdPYR:00WBw1Ph7x7"}[nth] }
	return m
}

// accounts takes any credentials in want, by mechanism, user, identity and secret.
func accounts(want ...string) func(t *testing.T) *pop3test.Memory {
	return func(t *testing.T) *pop3test.Memory {
		m := mrose(t)
		m.OnLogin = func(_ context.Context, _ pop3.Peer, cred pop3.Credentials) error {
			got := fmt.Sprint(cred.Mechanism, " ", cred.User, " ", cred.Identity, " ", cred.Secret.Reveal())
			for _, w := range want {
				if got == w {
					m.User, m.Password = cred.User, cred.Secret.Reveal()
					return nil
				}
			}
			return &pop3.Error{Code: pop3.CodeAuth, Text: "no"}
		}
		return m
	}
}

// shlemazle announces what the server of RFC 2449's example does.
func shlemazle(s *pop3.Server) {
	s.Implementation = "Shlemazle-Plotz-v302"
	s.Capabilities = []string{"LOGIN-DELAY 900 USER", "EXPIRE 60 USER"}
}

// transcripts are the examples of the RFCs. A server's line that ends with
// "..." may say anything there: the RFCs leave the words to the server, and
// where they show more than words, the words are left out here.
var transcripts = []struct {
	name    string
	backend func(*testing.T) *pop3test.Memory
	setup   func(*pop3.Server)
	talk    string
	left    int // messages afterwards
}{
	{"RFC1939 section 10", mrose, nil, `
S: +OK...
C: USER mrose
S: +OK...
C: PASS tanstaaf
S: +OK...
C: STAT
S: +OK 2 320
C: LIST
S: +OK...
S: 1 120
S: 2 200
S: .
C: RETR 1
S: +OK 120 octets...
` + shown(120) + `
S: .
C: DELE 1
S: +OK...
C: RETR 2
S: +OK 200 octets...
` + shown(200) + `
S: .
C: DELE 2
S: +OK...
C: QUIT
S: +OK...
`, 0},
	{"RFC1939 section 5", mrose, nil, `
S: +OK...
C: USER frated
S: +OK...
C: PASS secret
S: -ERR...
C: USER mrose
S: +OK...
C: PASS tanstaaf
S: +OK...
C: STAT
S: +OK 2 320
C: LIST 2
S: +OK 2 200
C: LIST 3
S: -ERR...
C: DELE 1
S: +OK...
C: DELE 1
S: -ERR...
C: STAT
S: +OK 1 200
C: NOOP
S: +OK...
C: RSET
S: +OK...
C: STAT
S: +OK 2 320
C: QUIT
S: +OK...
`, 2},
	{"RFC1939 section 7", mrose, nil, `
S: +OK...
C: USER mrose
S: +OK...
C: PASS tanstaaf
S: +OK...
C: TOP 1 0
S: +OK...
S: Subject: x
S: 
S: .
C: TOP 100 3
S: -ERR...
C: UIDL
S: +OK...
S: 1 whqtswO00WBw418f9t5JxYwZ
S: 2 QhdPYR:00WBw1Ph7x7
S: .
C: UIDL 2
S: +OK 2 QhdPYR:00WBw1Ph7x7
C: UIDL 3
S: -ERR...
C: QUIT
S: +OK...
`, 2},
	{"RFC2449 section 5", mrose, shlemazle, `
S: +OK...
C: CAPA
S: +OK...
S: TOP
S: RESP-CODES
S: AUTH-RESP-CODE
S: PIPELINING
S: UIDL
S: USER
S: SASL PLAIN LOGIN XOAUTH2 OAUTHBEARER
S: IMPLEMENTATION Shlemazle-Plotz-v302
S: LOGIN-DELAY 900 USER
S: EXPIRE 60 USER
S: .
C: QUIT
S: +OK...
`, 2},
	{"RFC5034 section 6", accounts("PLAIN test  test"), nil, `
S: +OK...
C: AUTH PLAIN dGVzdAB0ZXN0AHRlc3Q=
S: +OK...
C: QUIT
S: +OK...
`, 2},
	{"RFC5034 section 4, continuation", accounts("PLAIN test  test"), nil, `
S: +OK...
C: AUTH PLAIN
S: + 
C: dGVzdAB0ZXN0AHRlc3Q=
S: +OK...
C: AUTH PLAIN
S: -ERR...
C: QUIT
S: +OK...
`, 2},
	{"RFC5034 section 4, cancel and garbage", accounts("PLAIN test  test"), nil, `
S: +OK...
C: AUTH PLAIN
S: + 
C: *
S: -ERR...
C: AUTH PLAIN =
S: -ERR...
C: AUTH PLAIN *
S: -ERR...
C: AUTH PLAIN dGVzdAB0ZXN0AHRlc3Q
S: -ERR...
C: AUTH PLAIN
S: + 
C: !!!!
S: -ERR...
C: AUTH PLAIN
S: + 
C: 
S: -ERR...
C: AUTH GARLIC dGVzdA==
S: -ERR...
C: AUTH
S: +OK...
S: PLAIN
S: LOGIN
S: XOAUTH2
S: OAUTHBEARER
S: .
C: NOOP
S: -ERR...
C: AUTH PLAIN dGVzdAB0ZXN0AHRlc3Q=
S: +OK...
C: QUIT
S: +OK...
`, 2},
	{"LOGIN", accounts("LOGIN tim  tanstaaftanstaaf"), nil, `
S: +OK...
C: AUTH LOGIN
S: + VXNlcm5hbWU6
C: dGlt
S: + UGFzc3dvcmQ6
C: dGFuc3RhYWZ0YW5zdGFhZg==
S: +OK...
C: QUIT
S: +OK...
`, 2},
	{"LOGIN with the name at once", accounts("LOGIN tim  tanstaaftanstaaf"), nil, `
S: +OK...
C: AUTH login dGlt
S: + UGFzc3dvcmQ6
C: dGFuc3RhYWZ0YW5zdGFhZg==
S: +OK...
C: QUIT
S: +OK...
`, 2},
	{"Google's XOAUTH2", accounts("XOAUTH2 someuser@example.com  ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg"), nil, `
S: +OK...
C: AUTH XOAUTH2 dXNlcj1zb21ldXNlckBleGFtcGxlLmNvbQFhdXRoPUJlYXJlciB5YTI5LnZGOWRmdDRxbVRjMk52YjNSbGNrQmhkSFJoZG1semRHRXVZMjl0Q2cBAQ==
S: +OK...
C: QUIT
S: +OK...
`, 2},
	{"Microsoft's XOAUTH2 in two lines", accounts("XOAUTH2 test@contososales.onmicrosoft.com  EwBAAl3BAAUFFpUAo7J3Ve0bjLBWZWCclRC3EoAA"), nil, `
S: +OK...
C: AUTH XOAUTH2
S: + 
C: dXNlcj10ZXN0QGNvbnRvc29zYWxlcy5vbm1pY3Jvc29mdC5jb20BYXV0aD1CZWFyZXIgRXdCQUFsM0JBQVVGRnBVQW83SjNWZTBiakxCV1pXQ2NsUkMzRW9BQQEB
S: +OK...
C: QUIT
S: +OK...
`, 2},
	{"XOAUTH2 refused", accounts(), nil, `
S: +OK...
C: AUTH XOAUTH2 dXNlcj1zb21ldXNlckBleGFtcGxlLmNvbQFhdXRoPUJlYXJlciB4AQE=
S: -ERR [AUTH]...
C: QUIT
S: +OK...
`, 2},
	{"RFC7628 section 4.1", accounts("OAUTHBEARER user@example.com  vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg=="), nil, `
S: +OK...
C: AUTH OAUTHBEARER bixhPXVzZXJAZXhhbXBsZS5jb20sAWhvc3Q9c2VydmVyLmV4YW1wbGUuY29tAXBvcnQ9MTQzAWF1dGg9QmVhcmVyIHZGOWRmdDRxbVRjMk52YjNSbGNrQmhkSFJoZG1semRHRXVZMjl0Q2c9PQEB
S: +OK...
C: QUIT
S: +OK...
`, 2},
	{"RFC7628 section 4.3, refused", accounts(), nil, `
S: +OK...
C: AUTH OAUTHBEARER
S: + 
C: bixhPXVzZXJAZXhhbXBsZS5jb20sAWhvc3Q9c2VydmVyLmV4YW1wbGUuY29tAXBvcnQ9MTQzAWF1dGg9QmVhcmVyIHZGOWRmdDRxbVRjMk52YjNSbGNrQmhkSFJoZG1semRHRXVZMjl0Q2c9PQEB
S: + eyJzdGF0dXMiOiJpbnZhbGlkX3Rva2VuIiwic2NoZW1lcyI6ImJlYXJlciJ9
C: AQ==
S: -ERR [AUTH]...
C: AUTH OAUTHBEARER bixhPXVzZXJAZXhhbXBsZS5jb20sAWF1dGg9QmVhcmVyIHgBAQ==
S: + eyJzdGF0dXMiOiJpbnZhbGlkX3Rva2VuIiwic2NoZW1lcyI6ImJlYXJlciJ9
C: 
S: -ERR [AUTH]...
C: QUIT
S: +OK...
`, 2},
}

func TestTranscripts(t *testing.T) {
	for _, tr := range transcripts {
		t.Run(tr.name, func(t *testing.T) {
			t.Parallel()
			for size := 1; size <= 512; size++ {
				backend := tr.backend(t)
				server := &pop3.Server{Backend: backend}
				if tr.setup != nil {
					tr.setup(server)
				}
				replay(t, server, tr.talk, size)
				if broken := backend.Broken(); len(backend.Mail()) != tr.left || len(broken) > 0 {
					t.Fatalf("chunks of %d: %d messages are left, want %d; %v", size, len(backend.Mail()), tr.left, broken)
				}
			}
		})
	}
}

// replay says the C: lines in chunks and compares what comes back with the S:
// lines.
func replay(t *testing.T, s *pop3.Server, talk string, size int) {
	t.Helper()
	server, client := socketPair(t)
	ended := make(chan struct{})
	go func() { defer close(ended); s.ServeConn(server) }()
	go func() {
		for said := lines(talk, "C: "); said != ""; {
			n := min(size, len(said))
			_, _ = io.WriteString(client, said[:n])
			said = said[n:]
		}
	}()
	_ = client.SetDeadline(time.Now().Add(time.Minute))
	heard, err := io.ReadAll(client)
	_ = client.Close()
	<-ended
	if err != nil {
		t.Fatalf("chunks of %d: %v after %q", size, err, heard)
	}
	matches(t, size, strings.SplitAfter(string(heard), "\r\n"), strings.SplitAfter(lines(talk, "S: "), "\r\n"))
}

func matches(t *testing.T, size int, got, want []string) {
	t.Helper()
	for i := range max(len(got), len(want)) {
		if i >= len(got) || i >= len(want) {
			t.Fatalf("chunks of %d: %d lines, want %d: %q", size, len(got), len(want), got)
		}
		start, open := strings.CutSuffix(want[i], "...\r\n")
		if got[i] != want[i] && !(open && strings.HasPrefix(got[i], start)) {
			t.Fatalf("chunks of %d: line %d is %q, want %q", size, i+1, got[i], want[i])
		}
	}
}

// lines are what one side says.
func lines(talk, side string) string {
	var said strings.Builder
	for line := range strings.Lines(talk) {
		if text, ok := strings.CutPrefix(line, side); ok {
			said.WriteString(strings.TrimSuffix(text, "\n") + "\r\n")
		}
	}
	return said.String()
}

// socketPair is a TCP connection over loopback.
func socketPair(t testing.TB) (server, client *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	s, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(); s.Close() })
	return s.(*net.TCPConn), c.(*net.TCPConn)
}
