package auth

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/argon2"

	"github.com/restante-mail/restante/secret"
)

// Passwords that people choose are hashed with argon2id, at the cost that OWASP
// gives for it: 19 MiB and 2 passes. A secret of 128 random bits cannot be
// guessed, however fast a guess is: an HMAC keeps it as well.
const (
	argonMemory  = 19 << 10 // KiB
	argonPasses  = 2
	argonThreads = 1
	argonLength  = 32

	saltLength      = 16
	generatedLength = 16

	argonPrefix = "$argon2id$v=19$"
	hmacPrefix  = "$hmac-sha256$"
)

// Bounds of what a hash may ask of us: a hash is configuration, and a typing
// error must not take all memory.
const (
	maxMemory   = 256 << 10 // KiB
	leastMemory = 8         // of argon2 itself
	maxPasses   = 10
	maxThreads  = 8
)

// cost is what one computation of argon2id depends on, but for the password.
type cost struct {
	memory, passes uint32
	threads        uint8
	length         uint32
	salt           string
}

// usual is the cost of a hash that we make.
func usual(salt string) cost {
	return cost{argonMemory, argonPasses, argonThreads, argonLength, salt}
}

// work is what the time of a computation depends on.
func (c cost) work() int { return int(c.memory) * int(c.passes) }

func (c cost) compute(password secret.Text) []byte {
	return argon2.IDKey([]byte(password.Reveal()), []byte(c.salt), c.passes, c.memory, c.threads, c.length)
}

// HashPassword hashes a password in the PHC format. Hashes of one account share
// their salt, given by one of them in like: then checking a password takes one
// computation, however many secrets there are. "" takes a new salt.
func HashPassword(password secret.Text, like string) string {
	c := usual(string(random(saltLength)))
	if before, _, err := parseArgon(like); err == nil {
		c = before
	}
	return fmt.Sprintf("%sm=%d,t=%d,p=%d$%s$%s", argonPrefix, c.memory, c.passes, c.threads,
		base64.RawStdEncoding.EncodeToString([]byte(c.salt)), base64.RawStdEncoding.EncodeToString(c.compute(password)))
}

// Generate makes a secret that cannot be guessed, of characters that are easily
// told apart and typed, and the hash to keep of it.
func Generate() (generated secret.Text, hash string) {
	generated = secret.New(readable(random(generatedLength)))
	salt := random(saltLength)
	return generated, hmacPrefix + base64.RawStdEncoding.EncodeToString(salt) + "$" +
		base64.RawStdEncoding.EncodeToString(mac(salt, generated))
}

// readable writes octets in groups of letters and digits without 0, 1, l and o.
func readable(octets []byte) string {
	const alphabet = "abcdefghijkmnpqrstuvwxyz23456789"
	var b strings.Builder
	bits, held := 0, 0
	for _, octet := range append(octets, 0) { // the last group of bits is filled up
		held, bits = held<<8|int(octet), bits+8
		for bits >= 5 && b.Len() < 31 { // 26 characters and 5 hyphens
			if b.Len()%6 == 5 {
				b.WriteByte('-')
			}
			b.WriteByte(alphabet[held>>(bits-5)&31])
			bits -= 5
		}
		held &= 1<<bits - 1
	}
	return b.String()
}

func random(octets int) []byte {
	b := make([]byte, octets)
	_, _ = rand.Read(b) // never fails
	return b
}

func mac(salt []byte, generated secret.Text) []byte {
	h := hmac.New(sha256.New, salt)
	h.Write([]byte(generated.Reveal()))
	return h.Sum(nil)
}

// checkHash tells whether a text is a hash that can be compared with.
func checkHash(hash string) error {
	if strings.HasPrefix(hash, hmacPrefix) {
		_, _, err := parseHMAC(hash)
		return err
	}
	_, _, err := parseArgon(hash)
	return err
}

var errNotHash = errors.New("is not a hash that Restante knows: write what \"restante account hash\" prints ($argon2id$v=19$... or $hmac-sha256$...)")

func parseHMAC(hash string) (salt, sum []byte, err error) {
	rest, ok := strings.CutPrefix(hash, hmacPrefix)
	first, second, ok2 := strings.Cut(rest, "$")
	salt, err1 := base64.RawStdEncoding.DecodeString(first)
	sum, err2 := base64.RawStdEncoding.DecodeString(second)
	if !ok || !ok2 || err1 != nil || err2 != nil || len(sum) != sha256.Size || len(salt) < saltLength {
		return nil, nil, errNotHash
	}
	return salt, sum, nil
}

func parseArgon(hash string) (c cost, sum []byte, err error) {
	parts := strings.Split(strings.TrimPrefix(hash, argonPrefix), "$")
	if !strings.HasPrefix(hash, argonPrefix) || len(parts) != 3 {
		return c, nil, errNotHash
	}
	n, err := fmt.Sscanf(parts[0], "m=%d,t=%d,p=%d", &c.memory, &c.passes, &c.threads)
	salt, err1 := base64.RawStdEncoding.DecodeString(parts[1])
	sum, err2 := base64.RawStdEncoding.DecodeString(parts[2])
	if n != 3 || err != nil || err1 != nil || err2 != nil {
		return c, nil, errNotHash
	}
	if c.memory < leastMemory || c.memory > maxMemory || c.passes < 1 || c.passes > maxPasses || c.threads < 1 || c.threads > maxThreads ||
		len(salt) < 8 || len(salt) > 64 || len(sum) < 16 || len(sum) > 64 {
		return c, nil, fmt.Errorf("asks for more than m=%d,t=%d,p=%d, or for nothing: make it anew", maxMemory, maxPasses, maxThreads)
	}
	c.length, c.salt = uint32(len(sum)), string(salt)
	return c, sum, nil
}

// same compares in a time that does not depend on where the difference is.
func same(a, b []byte) bool { return subtle.ConstantTimeCompare(a, b) == 1 }

// IsPasswordHash tells whether a hash is one that HashPassword makes.
func IsPasswordHash(hash string) bool {
	_, _, err := parseArgon(hash)
	return err == nil
}
