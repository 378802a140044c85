package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/restante-mail/restante/audit"
)

// testAuditKey makes audit.key in dir, and audit.pub.
func testAuditKey(t *testing.T, dir string) {
	t.Helper()
	private, public, _, err := audit.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{"audit.key": private, "audit.pub": public} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func loadAudit(t *testing.T, text string) (*Snapshot, error) {
	t.Helper()
	dir := t.TempDir()
	testPair(t, dir)
	testAuditKey(t, dir)
	return loadSnapshot(filepath.Join(write(t, dir, "c.toml", "state = \"s.db\"\n"+good+text), "c.toml"))
}

func TestAuditShort(t *testing.T) {
	s, err := loadAudit(t, "[audit]\nfile = \"audit.jsonl\"\n")
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Audit.Sinks) != 1 {
		t.Fatalf("%+v", s.Audit)
	}
	a := s.Audit.Sinks[0]
	if a.Name != "file" || a.To != audit.ToFile || !filepath.IsAbs(a.Path) || a.RotateSize != 100<<20 || !a.Compress || a.Queue != 4<<20 ||
		a.Patience != 10*time.Second || a.Sync != audit.SyncInterval || a.Interval != time.Second || a.Every != 1000 || a.Within != time.Minute {
		t.Errorf("%+v", a)
	}
	if w := s.Warnings(today); len(w) != 1 || !strings.Contains(w[0].Text, "keygen") {
		t.Errorf("warnings: %v", w)
	}
	if s, err = loadAudit(t, ""); err != nil || len(s.Audit.Sinks) != 0 || len(s.Warnings(today)) != 0 {
		t.Errorf("no trail: %+v, %v", s, err)
	}
}

func TestAuditSinks(t *testing.T) {
	s, err := loadAudit(t, `[audit]
key = "audit.key"
old_keys = ["audit.pub"]
[[audit.sink]]
type = "file"
path = "a.jsonl"
compress = false
witness = "far"
fsync = "event"
[[audit.sink]]
type = "syslog"
name = "far"
address = "tls://logs.example.com"
ca = "ca.pem"
facility = "local3"
[[audit.sink]]
type = "state"
retain = "90d"
[[audit.sink]]
type = "stdout"
`)
	if err != nil {
		t.Fatal(err)
	}
	all := s.Audit.Sinks
	if len(all) != 4 || all[0].Signer == nil || all[0].Compress || all[0].Witness != "far" || all[1].TLS == nil || all[1].Address != "logs.example.com:6514" ||
		all[1].Facility != 19 || all[1].Patience != 0 || all[2].Retain != 90*24*time.Hour || all[3].Name != "stdout" || len(s.Audit.Keys) != 1 {
		t.Errorf("%+v", s.Audit)
	}
}

func TestAuditMistakes(t *testing.T) {
	for text, want := range map[string]string{
		`[audit]` + "\n" + `file = "a"` + "\n" + `key = "cert.pem"`: "holds no ed25519 key in PEM; make one with restante audit keygen",
		`[audit]` + "\n" + `file = "a"` + "\n" + `key = "none.key"`: "no such file",
		`[audit]` + "\n" + `checkpoint_lines = -1`:                  "audit.checkpoint_lines: -1 is out of range",
		`[[audit.sink]]`: "audit.sink[0].type: is missing; write one of file, stdout, syslog, state",
		`[[audit.sink]]` + "\n" + `type = "kafka"`:                                                                               `"kafka" is not known; write one of file, stdout, syslog, state`,
		`[[audit.sink]]` + "\n" + `type = "file"`:                                                                                "audit.sink[0].path: is missing",
		`[[audit.sink]]` + "\n" + `type = "stdout"` + "\n" + `path = "x"`:                                                        "is not for sinks of the type stdout, only for file",
		`[[audit.sink]]` + "\n" + `type = "syslog"`:                                                                              "address: is missing",
		`[[audit.sink]]` + "\n" + `type = "syslog"` + "\n" + `address = "udp://h"`:                                               "is not the address of a syslog server",
		`[[audit.sink]]` + "\n" + `type = "syslog"` + "\n" + `address = "tcp://h"` + "\n" + `ca = "ca.pem"`:                      "is for tls:// addresses only",
		`[[audit.sink]]` + "\n" + `type = "syslog"` + "\n" + `address = "tcp://h"` + "\n" + `facility = "ftp"`:                   `"ftp" is not known`,
		`[[audit.sink]]` + "\n" + `type = "stdout"` + "\n" + `when_full = "wait"`:                                                `"wait" is not known; write one of block, drop`,
		`[[audit.sink]]` + "\n" + `type = "stdout"` + "\n" + `queue = "1B"`:                                                      "is out of range",
		`[[audit.sink]]` + "\n" + `type = "stdout"` + "\n" + `block_time = "1s"`:                                                 `is for when_full = "block" only`,
		`[[audit.sink]]` + "\n" + `type = "stdout"` + "\n" + `witness = "stdout"`:                                                "must be another sink",
		`[[audit.sink]]` + "\n" + `type = "stdout"` + "\n[[audit.sink]]\n" + `type = "stdout"`:                                   "two sinks with the name",
		`[[audit.sink]]` + "\n" + `type = "file"` + "\n" + `path = "x"` + "\n" + `retain = "5m"`:                                 `write at least "1h", or "0s"`,
		`[[audit.sink]]` + "\n" + `type = "file"` + "\n" + `path = "x"` + "\n" + `rotate_size = "1KiB"`:                          `write at least "64KiB"`,
		`[[audit.sink]]` + "\n" + `type = "file"` + "\n" + `path = "x"` + "\n" + `fsync = "never"`:                               `"never" is not known`,
		`[[audit.sink]]` + "\n" + `type = "file"` + "\n" + `path = "x"` + "\n" + `fsync = "event"` + "\n" + `when_full = "drop"`: "change one of them",
		"[audit]\nfile = \"x\"\n[[audit.sink]]\n" + `type = "file"` + "\n" + `name = "y"` + "\n" + `path = "x"`:                  "write to the same place",
	} {
		if _, err := loadAudit(t, text+"\n"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s\nsays: %v\nwant: %s", text, err, want)
		}
	}
}
