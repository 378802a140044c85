package auth

import (
	"fmt"
	"strings"
	"testing"

	"github.com/restante-mail/restante/secret"
)

// FuzzHtpasswd: a file may be anything. What is read of it can be compared with,
// in bounded work, and what is wrong is told without the hash.
func FuzzHtpasswd(f *testing.F) {
	for _, seed := range []string{
		"bob:" + bcrypted, "sha:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=", "apr:$apr1$JI4wh3am$dlsc0Twuwup.sFIQpvKY50",
		"s:{SSHA}x", "r:$5$rounds=-5$salt$x", "r:$6$rounds=1000$salt$x\nr:$6$$", "# x\n\n:\na:$2y$04$\x00", "c:$2y$99$" + strings.Repeat("x", 53),
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		h, problems := ReadHtpasswd(text)
		if len(h.users) != len(h.lines) {
			t.Errorf("%d users of %d lines", len(h.users), len(h.lines))
		}
		for _, problem := range problems {
			if len(problem) > 200 {
				t.Errorf("a problem of %d octets", len(problem))
			}
		}
		for name, l := range h.users {
			if name != Fold(name) || strings.ContainsAny(name, "\r\n\x00") {
				t.Errorf("name %q", name)
			}
			if cheap := strings.HasPrefix(l.encoded, "{") || strings.HasPrefix(l.encoded, "$apr1$") || strings.HasPrefix(l.encoded, "$2y$04$"); cheap {
				l.match(secret.New("x"))
			}
		}
	})
}

// FuzzSettings: what a configuration or a state file says of hashes, sealed values,
// keys and accounts is understood or refused, and what is understood stays within
// its bounds.
func FuzzSettings(f *testing.F) {
	_, generated := Generate()
	k := newKey()
	for _, seed := range []string{
		HashPassword(secret.New("x"), ""), generated, "$argon2id$v=19$m=4294967295,t=4294967295,p=255$AAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA",
		"$argon2id$v=19$m=8,t=1,p=1 $AAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA", sealedPrefix + "id:" + strings.Repeat("A", 80), "key " + k.id + " 2026-01-01 AAAA",
		`{"secrets":[{"label":"a","hash":"x"}],"upstream":{"method":"oauth2","provider":"p"}}`, `{"secrets":[{"networks":["10.0.0.0/99"]}]}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if c, sum, err := parseArgon(text); err == nil && (c.work() > maxMemory*maxPasses || c.work() <= 0 || len(sum) != int(c.length)) {
			t.Errorf("cost %+v", c)
		}
		if salt, sum, err := parseHMAC(text); err == nil && (len(salt) < saltLength || len(sum) != 32) {
			t.Errorf("%d octets of salt, %d of sum", len(salt), len(sum))
		}
		_ = checkCertificate(text)
		_, _ = ParseExpiry(text)
		if _, err := parseKeys(text); err != nil && len(err.Error()) > 100 {
			t.Errorf("an error that may have the key in it: %v", err)
		}
		if CheckSealed(text) == nil {
			if _, err := NewKeyring(t.TempDir()+"/key").Open("a", "b", text); err == nil {
				t.Error("it opens without a key")
			}
		}
		a, err := Decode("alice", []byte(text))
		if err != nil || a.Check() != nil {
			return
		}
		again, err := a.Encode()
		if err != nil {
			t.Fatal(err)
		}
		back, err := Decode("alice", again)
		if err != nil || fmt.Sprint(back) != fmt.Sprint(a) {
			t.Errorf("%v comes back as %v, %v", a, back, err)
		}
	})
}
