package config

import (
	"net/netip"
	"path/filepath"
	"strings"
	"testing"

	"github.com/restante-mail/restante/auth"
)

const (
	// hashed is the hash of some secret, sealedBox looks like something sealed.
	hashed    = "$hmac-sha256$QOvGcbvFmuNHyxfH1GjpPw$0AwM3UWR6ZlWFUAzhwWuOx0vWAaqPFjKNEKMATE1tKk"
	sealedBox = "sealed:1:0011aabb:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
)

func TestAccountMistakes(t *testing.T) {
	dir := t.TempDir()
	testPair(t, dir)
	write(t, dir, "users", "bob:plain\n")
	for name, test := range map[string]struct{ file, want string }{
		"no name":        {"[[account]]\n", `account[0]: the account's name is missing`},
		"twice":          {"[[account]]\nname = \"a\"\n[[account]]\nname = \"A\"\n", `account[1].name: "A" is the name of the account in DIR/c.toml line 6 too; names must differ`},
		"plain password": {"[[account]]\nname = \"a\"\nmethod = \"password\"\npassword = \"secret\"\n", `account[0]: is not a sealed value`},
		"plain secret":   {"[[account]]\nname = \"a\"\n[[account.secret]]\nlabel = \"x\"\nhash = \"secret\"\n", `account[0]: secret "x": is not a hash that Restante knows`},
		"no key":         {"[[account]]\nname = \"a\"\nmethod = \"password\"\npassword = \"" + sealedBox + "\"\n", `account[0]: has sealed secrets, and nothing says where the key is; set key_file in [auth]`},
		"unknown key":    {"[[account]]\nname = \"a\"\n[[account.secret]]\nlable = \"x\"\n", `account[0].secret[0].lable: unknown key; did you mean "label"?`},
		"policy":         {"[[account]]\nname = \"a\"\n[[account.secret]]\nlabel = \"x\"\nhash = \"" + hashed + "\"\npolicy = \"nice\"\n", `account[0].secret[0].policy: there is no [policy.nice], and no preset with this name`},
		"view":           {"[[account]]\nname = \"a\"\n[[account.secret]]\nlabel = \"x\"\nhash = \"" + hashed + "\"\nview = \"v\"\n", `account[0].secret[0].view: no route declares a view "v"`},
		"network":        {"[[account]]\nname = \"a\"\n[[account.secret]]\nlabel = \"x\"\nhash = \"" + hashed + "\"\nnetwork = [\"all\"]\n", `account[0].secret[0].network[0]: "all" is not a network`},
		"expiry":         {"[[account]]\nname = \"a\"\n[[account.secret]]\nlabel = \"x\"\nhash = \"" + hashed + "\"\nexpires = \"soon\"\n", `account[0].secret[0].expires: "soon" is not a day such as 2027-01-31`},
		"use":            {"[[route]]\naccounts = \"some\"\n", `route[0].accounts: "some" is not known; write one of none, first, only`},
		"no accounts":    {"[[route]]\naccounts = \"only\"\n", `route[0].accounts: there are no accounts; add [[account]]`},
		"half a master":  {"master_user = \"chief\"\n", `upstream[0].master_user: master_user and master_password belong together`},
		"plain master":   {"master_user = \"chief\"\nmaster_password = \"secret\"\n", `upstream[0].master_password: must be sealed; restante account seal --upstream imap.example.com prints it`},
		"master, no key": {"master_user = \"chief\"\nmaster_password = \"" + sealedBox + "\"\n", `upstream[0].master_password: nothing says where the key is`},
		"no htpasswd":    {"[auth]\nhtpasswd = [\"nowhere\"]\n", `auth.htpasswd[0]: DIR/nowhere: no such file or directory`},
		"client_ca":      {"[[listener]]\naddress = \"127.0.0.1:1111\"\nclient_ca = \"ca.pem\"\n", `listener[1].client_ca: needs TLS, for certificates are shown there`},
	} {
		write(t, dir, "c.toml", good+test.file)
		_, err := Load(filepath.Join(dir, "c.toml"))
		if got := strings.ReplaceAll(said(err), dir, "DIR"); !strings.Contains(got, test.want) || strings.Contains(got, "\n") {
			t.Errorf("%s: got %s; want %s", name, got, test.want)
		}
	}
}

