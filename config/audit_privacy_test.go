package config

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/restante-mail/restante/audit"
)

func TestAuditPrivacy(t *testing.T) {
	for _, test := range []struct {
		text, key string
		want      audit.Privacy
		problem   string
	}{
		{text: "", want: audit.Privacy{Subject: audit.Drop}},
		{text: "subject = \"keep\"\nuser = \"drop\"\n", want: audit.Privacy{User: audit.Drop}},
		{text: "user = \"hash\"\nclient = \"hash\"\nfrom = \"hash\"\nsubject = \"hash\"\nprivacy_key = \"k\"\n", key: "0123456789abcdef\n",
			want: audit.Privacy{User: audit.Hash, Client: audit.Hash, From: audit.Hash, Subject: audit.Hash, Key: []byte("0123456789abcdef")}},
		{text: "privacy_key = \"k\"\n", key: "0123456789abcdef", want: audit.Privacy{Subject: audit.Drop, Key: []byte("0123456789abcdef")}},
		{text: "user = \"hide\"\n", problem: `audit.user: "hide" is not known; write one of keep, drop, hash`},
		{text: "user = \"hash\"\n", problem: "audit.privacy_key: is missing"},
		{text: "user = \"hash\"\nprivacy_key = \"k\"\n", key: "short", problem: "has 5 octets"},
		{text: "user = \"hash\"\nprivacy_key = \"other\"\n", key: "0123456789abcdef", problem: "audit.privacy_key: "},
	} {
		dir := t.TempDir()
		write(t, dir, "k", test.key)
		s, err := loadSnapshot(filepath.Join(write(t, dir, "c.toml", good+"[audit]\n"+test.text), "c.toml"))
		if test.problem != "" {
			if err == nil || !strings.Contains(err.Error(), test.problem) {
				t.Errorf("%q: %v, want %s", test.text, err, test.problem)
			}
			continue
		}
		if err != nil {
			t.Errorf("%q: %v", test.text, err)
			continue
		}
		if got := s.Audit.Privacy; got.User != test.want.User || got.Client != test.want.Client || got.From != test.want.From ||
			got.Subject != test.want.Subject || string(got.Key) != string(test.want.Key) {
			t.Errorf("%q: %+v", test.text, got)
		}
	}
}
