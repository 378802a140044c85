package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/restante-mail/restante/gateway"
	"github.com/restante-mail/restante/pop3"
	"github.com/restante-mail/restante/secret"
	"github.com/restante-mail/restante/store"
)

// command runs a command line, with a password on its standard input.
func command(t *testing.T, args ...string) (out string, err error) {
	t.Helper()
	var b bytes.Buffer
	root := rootCommand()
	root.SetArgs(args)
	root.SetOut(&b)
	root.SetErr(&b)
	root.SetIn(strings.NewReader("open sesame\n"))
	err = root.Execute()
	return b.String(), err
}

// keeping is a service with a state file, views and retention, and five
// messages of alice.
func keeping(t *testing.T) (r *running, conf string) {
	t.Helper()
	state := filepath.Join(t.TempDir(), "state.db")
	if got := run([]string{"state", "init", "--state", state}); got != 0 {
		t.Fatalf("state init: exit status %d", got)
	}
	r = start(t, "state = \""+filepath.ToSlash(state)+"\"\n[[listener]]\naddress = \"127.0.0.1:0\"\n[[upstream]]\nname = \"main\"\nurl = \"imap://"+
		mailServer(t, "alice", 5)+"\"\n[[route]]\npolicy = \"keep-days\"\nviews = [\"printer\"]\nrecent = true\n")
	return r, r.file
}

// session signs in, deletes the numbers and quits.
func session(t *testing.T, r *running, user string, deleted ...int) (shown int) {
	t.Helper()
	conn, err := net.Dial("tcp", r.at("127.0.0.1:0"))
	if err != nil {
		t.Fatal(err)
	}
	c, err := pop3.NewClient(t.Context(), conn, pop3.ClientOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Login(t.Context(), user, secret.New("open sesame")); err != nil {
		t.Fatal(err)
	}
	shown, _, err = c.Stat(t.Context())
	if _, refused := c.Dele(t.Context(), deleted...); errors.Join(err, refused, c.Quit(t.Context())) != nil {
		t.Fatal(err, refused)
	}
	return shown
}

func want(t *testing.T, out string, err error, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(out, part) {
			t.Errorf("%q is missing in\n%s", part, out)
		}
	}
	if err != nil {
		t.Errorf("%v, after\n%s", err, out)
	}
}

// TestCommandsBesideARunningProcess: each command works while the state file is
// in use, and the next session knows.
func TestCommandsBesideARunningProcess(t *testing.T) {
	r, conf := keeping(t)
	session(t, r, "alice", 2, 4)
	out, err := command(t, "policy", "explain", "alice", "--config", conf, "--deleted", "1")
	want(t, out, err, "policy keep-days", "-       INBOX   2", "not shown: hidden", "1       INBOX   1", "hide from this client", "3       INBOX   5")
	out, err = command(t, "policy", "explain", "alice", "--view", "printer", "--config", conf, "--json")
	want(t, out, err)
	var e gateway.Explanation
	if err := json.Unmarshal([]byte(out), &e); err != nil || e.View != "printer" || len(e.Messages) != 5 || e.Messages[4].Number != 5 {
		t.Errorf("%v, %+v", err, e)
	}
	if n := session(t, r, "alice"); n != 3 {
		t.Errorf("after explain %d messages are shown, want 3: it changed something", n)
	}

	out, err = command(t, "undelete", "alice", "--config", conf)
	want(t, out, err, "INBOX UID 2", "INBOX UID 4", "shown again")
	if n := session(t, r, "alice"); n != 5 {
		t.Errorf("after undelete %d messages are shown, want 5", n)
	}
	if out, err := command(t, "undelete", "alice", "--config", conf); err == nil || !strings.Contains(err.Error(), "nothing to bring back") {
		t.Errorf("undelete again: %s, %v", out, err)
	}

	out, err = command(t, "policy", "list", "--config", conf)
	want(t, out, err, "keep-days: on_retrieve = seen, on_delete = hide, EXPIRE NEVER", "waits for restante policy approve", "recent: ")
	out, err = command(t, "policy", "approve", "--config", conf)
	want(t, out, err, "approved 1 rule(s)")
	out, err = command(t, "policy", "list", "--config", conf)
	want(t, out, err, "expunge: approved 2")
	out, err = command(t, "policy", "approve", "--config", conf)
	want(t, out, err, "no rule waits")

	out, err = command(t, "hold", "alice+printer", "on", "--config", conf)
	want(t, out, err, "is held")
	out, err = command(t, "policy", "explain", "alice", "--config", conf)
	want(t, out, err, "the account is held")
	out, err = command(t, "hold", "alice", "off", "--config", conf)
	want(t, out, err, "is not held")

	session(t, r, "alice", 1)
	session(t, r, "alice+printer", 1, 2)
	out, err = command(t, "state", "show", "--config", conf)
	want(t, out, err, "views     2,")
	out, err = command(t, "state", "forget", "alice", "--config", conf)
	want(t, out, err, "forgot 2 view(s)")
	if n := session(t, r, "alice"); n != 5 {
		t.Errorf("after forget %d messages are shown, want 5", n)
	}
}

