package main

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/sirupsen/logrus"

	"github.com/restante-mail/restante/config"
	"github.com/restante-mail/restante/pop3"
	"github.com/restante-mail/restante/secret"
)

// trailOf runs sessions of every kind over a service with a trail, stops it, and
// returns the trail's lines. more is added to [audit].
func trailOf(t *testing.T, dir, more string) (lines [][]byte) {
	t.Helper()
	makeCertificate(t, dir)
	base := fmt.Sprintf("[[listener]]\nname = \"a\"\naddress = \"127.0.0.1:0\"\n[tls]\ncert = %q\nkey = %q\n[[upstream]]\nname = \"main\"\nurl = \"imap://%s\"\n"+
		"[[transcript]]\nfolder = \"transcripts\"\nuntil = \"2099-01-01\"\n[limits]\nsign_ins = 2\n[audit]\ninstance = \"gw1\"\nfile = \"audit.jsonl\"\nkey = \"audit.key\"\n%s",
		filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"), mailServer(t, "alice", 3), more)
	if got := run([]string{"audit", "keygen", filepath.Join(dir, "audit.key")}); got != 0 {
		t.Fatalf("audit keygen: exit status %d", got)
	}
	r := &running{file: filepath.Join(dir, "restante.toml"), log: newOutput()}
	r.write(t, base)
	logger := logrus.New()
	logger.SetOutput(r.log)
	r.service = newService(logger)
	live, err := config.NewLive(func() (*config.Config, error) { return config.Load(r.file) }, r.apply)
	if err != nil {
		t.Fatal(err)
	}
	r.began(r.file)
	sessionsOfEveryKind(t, r.at("127.0.0.1:0"))
	r.reloaded(live.Reload())
	r.write(t, "nonsense = 1\n")
	r.reloaded(live.Reload())
	if err := r.stop(10 * time.Second); err != nil {
		t.Error(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "audit.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Split(bytes.TrimSuffix(text, []byte("\n")), []byte("\n"))
}

// sessionsOfEveryKind: one that does everything, in TLS; one that fails to sign
// in; one that hangs up.
func sessionsOfEveryKind(t *testing.T, address string) {
	t.Helper()
	c := patient(t, address)
	if err := c.StartTLS(t.Context(), &tls.Config{InsecureSkipVerify: true}); err != nil {
		t.Fatal(err)
	}
	if err := c.Login(t.Context(), "alice", secret.New("open sesame")); err != nil {
		t.Fatal(err)
	}
	for _, read := range []func() (*pop3.ClientBody, error){
		func() (*pop3.ClientBody, error) { return c.Retr(t.Context(), 1) },
		func() (*pop3.ClientBody, error) { return c.Top(t.Context(), 2, 0) },
	} {
		body, err := read()
		if err != nil {
			t.Fatal(err)
		}
		body.Close()
	}
	if _, err := c.Dele(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	if err := c.Quit(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.Close()
	c = patient(t, address)
	for range 2 {
		_ = c.Login(t.Context(), "alice\u202e\x1b[2J\"", secret.New("wrong"))
	}
	c.Close()
	gone, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	gone.Close()
}

func trailSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	c := jsonschema.NewCompiler()
	schema, err := c.Compile("../../docs/audit.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

// TestTrailConformsToItsSchema: every line of a real run, the trail's own too,
// whatever privacy is asked for.
func TestTrailConformsToItsSchema(t *testing.T) {
	schema := trailSchema(t)
	for name, more := range map[string]string{
		"kept":   "subject = \"keep\"\n",
		"hashed": "user = \"hash\"\nclient = \"hash\"\nfrom = \"hash\"\nsubject = \"hash\"\nprivacy_key = \"restante.toml\"\n",
	} {
		t.Run(name, func(t *testing.T) {
			var kinds []string
			for _, line := range trailOf(t, t.TempDir(), more) {
				value, err := jsonschema.UnmarshalJSON(bytes.NewReader(line))
				if err != nil {
					t.Fatalf("%q: %v", line, err)
				}
				if err := schema.Validate(value); err != nil {
					t.Errorf("%s\n%v", line, err)
				}
				kinds = append(kinds, value.(map[string]any)["event"].(string))
				if hidden := strings.Contains(string(line), "alice") || strings.Contains(string(line), "\"client\":\"127"); hidden && name == "hashed" {
					t.Errorf("%s tells who it was", line)
				}
			}
			for _, kind := range []string{"chain_start", "checkpoint", "started", "session_start", "tls", "route", "sign_in", "listing", "retrieval", "top",
				"delete", "decision", "outcome", "session_end", "transcript", "limit", "reloaded", "stopped"} {
				if !slices.Contains(kinds, kind) {
					t.Errorf("there is no %s among %v", kind, kinds)
				}
			}
		})
	}
}

// TestHashedTrailIsSearched: who has the key finds whom it is about.
func TestHashedTrailIsSearched(t *testing.T) {
	dir := t.TempDir()
	trailOf(t, dir, "user = \"hash\"\nclient = \"hash\"\nprivacy_key = \"audit.key\"\n")
	good, err := os.ReadFile(filepath.Join(dir, "restante.toml"))
	if err != nil || !strings.HasPrefix(string(good), "nonsense") {
		t.Fatal(err)
	}
	conf := fmt.Sprintf("%s[audit]\nfile = %q\nuser = \"hash\"\nprivacy_key = %q\n", plainListener+"[[upstream]]\nurl = \"imaps://imap.example.com\"\n",
		filepath.Join(dir, "audit.jsonl"), filepath.Join(dir, "audit.key"))
	path := filepath.Join(dir, "search.toml")
	if err := os.WriteFile(path, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		args  []string
		found int
	}{
		{[]string{"--user", "Alice", "--event", "retrieval"}, 1},
		{[]string{"--user", "bob"}, 0},
		{[]string{"--client", "127.0.0.1", "--event", "retrieval"}, 1},
		{[]string{"--client", "127.0.0.2"}, 0},
	} {
		root, out := rootCommand(), new(bytes.Buffer)
		root.SetOut(out)
		root.SetArgs(append([]string{"audit", "search", "--config", path, "--json"}, test.args...))
		_ = root.Execute() // nothing found is an error
		found := 0
		for line := range bytes.Lines(out.Bytes()) {
			if json.Valid(line) {
				found++
			}
		}
		if found != test.found {
			t.Errorf("%v: found %d, want %d: %s", test.args, found, test.found, out)
		}
	}
}
