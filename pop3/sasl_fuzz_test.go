package pop3

import (
	"strings"
	"testing"
)

// FuzzSASL: whatever a client answers, a mechanism ends after a few answers, and
// takes names and secrets as they are or not at all.
func FuzzSASL(f *testing.F) {
	for i, seed := range []string{
		"\x00alice\x00wonder land", "alice", "user=alice\x01auth=Bearer ya29.x\x01\x01", "n,a=alice,\x01host=h\x01auth=Bearer x\x01\x01",
		"", "a\x00b\x00c\x00d", "n,a=a=2Cb=3D,\x01auth=bearer  x \x01\x01", "y,,\x01auth=Bearer x\x01\x01", "p=tls-unique,a=x,\x01\x01\x01", "\x01\x01",
	} {
		f.Add(byte(i), []byte(seed), []byte("second"))
	}
	f.Fuzz(func(t *testing.T, which byte, first, second []byte) {
		name := defaultMechanisms[int(which)%len(defaultMechanisms)]
		for _, initial := range [][]byte{nil, first} {
			cred := Credentials{Mechanism: name}
			server := newMechanism(name, &cred)
			answers := [][]byte{first, second}
			if initial != nil {
				answers = answers[1:]
			}
			challenge, done, err := server.Next(initial)
			for !done && err == nil {
				if len(answers) == 0 {
					t.Fatalf("%s goes on and on: %q", name, challenge)
				}
				challenge, done, err = server.Next(answers[0])
				answers = answers[1:]
			}
			if said := string(first) + string(second); err == nil && (!strings.Contains(said, cred.Secret.Reveal()) || len(cred.User) > len(said)) {
				t.Errorf("%s: %q became %q, %q", name, said, cred.User, cred.Secret.Reveal())
			}
		}
	})
}
