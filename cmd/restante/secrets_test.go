package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/md5"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/restante-mail/restante/auth"
	"github.com/restante-mail/restante/config"
	"github.com/restante-mail/restante/memimap"
	"github.com/restante-mail/restante/pop3"
	"github.com/restante-mail/restante/pop3/pop3test"
	"github.com/restante-mail/restante/secret"
)

// The marked secrets. Each form of one differs from what is around it.
const (
	markedPassword = `mArk"ed\7e1d4c0ffee good one`
	missedPassword = `mIss"ed\5ba9d00d1e55 wrong one`
	markedToken    = "ya29.mArked-T0kEn_7e1d4c/ood+more=="
	missedToken    = "ya29.mIssed-T0kEn_5ba9d0/ood+more=="
	keptPassword   = `kEpt"for\93c0a1beef the account` // what an account has upstream
)

// digestOf stands before a secret whose APOP digest is to be said.
const digestOf = "digest of "

// waysIn are the ways to sign in: what a client says, line by line, each after
// it has heard the answer to the one before.
func waysIn(user, password, token string) map[string][]string {
	b64 := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	plain := b64("\x00" + user + "\x00" + password)
	xoauth2 := b64("user=" + user + "\x01auth=Bearer " + token + "\x01\x01")
	bearer := b64("n,a=" + user + ",\x01host=h\x01auth=Bearer " + token + "\x01\x01")
	return map[string][]string{
		"USER and PASS":             {"USER " + user, "PASS " + password},
		"user and pass":             {"user " + user, "pass " + password},
		"PLAIN at once":             {"AUTH PLAIN " + plain},
		"PLAIN":                     {"AUTH PLAIN", plain},
		"LOGIN at once":             {"AUTH LOGIN " + b64(user), b64(password)},
		"LOGIN":                     {"AUTH LOGIN", b64(user), b64(password)},
		"XOAUTH2 at once":           {"AUTH XOAUTH2 " + xoauth2},
		"XOAUTH2":                   {"AUTH XOAUTH2", xoauth2},
		"OAUTHBEARER at once":       {"AUTH OAUTHBEARER " + bearer, "AQ=="},
		"OAUTHBEARER":               {"AUTH OAUTHBEARER", bearer, "AQ=="},
		"PASS before USER":          {"PASS " + password},
		"without a verb":            {password, token, plain},
		"without a space":           {"USER " + user, "PASS" + password},
		"the token for a mechanism": {"AUTH " + token, "AUTH " + plain},
		"not in base64":             {"AUTH PLAIN " + password, "AUTH PLAIN", password},
		"too long":                  {"USER " + user, "PASS " + password + strings.Repeat(" x", 400)},
		"APOP":                      {"APOP " + user + " " + digestOf + password},
		"APOP of no account":        {"APOP nobody " + password},
		"cancelled, then typed":     {"AUTH PLAIN", "*", plain},
	}
}

// echoing is a server that repeats what it refuses. hello and other answers are
// as its protocol wants them; answer makes one of a line.
func echoing(t *testing.T, hello string, answer func(line string) string) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		ended <- pop3.Accept(l, func(c net.Conn) {
			defer c.Close()
			_ = c.SetDeadline(time.Now().Add(time.Minute))
			fmt.Fprint(c, hello)
			for lines := bufio.NewScanner(c); lines.Scan(); {
				fmt.Fprint(c, answer(lines.Text()))
			}
		})
	}()
	t.Cleanup(func() {
		l.Close()
		<-ended
	})
	return l.Addr().String()
}

const echoCaps = "IMAP4rev1 SASL-IR AUTH=PLAIN AUTH=XOAUTH2 AUTH=OAUTHBEARER"

func echoingIMAP(t *testing.T) string {
	return echoing(t, "* OK [CAPABILITY "+echoCaps+"] hello\r\n", func(line string) string {
		tag, command, _ := strings.Cut(line, " ")
		if strings.HasPrefix(command, "ID") || strings.HasPrefix(command, "NOOP") {
			return tag + " OK done\r\n"
		}
		return "* OK [ALERT] who says " + line + "?\r\n" + tag + " NO [AUTHENTICATIONFAILED] what is " + line + "?\r\n"
	})
}

func echoingPOP3(t *testing.T) string {
	return echoing(t, "+OK hello\r\n", func(line string) string {
		if line == "CAPA" {
			return "+OK\r\nUSER\r\nSASL PLAIN LOGIN XOAUTH2 OAUTHBEARER\r\n.\r\n"
		}
		if strings.HasPrefix(line, "USER ") {
			return "+OK\r\n"
		}
		return "-ERR [AUTH] what is " + line + "?\r\n"
	})
}

