package store

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"slices"
)

// A memory is packed as its key (varint, the difference to the one before), an
// octet that says which fields follow, and those: varints, and texts with
// their length. A checksum ends the block: a message must not come back, or
// stay away, because a bit fell over.
const (
	hasSeen = 1 << iota
	hasRetrieved
	hasDeleted
	hasHidden
	hasRemoved
	hasAbsent
	hasRest // Wish, Lives, Moved: rare
	hasCarried
)

func encodeMemories(memories []Memory) []byte {
	b := make([]byte, 0, 16*len(memories)+crc32.Size)
	before := uint64(0)
	for i := range memories {
		b = binary.AppendUvarint(b, memories[i].Key-before)
		before = memories[i].Key
		b = memories[i].appendTo(b)
	}
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
}

func (m *Memory) appendTo(b []byte) []byte {
	at := len(b)
	b = append(b, 0)
	add := func(bit byte, times ...int64) {
		if times[len(times)-1] == 0 {
			return
		}
		b[at] |= bit
		for _, t := range times {
			b = binary.AppendUvarint(b, uint64(t))
		}
	}
	add(hasSeen, m.Seen)
	add(hasRetrieved, m.First, m.Last) // there is no first without a last
	add(hasDeleted, m.Deleted)
	add(hasHidden, m.Hidden)
	add(hasRemoved, m.Removed)
	add(hasAbsent, m.Absent)
	add(hasCarried, m.Carried)
	if m.Wish == "" && m.Lives == 0 && m.Moved == (Place{}) {
		return b
	}
	b[at] |= hasRest
	b = appendText(b, m.Wish)
	b = appendText(b, m.Moved.Folder)
	for _, n := range []uint32{m.Lives, m.Moved.UIDValidity, m.Moved.UID} {
		b = binary.AppendUvarint(b, uint64(n))
	}
	return b
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// decodeMemories adds a block's memories to a list.
func decodeMemories(list []Memory, b []byte) ([]Memory, error) {
	end := len(b) - crc32.Size
	if end < 0 || crc32.ChecksumIEEE(b[:end]) != binary.BigEndian.Uint32(b[end:]) {
		return nil, fmt.Errorf("%w: what is remembered of messages", errDamaged)
	}
	u := unpacker{b: b[:end]}
	key := uint64(0)
	for len(u.b) > 0 && !u.bad {
		key += u.number()
		list = append(list, u.memory(key))
	}
	if u.bad {
		return nil, fmt.Errorf("%w: what is remembered of messages", errDamaged)
	}
	return list, nil
}

type unpacker struct {
	b   []byte
	bad bool
}

func (u *unpacker) number() uint64 {
	n, size := binary.Uvarint(u.b)
	if size <= 0 {
		u.bad, u.b = true, nil
		return 0
	}
	u.b = u.b[size:]
	return n
}

func (u *unpacker) text() string {
	n := u.number()
	if n > uint64(len(u.b)) {
		u.bad, u.b = true, nil
		return ""
	}
	s := string(u.b[:n])
	u.b = u.b[n:]
	return s
}

func (u *unpacker) memory(key uint64) Memory {
	m := Memory{Key: key}
	if len(u.b) == 0 {
		u.bad = true
		return m
	}
	has := u.b[0]
	u.b = u.b[1:]
	take := func(bit byte, times ...*int64) {
		for _, t := range times {
			if has&bit != 0 {
				*t = int64(u.number())
			}
		}
	}
	take(hasSeen, &m.Seen)
	take(hasRetrieved, &m.First, &m.Last)
	take(hasDeleted, &m.Deleted)
	take(hasHidden, &m.Hidden)
	take(hasRemoved, &m.Removed)
	take(hasAbsent, &m.Absent)
	take(hasCarried, &m.Carried)
	if has&hasRest != 0 {
		m.Wish, m.Moved.Folder = u.text(), u.text()
		m.Lives, m.Moved.UIDValidity, m.Moved.UID = uint32(u.number()), uint32(u.number()), uint32(u.number())
	}
	return m
}

// mergeMemories forgets what is to be forgotten of a block, which is by key, and
// adds facts.
func mergeMemories(block, facts []Memory, forget map[uint64]bool) []Memory {
	block = slices.DeleteFunc(block, func(m Memory) bool { return forget[m.Key] })
	for _, fact := range facts {
		at, found := slices.BinarySearchFunc(block, fact.Key, byKey)
		if !found {
			block = slices.Insert(block, at, Memory{})
		}
		block[at] = block[at].Merge(fact)
	}
	return block
}

func byKey(m Memory, key uint64) int { return cmp.Compare(m.Key, key) }
