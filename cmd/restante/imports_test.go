package main

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/restante-mail/restante/"

// mayImport is docs/architecture.md's rule: which of our packages each of our
// packages may import. What is not named here may import nothing of ours.
var mayImport = map[string][]string{
	"pop3":                 {"secret"},
	"pop3/pop3test":        {"pop3", "secret"},
	"upstream":             {"secret"},
	"upstream/mailboxtest": {"upstream", "secret"},
	"policy":               {"upstream"},
	"upstream/readahead":   {"upstream"},
	"bridge":               {"upstream", "upstream/readahead", "secret"},
	"proxy":                {"upstream", "upstream/readahead", "secret", "pop3"},
	"auth":                 {"secret", "store", "upstream"},
	"auth/oauth":           {"secret", "store", "auth", "upstream"},
	"config":               {"policy", "guard", "auth", "audit", "uidl", "auth/oauth", "secret", "lookup"},
	"lookup":               {"secret"},
	"guard":                {"secret"},
	"memimap":              {"secret"},
	"admin":                {"audit"},
	"gateway":              {"pop3", "upstream", "policy", "secret", "bridge", "proxy", "config", "store", "audit", "guard", "auth", "uidl", "lookup"},
	"store/storetest":      {"store"},
	"doctor":               {"gateway", "upstream"},
}

// libraryOnlyIn keeps a library behind the package that defends against it.
var libraryOnlyIn = map[string][]string{
	"github.com/emersion/go-imap/v2": {"bridge", "memimap"},
	"github.com/sirupsen/logrus":     {"bridge", "proxy", "gateway", "cmd/restante"},
}

func TestWhoMayImportWhom(t *testing.T) {
	for _, p := range packages(t) {
		name := strings.TrimPrefix(p.ImportPath, module)
		for _, imported := range p.Imports {
			checkOurs(t, name, imported)
			checkLibrary(t, name, imported)
		}
	}
}

func checkOurs(t *testing.T, name, imported string) {
	ours, found := strings.CutPrefix(imported, module)
	if !found || strings.HasPrefix(name, "cmd/") || testOnly(name) {
		return
	}
	if !slices.Contains(mayImport[name], ours) {
		t.Errorf("%s imports %s: docs/architecture.md does not allow that", name, ours)
	}
}

func checkLibrary(t *testing.T, name, imported string) {
	for library, allowed := range libraryOnlyIn {
		if strings.HasPrefix(imported, library) && !slices.Contains(allowed, name) && !testOnly(name) {
			t.Errorf("%s imports %s: only %v may", name, imported, allowed)
		}
	}
}

// testOnly packages serve tests and benchmarks and are in no binary.
func testOnly(name string) bool {
	return name == "peertest" || name == "bench"
}

type listed struct {
	ImportPath string
	Imports    []string
}

func packages(t *testing.T) (all []listed) {
	t.Helper()
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports", module+"...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	d := json.NewDecoder(bytes.NewReader(out))
	for {
		var p listed
		if err := d.Decode(&p); err == io.EOF {
			return all
		} else if err != nil {
			t.Fatalf("go list: %v", err)
		}
		all = append(all, p)
	}
}

// TestEveryDependencyIsExplained: docs/dependencies.md has a row for each module
// that go.mod names for ourselves.
func TestEveryDependencyIsExplained(t *testing.T) {
	mod, err := os.ReadFile("../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	doc, err := os.ReadFile("../../docs/dependencies.md")
	if err != nil {
		t.Fatal(err)
	}
	direct := 0
	for line := range strings.Lines(string(mod)) {
		fields := strings.Fields(line)
		if len(fields) != 2 || !strings.HasPrefix(fields[1], "v") {
			continue
		}
		direct++
		if !strings.Contains(string(doc), "| `"+fields[0]+"` |") {
			t.Errorf("docs/dependencies.md says nothing of %s", fields[0])
		}
	}
	if direct < 5 {
		t.Errorf("go.mod names %d modules; is it read right?", direct)
	}
}
