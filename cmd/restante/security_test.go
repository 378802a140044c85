package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestSecurityNamesTests: docs/security.md names tests as package.Name, and every
// one is there; and it names each fuzzer, for each stands at a door.
func TestSecurityNamesTests(t *testing.T) {
	text, err := os.ReadFile("../../docs/security.md")
	if err != nil {
		t.Fatal(err)
	}
	there := testsThere(t)
	named := map[string]bool{}
	for _, m := range regexp.MustCompile("`([a-z0-9]+\\.(?:Test|Fuzz)[A-Za-z0-9_]+)`").FindAllStringSubmatch(string(text), -1) {
		named[m[1]] = true
		if !there[m[1]] {
			t.Errorf("docs/security.md names %s, which there is not", m[1])
		}
	}
	for name := range there {
		if strings.Contains(name, ".Fuzz") && !named[name] {
			t.Errorf("docs/security.md does not say which door %s stands at", name)
		}
	}
	if len(named) < 100 {
		t.Errorf("docs/security.md names %d tests; is it written as it was?", len(named))
	}
}

// testsThere are all tests, by the folder of their package.
func testsThere(t *testing.T) map[string]bool {
	t.Helper()
	there := map[string]bool{}
	function := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)[A-Za-z0-9_]+)\(`)
	err := filepath.WalkDir("../..", func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		for _, m := range function.FindAllSubmatch(text, -1) {
			there[filepath.Base(filepath.Dir(path))+"."+string(m[1])] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return there
}
