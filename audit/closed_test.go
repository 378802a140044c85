package audit

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// A file that is there packed and plain, as while it is packed or after a crash,
// is read once.
func TestPackedAndPlainIsOneFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "audit.jsonl")
	var want []string
	for _, name := range []string{"audit-000000000001-20260102T150405Z.jsonl", "audit-000000000009-20260102T150405Z.jsonl", "audit.jsonl"} {
		want = append(want, filepath.Join(dir, name))
	}
	for _, name := range append(want, want[0]+gzipSuffix, want[1]+gzipSuffix) {
		if err := os.WriteFile(name, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, err := Files(path)
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%q, %v", got, err)
	}
}

func TestRotated(t *testing.T) {
	before := []string{"a-1.jsonl", "a.jsonl"}
	for _, test := range []struct {
		after []string
		want  bool
	}{
		{before, false},
		{[]string{"a-1.jsonl.gz", "a.jsonl"}, false},
		{[]string{"a-1.jsonl", "a-2.jsonl", "a.jsonl"}, true},
		{[]string{"a.jsonl"}, true},
	} {
		if got := Rotated(before, test.after); got != test.want {
			t.Errorf("%q: %v", test.after, got)
		}
	}
}
