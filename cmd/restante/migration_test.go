package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/restante-mail/restante/peertest"
	"github.com/restante-mail/restante/store"
)

// block is a fenced block of a document: its language and its text.
var block = regexp.MustCompile("(?ms)^```([a-z]+)\n(.*?)^```$")

// TestMigrationDocument does what docs/migration.md says, with its files and its
// commands: two real servers, a real client, and the program that is documented.
func TestMigrationDocument(t *testing.T) {
	old := peertest.Dovecot(t, plainAlice(), peertest.WithPOP3(), peertest.WithConfig("protocol pop3 {\npop3_uidl_format = %f\n}"))
	next := peertest.Dovecot(t, plainAlice())
	d := newDocument(t, "../../docs/migration.md", map[string]string{
		"pop3s://pop.example.com": "pop3://" + old.POP3Addr(), "imaps://imap.example.com": "imap://" + next.IMAPAddr(),
		"127.0.0.1:1110": "127.0.0.1:0",
	})
	d.write("users.tsv", "# a comment\nalice\t"+plainPassword+"\n")
	d.write("alice.password", plainPassword+"\n")
	old.Deliver("alice", "INBOX", moved(0, 12)...)
	copyTo(t, next, moved(0, 12))

	d.run("restante check --config restante.toml", 0)
	r := peertest.RestanteWith(t, d.binary, "serve", "--config", filepath.Join(d.home, "restante.toml"))
	account := peertest.Account{Addr: r.POP3, User: "alice", Password: plainPassword, Keep: true, Home: t.TempDir()}
	mpop := clientNamed(t, "mpop")
	if n := len(mpop.Fetch(t, account)); n != 12 {
		t.Fatalf("%d messages were fetched; want 12", n)
	}
	d.run("restante check --config new.toml", 0)
	if said := d.run("restante uidl import --config new.toml --from", 0); !strings.Contains(said, "12 matched, 0 ambiguous, 0 missing") {
		t.Errorf("import: %s", said)
	}
	d.run("restante uidl check alice --config new.toml <", 0)
	copyTo(t, next, moved(12, 13))
	if said := d.run("restante uidl check alice --config new.toml <", 1); !strings.Contains(said, "12 keep their names, 1 would be downloaded") {
		t.Errorf("check: %s", said)
	}
	var report uidlReport
	if said := d.run("restante uidl check alice --config new.toml --against", 0); json.Unmarshal([]byte(said), &report) != nil ||
		report.Kept != 12 || len(report.Download) != 1 || len(report.Lost) != 0 {
		t.Errorf("check --against: %s", said)
	}
	d.run("mv new.toml restante.toml", 0)
	r.Await("configuration reloaded")
	if n := len(mpop.Fetch(t, account)); n != 1 {
		t.Errorf("%d messages were fetched after the move; want the new one", n)
	}
	d.run("restante uidl export alice", 0)
	if said := d.run("restante uidl import --config restante.toml --file", 0); !strings.Contains(said, "names of ") {
		t.Errorf("import --file: %s", said)
	}
	if n := len(mpop.Fetch(t, account)); n != 0 || len(d.commands) > 0 {
		t.Errorf("%d messages were fetched in the end; commands that were not run: %q", n, d.commands)
	}
}

func clientNamed(t *testing.T, name string) peertest.Client {
	for _, c := range peertest.Clients() {
		if c.Name == name {
			return c
		}
	}
	t.Fatalf("there is no client %s", name)
	return peertest.Client{}
}

// A document is a folder with the files of one, and its commands.
type document struct {
	t            *testing.T
	home, binary string
	replace      *strings.Replacer
	commands     []string
}

func newDocument(t *testing.T, path string, replace map[string]string) *document {
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var pairs []string
	for from, to := range replace {
		pairs = append(pairs, from, to)
	}
	d := &document{t: t, home: t.TempDir(), binary: peertest.BuildRestante(t, false), replace: strings.NewReplacer(pairs...)}
	for _, found := range block.FindAllStringSubmatch(string(text), -1) {
		switch first, _, _ := strings.Cut(found[2], "\n"); found[1] {
		case "toml":
			d.write(strings.TrimPrefix(first, "# "), d.replace.Replace(found[2])+"\n[log]\nformat = \"json\"\n")
		case "sh":
			d.commands = append(d.commands, strings.Split(strings.TrimSpace(d.replace.Replace(found[2])), "\n")...)
		}
	}
	return d
}

func (d *document) write(name, text string) {
	if err := os.WriteFile(filepath.Join(d.home, name), []byte(text), 0o600); err != nil {
		d.t.Fatal(err)
	}
}

// run runs the document's command that begins so; one that ends well is done.
func (d *document) run(begins string, status int) string {
	d.t.Helper()
	for i, command := range d.commands {
		if !strings.HasPrefix(command, begins) {
			continue
		}
		cmd := exec.CommandContext(d.t.Context(), "sh", "-c", command)
		cmd.Dir = d.home
		cmd.Env = append(os.Environ(), "PATH="+filepath.Dir(d.binary)+":"+os.Getenv("PATH"))
		out, err := cmd.CombinedOutput()
		if got := cmd.ProcessState.ExitCode(); got != status {
			d.t.Fatalf("%s: exit status %d (%v)\n%s", command, got, err, out)
		}
		if last := len(d.commands) - 1; status != 0 || !strings.Contains(begins, "<") {
			d.commands = append(d.commands[:i:i], d.commands[min(i+1, last+1):]...)
		}
		return string(out)
	}
	d.t.Fatalf("the document has no command that begins %q (left: %q)", begins, d.commands)
	return ""
}