// TestExplainCompares two configurations over the same mailbox.
func TestExplainCompares(t *testing.T) {
	r, conf := keeping(t)
	session(t, r, "alice", 1)
	text, err := os.ReadFile(conf)
	if err != nil {
		t.Fatal(err)
	}
	other := filepath.Join(t.TempDir(), "new.toml")
	text = append(bytes.Replace(text, []byte("keep-days"), []byte("new"), 1), "[policy.new]\nnewest = 2\non_delete = \"trash\"\n"...)
	if err := os.WriteFile(other, text, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := command(t, "policy", "explain", "alice", "--config", other, "--against", conf)
	want(t, out, err, "new instead of keep-days: 2 messages are shown instead of 4", "2  newly not shown: not among the newest (such as INBOX UID 2")
	out, err = command(t, "policy", "explain", "alice", "--config", conf, "--against", other, "--json")
	want(t, out, err, `"what": "newly shown"`, `"count": 2`)

	// A draft elsewhere, whose state file is not there, goes by the one in use.
	draft := filepath.Join(t.TempDir(), "draft.toml")
	_, rest, _ := bytes.Cut(text, []byte("\n"))
	rest = append([]byte("state = \"not-made-yet.db\"\n"), rest...)
	if err := os.WriteFile(draft, append(rest, "retain = [{ since = \"arrived\", after = \"1ms\", do = \"trash\", unretrieved = true }]\n"...), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err = command(t, "policy", "explain", "alice", "--config", draft, "--against", conf)
	want(t, out, err, "2 messages are shown instead of 4", `5  at QUIT, newly: would move to \Trash: retain rule 1`)
}

func TestCommandMistakes(t *testing.T) {
	_, conf := keeping(t)
	bare := filepath.Join(t.TempDir(), "bare.toml")
	if err := os.WriteFile(bare, []byte("[[listener]]\naddress = \":0\"\n[[upstream]]\nurl = \"imap://127.0.0.1:1\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for line, part := range map[string]string{
		"undelete alice":                                    "--config FILE",
		"undelete --config " + conf:                         "wrong number of arguments",
		"undelete alice --view fax --config " + conf:        "declares no view",
		"undelete alice --config " + bare:                   "names no state file",
		"hold alice maybe --config " + conf:                 "neither on nor off",
		"hold alice on --client x --config " + conf:         "--client",
		"policy explain alice --deleted 9 --config " + conf: "no message 9",
		"policy explain bob --config " + conf:               "sign in",
		"policy explain alice --view fax --config " + conf:  "declares no view",
		"policy approve x --config " + conf:                 "unknown command or argument",
		"state forget alice --state x":                      "--config FILE",
	} {
		if out, err := command(t, strings.Fields(line)...); err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%s: %v, want %q\n%s", line, err, part, out)
		}
	}
}

// What a mail server calls its folders cannot command the terminal.
func TestNamesArePrintable(t *testing.T) {
	e := &gateway.Explanation{Messages: []gateway.Explained{{Folder: "a\x1b[2J\tb", UID: 7, Then: []string{"move to c\x1b]0;d"}}, {Folder: "Entwürfe"}}}
	var out bytes.Buffer
	if err := new(explainOptions).write(&out, e); err != nil {
		t.Fatal(err)
	}
	c := &cobra.Command{}
	c.SetOut(&out)
	if err := tellUndone(c, store.Undone{Shown: []store.Deed{{Folder: "x\x1b[2J", UIDL: "y\u202ez"}}}); err != nil {
		t.Fatal(err)
	}
	want(t, out.String(), nil, `"a\x1b[2J\tb"`, `move to c\x1b]0;d`, "Entwürfe", `"x\x1b[2J"`, `"y\u202ez"`)
	if strings.ContainsAny(out.String(), "\x1b\u202e") {
		t.Errorf("%q can command a terminal", out.String())
	}
}