func TestAccountsLoad(t *testing.T) {
	dir := t.TempDir()
	testPair(t, dir)
	write(t, dir, "users", "bob:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=\nplain:password\n", "a.toml", "state = \"s.db\"\n"+good+
		"master_user = \"chief\"\nmaster_password = \""+sealedBox+"\"\n[auth]\nhtpasswd = [\"users\"]\n"+
		"[[route]]\naccounts = \"first\"\nviews = [\"printer\"]\n[[account]]\nname = \"Alice\"\n[[account.secret]]\nlabel = \"a\"\nhash = \""+hashed+"\"\n",
		"b.toml", "[[account]]\nname = \"bob\"\nmethod = \"password\"\npassword = \""+sealedBox+"\"\n[[account.secret]]\nlabel = \"b\"\nhash = \""+hashed+
			"\"\nview = \"printer\"\npolicy = \"read-only\"\nnetwork = [\"10.0.0.0/8\"]\nexpires = \"2027-01-31\"\n")
	s, err := loadSnapshot(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Accounts) != 2 || !s.UsesAccounts() || s.KeyFile != filepath.Join(dir, "s.db.key") || s.Htpasswd == nil || s.Upstreams[0].Master.User != "chief" {
		t.Errorf("%+v, %q, %v", s.Accounts, s.KeyFile, s.Upstreams[0].Master)
	}
	b := s.Accounts[1].Secrets[0]
	if b.View != "printer" || b.Policy != "read-only" || len(b.Networks) != 1 || b.Expires.Format("2006-01-02T15:04Z") != "2027-02-01T00:00Z" {
		t.Errorf("%+v", b)
	}
	if w := s.Warnings(today); len(w) != 1 || !strings.Contains(w[0].Text, "line 2: the hash is of a kind that is not read") {
		t.Errorf("warnings: %v", w)
	}
	if path, err := KeyFile(dir); err != nil || path != s.KeyFile {
		t.Errorf("KeyFile: %q, %v", path, err)
	}
	if text := s.Expire("127.0.0.1:1110"); text != "EXPIRE NEVER" {
		t.Errorf("%q", text)
	}
}

// TestNarrow: a secret's view and policy hold where they can, and nothing else
// does in their place.
func TestNarrow(t *testing.T) {
	file := "state = \"s.db\"\n" + good + "[[upstream]]\nname = \"old\"\nurl = \"pop3://127.0.0.1\"\n" +
		"[[route]]\nuser = \"old\"\nupstream = \"old\"\naccounts = \"only\"\n" +
		"[[route]]\nupstream = \"imap.example.com\"\naccounts = \"only\"\nviews = [\"printer\"]\nview_policy = { printer = \"keep\" }\nrecent = true\n"
	s, err := loadSnapshot(filepath.Join(write(t, t.TempDir(), "c.toml", file), "c.toml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ user, view, policy, want string }{
		{"alice", "", "", "alice//classic"}, {"alice", "Printer", "", "alice/printer/keep"}, {"alice+printer", "", "", "alice//classic"},
		{"alice+printer", "printer", "read-only", "alice/printer/read-only"}, {"alice", "recent", "", "alice/recent/recent"},
		{"alice", "phone", "", ""}, {"alice", "", "nice", ""}, {"alice", "recent", "keep", ""}, {"old", "", "read-only", "old//read-only"}, {"old", "", "gmail-trash", ""},
	} {
		r, ok := s.Route(test.user, netip.Addr{}, "")
		if !ok || r.Accounts != auth.UseOnly {
			t.Fatalf("%s: %v, %v", test.user, ok, r.Accounts)
		}
		got := ""
		if n, err := s.Narrow(r, test.view, test.policy); err == nil {
			got = n.Base + "/" + n.View + "/" + n.PolicyName
		}
		if got != test.want {
			t.Errorf("%+v: %q", test, got)
		}
	}
}
