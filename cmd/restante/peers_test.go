package main

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/restante-mail/restante/peertest"
)

// password is alice's: not a word that a log would have for another reason.
const password = `pa55 Wort"\7f3%u`

// TestPeers runs the real program between real clients and a real Dovecot.
func TestPeers(t *testing.T) {
	peertest.Need(t, "dovecot")
	binary := peertest.BuildRestante(t, true)
	for _, test := range []struct {
		name string
		run  func(t *testing.T, binary string)
	}{
		{"Clients", clients},
		{"OddMessages", oddMessages},
		{"OddCredentials", oddCredentials},
		{"WrongPassword", wrongPassword},
		{"UpstreamTLS", upstreamTLS},
		{"ServeWithoutFile", serveWithoutFile},
		{"OtherClient", otherClient},
		{"HangUp", hangUp},
		{"CutInBody", cutInBody},
		{"CutInQuit", cutInQuit},
		{"Stall", stall},
		{"Kick", kick},
		{"UpstreamGone", upstreamGone},
		{"NoUIDPLUS", noUIDPLUS},
		{"Terminate", terminate},
		{"Administrator", administrator},
		{"Kill", kill},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, binary) })
	}
}

// alice is Dovecot's only user in most tests.
func alice() peertest.Option {
	return peertest.WithUsers(map[string]string{"alice": password})
}

// inFront starts Restante before d.
func inFront(t *testing.T, binary string, d *peertest.DovecotServer, lines ...string) *peertest.RestanteServer {
	t.Helper()
	r := peertest.Restante(t, binary, peertest.For("imap://"+d.IMAPAddr(), lines...))
	noSecrets(t, r)
	return r
}

// noSecrets looks for passwords in the log when the test is over.
func noSecrets(t *testing.T, r *peertest.RestanteServer) {
	t.Cleanup(func() {
		if strings.Contains(r.Log(), "pa55") {
			t.Error("the password is in the log")
		}
	})
}

