package config

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/restante-mail/restante/policy"
)

const somewhere = "[[listener]]\naddress = \"127.0.0.1:1110\"\n[[upstream]]\nurl = \"imaps://imap.example.com\"\n"

// TestWhatNeedsState: a policy that must remember is refused without a file to
// remember in, and says so.
func TestWhatNeedsState(t *testing.T) {
	tests := map[string]bool{
		"policy = \"keep\"\n":                                  true,
		"policy = \"keep-days\"\n":                             true,
		"policy = \"classic\"\n":                               false,
		"policy = \"recent\"\n":                                false,
		"policy = \"p\"\n[policy.p]\nnewest = 1\n":             true,
		"policy = \"p\"\n[policy.p]\nfrom_now_on = true\n":     true,
		"policy = \"p\"\n[policy.p]\non_retrieve = \"hide\"\n": true,
		"policy = \"p\"\n[policy.p]\ndry_run = true\n":         false,
		"policy = \"p\"\n[policy.p]\nretain = [{ since = \"retrieved\", after = \"1d\", do = \"trash\" }]\n":        true,
		"policy = \"p\"\n[policy.p]\n[[policy.p.retain]]\nsince = \"arrived\"\nafter = \"1d\"\ndo = \"move:Old\"\n": true,
	}
	for route, needs := range tests {
		for _, state := range []string{"", "state = \"s.db\"\n"} {
			file := write(t, t.TempDir(), "c.toml", state+somewhere+"[[route]]\n"+route)
			s, err := loadSnapshot(filepath.Join(file, "c.toml"))
			switch {
			case needs && state == "":
				if err == nil || !strings.Contains(err.Error(), "restante state init") {
					t.Errorf("%q without a state file: %v", route, err)
				}
			case err != nil:
				t.Errorf("%q: %v", state+route, err)
			case s.NeedsState != needs || s.ReadOnly:
				t.Errorf("%q: %+v", state+route, s)
			}
		}
	}
}

func TestPolicySettings(t *testing.T) {
	const file = "state = \"s.db\"\nstate_failure = \"read-only\"\n" + somewhere +
		"[[route]]\npolicy = \"p\"\n[policy.p]\npreset = \"keep-days\"\nnewest = 7\nmax_removals = 9\n" +
		"retain = [{ since = \"arrived\", after = \"30d\", do = \"move:Old mail\", unretrieved = true }]\n"
	s, err := loadSnapshot(filepath.Join(write(t, t.TempDir(), "c.toml", file), "c.toml"))
	if err != nil {
		t.Fatal(err)
	}
	p := s.routes[0].Policy
	if !s.ReadOnly || p.Newest != 7 || p.MaxRemovals != 9 || p.OnDelete.Do != policy.Hide || len(p.Retain) != 1 ||
		p.Retain[0].String() != "since = arrived, after = 30d, do = move:Old mail, unretrieved = true" {
		t.Errorf("%+v, %v", p, p.Retain)
	}
	if w := s.Warnings(today); len(w) != 1 || !strings.Contains(w[0].Error(), "only when the client polls") {
		t.Errorf("warnings are %v; want one that retention waits for polls", w)
	}
	again, _ := policy.Preset("keep-days")
	if again.Retain[0].Since != policy.SinceDeleted {
		t.Error("a file changed the preset")
	}
}

// TestContradictions are named by their key, all at once.
func TestContradictions(t *testing.T) {
	const file = "state = \"s.db\"\nstate_failure = \"panic\"\n" + somewhere +
		"[[route]]\npolicy = \"p\"\n[policy.p]\nnewest = -1\nmax_removals = 0\n" +
		"retain = [{ since = \"deleted\", after = \"1d\", do = \"trash\" }, { since = \"read\" }, { since = \"arrived\", after = \"1d\", do = \"hide\", untill = 1 }]\n"
	_, err := loadSnapshot(filepath.Join(write(t, t.TempDir(), "c.toml", file), "c.toml"))
	for _, want := range []string{
		`c.toml:2: state_failure: "panic" is not known`,
		"c.toml:10: policy.p.newest: must not be negative",
		"c.toml:11: policy.p.max_removals: must be at least 1",
		`policy.p.retain[2].untill: unknown key`,
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is missing in\n%v", want, err)
		}
	}
}