// legacyPOP3 takes both of the good secrets.
func legacyPOP3(t *testing.T) string {
	box := pop3test.NewMemory([]byte("Subject: x\r\n\r\ny\r\n"))
	server := &pop3.Server{Backend: anySecret{box}}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(l) }()
	t.Cleanup(func() {
		_ = server.Shutdown(t.Context())
		<-ended
	})
	return l.Addr().String()
}

// anySecret takes either of the marked secrets.
type anySecret struct{ *pop3test.Memory }

func (a anySecret) Login(ctx context.Context, peer pop3.Peer, cred pop3.Credentials) (pop3.Session, error) {
	if s := cred.Secret.Reveal(); s != markedPassword && s != markedToken && s != keptPassword {
		return nil, &pop3.Error{Code: pop3.CodeAuth, Text: "wrong"}
	}
	cred.User, cred.Secret = a.User, secret.New(a.Password)
	return a.Memory.Login(ctx, peer, cred)
}

func modernIMAP(t *testing.T) string {
	server := memimap.New()
	server.InsecureAuth = true
	server.AddUser("alice", secret.New(markedPassword)).Mailbox("INBOX").Append([]byte("Subject: x\r\n\r\ny\r\n"), nil, time.Time{})
	server.AddUser("kept", secret.New(keptPassword))
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

// speak plays a client's part and returns all that it heard.
func speak(t *testing.T, address string, lines []string) (heard string) {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(30 * time.Second))
	r := bufio.NewReader(c)
	all := &bytes.Buffer{}
	for _, line := range append(append([]string{""}, lines...), "STAT", "QUIT") {
		if before, plain, digest := strings.Cut(line, digestOf); digest {
			_, stamp, _ := strings.Cut(all.String(), "<")
			stamp, _, _ = strings.Cut(stamp, ">")
			line = before + fmt.Sprintf("%x", md5.Sum([]byte("<"+stamp+">"+plain)))
		}
		if line != "" {
			fmt.Fprint(c, line+"\r\n")
		}
		answer, err := r.ReadString('\n')
		all.WriteString(answer)
		if err != nil {
			break // too many failures end a connection
		}
	}
	_, _ = io.Copy(all, r)
	return all.String()
}

// secretForms are what a secret may look like in an output. In base64 it may
// stand anywhere, so that only what does not depend on its place counts.
func secretForms(s string) map[string]string {
	quoted, _ := json.Marshal(s)
	forms := map[string]string{
		"plain": s, "quoted": strings.Trim(strconv.Quote(s), `"`), "JSON": strings.Trim(string(quoted), `"`), "hex": hex.EncodeToString([]byte(s)),
		"HEX": strings.ToUpper(hex.EncodeToString([]byte(s))), "URL": url.QueryEscape(s), "path": url.PathEscape(s),
		"a part": s[6:18], "twice quoted": strings.Trim(strconv.Quote(strings.Trim(strconv.Quote(s), `"`)), `"`),
	}
	for before := range 3 {
		for name, e := range map[string]*base64.Encoding{"base64": base64.RawStdEncoding, "base64url": base64.RawURLEncoding} {
			text := e.EncodeToString([]byte(strings.Repeat("x", before) + s))
			forms[fmt.Sprintf("%s, %d before", name, before)] = text[(8*before+5)/6 : 8*(before+len(s))/6]
		}
	}
	return forms
}

// TestNoSecretComesOut drives every way to sign in, with right and with wrong
// secrets, over servers of either kind and over such that repeat what they
// refuse, and looks for the secrets in all that comes out.
func TestNoSecretComesOut(t *testing.T) {
	for _, format := range []string{"text", "json"} {
		t.Run(format, func(t *testing.T) {
			dir := t.TempDir()
			r := startLeaky(t, dir, format)
			heard := &bytes.Buffer{}
			signedIn := 0
			for upstream, good := range map[string]bool{"imap": true, "pop3": true, "echoimap": false, "echopop3": false} {
				for _, right := range []bool{true, false} {
					for _, user := range []string{"alice", "account"} {
						text, in := signInEachWay(t, r.fronts["127.0.0.1:0 "+upstream].listener.Addr().String(), user, right)
						heard.WriteString(text)
						signedIn += in
						if in > 0 && (!right || !good) {
							t.Errorf("%s at %s: let in %d times with what is wrong", user, upstream, in)
						}
					}
				}
			}
			if want := 6 + 10 + 7 + 7; signedIn != want { // a password over IMAP, a token too over POP3; an account's, and by APOP
				t.Errorf("let in %d times, want %d", signedIn, want)
			}
			outputs := collect(t, r, dir)
			outputs["what clients heard"] = heard.String()
			search(t, outputs)
		})
	}
}

