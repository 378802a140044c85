package store

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"maps"
	"slices"
)

// blockUIDs is how many UIDs share a row of the table size_block.
const blockUIDs = 256

// encodeBlock writes the sizes of one block: for each UID in order its place in
// the block (one octet) and its octets (varint); then a checksum, because a
// wrong size would be listed as a true one.
func encodeBlock(sizes map[uint32]int64) []byte {
	b := make([]byte, 0, 4*len(sizes)+crc32.Size)
	for _, uid := range slices.Sorted(maps.Keys(sizes)) {
		b = append(b, byte(uid%blockUIDs))
		b = binary.AppendUvarint(b, uint64(sizes[uid]))
	}
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
}

// decodeBlock adds a block's sizes to a map.
func decodeBlock(into map[uint32]int64, block uint32, b []byte) error {
	end := len(b) - crc32.Size
	if end < 0 || crc32.ChecksumIEEE(b[:end]) != binary.BigEndian.Uint32(b[end:]) {
		return fmt.Errorf("%w: sizes from UID %d on", errDamaged, block*blockUIDs)
	}
	for b = b[:end]; len(b) > 0; {
		octets, n := binary.Uvarint(b[1:])
		if n <= 0 {
			return fmt.Errorf("%w: sizes from UID %d on", errDamaged, block*blockUIDs)
		}
		into[block*blockUIDs+uint32(b[0])] = int64(octets)
		b = b[1+n:]
	}
	return nil
}
