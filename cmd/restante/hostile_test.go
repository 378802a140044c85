package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode"

	"github.com/sirupsen/logrus"

	"github.com/restante-mail/restante/config"
)

// hostile are names and passwords that mean something in one of the protocols,
// formats and terminals behind us.
var hostile = []string{
	`a" OK "b`, `back\slash\`, "{5}", "{5+}", "%", "*", "(NIL)", "a b", "'; DROP TABLE bans; --", "\xff\xfe\x80", "é\u202e\u2066txt", "\x1b[2J\x1b]0;owned\a",
	"tab\there", "\x01auth=Bearer x\x01\x01", "a,b=c", "..", ".", "../../etc/passwd", "=2C=3D", "${user}{user}", "\x7f\x08", "+", "alice+printer", "<1@x>", "~",
}

// breakers end a line or a string somewhere, and go no further than us.
var breakers = []string{"x\r\nA1 LOGOUT", "x\nQUIT", "x\rDELE 1", "x\x00y", "\r\n", "x\r\n{5}\r\n"}

// listening are the lines that a server heard.
type listening struct {
	mu    sync.Mutex
	lines []string
}

func (l *listening) note(line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, line)
}

// TestHostileNames: whatever a client says for a name and a password, the servers
// behind hear nothing but our own commands, and logs and the trail have a line
// each of what a terminal can be shown.
func TestHostileNames(t *testing.T) {
	for _, format := range []string{"text", "json"} {
		t.Run(format, func(t *testing.T) {
			dir := t.TempDir()
			imap, pop := new(listening), new(listening)
			r := startHostile(t, dir, format, "", imap, pop)
			for _, name := range []string{"imap", "pop3"} {
				address := r.fronts["127.0.0.1:0 "+name].listener.Addr().String()
				for _, s := range append(append([]string{}, hostile...), breakers...) {
					signInHostile(t, address, s)
				}
			}
			outputs := collect(t, r, dir)
			checkHeard(t, "IMAP", imap.lines, `^\S+ (CAPABILITY|ID .*|NOOP|LOGOUT|AUTHENTICATE PLAIN [A-Za-z0-9+/]+={0,2}|SELECT "INBOX".*|UID (FETCH|SEARCH) .*)$`)
			checkHeard(t, "POP3", pop.lines, `^(CAPA|QUIT|AUTH PLAIN( [A-Za-z0-9+/]+={0,2})?|STAT|LIST|UIDL)$`)
			checkPrintable(t, format, outputs["log"])
			checkPrintable(t, "json", outputs[".json"])
		})
	}
}

// signInHostile says s for a name and for a password, each in every way that can
// carry it.
func signInHostile(t *testing.T, address, s string) {
	t.Helper()
	b64 := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	for _, pair := range [][2]string{{s, "x"}, {"alice", s}} {
		heard := speak(t, address, []string{"AUTH PLAIN " + b64("\x00"+pair[0]+"\x00"+pair[1]), "AUTH LOGIN", b64(pair[0]), b64(pair[1])})
		if !strings.ContainsAny(s, "\r\n") {
			heard += speak(t, address, []string{"USER " + pair[0], "PASS " + pair[1]})
		}
		if strings.Contains(heard, "signed in") || strings.ContainsFunc(heard, func(r rune) bool { return r != '\r' && r != '\n' && (r < ' ' || r > '~') }) {
			t.Errorf("%q, %q: the client heard %q", pair[0], pair[1], heard)
		}
	}
}

// startHostile is a service over two servers that let nobody in.
func startHostile(t *testing.T, dir, format, more string, imap, pop *listening) *running {
	t.Helper()
	return launch(t, dir, hostileText(t, dir, format, more, imap, pop))
}

// hostileText configures it; more is for each listener.
func hostileText(t *testing.T, dir, format, more string, imap, pop *listening) string {
	t.Helper()
	imapServer := echoing(t, "* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN] hello\r\n", func(line string) string {
		imap.note(line)
		tag, _, _ := strings.Cut(line, " ")
		return tag + " NO [AUTHENTICATIONFAILED] no\r\n"
	})
	popServer := echoing(t, "+OK hello\r\n", func(line string) string {
		pop.note(line)
		if line == "CAPA" {
			return "+OK\r\nSASL PLAIN\r\n.\r\n"
		}
		return "-ERR [AUTH] no\r\n"
	})
	var text strings.Builder
	fmt.Fprintf(&text, "[log]\nlevel = \"debug\"\nformat = %q\n[admin]\nlisten = \"127.0.0.1:0\"\n[guard]\nallow = [\"127.0.0.0/8\"]\nban_after = 0\nwrong_password_time = \"0s\"\nmax_delay = \"1ms\"\n[audit]\nfile = %q\n",
		format, filepath.Join(dir, "audit.jsonl"))
	for name, url := range map[string]string{"imap": "imap://" + imapServer, "pop3": "pop3://" + popServer} {
		fmt.Fprintf(&text, "[[listener]]\nname = %q\naddress = \"127.0.0.1:0\"\n%s[[upstream]]\nname = %q\nurl = %q\n[[route]]\nlistener = [%q]\nupstream = %q\n", name, more, name, url, name, name)
	}
	return text.String()
}

// launch starts a service that logs all, and that its test stops.
func launch(t *testing.T, dir, text string) *running {
	t.Helper()
	r := &running{file: filepath.Join(dir, "restante.toml"), log: newOutput()}
	r.write(t, text)
	logger := logrus.New()
	logger.SetOutput(r.log)
	r.service = newService(logger)
	live, err := config.NewLive(func() (*config.Config, error) { return config.Load(r.file) }, r.apply)
	if err != nil {
		t.Fatal(err)
	}
	r.live = live
	logger.SetLevel(logrus.TraceLevel)
	return r
}

func checkHeard(t *testing.T, who string, lines []string, allowed string) {
	t.Helper()
	ours, tried := regexp.MustCompile(allowed), 0
	for _, line := range lines {
		if !ours.MatchString(line) {
			t.Errorf("the %s server heard %q", who, line)
		}
		if strings.Contains(line, "PLAIN") {
			tried++
		}
	}
	if tried < len(hostile) {
		t.Errorf("the %s server was tried %d times; does anything reach it? %.300q", who, tried, lines)
	}
}

// checkPrintable wants lines of JSON, or lines of ASCII.
func checkPrintable(t *testing.T, format, text string) {
	t.Helper()
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	for _, line := range lines {
		if strings.ContainsFunc(line, func(r rune) bool { return r < ' ' || format == "text" && !unicode.IsPrint(r) }) {
			t.Errorf("control characters in %q", line)
		}
		if format == "json" && !json.Valid([]byte(line)) || format == "text" && !strings.HasPrefix(line, "time=") {
			t.Errorf("%q is no line of the %s log", line, format)
		}
	}
	if len(lines) < len(hostile) {
		t.Errorf("%d lines", len(lines))
	}
}

// TestTerminalLog: in color logrus writes messages as they are, and clients choose
// what is in some.
func TestTerminalLog(t *testing.T) {
	var out bytes.Buffer
	logger := logrus.New()
	logger.SetOutput(&out)
	setLog(logger, config.Log{Level: "debug"})
	logger.Formatter.(*lineFormatter).ForceColors = true
	logger.Formatter.(*lineFormatter).DisableTimestamp = true
	for _, s := range append(append([]string{}, hostile...), breakers...) {
		out.Reset()
		logger.WithField("user", s).WithError(errors.New(s)).Warn("C: " + s)
		line := strings.NewReplacer("\x1b[33m", "", "\x1b[0m", "").Replace(out.String())
		for i, r := range line {
			if (r < ' ' || r == 0x7f || r == '\u202e' || r == '\u2066') && i != len(line)-1 {
				t.Errorf("%q: the terminal gets %q", s, line)
				break
			}
		}
	}
}

// TestPlainTextIsRefusedFirst: where a client may not sign in without TLS it is told
// so before it is asked for a password, in each way to sign in, and no server hears
// of it.
func TestPlainTextIsRefusedFirst(t *testing.T) {
	dir := t.TempDir()
	imap, pop := new(listening), new(listening)
	r := startHostile(t, dir, "text", "plaintext_auth = []\n", imap, pop)
	for _, name := range []string{"imap", "pop3"} {
		address := r.fronts["127.0.0.1:0 "+name].listener.Addr().String()
		for _, command := range []string{"USER alice", "PASS secret", "AUTH PLAIN", "AUTH LOGIN", "AUTH XOAUTH2", "AUTH OAUTHBEARER", "AUTH EXTERNAL", "AUTH", "APOP alice c4c9334bac560ecc979e58001b3e22fb"} {
			if heard := speak(t, address, []string{command}); strings.Count(heard, "-ERR") != 2 || strings.Contains(heard, "+ ") {
				t.Errorf("%s: %q", command, heard)
			}
		}
		if heard := speak(t, address, []string{"CAPA"}); strings.Contains(heard, "SASL") || strings.Contains(heard, "\nUSER") {
			t.Errorf("CAPA: %q", heard)
		}
	}
	if err := r.stop(10 * time.Second); err != nil {
		t.Error(err)
	}
	if len(imap.lines)+len(pop.lines) > 0 {
		t.Errorf("the servers heard %q, %q", imap.lines, pop.lines)
	}
}

// TestErrorsArePrintable: what a command fails with may have a server's words in it.
func TestErrorsArePrintable(t *testing.T) {
	for text, want := range map[string]string{
		"plain: é":                        "plain: é",
		"one\ntwo \x1b[2J\nthree":         "one\n\"two \\x1b[2J\"\nthree",
		"right to left \u202e, bell \x07": `"right to left \u202e, bell \a"`,
	} {
		if got := printableLines(text); got != want {
			t.Errorf("%q is shown as %q, want %q", text, got, want)
		}
	}
}
