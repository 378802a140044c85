package config

import (
	"path/filepath"
	"strings"
	"testing"
)

func TestAdmin(t *testing.T) {
	long := strings.Repeat("x", maxSocket)
	tests := []struct {
		name, file string
		want       Admin  // DIR stands for the folder of the file
		wrong      string // what the error says
	}{
		{"nothing", somewhere, Admin{}, ""},
		{"beside the state file", "state = \"s.db\"\n" + somewhere, Admin{Socket: "DIR/s.db.sock"}, ""},
		{"none", "state = \"s.db\"\n" + somewhere + "[admin]\nsocket = \"none\"\n", Admin{}, ""},
		{"named", somewhere + "[admin]\nsocket = \"a.sock\"\npprof = true\n", Admin{Socket: "DIR/a.sock", Pprof: true}, ""},
		{"loopback", somewhere + "[admin]\nlisten = \"127.0.0.1:9110\"\n", Admin{Listen: "127.0.0.1:9110"}, ""},
		{"loopback of IPv6", somewhere + "[admin]\nlisten = \"[::1]:9110\"\n", Admin{Listen: "[::1]:9110"}, ""},
		{"remote", somewhere + "[admin]\nlisten = \":9110\"\nremote = true\n", Admin{Listen: ":9110"}, ""},
		{"not loopback", somewhere + "[admin]\nlisten = \"192.0.2.1:9110\"\n", Admin{}, "can be reached from other machines"},
		{"every address", somewhere + "[admin]\nlisten = \":9110\"\n", Admin{}, "can be reached from other machines"},
		{"no port", somewhere + "[admin]\nlisten = \"127.0.0.1\"\n", Admin{}, "is not host:port"},
		{"a listener's", somewhere + "[admin]\nlisten = \"127.0.0.1:1110\"\n", Admin{}, "is taken by the listener"},
		{"too long", somewhere + "[admin]\nsocket = \"" + long + "\"\n", Admin{}, "is too long for a Unix socket"},
	}
	for _, test := range tests {
		dir := write(t, t.TempDir(), "c.toml", test.file)
		s, err := loadSnapshot(filepath.Join(dir, "c.toml"))
		switch {
		case test.wrong != "":
			if err == nil || !strings.Contains(err.Error(), test.wrong) {
				t.Errorf("%s: %v", test.name, err)
			}
		case err != nil:
			t.Errorf("%s: %v", test.name, err)
		default:
			test.want.Socket = strings.Replace(test.want.Socket, "DIR", dir, 1)
			if s.Admin != test.want {
				t.Errorf("%s: %+v, want %+v", test.name, s.Admin, test.want)
			}
		}
	}
}

func TestCertificatesInUse(t *testing.T) {
	dir := t.TempDir()
	testPair(t, dir)
	file := "[tls]\ncert = \"cert.pem\"\nkey = \"key.pem\"\n" + somewhere + "[[listener]]\naddress = \"127.0.0.1:1995\"\ntls = \"implicit\"\n"
	s, err := loadSnapshot(filepath.Join(write(t, dir, "c.toml", file), "c.toml"))
	if err != nil {
		t.Fatal(err)
	}
	if all := s.Certificates(); len(all) != 1 || all[0].File != filepath.Join(dir, "cert.pem") || all[0].NotAfter.IsZero() {
		t.Errorf("%+v", all)
	}
}
