package uidl

import (
	"maps"
	"slices"
)

// A Known message is one of a mailbox as it was, or as it is.
type Known struct {
	// Name tells the messages of one side apart: the UIDL on the old side.
	Name string
	// Unique is the server's lasting name (or a hash of it); "" if unknown.
	Unique string
	Print  Print
	// Sizes are what is said and what is known of its size in octets; 0 is
	// neither.
	Sizes [2]int64
}

// Match tells which of the old messages each of the new ones is: the index into
// old, or -1. A wrong match would hide mail, so nothing is guessed: two messages
// are the same if the server's lasting name says so, else if header and size are
// the same, and in both cases only if that is true of no other message on either
// side. Of what is equal to something else nothing is matched. Where one name is
// of two messages, by their headers, names begin anew (as on another server that
// counts its messages), and none proves anything.
func Match(old, new []Known) []int {
	matched := make([]int, len(new))
	for i := range matched {
		matched[i] = -1
	}
	taken := make([]bool, len(old))
	named := byName(old, new, matched, taken)
	byPrint(old, new, matched, taken, named)
	return matched
}

const (
	nobody  = -1
	several = -2
)

// one is the only index with a key, or several.
type one[K comparable] map[K]int

func (o one[K]) add(key K, i int) {
	if before, ok := o[key]; ok && before != i {
		i = several
	}
	o[key] = i
}

func (o one[K]) find(key K) int {
	if i, ok := o[key]; ok {
		return i
	}
	return nobody
}

// byName tells whether the server's names are the same as they were, for any.
func byName(old, new []Known, matched []int, taken []bool) (any bool) {
	before, now := one[string]{}, one[string]{}
	for i := range old {
		if old[i].Unique != "" {
			before.add(old[i].Unique, i)
		}
	}
	for i := range new {
		if new[i].Unique != "" {
			now.add(new[i].Unique, i)
		}
	}
	pairs := map[int]int{}
	for name, i := range now {
		if o := before.find(name); i >= 0 && o >= 0 {
			if contradict(old[o].Print, new[i].Print) {
				return false
			}
			pairs[i] = o
		}
	}
	for i, o := range pairs {
		matched[i], taken[o], any = o, true, true
	}
	return any
}

// contradict: both are known, and of two messages.
func contradict(a, b Print) bool { return a != Print{} && b != Print{} && a != b }

type printKey struct {
	print Print
	size  int64
}

// keys are what a message can be recognised by.
func (k *Known) keys() (keys []printKey) {
	if k.Print == (Print{}) {
		return nil
	}
	for i, size := range k.Sizes {
		if size > 0 && (i == 0 || size != k.Sizes[0]) {
			keys = append(keys, printKey{k.Print, size})
		}
	}
	return keys
}

// byPrint looks at all messages, also those that are matched: a copy of a
// matched message is ambiguous too. Where the server's names are what they were,
// two that differ are two messages, however equal they look.
func byPrint(old, new []Known, matched []int, taken []bool, named bool) {
	before, now := index(old), index(new)
	claims := make([]int, len(old)) // the new message that claims each old one
	for i := range claims {
		claims[i] = nobody
	}
	for i := range new {
		if matched[i] >= 0 {
			continue
		}
		o := claimed(&new[i], before, now)
		if o < 0 || taken[o] || named && old[o].Unique != "" && new[i].Unique != "" {
			continue
		}
		if claims[o] != nobody { // by one size each
			claims[o] = several
			continue
		}
		claims[o] = i
	}
	shifted := both(leftOver(old, now), leftOver(new, before))
	for o, i := range claims {
		if i >= 0 && !shifted[old[o].Print] {
			matched[i] = o
		}
	}
}

// leftOver are the prints of messages none of whose sizes the other side has.
func leftOver(list []Known, other one[printKey]) map[Print]bool {
	prints := map[Print]bool{}
	for i := range list {
		known := func(key printKey) bool { return other.find(key) != nobody }
		if keys := list[i].keys(); len(keys) > 0 && !slices.ContainsFunc(keys, known) {
			prints[list[i].Print] = true
		}
	}
	return prints
}

// both: where messages of one print are left over on either side, one of the
// servers counts wrongly, and what is of equal size may be of another one.
func both(a, b map[Print]bool) map[Print]bool {
	maps.DeleteFunc(a, func(p Print, _ bool) bool { return !b[p] })
	return a
}

func index(list []Known) one[printKey] {
	all := one[printKey]{}
	for i := range list {
		for _, key := range list[i].keys() {
			all.add(key, i)
		}
	}
	return all
}

// claimed is the one old message that has any of the keys of a new one, where
// nobody else has them.
func claimed(m *Known, before, now one[printKey]) int {
	claim := nobody
	for _, key := range m.keys() {
		o := before.find(key)
		switch {
		case o == nobody:
			continue
		case o == several || now.find(key) == several || claim >= 0 && claim != o:
			return several
		}
		claim = o
	}
	return claim
}
