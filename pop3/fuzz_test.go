package pop3_test

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/restante-mail/restante/pop3"
	"github.com/restante-mail/restante/pop3/pop3test"
)

// FuzzCommand feeds a whole connection hostile octets. Whatever they are, each
// line gets one reply, nothing panics, and without a QUIT that succeeds no
// message goes.
func FuzzCommand(f *testing.F) {
	for _, talk := range []string{
		"CAPA\r\nAUTH\r\nNOOP\r\nQUIT\r\n", "STAT\nLIST\nUIDL\nLAST\nRETR 1\nTOP 2 0\nDELE 1\nRSET\nQUIT\n",
		"LIST 2\r\nUIDL 9\r\nRETR 18446744073709551617\r\nTOP 1 -1\r\nDELE 1\r\nDELE 1\r\nQUI", "\r\n\r\r\n\x00\n QUIT\n",
		"USER a\nPASS b\nAUTH PLAIN\nAGEAYg==\nAUTH PLAIN =\nAUTH LOGIN YQ==\n*\nSTLS\n", "AUTH OAUTHBEARER bixhPWEsAWF1dGg9QmVhcmVyIHgBAQ==\n\nPASS\n",
		strings.Repeat("A", 600) + "\r\nNOOP\r\n" + strings.Repeat("RETR 1\r\n", 300), "AUTH XOAUTH2 " + strings.Repeat("QUJD", 4000) + "\n",
		"APOP alice c4c9334bac560ecc979e58001b3e22fb\r\nAPOP\r\nAPOP  x\r\n",
		"AUTH EXTERNAL =\r\n",
	} {
		f.Add(true, []byte(talk))
		f.Add(false, []byte(talk))
	}
	f.Fuzz(func(t *testing.T, signedIn bool, talk []byte) {
		m := pop3test.NewMemory(append(pop3test.Mail(2), []byte("\n.\r.\n+OK\n-ERR"))...)
		if signedIn {
			talk = append([]byte("USER alice\r\nPASS wonder land\r\n"), talk...)
		}
		heard := converse(t, m, talk)
		quit := checkReplies(t, talk, bufio.NewReader(bytes.NewReader(heard)))
		if !quit && len(m.Mail()) != 3 {
			t.Error("a message went without a QUIT")
		}
		if broken := m.Broken(); len(broken) > 0 {
			t.Error(broken)
		}
	})
}

// converse says everything and returns all that was heard.
func converse(t *testing.T, m *pop3test.Memory, talk []byte) []byte {
	server, client := socketPair(t)
	s := &pop3.Server{
		Backend: m, APOP: true, Limits: pop3.Limits{BadCommands: -1, SignIns: -1},
		Hooks: pop3.Hooks{End: func(sum pop3.Summary) {
			if sum.End == pop3.EndPanic {
				t.Error(sum.Err)
			}
		}},
	}
	ended := make(chan struct{})
	go func() { defer close(ended); s.ServeConn(server) }()
	go say(client, talk)
	_ = client.SetReadDeadline(time.Now().Add(time.Minute))
	heard, err := io.ReadAll(client)
	if err != nil {
		t.Fatal(err)
	}
	<-ended
	_ = client.Close()
	return heard
}

func say(client *net.TCPConn, talk []byte) {
	_, _ = client.Write(talk)
	_ = client.CloseWrite()
}

// checkReplies walks through both sides of a conversation, and tells whether
// it came to a QUIT that succeeded.
func checkReplies(t *testing.T, talk []byte, r *bufio.Reader) (quit bool) {
	status(t, r, "the greeting")
	for line := range bytes.Lines(talk) {
		if line[len(line)-1] != '\n' {
			break // not a line
		}
		reply := status(t, r, string(line))
		if !strings.HasPrefix(reply, "+OK") {
			continue // -ERR, or a challenge, which the next line answers
		}
		text := strings.TrimSuffix(strings.TrimSuffix(string(line), "\n"), "\r")
		verb, arg, _ := strings.Cut(strings.ToUpper(text), " ")
		arg = strings.Trim(arg, " \t")
		switch {
		case verb == "QUIT":
			quit = true
		case verb == "RETR", verb == "TOP", verb == "CAPA", arg == "" && (verb == "LIST" || verb == "UIDL" || verb == "AUTH"):
			skipBody(t, r, text)
		}
		if quit {
			break
		}
	}
	if rest, _ := io.ReadAll(r); len(rest) > 0 {
		t.Fatalf("more replies than commands: %q", rest)
	}
	return quit
}

func status(t *testing.T, r *bufio.Reader, to string) string {
	line, err := r.ReadString('\n')
	if err != nil || len(line) > 512 || !strings.HasSuffix(line, "\r\n") ||
		!strings.HasPrefix(line, "+OK") && !strings.HasPrefix(line, "-ERR ") && !strings.HasPrefix(line, "+ ") {
		t.Fatalf("the reply to %q is %q, %v", to, line, err)
	}
	return line
}

func skipBody(t *testing.T, r *bufio.Reader, to string) {
	for line := ""; line != ".\r\n"; {
		var err error
		if line, err = r.ReadString('\n'); err != nil || !strings.HasSuffix(line, "\r\n") {
			t.Fatalf("in the reply to %q: %q, %v", to, line, err)
		}
	}
}
