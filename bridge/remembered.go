package bridge

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"time"

	"github.com/restante-mail/restante/upstream"
)

// remembered is what a folder held when a session left it. It is a guess until
// the server has proved it (proof.go). Flags are no part of it: they change
// without a trace.
type remembered struct {
	uidValidity uint32
	// next is the larger of UIDNEXT and the highest UID + 1: what arrives later
	// has this UID or a higher one.
	next      uint32
	mailboxID string
	last      [8]byte // hash of the last message's Message-ID field
	messages  []upstream.Message
}

// hashHeader shortens a header field as the server sends it.
func hashHeader(field []byte) (hash [8]byte) {
	sum := sha256.Sum256(bytes.TrimSpace(field))
	copy(hash[:], sum[:])
	return hash
}

// The form that a listing is kept in, in memory and on disk: about 8 octets a
// message, 30 with names. Numbers are varints, UIDs and dates as differences to the
// message before. A CRC-32C over the key and all before it ends it, so that neither a
// damaged listing nor another folder's is taken for this one's.
//
//	"RL" version, validity, next, id length, id, last, names?, count,
//	count times: UID, size, date in seconds, [name length, name]
const listingMagic = "RL\x01"

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func (r *remembered) encode(key string) []byte {
	named := byte(0)
	for i := range r.messages {
		if r.messages[i].Unique != "" {
			named = 1
		}
	}
	b := make([]byte, 0, 64+len(r.mailboxID)+len(r.messages)*(9+24*int(named)))
	b = append(b, listingMagic...)
	b = binary.AppendUvarint(b, uint64(r.uidValidity))
	b = binary.AppendUvarint(b, uint64(r.next))
	b = appendString(b, r.mailboxID)
	b = append(append(b, r.last[:]...), named)
	b = binary.AppendUvarint(b, uint64(len(r.messages)))
	var uid uint32
	var date int64
	for i := range r.messages {
		m := &r.messages[i]
		b = binary.AppendUvarint(b, uint64(m.ID.UID-uid))
		b = binary.AppendUvarint(b, uint64(m.Size))
		b = binary.AppendVarint(b, m.Arrived.Unix()-date)
		uid, date = m.ID.UID, m.Arrived.Unix()
		if named == 1 {
			b = appendString(b, m.Unique)
		}
	}
	return binary.BigEndian.AppendUint32(b, checksum(key, b))
}

func appendString(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func checksum(key string, b []byte) uint32 {
	return crc32.Update(crc32.Checksum([]byte(key), castagnoli), castagnoli, b)
}

var errListing = errors.New("a remembered listing is damaged, or not of this folder")

// decode believes nothing that it has not checked.
func decode(key string, folder int, blob []byte) (*remembered, error) {
	if len(blob) < len(listingMagic)+4 || string(blob[:len(listingMagic)]) != listingMagic {
		return nil, fmt.Errorf("%w: it is of another version", errListing)
	}
	body := blob[:len(blob)-4]
	if binary.BigEndian.Uint32(blob[len(body):]) != checksum(key, body) {
		return nil, errListing
	}
	d := decoder{rest: body[len(listingMagic):]}
	r := &remembered{uidValidity: uint32(d.number(1<<32 - 1)), next: uint32(d.number(1<<32 - 1)), mailboxID: d.text(255)}
	copy(r.last[:], d.octets(len(r.last)))
	named := d.number(1) == 1
	count := d.number(min(maxMessages, uint64(len(d.rest)))) // each has three octets and more
	r.messages = make([]upstream.Message, 0, int(count)+count4New)
	for range count {
		r.messages = append(r.messages, d.message(folder, named))
	}
	if d.bad || len(d.rest) > 0 || d.uid >= uint64(max(r.next, 1)) {
		return nil, errListing
	}
	return r, nil
}

// count4New is room for new mail, so that it does not cost a copy of the rest.
const count4New = 64

// decoder reads values; after the first that makes no sense it is bad.
type decoder struct {
	rest []byte
	uid  uint64
	date int64
	bad  bool
}

func (d *decoder) number(limit uint64) uint64 {
	n, octets := binary.Uvarint(d.rest)
	if octets <= 0 || n > limit {
		d.bad, d.rest = true, nil
		return 0
	}
	d.rest = d.rest[octets:]
	return n
}

func (d *decoder) octets(n int) []byte {
	if n > len(d.rest) {
		d.bad, d.rest = true, nil
		return nil
	}
	octets := d.rest[:n]
	d.rest = d.rest[n:]
	return octets
}

func (d *decoder) text(limit uint64) string { return string(d.octets(int(d.number(limit)))) }

func (d *decoder) message(folder int, named bool) (m upstream.Message) {
	step := d.number(1<<32 - 1)
	d.uid += step
	d.bad = d.bad || step == 0 || d.uid >= 1<<32
	m.ID = upstream.ID{Folder: folder, UID: uint32(d.uid)}
	m.Size = int64(d.number(maxLiteral))
	date, octets := binary.Varint(d.rest)
	d.octets(max(octets, 0))
	d.bad = d.bad || octets <= 0
	d.date += date
	m.Arrived = time.Unix(d.date, 0).UTC()
	if named {
		m.Unique = d.text(255)
	}
	return m
}
