package main

import (
	"os"
	"strings"
	"testing"
)

// TestRenamedUpstream: what was remembered under the old name is missed aloud,
// by check and at each reload; and a rule that is gone has to be approved anew.
func TestRenamedUpstream(t *testing.T) {
	r, conf := keeping(t)
	session(t, r, "alice", 2)
	out, err := command(t, "policy", "approve", "--config", conf)
	want(t, out, err, "approved 1 rule(s)")
	text, err := os.ReadFile(conf)
	if err != nil {
		t.Fatal(err)
	}
	renamed := strings.NewReplacer(`name = "main"`, `name = "other"`, "keep-days", "keep").Replace(string(text))
	r.write(t, renamed)
	if err := r.live.Reload(); err != nil {
		t.Fatal(err)
	}
	r.log.await(t, "remembered of upstreams that there are not any more: main")
	r.log.await(t, "the approval of rules that are gone is forgotten")
	out, err = command(t, "check", "--config", conf)
	want(t, out, err, "warning: state: accounts are remembered of upstreams that there are not any more: main", "is good")

	r.write(t, string(text))
	if err := r.live.Reload(); err != nil {
		t.Fatal(err)
	}
	out, err = command(t, "check", "--config", conf)
	if want(t, out, err, "is good"); strings.Contains(out, "remembered") {
		t.Errorf("with the old name again, check says\n%s", out)
	}
	out, err = command(t, "policy", "list", "--config", conf)
	want(t, out, err, "waits for restante policy approve")
}
