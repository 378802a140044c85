package uidl

import (
	"cmp"
	"regexp"
	"strconv"
	"strings"
)

// Reader returns what reads the UID in names that a folder of that UIDVALIDITY
// gives by the format, as the maildrop's first; ok is false of any other name, and
// always if names come from the server.
func (f Format) Reader(validity uint32) func(name string) (uid uint32, ok bool) {
	if f.ByServer() {
		return func(string) (uint32, bool) { return 0, false }
	}
	var pattern strings.Builder
	base := 0 // of the first UID
	for _, p := range f.parts {
		pattern.WriteString(regexp.QuoteMeta(p.text))
		switch {
		case p.number == 'v':
			pattern.WriteString(regexp.QuoteMeta(string(part{number: 'v', width: p.width, hex: p.hex}.appendTo(nil, Message{UIDValidity: validity}))))
		case p.number == 'u' && p.hex:
			base = cmp.Or(base, 16)
			pattern.WriteString("([0-9a-f]+)")
		case p.number == 'u':
			base = cmp.Or(base, 10)
			pattern.WriteString("([0-9]+)")
		}
	}
	names := regexp.MustCompile("^" + pattern.String() + "$") // of what is quoted, and ours
	return func(name string) (uint32, bool) {
		found := names.FindStringSubmatch(name)
		if found == nil {
			return 0, false
		}
		uid, err := strconv.ParseUint(found[1], base, 32)
		return uint32(uid), err == nil && uid > 0 && f.Of(Message{UID: uint32(uid), UIDValidity: validity}) == name
	}
}
