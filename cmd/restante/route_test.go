package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestRouteExplain(t *testing.T) {
	conf := filepath.Join(t.TempDir(), "restante.toml")
	if err := os.WriteFile(conf, []byte("state = \"s.db\"\n"+`[[listener]]
name = "legacy"
address = "127.0.0.1:0"
[[upstream]]
name = "main"
url = "imaps://imap.example.com"
[[lookup]]
name = "who"
url = "http://127.0.0.1:9000/auth"
[[route]]
name = "lab"
user = "*@lab.example.com"
upstream = "main"
[[route]]
listener = ["legacy"]
network = ["10.0.0.0/8"]
user = "printer-*"
upstream = "main"
identity = "{user}@example.net"
policy = "keep-days"
views = ["scanner"]
[[route]]
network = ["192.0.2.0/24"]
upstream = "main"
lookup = "who"
[[route]]
user = "*@*"
upstream = "main"
identity = "{local}@{domain}"
`), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args string
		want []string
		ok   bool
	}{
		{"alice@lab.example.com", []string{`+ route 1 (` + conf + ` line 11) "lab": all that it asks for is so`, "identity   alice@lab.example.com", "policy     classic", "judged by the upstream"}, true},
		{"printer-1+scanner --client 10.1.2.3 --listener legacy", []string{`- route 1`, `the user is not "*@lab.example.com"`, `+ route 2`,
			`the route declares the view "scanner", so the user is "printer-1"`, "identity   printer-1@example.net", "view       scanner"}, true},
		{"printer-1", []string{"- route 2", "for the listeners legacy only; say which with --listener", "- route 3", "say where the client is with --client"}, false},
		{"printer-1 --listener legacy --client 192.0.2.7", []string{"192.0.2.7 is in none of its networks", "+ route 3", `judged by the lookup "who"`}, true},
		{"bob", []string{`- route 4`, `the user is not "*@*"`}, false},
		{"bob@", []string{"+ route 4", "identity"}, false},
		{"bob@example.org --json", []string{`"match": true`, `"upstream": "main"`, `"identity": "bob@example.org"`}, true},
	} {
		out, err := command(t, append(append([]string{"route", "explain"}, strings.Fields(c.args)...), "--config", conf)...)
		if (err == nil) != c.ok {
			t.Errorf("%s: %v", c.args, err)
		}
		for _, want := range c.want {
			if !strings.Contains(out, want) {
				t.Errorf("%s: %q is not in\n%s", c.args, want, out)
			}
		}
	}
}
