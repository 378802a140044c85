package config

import (
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func withTranscript(t *testing.T, text string) (*Snapshot, error) {
	t.Helper()
	dir := t.TempDir()
	return loadSnapshot(filepath.Join(write(t, dir, "c.toml", good+"[[route]]\nname = \"people\"\n[[transcript]]\n"+text), "c.toml"))
}

func TestTranscriptMistakes(t *testing.T) {
	const whole = "folder = \"t\"\nuntil = \"2026-12-31\"\n"
	for _, test := range []struct{ text, want string }{
		{"until = \"2026-12-31\"\n", "transcript[0].folder: is missing"},
		{"folder = \"t\"\n", "transcript[0].until: is missing"},
		{"folder = \"t\"\nuntil = \"tomorrow\"\n", "neither a day such as"},
		{whole + "keep = \"400d\"\n", "transcript[0].keep: 9600h0m0s is out of range"},
		{whole + "session_size = \"1KiB\"\n", "transcript[0].session_size: 1024 octets is out of range"},
		{whole + "session_size = \"2MiB\"\nfolder_size = \"1MiB\"\n", "transcript[0].session_size"},
		{whole + "listener = [\"x\"]\n", "there is no [[listener]] with the name \"x\""},
		{whole + "route = [\"x\"]\n", "there is no [[route]] with the name \"x\""},
		{whole + "network = [\"10.1.2.3/8\"]\n", "transcript[0].network"},
		{whole + "user = \"" + strings.Repeat("x", 1001) + "\"\n", "transcript[0].user"},
		{whole + "[[route]]\nname = \"people\"\n", "is the name of another route too"},
		{whole + "[[route]]\nname = \"two words\"\n", "has spaces"},
	} {
		if _, err := withTranscript(t, test.text); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v; want %s", test.text, err, test.want)
		}
	}
}

func TestTranscript(t *testing.T) {
	s, err := withTranscript(t, "folder = \"t\"\nuntil = \"2026-12-31\"\nuser = \"fax-*\"\nnetwork = [\"10.0.0.0/8\"]\nroute = [\"people\"]\nlistener = [\"127.0.0.1:1110\"]\n")
	if err != nil {
		t.Fatal(err)
	}
	got := s.Transcripts[0]
	if !filepath.IsAbs(got.Folder) || !got.Until.Equal(time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)) || !got.NeedsLogin() {
		t.Errorf("%+v", got)
	}
	for _, test := range []struct {
		client, listener, user, base, route string
		want                                bool
	}{
		{"10.1.2.3", "127.0.0.1:1110", "FAX-1", "fax-1", "people", true},
		{"10.1.2.3", "127.0.0.1:1110", "fax-1+view", "fax-1", "people", true},
		{"11.1.2.3", "127.0.0.1:1110", "fax-1", "fax-1", "people", false},
		{"10.1.2.3", "other", "fax-1", "fax-1", "people", false},
		{"10.1.2.3", "127.0.0.1:1110", "bob", "bob", "people", false},
		{"10.1.2.3", "127.0.0.1:1110", "fax-1", "fax-1", "", false},
	} {
		if is := got.OfClient(netip.MustParseAddr(test.client), test.listener) && got.OfLogin(test.user, test.base, test.route); is != test.want {
			t.Errorf("%+v: %v", test, is)
		}
	}
	over := func(now time.Time) bool {
		for _, w := range s.Warnings(now) {
			if strings.Contains(w.Error(), "transcript[0]: its time is over") {
				return true
			}
		}
		return false
	}
	if over(got.Until.Add(-time.Second)) || !over(got.Until) {
		t.Error("the warning of a transcript that is over comes at the wrong time")
	}
}
