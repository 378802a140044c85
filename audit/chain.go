package audit

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strconv"
)

// A sink's lines are a chain: each begins with the chain's name, the line's
// number in it and the SHA-256 of the whole line before it, so
//
//	{"chain":"4f1c0a9be2d37785","seq":7,"prev":"<64 hex digits>","v":1,"event":…}
//
// The hash is over the octets of a line from { to }, without its line end. The
// first line of a chain has seq 1 and a prev of zeros.

const (
	chainDigits = 16          // of a chain's name
	hashDigits  = 2 * sumSize // of prev
	sumSize     = sha256.Size
)

// longestLine is more than any line of a trail has: the event's, and its place in
// the chain. A longer one in a file is none of ours.
const longestLine = MaxLine + 512

type sum [sumSize]byte

func (s sum) String() string { return hex.EncodeToString(s[:]) }

// A head is where a chain has got to: the number and the hash of its last line.
type head struct {
	chain string
	seq   uint64
	hash  sum
}

// newHead begins a chain.
func newHead() head {
	var name [chainDigits / 2]byte
	_, _ = rand.Read(name[:]) // never fails
	return head{chain: hex.EncodeToString(name[:])}
}

// link makes object the next line of the chain, without a line end, and moves
// the head to it. object is a JSON object with at least one member.
func (h *head) link(object []byte) []byte {
	line := make([]byte, 0, len(object)+chainDigits+hashDigits+48)
	line = append(line, `{"chain":"`...)
	line = append(line, h.chain...)
	line = append(line, `","seq":`...)
	line = strconv.AppendUint(line, h.seq+1, 10)
	line = append(line, `,"prev":"`...)
	line = hex.AppendEncode(line, h.hash[:])
	line = append(line, `",`...)
	line = append(line, object[1:]...)
	h.seq++
	h.hash = sha256.Sum256(line)
	return line
}

// A link is what a line says of its place in a chain.
type link struct {
	chain string
	seq   uint64
	prev  sum
	hash  sum // of the line itself
}

var errNoLink = errors.New("is not a line of an audit trail")

// parseLink reads the beginning of a line, which must be as link writes it to
// the octet.
func parseLink(line []byte) (link, error) {
	l := link{hash: sha256.Sum256(line)}
	rest, ok := bytes.CutPrefix(line, []byte(`{"chain":"`))
	if !ok || len(rest) < chainDigits || !isHex(rest[:chainDigits]) {
		return l, errNoLink
	}
	l.chain, rest = string(rest[:chainDigits]), rest[chainDigits:]
	if rest, ok = bytes.CutPrefix(rest, []byte(`","seq":`)); !ok {
		return l, errNoLink
	}
	digits, rest, ok := bytes.Cut(rest, []byte(`,"prev":"`))
	if !ok || len(rest) < hashDigits+4 || !isHex(rest[:hashDigits]) || rest[len(rest)-1] != '}' ||
		!bytes.HasPrefix(rest[hashDigits:], []byte(`",`)) {
		return l, errNoLink
	}
	n, err := strconv.ParseUint(string(digits), 10, 63)
	if err != nil || n == 0 || digits[0] == '0' || digits[0] == '+' {
		return l, errNoLink
	}
	l.seq = n
	_, err = hex.Decode(l.prev[:], rest[:hashDigits])
	return l, err
}

// follows tells whether l is the line after h.
func (l link) follows(h head) bool { return l.chain == h.chain && l.seq == h.seq+1 && l.prev == h.hash }

// head is the head of a chain whose last line is l.
func (l link) head() head { return head{l.chain, l.seq, l.hash} }

func isHex(digits []byte) bool {
	for _, c := range digits {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}