// TestRoutesOfTheDocument: the file for moving some users first is good.
func TestRoutesOfTheDocument(t *testing.T) {
	d := newDocument(t, "../../docs/migration.md", nil)
	o := accountOptions{config: filepath.Join(d.home, "routes.toml")}
	target, err := o.openTarget()
	if err != nil {
		t.Fatal(err)
	}
	defer target.close()
	for user, want := range map[string]string{"alice": `["new\nalice@example.com" "legacy\nalice"]`, "bob": `["legacy\nbob"]`} {
		if got, err := target.maildrops(user); err != nil || fmt.Sprintf("%q", got) != want {
			t.Errorf("%s: %q, %v; want %s", user, got, err, want)
		}
	}
}

// TestUsersFile: all mistakes are named, and nobody is imported.
func TestUsersFile(t *testing.T) {
	none := func(string) error { return nil }
	for text, want := range map[string]string{
		"":                                 "u: there are no users in it",
		"# nobody\n\n":                     "u: there are no users in it",
		"alice secret\n":                   "u:1: there is no tab; write the user, a tab, and the password",
		"a\tb\n\n\tx\nc\t\n":               "u:3: there is no user before the tab\nu:4: user \"c\" has an empty password",
		"a\tb\tc\td\n":                     "u:1: there are more than three fields; write the user, a tab, the password, and perhaps a tab and the password at --from",
		"a\tb\t\n":                         "u:1: user \"a\" has an empty password",
		"a\tb\r\nb\tc\na\td":               "u:3: user \"a\" is in line 1 too",
		"a\tb\x00c\n":                      "u:1: there are control characters in it",
		"a\t" + strings.Repeat("x", 17000): "u:1: bufio.Scanner: token too long",
	} {
		all, err := readMigrants("u", strings.NewReader(text), none)
		if err == nil || err.Error() != want || all != nil {
			t.Errorf("%.40q: %v, %v; want %q", text, all, err, want)
		}
	}
	all, err := readMigrants("u", strings.NewReader("# x\na b\tp w \tother\r\nc\td:e"), none)
	if err != nil || len(all) != 2 || all[0].user != "a b" || all[0].password.Reveal() != "p w " || all[0].from.Reveal() != "other" ||
		all[1].password.Reveal() != "d:e" || all[1].from.Reveal() != "d:e" {
		t.Errorf("%+v, %v", all, err)
	}
	all, err = readMigrants("u", strings.NewReader("\ufeffa\tb\r\n"), none)
	if err != nil || len(all) != 1 || all[0].user != "a" {
		t.Errorf("a file of a Windows editor: %+v, %v", all, err)
	}
	_, err = readMigrants("u", strings.NewReader("a\tb\nzoe\tb"), func(user string) error {
		if user == "zoe" {
			return fmt.Errorf("no route matches user %q", user)
		}
		return nil
	})
	if err == nil || err.Error() != `u:2: no route matches user "zoe"` {
		t.Errorf("a user without a route: %v", err)
	}
}

// TestExportFile: mistakes are named by line, and nothing is returned that is
// not good.
func TestExportFile(t *testing.T) {
	good := "u1\tINBOX\t7\t1\t10\t12\t0102030405060708090a0b0c\tff"
	for text, want := range map[string]string{
		"x":                                      "there are 1 fields instead of 8",
		strings.Replace(good, "u1", "u 1", 1):    "f:1: field 1:",
		strings.Replace(good, "INBOX", "", 1):    "f:1: field 2:",
		strings.Replace(good, "\t7", "\t-7", 1):  "f:1: field 3:",
		strings.Replace(good, "\t7", "\t0", 1):   "f:1: fields 3 and 4:",
		strings.Replace(good, "0102", "01", 1):   "f:1: field 7:",
		strings.Replace(good, "\tff", "\tno", 1): "f:1: field 8:",
		good + "\n# x\n" + good:                  "f:3: UIDs of a folder must rise",
		good + "\n" + strings.Repeat("x", 17000): "f:2: bufio.Scanner: token too long",
		"#hidden\n":                              "f:1: there are 1 fields instead of 8",
	} {
		if _, err := readExport("f", strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v; want %q", text, err, want)
		}
	}
	x, err := readExport("f", strings.NewReader(tsvHeader+"\n"+good+"\npop\tINBOX\t0\t0\t5\t0\t000000000000000000000000\t0\n"))
	if err != nil || x.count != 2 || len(x.order) != 2 || len(x.lives) != 2 {
		t.Errorf("%+v, %v", x, err)
	}
	x, err = readExport("f", strings.NewReader(tsvHeader+"\n#\n# of alice\n"+strings.Replace(good, "u1", "#1", 1)+"\n"))
	if got := x.lives[store.FolderKey{Folder: "INBOX", UIDValidity: 7}]; err != nil || len(got) != 1 || got[0].UIDL != "#1" {
		t.Errorf("a UIDL that begins with #: %+v, %v", x, err)
	}
}
