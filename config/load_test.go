package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// good is the smallest complete file; tests of one mistake add to it.
const good = `[[listener]]
address = "127.0.0.1:1110"

[[upstream]]
url = "imaps://imap.example.com"
`

// mistakes are files and all that is said about each. DIR stands for the folder
// of the file, which has testPair's certificates and strange.pem, a key of
// another certificate.
var mistakes = []struct {
	name, file string
	want       []string
}{
	{"an empty file", "", []string{
		`c.toml: listener: there is none; add [[listener]] with an address for clients to connect to, such as "127.0.0.1:1110"`,
		`c.toml: upstream: there is none; add [[upstream]] with the url of the mail server, such as "imaps://imap.example.com"`,
	}},
	{"not TOML", good + "\n\nlisten = = 5\n", []string{
		`c.toml:8: this is not TOML: unexpected character U+003D '=' at start of value`,
	}},
	{"not TOML at the end", good + "x = [", []string{
		`c.toml:6: this is not TOML: array is incomplete`,
	}},
	{"unknown keys, several, one in an inline table", good + `adresses = 1
policy.p = { on_retrive = "seen" }
zzzzzz = 3
[limit]
[[upstream]]
Url = "imaps://b.example.com"
[log.colour]
`, []string{
		`c.toml: route: there is none, and there are several upstreams; add a [[route]] for each`,
		`c.toml:6: upstream[0].adresses: unknown key; did you mean "addresses"?`,
		`c.toml:7: upstream[0].policy: unknown key; known are addresses, apop, ca, cert, credential_bound, dial_timeout, insecure, key, list_timeout, master_password, master_user, max_idle, name, neutral, pipelining, server_name, sizes, tell_client, timeout, uidl, url, warm_idle`,
		`c.toml:8: upstream[0].zzzzzz: unknown key; known are addresses, apop, ca, cert, credential_bound, dial_timeout, insecure, key, list_timeout, master_password, master_user, max_idle, name, neutral, pipelining, server_name, sizes, tell_client, timeout, uidl, url, warm_idle`,
		`c.toml:9: limit: unknown key; did you mean "limits"?`,
		`c.toml:11: upstream[1].Url: unknown key; did you mean "url"?`,
		`c.toml:12: log.colour: unknown key; known are format, level`,
	}},
	{"keys that this version does not have yet", `views = ["printer"]
` + good + `[console]
file = "audit.jsonl"
`, []string{
		`c.toml:1: views: unknown key; known are account, admin, audit, auth, guard, limits, listener, log, lookup, oauth, policy, route, shutdown_time, state, state_failure, tls, transcript, upstream`,
		`c.toml:7: console: unknown key; known are account, admin, audit, auth, guard, limits, listener, log, lookup, oauth, policy, route, shutdown_time, state, state_failure, tls, transcript, upstream`,
	}},
	{"a typing error in a needed key is one problem", `[[listener]]
adress = "127.0.0.1:1110"
[[upstream]]
url = "imaps://imap.example.com"
`, []string{`c.toml:2: listener[0].adress: unknown key; did you mean "address"?`}},
	{"values of the wrong kind", `shutdown_time = 30
[[listener]]
address = 110
plaintext_auth = "10.0.0.0/8"
proxy_protocol = ["10.0.0.0/8", 7]
[[upstream]]
url = ["imaps://imap.example.com"]
insecure = "no"
timeout = 1.5
[limits]
connections = "many"
bad_commands = 1.5
[policy.p]
show_deleted = 1
max_age = 30
max_size = { mb = 3 }
`, []string{
		`c.toml:1: shutdown_time: "30" is not a length of time; write a number with a unit, such as "30s", "10m" or "14d"`,
		`c.toml:3: listener[0].address: needs a text in quotes, not a number`,
		`c.toml:4: listener[0].plaintext_auth: needs a list, such as ["a", "b"], not a text`,
		`c.toml:5: listener[0].proxy_protocol[1]: needs a text in quotes, not a number`,
		`c.toml:7: upstream[0].url: needs a text in quotes, not a list`,
		`c.toml:8: upstream[0].insecure: needs true or false, not a text`,
		`c.toml:9: upstream[0].timeout: needs a length of time in quotes, such as "30s", not a fraction`,
		`c.toml:11: limits.connections: needs a whole number, not a text`,
		`c.toml:12: limits.bad_commands: needs a whole number, not a fraction`,
		`c.toml:14: policy.p.show_deleted: needs true or false, not a number`,
		`c.toml:15: policy.p.max_age: "30" is not an age such as 14d or 36h`,
		`c.toml:16: policy.p.max_size: needs a text in quotes, not a table`,
	}},
	{"brackets", "[listener]\naddress = \"127.0.0.1:1110\"\n[[tls]]\ncert = \"x\"\n[[log.level]]\n[shutdown_time]\n", []string{
		`c.toml:1: listener: may be there several times; write [[listener]]`,
		`c.toml:3: tls: is there only once; write [tls]`,
		`c.toml:5: log.level: is not a table; it needs a text in quotes`,
		`c.toml:6: shutdown_time: is not a table; it needs a length of time in quotes, such as "30s"`,
	}},
	{"a value where a table is needed", "listener = 5\n[limits.connections]\nx = 1\n", []string{
		`c.toml:1: listener: needs a table in double brackets, not a number`,
		`c.toml:2: limits.connections: is not a table; it needs a whole number`,
	}},
	{"the same key twice", good + "url = \"imaps://b.example.com\"\n", []string{
		`c.toml:6: url: key url is already defined`,
	}},
	{"a number beyond 64 bits", good + "[limits]\nconnections = 99999999999999999999\n", []string{
		`c.toml:7: limits.connections: decimal number is too large to fit in a 64-bit signed integer`,
	}},
	{"listeners", `[[listener]]
[[listener]]
address = "127.0.0.1"
[[listener]]
address = "127.0.0.1:65536"
[[listener]]
address = "bad host:110"
tls = "ssl"
[[listener]]
address = "127.0.0.1:1110"
name = "old printer"
tls = "implicit"
plaintext_auth = ["10.1.2.3/8", "everybody", "10.0.0.0/33", "fe80::1%eth0"]
[[upstream]]
url = "imaps://imap.example.com"
`, []string{
		`c.toml:1: listener[0].address: is missing; write host:port, such as "127.0.0.1:1110"`,
		`c.toml:3: listener[1].address: "127.0.0.1" is not host:port, such as "192.0.2.7:110" or "[2001:db8::7]:110"`,
		`c.toml:5: listener[2].address: "65536" is not a port; write a number from 1 to 65535`,
		`c.toml:7: listener[3].address: "bad host:110" is not host:port, such as "192.0.2.7:110" or "[2001:db8::7]:110"`,
		`c.toml:8: listener[3].tls: "ssl" is not known; write one of none, starttls, implicit`,
		`c.toml:11: listener[4].name: "old printer" is not a good name; write up to 80 letters, digits and signs, no spaces`,
		`c.toml:12: listener[4].tls: "implicit" needs a certificate; set cert and key`,
		`c.toml:13: listener[4].plaintext_auth[0]: "10.1.2.3/8" has address bits behind its /8; write "10.0.0.0/8" for the network or "10.1.2.3" for the one address`,
		`c.toml:13: listener[4].plaintext_auth[1]: "everybody" is not a network; write one such as "10.0.0.0/8", "192.0.2.7" or "2001:db8::/32"`,
		`c.toml:13: listener[4].plaintext_auth[2]: "10.0.0.0/33" is not a network; write one such as "10.0.0.0/8", "192.0.2.7" or "2001:db8::/32"`,
		`c.toml:13: listener[4].plaintext_auth[3]: "fe80::1%eth0" is not a network; write one such as "10.0.0.0/8", "192.0.2.7" or "2001:db8::/32"`,
	}},
	{"listeners in each other's way", `[[listener]]
name = "a"
address = "127.0.0.1:1110"
[[listener]]
name = "b"
address = "0.0.0.0:1110"
[[listener]]
name = "a"
address = "127.0.0.1:1111"
[[listener]]
address = "127.0.0.1:1111"
[[listener]]
address = "127.0.0.1:0"
[[listener]]
address = "127.0.0.1:0"
[[upstream]]
url = "imaps://imap.example.com"
`, []string{
		`c.toml:6: listener[1].address: 0.0.0.0:1110 is taken by the listener in DIR/c.toml line 1 (127.0.0.1:1110)`,
		`c.toml:8: listener[2].name: "a" is the name of the listener in DIR/c.toml line 1 too; names must differ`,
		`c.toml:11: listener[3].address: 127.0.0.1:1111 is taken by the listener in DIR/c.toml line 7 (127.0.0.1:1111)`,
		`c.toml:14: listener[5].name: "127.0.0.1:0" is the name of the listener in DIR/c.toml line 12 too; names must differ`,
	}},
	{"certificates", `[[listener]]
address = "127.0.0.1:1110"
cert = "cert.pem"
[[listener]]
address = "127.0.0.1:1111"
cert = "cert.pem"
key = "strange.pem"
[[listener]]
address = "127.0.0.1:1112"
cert = "key.pem"
key = "cert.pem"
[tls]
cert = "nowhere.pem"
key = "."
min_version = "1.1"
[[upstream]]
url = "imaps://imap.example.com"
ca = "key.pem"
key = "key.pem"
[[upstream]]
url = "imaps://imap2.example.com"
cert = "cert.pem"
key = "broken.pem"
[[route]]
upstream = "imap2.example.com"
`, []string{
		`c.toml:1: listener[0].key: is missing; it must name the private key for the certificate DIR/cert.pem`,
		`c.toml:7: listener[1].key: DIR/strange.pem: does not belong to the certificate in DIR/cert.pem`,
		`c.toml:10: listener[2].cert: DIR/key.pem: holds no PEM certificate`,
		`c.toml:13: tls.cert: DIR/nowhere.pem: no such file or directory`,
		`c.toml:14: tls.key: DIR: is not a regular file`,
		`c.toml:15: tls.min_version: "1.1" is not known; write one of 1.2, 1.3`,
		`c.toml:16: upstream[0].cert: is missing; it must name the certificate for the key DIR/key.pem`,
		`c.toml:18: upstream[0].ca: DIR/key.pem: holds no PEM certificate`,
		`c.toml:23: upstream[1].key: DIR/broken.pem: holds no PEM private key`,
	}},
	{"upstreams", `[[listener]]
address = "127.0.0.1:1110"
[[upstream]]
[[upstream]]
url = "https://imap.example.com"
name = "a"
[[upstream]]
url = "imap.example.com"
name = "a"
[[upstream]]
url = "imaps://user:s3cr3t@imap.example.com"
[[upstream]]
url = "imaps://imap.example.com/INBOX"
[[upstream]]
url = "imaps://imap.example.com:s3cr3t"
[[upstream]]
url = "imaps://imap.example.com:0"
addresses = ["imap2.example.com", "[::1]:993"]
insecure = true
[[upstream]]
url = "imap://127.0.0.1"
insecure = true
ca = "ca.pem"
server_name = "x y"
timeout = "-1s"
list_timeout = "25h"
sizes = "guessed"
[[upstream]]
url = "pop3s://pop.example.com"
tell_client = "id"
[[route]]
upstream = "a"
`, []string{
		`c.toml:3: upstream[0].url: is missing; write one such as "imaps://imap.example.com" or "imap://127.0.0.1:1143"`,
		`c.toml:5: upstream[1].url: the URL must begin with imap://, imaps://, pop3:// or pop3s://; write one such as "imaps://imap.example.com" or "imap://127.0.0.1:1143"`,
		`c.toml:8: upstream[2].url: is not the URL of a server; write one such as "imaps://imap.example.com" or "imap://127.0.0.1:1143"`,
		`c.toml:9: upstream[2].name: "a" is the name of the upstream in DIR/c.toml line 4 too; names must differ`,
		`c.toml:11: upstream[3].url: the URL must not hold a user name or password; clients bring their own`,
		`c.toml:12: upstream[4].name: "imap.example.com" is the name of the upstream in DIR/c.toml line 10 too; names must differ`,
		`c.toml:13: upstream[4].url: the URL must end after host and port; write one such as "imaps://imap.example.com" or "imap://127.0.0.1:1143"`,
		`c.toml:15: upstream[5].url: is not the URL of a server; write one such as "imaps://imap.example.com" or "imap://127.0.0.1:1143"`,
		`c.toml:16: upstream[6].name: "imap.example.com" is the name of the upstream in DIR/c.toml line 10 too; names must differ`,
		`c.toml:17: upstream[6].url: "0" is not a port; write a number from 1 to 65535`,
		`c.toml:18: upstream[6].addresses[0]: "imap2.example.com" is not host:port, such as "192.0.2.7:110" or "[2001:db8::7]:110"`,
		`c.toml:19: upstream[6].insecure: allows plain text, but this URL means TLS; to trust a certificate of your own set ca to its authority`,
		`c.toml:22: upstream[7].insecure: plain text has no use for ca, cert, key and server_name; remove them, or insecure`,
		`c.toml:24: upstream[7].server_name: "x y" is not the name of a server`,
		`c.toml:25: upstream[7].timeout: -1s is out of range; write something above 0s, at most 24h`,
		`c.toml:26: upstream[7].list_timeout: 25h0m0s is out of range; write something above 0s, at most 24h`,
		`c.toml:27: upstream[7].sizes: "guessed" is not known; write one of listed, exact`,
		`c.toml:30: upstream[8].tell_client: "id" is for IMAP upstreams only`,
	}},
	{"routes and policies", good + `[[upstream]]
name = "old"
url = "pop3://127.0.0.1"
[[route]]
user = "a*"
user_regex = "b.*"
upstream = "new"
policy = "nice"
[[route]]
user_regex = "(unclosed"
network = []
listener = ["10.0.0.5:110"]
identity = "{name}@example.com"
[[route]]
listener = []
upstream = "old"
policy = "gmail-trash"
identity = "{user}\u0007"
[policy.p]
preset = "keeep"
on_retrieve = "refuse"
on_delete = "vanish"
max_size = "-5"
max_age = "-5h"
`, []string{
		`c.toml:11: route[0].user_regex: stands beside user; keep one of them`,
		`c.toml:12: route[0].upstream: there is no [[upstream]] with the name "new"`,
		`c.toml:13: route[0].policy: there is no [policy.nice], and no preset with this name; presets are classic, gmail-archive, gmail-trash, keep, keep-days, read-only, recent`,
		`c.toml:14: route[1].upstream: is missing; name one of the upstreams`,
		`c.toml:15: route[1].user_regex: "(unclosed" is not a regular expression: missing closing )`,
		`c.toml:16: route[1].network: is empty and matches nobody; leave it out to match all`,
		`c.toml:17: route[1].listener[0]: there is no [[listener]] with the name "10.0.0.5:110"`,
		`c.toml:18: route[1].identity: "{name}@example.com" has braces around something else than {user}, {local} or {domain}`,
		`c.toml:20: route[2].listener: is empty and matches nobody; leave it out to match all`,
		`c.toml:22: route[2].policy: policy "gmail-trash" has on_retrieve and on_delete, but upstream "old" speaks POP3, which has no folder to move messages to`,
		`c.toml:23: route[2].identity: "{user}\a" has control characters`,
		`c.toml:25: policy.p.preset: "keeep" is not a preset; known are classic, gmail-archive, gmail-trash, keep, keep-days, read-only, recent`,
		`c.toml:26: policy.p.on_retrieve: "refuse" is not possible here; use one of seen, nothing, hide, archive, trash, expunge, move:FOLDER, flag:KEYWORD`,
		`c.toml:27: policy.p.on_delete: "vanish" is not something that can be done to a message`,
		`c.toml:28: policy.p.max_size: "-5" is not a size such as 25MB or 512KiB`,
		`c.toml:29: policy.p.max_age: must not be negative`,
	}},
	{"several upstreams and no route", good + "[[upstream]]\nurl = \"imaps://b.example.com\"\n", []string{
		`c.toml: route: there is none, and there are several upstreams; add a [[route]] for each`,
	}},
	{"limits and log", good + `[limits]
connections = 0
bad_commands = 100000
line = 100
login_time = "0s"
idle_time = "soon"
[log]
level = "loud"
format = "xml"
`, []string{
		`c.toml:7: limits.connections: 0 is out of range; write a number from 1 to 1000000`,
		`c.toml:8: limits.bad_commands: 100000 is out of range; write a number from 1 to 1000`,
		`c.toml:9: limits.line: 100 is out of range; write a number from 255 to 65536`,
		`c.toml:10: limits.login_time: 0s is out of range; write something above 0s, at most 24h`,
		`c.toml:11: limits.idle_time: "soon" is not a length of time; write a number with a unit, such as "30s", "10m" or "14d"`,
		`c.toml:13: log.level: "loud" is not known; write one of error, warn, info, debug`,
		`c.toml:14: log.format: "xml" is not known; write one of text, json`,
	}},
}

