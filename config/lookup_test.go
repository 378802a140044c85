package config

import (
	"path/filepath"
	"strings"
	"testing"
)

func TestLookupMistakes(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "empty", "\n", "key", "who asks\n", "c.toml", `[[listener]]
address = "127.0.0.1:0"
[[upstream]]
url = "imaps://imap.example.com"
[[lookup]]
url = "http://127.0.0.1/auth"
[[lookup]]
name = "a"
url = "http://directory.example.com/auth"
[[lookup]]
name = "a"
url = "https://alice:secret@directory.example.com/auth"
remember = "2h"
[[lookup]]
name = "b"
url = "ftp://directory.example.com/auth"
secret_header = "Auth-User"
secret_file = "key"
[[lookup]]
name = "c"
url = "https://directory.example.com/auth"
secret_header = "X-Key"
[[lookup]]
name = "d"
url = "https://directory.example.com/auth"
secret_header = "X-Key"
secret_file = "empty"
[[route]]
lookup = "nobody"
`)
	_, err := loadSnapshot(filepath.Join(dir, "c.toml"))
	for _, want := range []string{
		`lookup[0].name: is missing`,
		`c.toml:9: lookup[1].url: passwords would travel in plain text`,
		`c.toml:11: lookup[2].name: "a" is the name of the lookup in`,
		`c.toml:12: lookup[2].url: holds a name or a password`,
		`c.toml:13: lookup[2].remember: 2h0m0s is out of range`,
		`c.toml:16: lookup[3].url: is not the URL of an endpoint`,
		`c.toml:17: lookup[3].secret_header: "Auth-User" is no name for a header of its own`,
		`c.toml:22: lookup[4].secret_header: secret_header and secret_file belong together`,
		`lookup[5].secret_file: ` + dir + `/empty: must hold one line of text`,
		`route[0].lookup: there is no [[lookup]] named "nobody"`,
	} {
		if got := said(err); !strings.Contains(got, want) {
			t.Errorf("not said: %s; in\n%s", want, got)
		}
	}
	if strings.Contains(said(err), "who asks") {
		t.Error("a secret is told")
	}
}
