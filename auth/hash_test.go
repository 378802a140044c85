package auth

import (
	"strings"
	"testing"

	"github.com/restante-mail/restante/secret"
)

// A hash has the cost that the package promises, a salt of its own, and is
// compared by computing it again.
func TestHashPassword(t *testing.T) {
	first := HashPassword(secret.New("s3cr3t"), "")
	c, sum, err := parseArgon(first)
	if err != nil || c.memory != 19456 || c.passes != 2 || c.threads != 1 || !same(sum, c.compute(secret.New("s3cr3t"))) {
		t.Fatalf("%s: %+v, %v", first, c, err)
	}
	if same(sum, c.compute(secret.New("s3cr3T"))) {
		t.Error("another password is the same")
	}
	if other := HashPassword(secret.New("s3cr3t"), ""); other == first {
		t.Error("the salt is not random")
	}
	if like := HashPassword(secret.New("s3cr3t"), first); like != first {
		t.Error("with the same salt it is another hash")
	}
	if err := checkHash(first); err != nil {
		t.Error(err)
	}
}

func TestGenerate(t *testing.T) {
	seen := map[string]bool{}
	for range 100 {
		generated, hash := Generate()
		text := generated.Reveal()
		salt, sum, err := parseHMAC(hash)
		if err != nil || !same(sum, mac(salt, generated)) || same(sum, mac(salt, secret.New(text[1:]))) {
			t.Fatalf("%s: %v", hash, err)
		}
		if len(text) != 31 || strings.Count(text, "-") != 5 || seen[text] || checkHash(hash) != nil {
			t.Fatalf("%q", text) // 26 characters of 5 bits are 130
		}
		seen[text] = true
	}
}

func TestReadable(t *testing.T) {
	zeros, ones := readable(make([]byte, 16)), readable([]byte(strings.Repeat("\xff", 16)))
	if zeros != "aaaaa-aaaaa-aaaaa-aaaaa-aaaaa-a" || ones != "99999-99999-99999-99999-99999-6" {
		t.Errorf("%q, %q", zeros, ones)
	}
}

func TestBadHashes(t *testing.T) {
	good := HashPassword(secret.New("x"), "")
	_, generated := Generate()
	for _, hash := range []string{
		"", "x", "$2y$10$abcdefghijklmnopqrstuv", strings.Replace(good, "v=19", "v=16", 1), strings.Replace(good, "$argon2id", "$argon2i", 1),
		strings.Replace(good, "m=19456", "m=4000000000", 1), strings.Replace(good, "m=19456", "m=99999999999", 1), strings.Replace(good, "t=2", "t=0", 1),
		strings.Replace(good, "t=2", "t=1000", 1), strings.Replace(good, "p=1", "p=0", 1), strings.Replace(good, "p=1", "p=300", 1), good + "$x", good[:len(good)-40],
		hmacPrefix, generated[:len(generated)-3], strings.Replace(generated, hmacPrefix, hmacPrefix+"$", 1),
	} {
		if err := checkHash(hash); err == nil {
			t.Errorf("%q passes", hash)
		}
	}
}
