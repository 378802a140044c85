package audit

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
)

// A Choice is what becomes of a field that tells of a person.
type Choice uint8

const (
	Keep Choice = iota // written as it is
	Drop               // not written
	Hash               // written as a keyed hash: it can be matched and not read
)

// UnmarshalText reads keep, drop or hash.
func (c *Choice) UnmarshalText(text []byte) error {
	switch string(text) {
	case "keep":
		*c = Keep
	case "drop":
		*c = Drop
	case "hash":
		*c = Hash
	default:
		return fmt.Errorf("%q is not known; write one of keep, drop, hash", text)
	}
	return nil
}

func (c Choice) String() string { return [...]string{"keep", "drop", "hash"}[c] }

// Privacy is what the trail may say of people. Its zero value keeps everything.
// Where User or Client is not kept, error texts are left out, for they may hold
// either.
type Privacy struct {
	User, Client, From, Subject Choice
	// Key of the hashes, of at least 16 octets; the same key makes the same
	// hash of the same text.
	Key []byte
}

// hashMark begins what is a hash, so that nobody takes it for a name.
const hashMark = "hmac:"

// HashName is what a user's name looks like in the trail: User, Base, Identity.
// ASCII letters count without their case.
func (p *Privacy) HashName(name string) string { return p.hash(foldName(name)) }

// HashClient is what a client's address looks like in the trail.
func (p *Privacy) HashClient(address string) string { return p.hash(address) }

// HashFrom is what a sender looks like in the trail. Only the address counts,
// without its case.
func (p *Privacy) HashFrom(from string) string { return p.hash(foldSender(from)) }

// HashSubject is what a subject looks like in the trail.
func (p *Privacy) HashSubject(subject string) string { return p.hash(subject) }

// hash keeps 128 bits: two texts that meet are not to be feared. Of nothing it
// is nothing.
func (p *Privacy) hash(text string) string {
	if text == "" {
		return ""
	}
	m := hmac.New(sha256.New, p.Key)
	m.Write([]byte(text))
	return hashMark + hex.EncodeToString(m.Sum(nil)[:16])
}

// foldName makes one name of those that differ in the case of ASCII letters,
// octet by octet, as the gateway's locks do.
func foldName(name string) string {
	folded := []byte(name)
	for i, c := range folded {
		if 'A' <= c && c <= 'Z' {
			folded[i] = c + 'a' - 'A'
		}
	}
	return string(folded)
}

// foldSender is the address of a From field: what its last angle brackets hold,
// or all of it.
func foldSender(from string) string {
	if open := strings.LastIndexByte(from, '<'); open >= 0 {
		from = from[open+1:]
		if end := strings.IndexByte(from, '>'); end >= 0 {
			from = from[:end]
		}
	}
	return foldName(strings.Trim(from, " \t"))
}
