package main

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/restante-mail/restante/auth/oauth/oauthtest"
	"github.com/restante-mail/restante/peertest"
)

// TestOAuth runs the real program between a POP3 client that knows only USER and
// PASS, a server of tokens, and a real Dovecot that takes nothing but tokens.
func TestOAuth(t *testing.T) {
	peertest.Need(t, "dovecot")
	binary := peertest.BuildRestante(t, false)
	for _, test := range []struct {
		name string
		run  func(t *testing.T, binary string)
	}{
		{"DeviceCode", deviceCode},
		{"Browser", browser},
		{"ServiceAccount", serviceAccount},
		{"Interrupted", interruptedAuthorize},
		{"Troubles", tokenTroubles},
		{"POP3Upstream", overPOP3},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, binary) })
	}
}

// An office has a printer, a provider of tokens and a mailbox.
type office struct {
	t      *testing.T
	binary string
	tokens *oauthtest.Server
	mail   *peertest.DovecotServer
	r      *peertest.RestanteServer
	config string
	pop3   bool // the mail server speaks POP3 to us
}

func (o *office) upstream() string {
	if o.pop3 {
		return peertest.For("pop3://" + o.mail.POP3Addr())
	}
	return peertest.For("imap://"+o.mail.IMAPAddr(), `warm_idle = "0s"`)
}

const printersPassword = "pa55 of the printer"

// newOffice starts everything; more are lines of [oauth.test].
func newOffice(t *testing.T, binary, mechanism string, more ...string) *office {
	t.Helper()
	o := &office{t: t, binary: binary, tokens: oauthtest.New(t)}
	o.open(mechanism, more...)
	return o
}

func (o *office) open(mechanism string, more ...string) {
	o.t.Helper()
	t := o.t
	o.tokens.Set(func(s *oauthtest.Server) { s.Clients["dovecot"] = oauthtest.Client{Secret: "looks"} })
	at, err := url.Parse(o.tokens.URL + "/introspect")
	if err != nil {
		t.Fatal(err)
	}
	at.User = url.UserPassword("dovecot", "looks")
	o.mail = peertest.Dovecot(t, peertest.WithPOP3(), peertest.WithTokens(at.String()), peertest.WithConfig("auth_mechanisms = "+mechanism))
	o.mail.Deliver("alice", "INBOX", []byte("Subject: for the printer\r\n\r\nbody\r\n"))
	state := filepath.Join(t.TempDir(), "state.db")
	if out, err := exec.Command(o.binary, "state", "init", "--state", state).CombinedOutput(); err != nil {
		t.Fatalf("state init: %v\n%s", err, out)
	}
	provider := fmt.Sprintf("[oauth.test]\nissuer = %q\nclient_id = \"printer\"\n%s\n", o.tokens.URL, strings.Join(more, "\n"))
	o.r = peertest.Restante(t, o.binary, fmt.Sprintf("state = %q\n[[route]]\naccounts = \"only\"\n", state)+
		provider+o.upstream())
	o.config = filepath.Join(o.r.Home, "restante.toml")
	t.Cleanup(o.noSecrets)
	o.mustRun(printersPassword+"\n", "account", "add", "alice", "--label", "printer", "--method", "oauth2", "--provider", "test")
}

// noSecrets looks for tokens and passwords in the log.
func (o *office) noSecrets() {
	for _, word := range []string{"pa55", "access.", "refresh.", "device."} {
		if strings.Contains(o.r.Log(), word) {
			o.t.Errorf("the log has %q in it", word)
		}
	}
}

