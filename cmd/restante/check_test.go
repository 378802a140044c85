package main

import (
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/restante-mail/restante/memimap"
	"github.com/restante-mail/restante/secret"
)

// imapServer serves until the test ends.
func imapServer(t *testing.T, server *memimap.Server) (address string) {
	t.Helper()
	server.InsecureAuth = true
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(l) }()
	t.Cleanup(func() {
		server.Close()
		<-ended
	})
	return l.Addr().String()
}

// TestCheckPolicies: what a policy asks of a server in vain is named by view and
// setting, and is a failure; what it can do is not.
func TestCheckPolicies(t *testing.T) {
	const policies = `
[policy.full]
folders = ["INBOX", '\Junk']
on_retrieve = "flag:$Fetched"
on_delete = "trash"
quota_warn = 90
quota_reclaim = { above = 95, do = "move:Old" }

[policy.plain]
on_delete = "archive"
`
	for _, test := range []struct {
		name       string
		lacks, has []string
		prepare    func(*memimap.User)
		want       []string // setting: problem, of the view full
		plain      []string
	}{
		{"all is there", nil, []string{"QUOTA"}, func(u *memimap.User) {
			u.Mailbox("Old")
			u.SetQuota("q", 1000)
			u.SetQuota("other", 1000, "Old")
		}, nil, nil},
		{"the same quota", nil, []string{"QUOTA"}, func(u *memimap.User) {
			u.Mailbox("Old")
			u.SetQuota("q", 1000)
		}, []string{"quota_reclaim: do = move:Old: its folder comes under the same quota"}, nil},
		{"no limit, no folder", nil, []string{"QUOTA"}, nil, []string{`quota_reclaim: do = move:Old: there is no folder "Old"`,
			"quota_warn: the server has QUOTA and tells no limit", "quota_reclaim: the server has QUOTA and tells no limit"}, nil},
		{"nothing", []string{"SPECIAL-USE", "UIDPLUS", "MOVE"}, nil, func(u *memimap.User) { u.Mailbox("Old") }, []string{
			`folders: the account has no folder with the use \Junk`,
			"on_delete = trash: the server cannot move messages (neither MOVE nor UIDPLUS)",
			`on_delete = trash: the account has no folder with the use \Trash`,
			"quota_reclaim: do = move:Old: the server cannot move messages",
			"quota_warn: the server does not tell how full an account is (no QUOTA)",
			"quota_reclaim: the server does not tell",
		}, []string{"on_delete = archive: the server cannot move", `on_delete = archive: the account has no folder with the use \Archive`}},
	} {
		t.Run(test.name, func(t *testing.T) {
			server := memimap.New()
			server.Lacks, server.Has = test.lacks, test.has
			account := server.AddUser("alice", secret.New("open sesame"))
			if test.prepare != nil {
				test.prepare(account)
			}
			dir := t.TempDir()
			conf := filepath.Join(dir, "restante.toml")
			text := "state = \"state.db\"\n[[listener]]\naddress = \"127.0.0.1:0\"\n[[upstream]]\nname = \"main\"\nurl = \"imap://" + imapServer(t, server) +
				"\"\n[[route]]\npolicy = \"full\"\nviews = [\"other\"]\nview_policy = { other = \"plain\" }\n" + policies
			if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			out, err := command(t, "check", "--config", conf, "--connect", "--user", "alice", "--json")
			if (err == nil) != (len(test.want) == 0) {
				t.Errorf("check: %v", err)
			}
			var found checkResult
			if i := strings.LastIndex(out, "\n}\n"); i < 0 || json.Unmarshal([]byte(out[strings.Index(out, "{"):i+2]), &found) != nil {
				t.Fatalf("not JSON:\n%s", out)
			}
			for view, want := range map[string][]string{"": test.want, "other": test.plain} {
				wantUnmet(t, &found, view, want)
			}
		})
	}
}

func wantUnmet(t *testing.T, found *checkResult, view string, want []string) {
	t.Helper()
	n := 0
	for _, u := range found.Unmet {
		if u.View != view {
			continue
		}
		n++
		if !slices.ContainsFunc(want, func(w string) bool { return strings.HasPrefix(u.Setting+": "+u.Problem, w) }) {
			t.Errorf("view %q: %s", view, u)
		}
	}
	if n != len(want) {
		t.Errorf("view %q: %d are unmet, want %q", view, n, want)
	}
}

// TestCheckUserNeedsConnect, and a wrong password is no finding but a failure.
func TestCheckUserNeedsConnect(t *testing.T) {
	server := memimap.New()
	server.AddUser("alice", secret.New("another"))
	conf := filepath.Join(t.TempDir(), "restante.toml")
	text := "[[listener]]\naddress = \"127.0.0.1:0\"\n[[upstream]]\nname = \"main\"\nurl = \"imap://" + imapServer(t, server) + "\"\n"
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := run([]string{"check", "--config", conf, "--user", "alice"}); got != exitUsage {
		t.Errorf("exit status %d", got)
	}
	out, err := command(t, "check", "--config", conf, "--connect", "--user", "alice")
	if err == nil || !strings.Contains(err.Error(), "sign in") || !strings.Contains(out, "answers") {
		t.Errorf("%v, after\n%s", err, out)
	}
}
