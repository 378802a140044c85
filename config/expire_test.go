package config

import (
	"path/filepath"
	"testing"
)

func TestExpireBeforeSignIn(t *testing.T) {
	const policies = "[policy.week]\nmax_age = \"7d\"\n[policy.ten]\nnewest = 10\n" +
		"[policy.old]\nretain = [{ since = \"arrived\", after = \"9d\", do = \"expunge\" }]\n" +
		"[policy.read]\nretain = [{ since = \"retrieved\", after = \"5d\", do = \"expunge\" }]\n" +
		"[policy.room]\nquota_reclaim = { above = 90, do = \"expunge\" }\n"
	tests := []struct{ routes, want string }{
		{"[[route]]\n", "EXPIRE NEVER"},
		{"[[route]]\npolicy = \"gmail-trash\"\n", "EXPIRE 0"},
		{"[[route]]\nuser = \"a\"\npolicy = \"week\"\n[[route]]\n", "EXPIRE 7 USER"},
		{"[[route]]\nuser = \"a\"\n[[route]]\npolicy = \"week\"\n", "EXPIRE 7 USER"},
		{"[[route]]\nuser = \"a\"\npolicy = \"recent\"\n[[route]]\npolicy = \"week\"\n", "EXPIRE 7 USER"},
		{"[[route]]\nuser = \"a\"\npolicy = \"week\"\n[[route]]\npolicy = \"week\"\n", "EXPIRE 7"},
		{"[[route]]\nuser = \"a\"\npolicy = \"ten\"\n[[route]]\npolicy = \"week\"\n", ""},
		{"[[route]]\nrecent = true\n", "EXPIRE 30 USER"},
		{"[[route]]\nlistener = [\"other\"]\npolicy = \"week\"\n[[route]]\n", "EXPIRE NEVER"},
		{"[[route]]\nlistener = [\"other\"]\n", ""},
		{"[[route]]\nviews = [\"v\"]\nview_policy = { v = \"gmail-trash\" }\n", "EXPIRE 0"},
		{"[[route]]\nviews = [\"v\", \"w\"]\nview_policy = { v = \"ten\", w = \"old\" }\n", ""},
		{"[[route]]\nviews = [\"w\"]\nview_policy = { w = \"old\" }\n", "EXPIRE 9"},
		{"[[route]]\nviews = [\"v\"]\nview_policy = { v = \"read\" }\n", "EXPIRE 0 USER"},
		{"[[route]]\nviews = [\"v\"]\nview_policy = { v = \"keep-days\" }\n", "EXPIRE NEVER"},
		{"[[route]]\nviews = [\"v\"]\nview_policy = { v = \"room\" }\n", ""},
	}
	for _, test := range tests {
		file := "state = \"s.db\"\n[[listener]]\nname = \"other\"\naddress = \"127.0.0.1:1111\"\n" + somewhere + test.routes + policies
		s, err := loadSnapshot(filepath.Join(write(t, t.TempDir(), "c.toml", file), "c.toml"))
		if err != nil {
			t.Fatal(err)
		}
		if got := s.Expire("127.0.0.1:1110"); got != test.want {
			t.Errorf("%s: %q, want %q", test.routes, got, test.want)
		}
	}
}

func TestLoginDelayBeforeSignIn(t *testing.T) {
	const policies = "[policy.quarter]\nlogin_delay = \"15m\"\n[policy.minute]\nlogin_delay = \"60s\"\n"
	for routes, want := range map[string]string{
		"[[route]]\n":                       "",
		"[[route]]\npolicy = \"quarter\"\n": "LOGIN-DELAY 900",
		"[[route]]\nuser = \"a\"\npolicy = \"quarter\"\n[[route]]\n":                       "LOGIN-DELAY 900 USER",
		"[[route]]\nuser = \"a\"\n[[route]]\npolicy = \"minute\"\n":                        "LOGIN-DELAY 60 USER",
		"[[route]]\nuser = \"a\"\npolicy = \"minute\"\n[[route]]\npolicy = \"quarter\"\n":  "LOGIN-DELAY 900 USER",
		"[[route]]\nuser = \"a\"\npolicy = \"quarter\"\n[[route]]\npolicy = \"quarter\"\n": "LOGIN-DELAY 900",
	} {
		s, err := loadSnapshot(filepath.Join(write(t, t.TempDir(), "c.toml", somewhere+routes+policies), "c.toml"))
		if err != nil {
			t.Fatal(err)
		}
		if got := s.LoginDelay("127.0.0.1:1110"); got != want {
			t.Errorf("%s: %q, want %q", routes, got, want)
		}
	}
}
