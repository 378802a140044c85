package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sirupsen/logrus"

	"github.com/restante-mail/restante/auth"
	"github.com/restante-mail/restante/auth/oauth"
	"github.com/restante-mail/restante/config"
)

const withProvider = `state = "s.db"
[[listener]]
address = "127.0.0.1:1110"
[[upstream]]
url = "imaps://imap.example.com"
[[route]]
accounts = "only"
[oauth.test]
issuer = "https://id.example.com"
client_id = "x"
%s
`

// What account seal --oauth prints is the client's secret again when it is in
// the configuration, for that provider and with that key alone.
func TestSealedClientSecret(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c.toml")
	write := func(line string) {
		t.Helper()
		if err := os.WriteFile(path, fmt.Appendf(nil, withProvider, line), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("")
	var out bytes.Buffer
	root := rootCommand()
	root.SetArgs([]string{"account", "seal", "--oauth", "test", "--config", path})
	root.SetIn(strings.NewReader("s3cret\n"))
	root.SetOut(&out)
	root.SetErr(&out)
	if err := root.Execute(); err != nil || strings.Contains(out.String(), "s3cret") {
		t.Fatalf("account seal: %v\n%s", err, &out)
	}
	write(fmt.Sprintf("client_secret = %q", strings.TrimSpace(out.String())))
	c, err := (&accountOptions{config: path}).load()
	if err != nil {
		t.Fatal(err)
	}
	p, err := providerOf(c, auth.Account{Upstream: auth.Identity{Method: auth.ByOAuth2, Provider: "test"}}, "")
	if err != nil || !p.ClientSecret.Empty() {
		t.Fatalf("before it is opened: %v", err)
	}
	if err := unseal(c, auth.NewKeyring(path+".other")); !errors.Is(err, auth.ErrNoKeyFile) {
		t.Errorf("without the key: %v", err)
	}
	if err := unseal(c, auth.NewKeyring(c.KeyFile)); err != nil || p.ClientSecret.Reveal() != "s3cret" {
		t.Errorf("opened: %v", err)
	}
	keys := auth.NewKeyring(c.KeyFile)
	if err := keys.Rotate(); err != nil {
		t.Fatal(err)
	}
	if places := outdated(c, keys); len(places) != 1 || places[0] != "client_secret of oauth.test" {
		t.Errorf("an old key is needed by %q; it would be retired", places)
	}
}

// An account that cannot have tokens is told why.
func TestNoProvider(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c.toml")
	if err := os.WriteFile(path, fmt.Appendf(nil, withProvider, ""), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := config.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile()
	if err != nil {
		t.Fatal(err)
	}
	for want, i := range map[string]auth.Identity{
		"does not sign in upstream by oauth2":         {Method: auth.ByPassword},
		"the configuration has no [oauth.nobody]":     {Method: auth.ByOAuth2, Provider: "nobody"},
		"is not set up for client_credentials":        {Method: auth.ByOAuth2, Provider: "test", Grant: "client_credentials"},
		`"implicit" is no grant; known are device, c`: {Method: auth.ByOAuth2, Provider: "test", Grant: "implicit"},
	} {
		if _, err := (tokens{nil, s}).Source(auth.Account{Name: "alice", Upstream: i}, "alice"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v; want %q", i, err, want)
		}
	}
}

// Each event has a line of its own, at a level of its own.
func TestTokensAreLogged(t *testing.T) {
	var out bytes.Buffer
	log := logrus.New()
	log.SetOutput(&out)
	log.SetFormatter(&logrus.TextFormatter{DisableTimestamp: true, DisableColors: true})
	tell := logTokens(log)
	tell(oauth.Event{What: oauth.Refreshed, Provider: "test", Account: "alice"})
	tell(oauth.Event{What: oauth.Refreshed, Provider: "test", Account: "alice", Forced: true})
	tell(oauth.Event{What: oauth.RefreshFailed, Provider: "test", Err: errors.New("away")})
	tell(oauth.Event{What: oauth.NotKept, Provider: "test", Account: "alice", Err: errors.New("disk full")})
	tell(oauth.Event{What: oauth.AuthorizationLost, Provider: "test", Account: "alice", Err: oauth.ErrNeedsAuthorize})
	want := []string{
		`level=info msg="the mail server refused a token that was good, and there is a new one" account=alice provider=test`,
		`level=warning msg="there is no new token for now" error=away provider=test`,
		`level=error msg="a new token cannot be written to the state file; if Restante ends before it can, the account needs authorization" account=alice alert=token error="disk full" provider=test`,
		`level=error msg="the account needs authorization: run \"restante account authorize alice\"" account=alice alert=authorization error=`,
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != len(want) {
		t.Fatalf("%d lines:\n%s", len(lines), &out)
	}
	for i := range want {
		if !strings.HasPrefix(lines[i], want[i]) {
			t.Errorf("line %d: %s\nwant   %s", i, lines[i], want[i])
		}
	}
}