// run runs a command beside the server.
func (o *office) run(stdin string, args ...string) (string, error) {
	var all bytes.Buffer
	cmd := exec.Command(o.binary, append(args, "--config", o.config)...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &all, &all
	err := cmd.Run()
	return all.String(), err
}

func (o *office) mustRun(stdin string, args ...string) string {
	o.t.Helper()
	out, err := o.run(stdin, args...)
	if err != nil {
		o.t.Fatalf("restante %q: %v\n%s", args, err, out)
	}
	return out
}

// authorize runs the command, and shows each line of it to what may act on it.
func (o *office) authorize(act func(line string, p *os.Process), flags ...string) (string, error) {
	o.t.Helper()
	cmd := exec.Command(o.binary, append([]string{"account", "authorize", "alice", "--config", o.config}, flags...)...)
	out, in := io.Pipe()
	cmd.Stdout, cmd.Stderr = in, in
	if err := cmd.Start(); err != nil {
		o.t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait(); _ = in.Close() }()
	var all strings.Builder
	for lines := bufio.NewScanner(out); lines.Scan(); {
		all.WriteString(lines.Text() + "\n")
		act(strings.TrimSpace(lines.Text()), cmd.Process)
	}
	select {
	case err := <-ended:
		return all.String(), err
	case <-time.After(30 * time.Second):
		_ = cmd.Process.Kill()
		o.t.Fatalf("authorize does not end:\n%s", all.String())
	}
	return "", nil
}

// typeTheCode is the owner of the mailbox.
func (o *office) typeTheCode(line string, _ *os.Process) { o.tokens.Approve(line, "alice") }

// poll is the printer: it signs in as in 1998.
func (o *office) poll() error {
	o.t.Helper()
	c := connect(o.t, o.r)
	if err := c.Login("alice", printersPassword); err != nil {
		return err
	}
	if text := get(o.t, c, "RETR 1"); !bytes.Contains(text, []byte("for the printer")) {
		o.t.Errorf("the printer got %q", text)
	}
	say(o.t, c, "QUIT")
	return nil
}

func (o *office) mustPoll() {
	o.t.Helper()
	if err := o.poll(); err != nil {
		o.t.Fatalf("the printer: %v", err)
	}
}

// mustFail polls, and wants -ERR with this code.
func (o *office) mustFail(code string) {
	o.t.Helper()
	if err := o.poll(); err == nil || !strings.Contains(err.Error(), code) {
		o.t.Fatalf("the printer: %v; want %s", err, code)
	}
}

func deviceCode(t *testing.T, binary string) {
	for _, mechanism := range []string{"xoauth2", "oauthbearer"} {
		o := newOffice(t, binary, mechanism)
		o.mustFail("[SYS/PERM]")
		o.r.Await("nobody has authorized it yet")
		out, err := o.authorize(o.typeTheCode)
		if err != nil || !strings.Contains(out, "alice is authorized with test") || !strings.Contains(out, o.tokens.URL+"/activate") {
			t.Fatalf("authorize: %v\n%s", err, out)
		}
		o.mustPoll()
		o.mustPoll()
		out = o.mustRun("", "account", "test", "alice", "--upstream-only") // another process, the same token
		if n := o.tokens.Asked("refresh_token"); n != 0 || !strings.Contains(out, "signed in; opened INBOX") {
			t.Errorf("%d refreshes; account test: %s", n, out)
		}
		if list := o.mustRun("", "account", "list"); !strings.Contains(list, "token until") {
			t.Errorf("account list: %s", list)
		}
	}
}

func browser(t *testing.T, binary string) {
	o := newOffice(t, binary, "xoauth2", `grant = "code"`)
	out, err := o.authorize(func(line string, _ *os.Process) {
		if !strings.HasPrefix(line, o.tokens.URL) {
			return
		}
		answer, err := http.Get(line)
		if err != nil {
			t.Errorf("the browser: %v", err)
			return
		}
		_ = answer.Body.Close()
	})
	if err != nil {
		t.Fatalf("authorize: %v\n%s", err, out)
	}
	o.mustPoll()
}

func serviceAccount(t *testing.T, binary string) {
	dir := t.TempDir()
	o := newOffice(t, binary, "xoauth2", `key_file = "`+writeKey(t, dir, nil)+`"`)
	o.tokens.Set(func(s *oauthtest.Server) { s.Clients["robot@example.com"] = oauthtest.Client{Key: &s.Key.PublicKey} })
	writeKey(t, dir, o.tokens)
	o.mustRun("", "account", "set", "alice", "--grant", "service_account")
	o.r.Await("configuration reloaded") // the key has become another
	if out := o.mustRun("", "account", "authorize", "alice"); !strings.Contains(out, "nobody needs to consent") {
		t.Errorf("authorize: %s", out)
	}
	o.mustPoll()
}

// writeKey writes a service account's key file.
func writeKey(t *testing.T, dir string, s *oauthtest.Server) string {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if s != nil {
		key = s.Key
	}
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	file, _ := json.Marshal(map[string]string{
		"client_email": "robot@example.com", "private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})),
	})
	path := filepath.Join(dir, "robot.json")
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// Ctrl-C ends the waiting, and nothing is changed.
func interruptedAuthorize(t *testing.T, binary string) {
	o := newOffice(t, binary, "xoauth2")
	out, err := o.authorize(func(line string, p *os.Process) {
		if strings.HasPrefix(line, "Waiting") {
			_ = p.Signal(os.Interrupt)
		}
	})
	if err == nil || !strings.Contains(out, "given up; nothing was changed") {
		t.Errorf("authorize: %v\n%s", err, out)
	}
	if out, err = o.authorize(func(string, *os.Process) {}, "--wait", "1s"); err == nil || !strings.Contains(out, "in time; nothing was changed") {
		t.Errorf("authorize with a short wait: %v\n%s", err, out)
	}
	if out, err = o.authorize(o.refuseTheCode); err == nil || !strings.Contains(out, "has declined") {
		t.Errorf("authorize that is declined: %v\n%s", err, out)
	}
	o.mustFail("[SYS/PERM]")
}

func (o *office) refuseTheCode(line string, _ *os.Process) { o.tokens.Approve(line, "") }

// tokenTroubles are what becomes of tokens in the years after the first day.
func tokenTroubles(t *testing.T, binary string) {
	for _, trouble := range []func(*office){refusedToken, providerAway, consentTakenBack, manyProcesses, killedAfterRefresh} {
		o := newOffice(t, binary, "xoauth2 oauthbearer")
		if out, err := o.authorize(o.typeTheCode); err != nil {
			t.Fatalf("authorize: %v\n%s", err, out)
		}
		o.mustPoll()
		trouble(o)
	}
}

// refusedToken: the mail server refuses what we think is good, once, and again
// right after.
func refusedToken(o *office) {
	o.tokens.Forget()
	o.mustPoll()
	o.r.Await("the mail server refused a token that was good, and there is a new one")
	o.tokens.Forget()
	o.mustFail("[SYS/PERM]")
	o.r.Await("the mail server refuses tokens that are fresh from the provider")
}

// providerAway: trying later helps.
func providerAway(o *office) {
	o.tokens.Set(func(s *oauthtest.Server) {
		s.Fault = func(w http.ResponseWriter, _ *http.Request) bool { w.WriteHeader(http.StatusBadGateway); return true }
	})
	o.mustPoll() // there is a token
	o.tokens.Forget()
	o.mustFail("[SYS/TEMP]")
	o.r.Await("there is no new token for now")
}

// consentTakenBack: a person must help, and no restart is needed.
func consentTakenBack(o *office) {
	o.tokens.Revoke()
	o.mustFail("[SYS/PERM]")
	o.r.Await("the account needs authorization: run \\\"restante account authorize alice\\\"")
	if list := o.mustRun("", "account", "list"); !strings.Contains(list, "needs authorize") {
		o.t.Errorf("account list: %s", list)
	}
	o.mustFail("[SYS/PERM]")
	if out, err := o.authorize(o.typeItFrom, "--json"); err != nil || !strings.Contains(out, `"authorized"`) {
		o.t.Fatalf("authorize: %v\n%s", err, out)
	}
	o.mustPoll()
}

// typeItFrom is a program that reads JSON.
func (o *office) typeItFrom(line string, _ *os.Process) {
	var shown struct{ Code string }
	if json.Unmarshal([]byte(line), &shown) == nil && shown.Code != "" {
		o.tokens.Approve(shown.Code, "alice")
	}
}

// manyProcesses find that the mail server refuses the token, all at the same time.
// One of them refreshes.
func manyProcesses(o *office) {
	o.tokens.Forget()
	var all sync.WaitGroup
	for range 3 {
		all.Go(func() {
			if out, err := o.run("", "account", "test", "alice", "--upstream-only"); err != nil {
				o.t.Errorf("account test: %v\n%s", err, out)
			}
		})
	}
	all.Go(o.mustPoll)
	all.Wait()
	if n, most := o.tokens.Asked("refresh_token"), o.tokens.AtOnce(); n != 1 || most != 1 {
		o.t.Errorf("%d refreshes, %d at once", n, most)
	}
}

// killedAfterRefresh: what replaced the refresh token is there after a kill,
// and it is the only one that the provider still takes.
func killedAfterRefresh(o *office) {
	o.tokens.Forget()
	o.mustPoll()
	o.r.Process().Kill()
	<-o.r.Process().Ended()
	o.r = peertest.RestanteWith(o.t, o.binary, "serve", "--config", o.config)
	o.tokens.Forget()
	o.mustPoll()
	if n := o.tokens.Asked("refresh_token"); n != 2 {
		o.t.Errorf("%d refreshes", n)
	}
}

// overPOP3: a POP3 server that takes nothing but tokens either, ones that no
// line of POP3 has room for, and short ones.
func overPOP3(t *testing.T, binary string) {
	o := &office{t: t, binary: binary, tokens: oauthtest.New(t), pop3: true}
	o.tokens.Set(func(s *oauthtest.Server) { s.JWT = true })
	o.open("xoauth2")
	if out, err := o.authorize(o.typeTheCode); err != nil {
		t.Fatalf("authorize: %v\n%s", err, out)
	}
	o.mustPoll()
	o.tokens.Set(func(s *oauthtest.Server) { s.JWT = false })
	o.tokens.Forget()
	o.mustPoll()
	o.r.Await("the mail server refused a token that was good, and there is a new one")
}