// TestOverPOP3: what POP3 cannot do is refused by name, and the rest is not.
func TestOverPOP3(t *testing.T) {
	const move, flag, number = "no folder to move messages to", "no keywords", "no UIDs"
	for _, c := range []struct{ setting, key, lacks string }{
		{"folders = [\"INBOX\", \"Junk\"]", "folders", "no folders but INBOX"},
		{"newest = 3", "newest", number}, {"from_now_on = true", "from_now_on", number},
		{"newest = 3\nfrom_now_on = true", "newest and from_now_on", number},
		{"unseen_only = true", "unseen_only", `no \Seen`}, {"max_age = \"14d\"", "max_age", "no dates"},
		{"quota_warn = 90", "quota_warn", "no quotas"},
		{"on_retrieve = \"archive\"", "on_retrieve", move}, {"on_delete = \"trash\"", "on_delete", move},
		{"on_delete = \"move:Old\"", "on_delete", move}, {"on_retrieve = \"flag:got\"", "on_retrieve", flag},
		{"retain = [{ since = \"arrived\", after = \"1d\", do = \"trash\" }]", "retain", move},
		{"on_retrieve = \"hide\"", "", ""}, {"on_delete = \"keep\"", "", ""}, {"on_delete = \"refuse\"", "", ""},
		{"on_delete = \"expunge\"", "", ""}, {"max_size = \"1MB\"", "", ""}, {"login_delay = \"1m\"", "", ""},
		{"retain = [{ since = \"retrieved\", after = \"1d\", do = \"expunge\" }]", "", ""},
	} {
		file := "state = \"s.db\"\n" + strings.Replace(somewhere, "imaps", "pop3s", 1) + "[[route]]\npolicy = \"p\"\n[policy.p]\npreset = \"keep\"\n" + c.setting + "\n"
		_, err := loadSnapshot(filepath.Join(write(t, t.TempDir(), "c.toml", file), "c.toml"))
		if c.key == "" && err != nil {
			t.Errorf("%s: %v", c.setting, err)
		}
		if want := " has " + c.key + ", but upstream"; c.key != "" && (err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), c.lacks)) {
			t.Errorf("%s: %v; want it refused over POP3 by name, for %s", c.setting, err, c.lacks)
		}
	}
}

// TestRecentOverPOP3: the view recent has a policy, too.
func TestRecentOverPOP3(t *testing.T) {
	file := strings.Replace(somewhere, "imaps", "pop3s", 1) + "[[route]]\nrecent = true\n"
	_, err := loadSnapshot(filepath.Join(write(t, t.TempDir(), "c.toml", file), "c.toml"))
	if err == nil || !strings.Contains(err.Error(), "has max_age, but upstream") {
		t.Error(err)
	}
}

// TestUpstreamsOfPOP3: keys that only one protocol has.
func TestUpstreamsOfPOP3(t *testing.T) {
	for _, c := range []struct{ scheme, line, want string }{
		{"pop3s", "neutral = true\npipelining = true\napop = true\ntell_client = \"proxy\"", ""},
		{"pop3s", "tell_client = \"xclient\"", ""}, {"pop3s", "tell_client = \"proxy-v1\"", ""}, {"imaps", "tell_client = \"id\"", ""},
		{"pop3s", "neutral = true\nsizes = \"exact\"", ""}, {"imaps", "sizes = \"exact\"", ""},
		{"pop3s", "tell_client = \"id\"", `"id" is for IMAP upstreams only`},
		{"imaps", "tell_client = \"proxy\"", `"proxy" is for POP3 upstreams only`},
		{"pop3s", "tell_client = \"true\"", "write one of id, xclient, proxy, proxy-v1"},
		{"imaps", "neutral = false", "upstream[0].neutral: is for POP3 upstreams only"},
		{"imaps", "apop = true", "upstream[0].apop: is for POP3 upstreams only"},
		{"imaps", "pipelining = true", "upstream[0].pipelining: is for POP3 upstreams only"},
		{"pop3s", "sizes = \"exact\"", "neutral = true"}, {"pop3s", "neutral = false\nsizes = \"exact\"", "neutral = true"},
	} {
		file := "[[listener]]\naddress = \"127.0.0.1:1110\"\n[[upstream]]\nurl = \"" + c.scheme + "://mail.example.com\"\n" + c.line + "\n"
		_, err := loadSnapshot(filepath.Join(write(t, t.TempDir(), "c.toml", file), "c.toml"))
		if (err != nil) != (c.want != "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s, %s: %v; want %q", c.scheme, c.line, err, c.want)
		}
	}
}

// TestNeutralChanges: a reload sees what changed behind a pointer.
func TestNeutralChanges(t *testing.T) {
	seen := map[string]bool{}
	for _, line := range []string{"", "neutral = true", "neutral = false"} {
		file := "[[listener]]\naddress = \"127.0.0.1:1110\"\n[[upstream]]\nurl = \"pop3s://mail.example.com\"\n" + line + "\n"
		path := filepath.Join(write(t, t.TempDir(), "c.toml", file), "c.toml")
		for range 2 {
			s, err := loadSnapshot(path)
			if err != nil {
				t.Fatal(err)
			}
			seen[s.Upstreams[0].Fingerprint] = true
		}
	}
	if len(seen) != 3 {
		t.Errorf("%d fingerprints of 3 settings", len(seen))
	}
}

// TestPolicyDocumentLoads: its examples are policies that some route may have.
func TestPolicyDocumentLoads(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "docs", "policies.md"))
	if err != nil {
		t.Fatal(err)
	}
	examples := regexp.MustCompile("(?s)```toml\n\\[policy\\.(.*?)\\](.*?)```").FindAllStringSubmatch(string(text), -1)
	if len(examples) < 2 {
		t.Fatalf("found %d examples only", len(examples))
	}
	for _, m := range examples {
		file := "state = \"s.db\"\n" + somewhere + "[[route]]\npolicy = \"" + m[1] + "\"\n[policy." + m[1] + "]" + m[2]
		if _, err := loadSnapshot(filepath.Join(write(t, t.TempDir(), "c.toml", file), "c.toml")); err != nil {
			t.Errorf("policy %s: %v", m[1], err)
		}
	}
}
