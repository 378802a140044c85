package store

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"slices"
)

// An entry is packed in two blocks, for a poll needs the UIDLs alone: its key
// (varint, the difference to the one before) and the rest of it. A checksum ends
// each block: a UIDL with a wrong bit would be a message that is fetched again.
const (
	hasPrint = 1 << iota
	hasUnique
	hasListed
	hasTrue
	isAbsent
)

var errLedger = fmt.Errorf("%w: what messages are called", errDamaged)

func sortEntries(entries []Entry) {
	slices.SortFunc(entries, func(a, b Entry) int { return cmp.Compare(a.Key, b.Key) })
}

// encodePrints packs all but the UIDLs.
func encodePrints(entries []Entry) []byte {
	b := make([]byte, 0, 24*len(entries)+crc32.Size)
	before := uint64(0)
	for i := range entries {
		b = binary.AppendUvarint(b, entries[i].Key-before)
		before = entries[i].Key
		b = entries[i].appendTo(b)
	}
	return withChecksum(b)
}

func withChecksum(b []byte) []byte {
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
}

func (e *Entry) appendTo(b []byte) []byte {
	at := len(b)
	b = append(b, 0)
	if e.Print != ([12]byte{}) {
		b[at] |= hasPrint
		b = append(b, e.Print[:]...)
	}
	for _, field := range []struct {
		bit byte
		n   uint64
	}{{hasUnique, e.Unique}, {hasListed, uint64(e.Listed)}, {hasTrue, uint64(e.True)}, {isAbsent, uint64(e.Absent)}} {
		if field.n != 0 {
			b[at] |= field.bit
			b = binary.AppendUvarint(b, field.n)
		}
	}
	return b
}

// unpack begins with a block.
func unpack(b []byte) (unpacker, error) {
	end := len(b) - crc32.Size
	if end < 0 || crc32.ChecksumIEEE(b[:end]) != binary.BigEndian.Uint32(b[end:]) {
		return unpacker{}, errLedger
	}
	return unpacker{b: b[:end]}, nil
}

// decodePrints adds a block's entries to a list.
func decodePrints(list []Entry, b []byte) ([]Entry, error) {
	u, err := unpack(b)
	if err != nil {
		return nil, err
	}
	key := uint64(0)
	for len(u.b) > 0 && !u.bad {
		key += u.number()
		list = append(list, u.entry(key))
	}
	if u.bad {
		return nil, errLedger
	}
	return list, nil
}

func (u *unpacker) entry(key uint64) Entry {
	e := Entry{Key: key}
	if len(u.b) == 0 {
		u.bad = true
		return e
	}
	has := u.b[0]
	u.b = u.b[1:]
	if has&hasPrint != 0 {
		if len(u.b) < len(e.Print) {
			u.bad, u.b = true, nil
			return e
		}
		u.b = u.b[copy(e.Print[:], u.b):]
	}
	if has&hasUnique != 0 {
		e.Unique = u.number()
	}
	for _, field := range []struct {
		bit byte
		n   *int64
	}{{hasListed, &e.Listed}, {hasTrue, &e.True}, {isAbsent, &e.Absent}} {
		if has&field.bit != 0 {
			*field.n = int64(u.number())
		}
	}
	return e
}

// encodeUIDLs packs the UIDLs alone; nil if there are none.
func encodeUIDLs(entries []Entry) []byte {
	var b []byte
	before := uint64(0)
	for i := range entries {
		if entries[i].UIDL == "" {
			continue
		}
		b = binary.AppendUvarint(b, entries[i].Key-before)
		before = entries[i].Key
		b = appendText(b, entries[i].UIDL)
	}
	if b == nil {
		return nil
	}
	return withChecksum(b)
}

// decodeUIDLs adds a block's UIDLs to a map. They share one string.
func decodeUIDLs(into map[uint64]string, b []byte) error {
	u, err := unpack(b)
	if err != nil {
		return err
	}
	all, whole := string(u.b), len(u.b)
	for key := uint64(0); len(u.b) > 0 && !u.bad; {
		key += u.number()
		n := u.number()
		if n > uint64(len(u.b)) {
			return errLedger
		}
		at := whole - len(u.b)
		into[key] = all[at : at+int(n)]
		u.b = u.b[n:]
	}
	if u.bad {
		return errLedger
	}
	return nil
}
