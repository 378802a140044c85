package main

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// TestMaildropsOfAccounts: names are known by whose mailbox an account's is.
func TestMaildropsOfAccounts(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "restante.toml")
	const config = `state = "restante.db"
[[listener]]
address = "127.0.0.1:0"
[[upstream]]
name = "main"
url = "imap://127.0.0.1:1"
master_user = "master"
master_password = "sealed:1:0011aabb:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
[[route]]
accounts = "first"
identity = "{user}@example.com"
succeeds = "legacy"
succeeds_identity = "{user}"
[auth]
key_file = "keys"
[[account]]
name = "printer"
method = "master"
act_as = "a.smith"
[[account.secret]]
label = "x"
hash = "$hmac-sha256$QOvGcbvFmuNHyxfH1GjpPw$0AwM3UWR6ZlWFUAzhwWuOx0vWAaqPFjKNEKMATE1tKk"
`
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"account", "keygen", "--config", path}, {"state", "init", "--config", path}} {
		if out, err := command(t, args...); err != nil {
			t.Fatalf("%v: %v\n%s", args, err, out)
		}
	}
	target, err := (&accountOptions{config: path}).openTarget()
	if err != nil {
		t.Fatal(err)
	}
	defer target.close()
	for user, want := range map[string]string{
		"printer": `["main\na.smith" "legacy\nprinter"]`,
		"bob":     `["main\nbob@example.com" "legacy\nbob"]`,
	} {
		if got, err := target.maildrops(user); err != nil || fmt.Sprintf("%q", got) != want {
			t.Errorf("%s: %q, %v; want %s", user, got, err, want)
		}
	}
}