// signInEachWay returns what a client heard, and how often it was let in.
func signInEachWay(t *testing.T, address, user string, right bool) (heard string, in int) {
	t.Helper()
	password, token := markedPassword, markedToken
	if !right {
		password, token = missedPassword, missedToken
	}
	for _, lines := range waysIn(user, password, token) {
		text := speak(t, address, lines)
		heard += text
		in += strings.Count(text, "+OK signed in")
	}
	return heard, in
}

// startLeaky is a service with everything that writes turned on.
func startLeaky(t *testing.T, dir, format string) *running {
	t.Helper()
	var text strings.Builder
	fmt.Fprintf(&text, "[log]\nlevel = \"debug\"\nformat = %q\n[admin]\nlisten = \"127.0.0.1:0\"\n[guard]\nallow = [\"127.0.0.0/8\"]\nwrong_password_time = \"0s\"\nban_after = 0\nmax_delay = \"1ms\"\n", format)
	fmt.Fprintf(&text, "[audit]\nfile = %q\n", filepath.Join(dir, "audit.jsonl"))
	for name, server := range map[string]string{
		"imap": "imap://" + modernIMAP(t), "pop3": "pop3://" + legacyPOP3(t),
		"echoimap": "imap://" + echoingIMAP(t), "echopop3": "pop3://" + echoingPOP3(t),
	} {
		fmt.Fprintf(&text, "[[listener]]\nname = %q\naddress = \"127.0.0.1:0\"\napop = true\n[[upstream]]\nname = %q\nurl = %q\n[[route]]\nlistener = [%q]\nupstream = %q\naccounts = \"first\"\n",
			name, name, server, name, name)
	}
	text.WriteString(sealedAccount(t, dir))
	fmt.Fprintf(&text, "[[transcript]]\nfolder = %q\nuntil = \"2099-01-01\"\n", filepath.Join(dir, "transcripts"))
	r := &running{file: filepath.Join(dir, "restante.toml"), log: newOutput()}
	r.write(t, text.String())
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

// sealedAccount is an account that the marked password opens, and that has
// another one upstream.
func sealedAccount(t *testing.T, dir string) string {
	t.Helper()
	keys := auth.NewKeyring(filepath.Join(dir, "seal.key"))
	seal := func(purpose, plain string) string {
		sealed, err := keys.Seal("account", purpose, secret.New(plain))
		if err != nil {
			t.Fatal(err)
		}
		return sealed
	}
	return fmt.Sprintf("[auth]\nkey_file = %q\n[[account]]\nname = \"account\"\nuser = \"kept\"\nmethod = \"password\"\npassword = %q\n"+
		"[[account.secret]]\nlabel = \"main\"\nsealed = %q\n",
		filepath.Join(dir, "seal.key"), seal(auth.UpstreamPurpose, keptPassword), seal(auth.SecretPurpose("main"), markedPassword))
}

// collect returns all outputs of a service. It is stopped by that, so that
// nothing is still under way.
func collect(t *testing.T, r *running, dir string) map[string]string {
	t.Helper()
	outputs := map[string]string{}
	answer, err := http.Get("http://" + r.web.serving.Addr().String() + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	metrics, err := io.ReadAll(answer.Body)
	answer.Body.Close()
	if err != nil {
		t.Fatal(err)
	}
	http.DefaultClient.CloseIdleConnections()
	outputs["metrics"] = string(metrics)
	if err := r.stop(10 * time.Second); err != nil {
		t.Error(err)
	}
	outputs["log"] = r.log.String()
	files, _ := filepath.Glob(filepath.Join(dir, "transcripts", "*.txt"))
	for _, file := range append(files, filepath.Join(dir, "audit.jsonl")) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		outputs[strings.TrimSuffix(filepath.Ext(file), "l")] += string(text)
	}
	return outputs
}

func search(t *testing.T, outputs map[string]string) {
	t.Helper()
	for _, want := range []struct{ output, text string }{
		{"log", "PASS ****"}, {"log", "AUTH PLAIN ****"}, {".txt", "AUTH XOAUTH2 ****"}, {".txt", "S: -ERR"}, {".json", `"result":"rejected"`},
		{".json", `"result":"ok"`}, {"metrics", "restante_sign_ins_total"}, {"what clients heard", "-ERR [AUTH]"},
	} {
		if !strings.Contains(outputs[want.output], want.text) {
			t.Errorf("%s has no %q: is it looked at?", want.output, want.text)
		}
	}
	for name, text := range outputs {
		for _, s := range []string{markedPassword, missedPassword, markedToken, missedToken, keptPassword} {
			for form, marked := range secretForms(s) {
				if at := strings.Index(text, marked); at >= 0 {
					t.Errorf("%s holds the secret %s (%s): …%s…", name, s, form, text[max(at-300, 0):min(at+len(marked)+40, len(text))])
				}
			}
		}
	}
}
