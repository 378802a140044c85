package audit

import (
	"os"
	"path/filepath"
	"testing"
)

// twoFiles are sinks that witness each other, and make no checkpoints on their
// own while the test runs.
func twoFiles(t *testing.T) (a, b Settings) {
	t.Helper()
	a, b = fileSettings(filepath.Join(t.TempDir(), "a.jsonl")), fileSettings(filepath.Join(t.TempDir(), "b.jsonl"))
	a.Name, b.Name, a.Witness, b.Witness = "a", "b", "b", "a"
	a.Every, b.Every = 1000, 1000
	return a, b
}

// What a process has recorded in less time than there is between two
// checkpoints is witnessed when it ends: an older copy that is put in the file's
// place, and goes on from there, is not taken for the trail.
func TestReplayedWhileStopped(t *testing.T) {
	a, b := twoFiles(t)
	trail, _ := use(t, a, b)
	say(trail, 1, 3)
	end(t, trail)
	old, err := os.ReadFile(a.Path)
	if err != nil {
		t.Fatal(err)
	}
	trail, _ = use(t, a, b)
	say(trail, 4, 6)
	end(t, trail)
	if r := verifiedFiles(t, a.Path, b.Path); !r.Intact() || r.Chains[0].Unproven+r.Chains[1].Unproven != 0 || r.Chains[0].Witnessed == 0 || r.Chains[1].Witnessed == 0 {
		t.Fatalf("%+v %+v", r.Chains[0], r.Chains[1])
	}
	if err := os.WriteFile(a.Path, old, 0o600); err != nil {
		t.Fatal(err)
	}
	if r := verifiedFiles(t, a.Path, b.Path); r.Intact() {
		t.Error("the older file passes before the next start")
	}
	trail, _ = use(t, a, b)
	say(trail, 7, 30)
	end(t, trail)
	if r := verifiedFiles(t, a.Path, b.Path); r.Intact() {
		t.Error("the older file passes after the next start")
	}
}

// The first checkpoint of a process is witnessed: it may be the last before it
// is killed, and it signs what a crash has left.
func TestBeginningIsWitnessed(t *testing.T) {
	a, b := twoFiles(t)
	trail, _ := use(t, a, b)
	await(t, "both beginnings are witnessed", func() bool {
		all := trail.Stats()
		return all[0].Lines == 3 && all[1].Lines == 3 // chain_start, checkpoint, witness
	})
	end(t, trail)
}