// connect is a client that has not signed in.
func connect(t *testing.T, r *peertest.RestanteServer) *peertest.POP3Conn {
	t.Helper()
	c, err := peertest.DialPOP3(r.POP3, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// signIn is a client in the TRANSACTION state.
func signIn(t *testing.T, r *peertest.RestanteServer) *peertest.POP3Conn {
	t.Helper()
	c := connect(t, r)
	if err := c.Login("alice", password); err != nil {
		t.Fatal(err)
	}
	return c
}

// say sends a command that must be answered +OK.
func say(t *testing.T, c *peertest.POP3Conn, command string) string {
	t.Helper()
	answer, err := c.Do(command)
	if err != nil {
		t.Fatalf("%s: %v", command, err)
	}
	return answer
}

// get retrieves a text that must come whole.
func get(t *testing.T, c *peertest.POP3Conn, command string) []byte {
	t.Helper()
	text, err := c.Get(command)
	if err != nil {
		t.Fatalf("%s: %v", command, err)
	}
	return text
}

// refused sends a command that must be answered -ERR with this code ("" for any).
func refused(t *testing.T, c *peertest.POP3Conn, command, code string) {
	t.Helper()
	answer, err := c.Do(command)
	if err == nil || !strings.HasPrefix(answer, "-ERR "+code) {
		t.Errorf("%s: %q, %v; want -ERR %s", command, answer, err, code)
	}
}

// mail is n messages that differ.
func mail(n int) (messages [][]byte) {
	for i := range n {
		messages = append(messages, peertest.Text(i+1, 2000))
	}
	return messages
}

// holds checks what is left in alice's INBOX.
func holds(t *testing.T, d *peertest.DovecotServer, want ...[]byte) {
	t.Helper()
	var got []string
	for _, m := range d.Messages("alice", "INBOX") {
		got = append(got, peertest.Sum(m.Octets))
	}
	var sums []string
	for _, m := range want {
		sums = append(sums, peertest.Sum(m))
	}
	if !slices.Equal(got, sums) {
		t.Errorf("upstream holds %d messages, want %d; or not those", len(got), len(want))
	}
}

// flags of the messages in alice's INBOX.
func flags(d *peertest.DovecotServer) (all []string) {
	for _, m := range d.Messages("alice", "INBOX") {
		all = append(all, m.Flags)
	}
	return all
}

func clients(t *testing.T, binary string) {
	// Not every client can be given a password with quotes.
	user := peertest.WithUsers(map[string]string{"alice": "pa55word"})
	peertest.TestClients(t, func(t *testing.T) peertest.Front {
		d := peertest.Dovecot(t, user)
		r := inFront(t, binary, d)
		return peertest.Front{POP3: r.POP3, POP3S: r.POP3S, CA: r.CA, Upstream: d}
	})
}

// Every message arrives as POP3 wants it, and is as long as was said.
func oddMessages(t *testing.T, binary string) {
	const head = "Subject: odd\r\n\r\n"
	odd := map[string]string{
		"LF only":            "Subject: lf\n\nbody\n.\n..\n",
		"no final line end":  head + "body",
		"ends in CR":         head + "body\r",
		"bare CR":            head + "one\rtwo\r\rthree\r\n",
		"dot first":          ".Subject: dot\r\n\r\nbody\r\n",
		"only dots":          ".\r\n..\r\n...\r\n",
		"dots":               head + ".\r\n..\r\n.x\r\n\r\n.\r\n",
		"8 bit":              head + "\xff\xfe\x80\xc3\xa4\r\n",
		"NUL":                head + "a\x00b\r\n",
		"no body":            "Subject: header only\r\n",
		"no header":          "\r\nbody\r\n",
		"one octet":          "x",
		"empty lines":        "\r\n\r\n\r\n",
		"long line":          head + strings.Repeat("x", 5<<20) + "\r\n",
		"long line, no end":  head + strings.Repeat(".", 1<<20),
		"looks like replies": head + "* 1 FETCH (BODY[] {3}\r\n)\r\na1 OK done\r\n* BYE\r\n",
	}
	d := peertest.Dovecot(t, alice())
	for _, m := range odd {
		d.Deliver("alice", "INBOX", []byte(m))
	}
	for _, visit := range []string{"first", "second"} {
		t.Run(visit, func(t *testing.T) { checkAll(t, d, inFront(t, binary, d)) })
	}
}

// checkAll compares each message with what IMAP gives, and sizes with octets.
func checkAll(t *testing.T, d *peertest.DovecotServer, r *peertest.RestanteServer) {
	c := signIn(t, r)
	for i, m := range d.Messages("alice", "INBOX") {
		name := fmt.Sprintf("message %d (%.40q)", i+1, m.Octets)
		want := peertest.Canonical(m.Octets)
		answer := say(t, c, fmt.Sprintf("RETR %d", i+1))
		raw, err := c.Text(nil)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		got := peertest.Unstuff(raw)
		if !bytes.Equal(got, want) {
			t.Errorf("%s: %d octets %.60q, want %d %.60q", name, len(got), got, len(want), want)
		}
		if n, told := octets(answer); told && n != len(got) {
			t.Errorf("%s: %q, but %d octets came", name, answer, len(got))
		}
		top := get(t, c, fmt.Sprintf("TOP %d 99999999", i+1))
		if !bytes.Equal(top, want) {
			t.Errorf("%s: TOP of all lines differs from RETR: %.60q", name, top)
		}
	}
	say(t, c, "QUIT")
}

// octets is n of "+OK n octets".
func octets(answer string) (int, bool) {
	f := strings.Fields(answer)
	if len(f) < 2 {
		return 0, false
	}
	n, err := strconv.Atoi(f[1])
	return n, err == nil
}

// Names and passwords reach the upstream as data, whatever they hold.
func oddCredentials(t *testing.T, binary string) {
	users := map[string]string{
		"alice":             "two  spaces ",
		"bob@example.com":   `"quoted\" {5} %u * ~`,
		`we"ird\name`:       "a:b:c",
		"space in it":       "8bit \xff\xc3\xa4",
		"percent%u":         "(*)",
		"m\u00fcller":       strings.Repeat("long", 50),
		"dave+tag@host.com": "{PLAIN}x",
		"{5}":               "{5}",
		"list*":             "a LOGOUT",
	}
	d := peertest.Dovecot(t, peertest.WithUsers(users))
	r := inFront(t, binary, d)
	for user, password := range users {
		d.Deliver(user, "INBOX", []byte("Subject: "+user+"\r\n\r\n"))
		c := connect(t, r)
		if err := c.Login(user, password); err != nil {
			t.Errorf("%q: %v", user, err)
			continue
		}
		if got := get(t, c, "RETR 1"); !strings.HasPrefix(string(got), "Subject: "+user) {
			t.Errorf("%q got %q", user, got)
		}
	}
}

func wrongPassword(t *testing.T, binary string) {
	d := peertest.Dovecot(t, alice())
	r := inFront(t, binary, d)
	c := connect(t, r)
	say(t, c, "USER alice")
	refused(t, c, "PASS pa55-wrong", "[AUTH]")
	if err := c.Login("alice", password); err != nil {
		t.Errorf("the right password after a wrong one: %v", err)
	}
	c = connect(t, r)
	say(t, c, "USER nobody")
	refused(t, c, "PASS pa55-wrong", "[AUTH]")
}

// The upstream leg is encrypted and verified where that is asked for.
func upstreamTLS(t *testing.T, binary string) {
	d := peertest.Dovecot(t, alice())
	d.Deliver("alice", "INBOX", mail(1)...)
	ca := fmt.Sprintf("ca = %q", d.Certificate.CA)
	for name, upstream := range map[string]string{
		"IMAPS":    peertest.For("imaps://"+d.IMAPSAddr(), ca),
		"STARTTLS": peertest.For("imap://"+d.IMAPAddr(), ca, "insecure = false"),
	} {
		t.Run(name, func(t *testing.T) {
			r := peertest.Restante(t, binary, upstream)
			if got := get(t, signIn(t, r), "RETR 1"); !bytes.Equal(got, mail(1)[0]) {
				t.Errorf("got %.80q", got)
			}
			if log := d.Log(); !strings.Contains(log, "TLS") {
				t.Error("Dovecot saw no TLS")
			}
		})
		t.Run(name+" of a stranger", func(t *testing.T) {
			r := peertest.Restante(t, binary, strings.Replace(upstream, ca, "", 1))
			c := connect(t, r)
			say(t, c, "USER alice")
			refused(t, c, "PASS "+password, "[SYS/")
			r.Await("certificate")
		})
	}
}

// What the README says: no file is needed.
func serveWithoutFile(t *testing.T, binary string) {
	d := peertest.Dovecot(t, alice())
	d.Deliver("alice", "INBOX", mail(1)...)
	cert := peertest.NewCertificate(t, t.TempDir())
	r := peertest.RestanteWith(t, binary, "serve", "--log-format", "json", "--upstream", "imap://"+d.IMAPAddr(),
		"--listen", "pop3://127.0.0.1:0", "--listen", "pop3s://localhost:0", "--cert", cert.Cert, "--key", cert.Key)
	if r.POP3 == "" || r.POP3S == "" {
		t.Fatalf("listening on %q and %q", r.POP3, r.POP3S)
	}
	c := signIn(t, r)
	if got := get(t, c, "RETR 1"); !bytes.Equal(got, mail(1)[0]) {
		t.Errorf("got %.80q", got)
	}
	say(t, c, "QUIT")
	if status, err := r.Process().Stop(); status != 0 || err != nil {
		t.Errorf("exit status %d, %v", status, err)
	}
	if _, err := os.Stat("restante.db"); err == nil {
		t.Error("a state file was left in the working directory")
	}
}
