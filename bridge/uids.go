package bridge

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"
)

// uids are the UIDs that a SEARCH found, as ranges: ascending, apart from each
// other. An ESEARCH may name UIDs between those that exist, so they are asked
// and counted, never unrolled.
type uids struct {
	ranges   []uidRange
	answered bool
}

type uidRange struct{ first, last uint32 }

// found takes a SEARCH or ESEARCH response (RFC 4731). Those that are not for
// a command of ours are for the library. f.mu is held.
func (f *framing) found(kind string, rest, u []byte) error {
	tag := ""
	if kind == "ESEARCH" {
		tag, rest = cutTag(rest)
	}
	to := f.searcher(tag)
	if to == nil {
		f.out = u
		return nil
	}
	if to.answered {
		return errors.New("the server answers one SEARCH twice")
	}
	to.answered = true
	if kind == "ESEARCH" {
		return to.addSet(rest)
	}
	return to.addList(rest)
}

// cutTag reads (TAG "X7").
func cutTag(rest []byte) (tag string, after []byte) {
	end := bytes.IndexByte(rest, ')')
	if len(rest) == 0 || rest[0] != '(' || end < 0 {
		return "", rest
	}
	_, quoted, _ := bytes.Cut(rest[1:end], []byte{' '})
	return string(bytes.Trim(quoted, `" `)), rest[end+1:]
}

// addSet reads what an ESEARCH found: ... ALL 2,10:11.
func (s *uids) addSet(rest []byte) error {
	words := bytes.Fields(trimLineEnd(rest))
	i := slices.IndexFunc(words, func(word []byte) bool { return bytes.EqualFold(word, []byte("ALL")) })
	if i < 0 {
		return nil // found nothing
	}
	if i+1 == len(words) {
		return errSearch(rest)
	}
	for part := range bytes.SplitSeq(words[i+1], []byte{','}) {
		first, last, isRange := bytes.Cut(part, []byte{':'})
		if !isRange {
			last = first
		}
		if err := s.add(first, last); err != nil {
			return err
		}
	}
	s.normalize()
	return nil
}

// addList reads what a SEARCH found: 2 10 11, and perhaps (MODSEQ 5).
func (s *uids) addList(rest []byte) error {
	rest = trimLineEnd(rest)
	if i := bytes.IndexByte(rest, '('); i >= 0 {
		rest = rest[:i]
	}
	for word := range bytes.FieldsSeq(rest) {
		if err := s.add(word, word); err != nil {
			return err
		}
	}
	s.normalize()
	return nil
}

func errSearch(rest []byte) error {
	return fmt.Errorf("the server found %q", printable(trimLineEnd(rest)))
}

func (s *uids) add(first, last []byte) error {
	a, err := parseUID(first)
	if err != nil {
		return err
	}
	b, err := parseUID(last)
	if err != nil {
		return err
	}
	s.ranges = append(s.ranges, uidRange{min(a, b), max(a, b)})
	if n := len(s.ranges); n > 1 && s.ranges[n-2].last+1 == s.ranges[n-1].first && s.ranges[n-2].last != 0 {
		s.ranges[n-2].last = s.ranges[n-1].last
		s.ranges = s.ranges[:n-1]
	}
	if len(s.ranges) > maxMessages {
		return fmt.Errorf("the server finds more than %d messages", maxMessages)
	}
	return nil
}

// normalize sorts, and merges what overlaps: servers may answer in any order.
func (s *uids) normalize() {
	byFirst := func(a, b uidRange) int { return cmp.Compare(a.first, b.first) }
	if !slices.IsSortedFunc(s.ranges, byFirst) {
		slices.SortFunc(s.ranges, byFirst)
	}
	kept := s.ranges[:0]
	for _, r := range s.ranges {
		if n := len(kept); n > 0 && r.first <= kept[n-1].last {
			kept[n-1].last = max(kept[n-1].last, r.last)
			continue
		}
		kept = append(kept, r)
	}
	s.ranges = kept
}

// has tells whether uid was found. Who asks in ascending order gives the same
// place for all, beginning with 0.
func (s *uids) has(uid uint32, place *int) bool {
	for *place < len(s.ranges) && s.ranges[*place].last < uid {
		*place++
	}
	return *place < len(s.ranges) && s.ranges[*place].first <= uid
}

// count returns how many UIDs below the border were found, and how many from
// it on.
func (s *uids) count(border uint32) (below, above uint64) {
	for _, r := range s.ranges {
		all := uint64(r.last) - uint64(r.first) + 1
		var under uint64
		if r.first < border {
			under = uint64(min(r.last, border-1)) - uint64(r.first) + 1
		}
		below, above = below+under, above+all-under
	}
	return below, above
}

// expectUIDs makes room for a SEARCH response of so many UIDs.
func (f *framing) expectUIDs(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	const longest = len(" 4294967295")
	f.searching = longest * min(n, maxMessages)
}

// longest is how many octets a response may have.
func (f *framing) longest() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return maxUnit + f.searching
}