func TestMistakes(t *testing.T) {
	dir := t.TempDir()
	testPair(t, dir)
	writePair(t, filepath.Join(dir, "other.pem"), filepath.Join(dir, "strange.pem"), "other", today, today)
	write(t, dir, "broken.pem", "nothing")
	for _, m := range mistakes {
		t.Run(m.name, func(t *testing.T) {
			write(t, dir, "c.toml", m.file)
			_, err := Load(filepath.Join(dir, "c.toml"))
			want := "DIR/" + strings.Join(m.want, "\nDIR/")
			if got := strings.ReplaceAll(said(err), dir, "DIR"); got != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

func said(err error) string {
	if err == nil {
		return "nothing"
	}
	return err.Error()
}

func TestErrorHoldsProblems(t *testing.T) {
	_, err := Load(filepath.Join(write(t, t.TempDir(), "c.toml", good+"timeout = 5\n"), "c.toml"))
	var p Problem
	if !errors.As(err, &p) || p.Line != 6 || p.Path != "upstream[0].timeout" {
		t.Errorf("got %#v of %v", p, err)
	}
}

func TestManyMistakesAreCounted(t *testing.T) {
	file := good + strings.Repeat("[[route]]\nnope = 1\n", maxProblems+7)
	_, err := Load(filepath.Join(write(t, t.TempDir(), "c.toml", file), "c.toml"))
	if got := said(err); strings.Count(got, "\n") != maxProblems || !strings.HasSuffix(got, "\nand 7 more problems") {
		t.Errorf("got %s", got)
	}
}

func TestLongValuesAreClipped(t *testing.T) {
	file := good + "timeout = \"" + strings.Repeat("9", 100_000) + "\"\n\"" + strings.Repeat("k", 100_000) + "\" = 1\n"
	_, err := Load(filepath.Join(write(t, t.TempDir(), "c.toml", file), "c.toml"))
	if n := len(said(err)); n < maxText || n > 2000 {
		t.Errorf("the message has %d octets", n)
	}
}

func TestUnreadableFiles(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "large.toml", strings.Repeat("#", maxFile+1))
	tests := map[string]string{
		"nowhere.toml": "DIR/nowhere.toml: cannot read this file: no such file or directory",
		"large.toml":   "DIR/large.toml: cannot read this file: is larger than 1048576 octets",
	}
	for name, want := range tests {
		_, err := Load(filepath.Join(dir, name))
		if got := strings.ReplaceAll(said(err), dir, "DIR"); got != want {
			t.Errorf("%s: got %q", name, got)
		}
	}
	empty := t.TempDir()
	if _, err := Load(empty); said(err) != empty+": there is no *.toml file in this folder" {
		t.Errorf("an empty folder: %v", err)
	}
}

func TestFolder(t *testing.T) {
	dir := t.TempDir()
	testPair(t, dir)
	write(t, dir,
		"10-front.toml", "shutdown_time = \"1d\"\n[[listener]]\naddress = \"127.0.0.1:1110\"\n[tls]\ncert = \"cert.pem\"\n",
		"20-behind.toml", "[[upstream]]\nname = \"a\"\nurl = \"imaps://a.example.com\"\n[tls]\nkey = \"key.pem\"\n[[listener]]\naddress = \"127.0.0.1:1111\"\n",
		"30-routes.toml", "[[upstream]]\nname = \"b\"\nurl = \"imaps://b.example.com\"\n[[route]]\nupstream = \"b\"\npolicy = \"p\"\n[policy.p]\npreset = \"recent\"\n",
		".#30-routes.toml", "an editor's lock", "README", "not TOML")
	s, err := loadSnapshot(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Listeners) != 2 || s.Listeners[1].Address != "127.0.0.1:1111" || s.Listeners[0].Security != StartTLS {
		t.Errorf("listeners: %+v", s.Listeners)
	}
	if len(s.Upstreams) != 2 || s.Upstreams[1].Name != "b" || s.ShutdownTime != 24*time.Hour {
		t.Errorf("upstreams: %+v", s.Upstreams)
	}
}

func TestFolderMistakes(t *testing.T) {
	dir := write(t, t.TempDir(),
		"a.toml", "shutdown_time = \"10s\"\n"+good+"[log]\nlevel = \"warn\"\n[policy.p]\npreset = \"recent\"\n",
		"b.toml", "shutdown_time = \"20s\"\n[[listener]]\naddress = \"127.0.0.1:1110\"\n[log]\nformat = \"json\"\nlevel = \"warn\"\n[policy.p]\nmax_age = \"5d\"\n",
		"c.toml", "[[listener]]\nzone = 110\n[[upstream]]\nurl = \"imaps://[\"\n")
	_, err := Load(dir)
	want := `DIR: route: there is none, and there are several upstreams; add a [[route]] for each
DIR/b.toml:1: shutdown_time: was set already, in DIR/a.toml line 1; keep one of them
DIR/b.toml:3: listener[0].address: 127.0.0.1:1110 is taken by the listener in DIR/a.toml line 2 (127.0.0.1:1110)
DIR/b.toml:6: log.level: was set already, in DIR/a.toml line 8; keep one of them
DIR/b.toml:7: policy.p: was set already, in DIR/a.toml line 9; keep one of them
DIR/c.toml:1: listener[0].address: is missing; write host:port, such as "127.0.0.1:1110"
DIR/c.toml:2: listener[0].zone: unknown key; known are address, apop, cert, certificate, ciphers, client, client_ca, key, legacy_networks, mechanisms, name, plaintext_auth, proxy_protocol, tls, tls_profile
DIR/c.toml:4: upstream[0].url: is not the URL of a server; write one such as "imaps://imap.example.com" or "imap://127.0.0.1:1143"`
	got := strings.ReplaceAll(said(err), dir, "DIR")
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestRelativeFiles(t *testing.T) {
	top := t.TempDir()
	dir := filepath.Join(top, "conf.d")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	testPair(t, top)
	write(t, dir, "c.toml", good+"ca = \"../ca.pem\"\n[tls]\ncert = \"../cert.pem\"\nkey = \""+filepath.Join(top, "key.pem")+"\"\n")
	c, err := Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	want := [3]string{filepath.Join(top, "cert.pem"), filepath.Join(top, "key.pem"), filepath.Join(top, "ca.pem")}
	if got := [3]string{c.TLS.Cert, c.TLS.Key, c.Upstreams[0].CA}; got != want {
		t.Errorf("got %q", got)
	}
}

func TestPolicyStartsFromItsPreset(t *testing.T) {
	file := good + "[[route]]\npolicy = \"p\"\n[policy.p]\npreset = \"recent\"\nmax_size = 1000\n"
	s, err := loadSnapshot(filepath.Join(write(t, t.TempDir(), "c.toml", file), "c.toml"))
	if err != nil {
		t.Fatal(err)
	}
	p := s.routes[0].Policy
	if p.OnDelete.Do != "keep" || time.Duration(p.MaxAge) != 30*24*time.Hour || p.MaxSize != 1000 {
		t.Errorf("got %+v", p)
	}
}

func TestDefaultsAreGood(t *testing.T) {
	c := Defaults()
	c.Listeners = []ListenerTable{{Address: ":1110"}}
	c.Upstreams = []UpstreamTable{{URL: "imap://localhost"}}
	s, err := c.Compile()
	if err != nil {
		t.Fatal(err)
	}
	u := s.Upstreams[0]
	if u.Timeout != 30*time.Second || u.DialTimeout != 15*time.Second || u.ListTimeout != 5*time.Minute || u.ExactSizes {
		t.Errorf("upstream %+v", u)
	}
}

func FuzzLoad(f *testing.F) {
	f.Add([]byte(good))
	for _, m := range mistakes {
		f.Add([]byte(m.file))
	}
	f.Add([]byte("a.\"b\\\"c\".[x]\n[[listener.plaintext_auth]]\nx=1\nlistener=[{address=\"\"}]\n[policy.\"a b\"]\nx.y=1"))
	f.Fuzz(func(t *testing.T, data []byte) {
		path := filepath.Join(write(t, t.TempDir(), "c.toml", string(data)), "c.toml")
		c, err := Load(path)
		if (c == nil) == (err == nil) {
			t.Fatalf("config %v, error %v", c, err)
		}
		if err == nil {
			return
		}
		for _, line := range strings.Split(err.Error(), "\n") {
			if !strings.HasPrefix(line, path+":") && !strings.HasPrefix(line, "and ") {
				t.Fatalf("%q does not say where", line)
			}
		}
	})
}

// TestWarmth: left out is the default, 0s written is none.
func TestWarmth(t *testing.T) {
	for text, want := range map[string]time.Duration{"": 90 * time.Second, "warm_idle = \"0s\"\n": -1, "warm_idle = \"5m\"\n": 5 * time.Minute} {
		file := "[[upstream]]\nurl = \"imap://localhost\"\n" + text + "[[listener]]\naddress = \"127.0.0.1:1110\"\n"
		s, err := loadSnapshot(filepath.Join(write(t, t.TempDir(), "c.toml", file), "c.toml"))
		if err != nil {
			t.Fatal(err)
		}
		if u := s.Upstreams[0]; u.WarmIdle != want || u.CredentialBound != 10*time.Minute || u.MaxIdle != 500 {
			t.Errorf("%q: %v, %v, %d", text, u.WarmIdle, u.CredentialBound, u.MaxIdle)
		}
	}
	for _, text := range []string{"warm_idle = \"25h\"", "credential_bound = \"0s\"", "max_idle = 0", "max_idle = -1"} {
		file := "[[upstream]]\nurl = \"imap://localhost\"\n" + text + "\n[[listener]]\naddress = \"127.0.0.1:1110\"\n"
		if _, err := loadSnapshot(filepath.Join(write(t, t.TempDir(), "c.toml", file), "c.toml")); err == nil {
			t.Errorf("%q was taken", text)
		}
	}
	file := "[[upstream]]\nurl = \"pop3://localhost\"\nwarm_idle = \"1m\"\n[[listener]]\naddress = \"127.0.0.1:1110\"\n"
	if _, err := loadSnapshot(filepath.Join(write(t, t.TempDir(), "c.toml", file), "c.toml")); err == nil || !strings.Contains(err.Error(), "IMAP upstreams only") {
		t.Errorf("warm_idle for POP3: %v", err)
	}
}
