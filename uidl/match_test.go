package uidl

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

func known(name string, print byte, sizes ...int64) Known {
	k := Known{Name: name}
	if print != 0 {
		k.Print = Print{print}
	}
	copy(k.Sizes[:], sizes)
	return k
}

func unique(k Known, name string) Known {
	k.Unique = name
	return k
}

func TestMatch(t *testing.T) {
	for _, test := range []struct {
		why      string
		old, new []Known
		want     []int
	}{
		{"the usual", []Known{known("a", 1, 10), known("b", 2, 10)}, []Known{known("", 2, 10), known("", 3, 10), known("", 1, 10)}, []int{1, -1, 0}},
		{"another size", []Known{known("a", 1, 10)}, []Known{known("", 1, 11)}, []int{-1}},
		{"the true size", []Known{known("a", 1, 10, 12)}, []Known{known("", 1, 12)}, []int{0}},
		{"no size", []Known{known("a", 1)}, []Known{known("", 1)}, []int{-1}},
		{"no print", []Known{known("a", 0, 10)}, []Known{known("", 0, 10)}, []int{-1}},
		{"two before", []Known{known("a", 1, 10), known("b", 1, 10)}, []Known{known("", 1, 10)}, []int{-1}},
		{"two now", []Known{known("a", 1, 10)}, []Known{known("", 1, 10), known("", 1, 10)}, []int{-1, -1}},
		{"two of each", []Known{known("a", 1, 10), known("b", 1, 10)}, []Known{known("", 1, 10), known("", 1, 10)}, []int{-1, -1}},
		{"told apart by size", []Known{known("a", 1, 10), known("b", 1, 20)}, []Known{known("", 1, 20), known("", 1, 10)}, []int{1, 0}},
		{"listed here, true there", []Known{known("a", 1, 10, 12), known("b", 1, 12)}, []Known{known("", 1, 12), known("", 1, 10)}, []int{-1, 0}},
		{"a size for each of two", []Known{known("a", 1, 10, 12)}, []Known{known("", 1, 10), known("", 1, 12)}, []int{-1, -1}},
		{"two sizes of two", []Known{known("a", 1, 10), known("b", 1, 12)}, []Known{known("", 1, 10, 12)}, []int{-1}},
		{"by name", []Known{unique(known("a", 0), "M1"), unique(known("b", 0), "M2")}, []Known{unique(known("", 0), "M2")}, []int{1}},
		{"a name twice", []Known{unique(known("a", 1, 10), "M1")}, []Known{unique(known("", 1, 10), "M1"), unique(known("", 2, 10), "M1")}, []int{0, -1}},
		{"names live on: equal looks are not enough", []Known{unique(known("a", 1, 10), "M1"), unique(known("b", 2, 10), "M2")},
			[]Known{unique(known("", 1, 10), "M3"), unique(known("", 2, 10), "M2")}, []int{-1, 1}},
		{"names that begin anew: another message", []Known{unique(known("a", 1, 10), "1")}, []Known{unique(known("", 2, 10), "1")}, []int{-1}},
		{"names that begin anew prove nothing of any", []Known{unique(known("a", 1, 10), "1"), unique(known("b", 0), "2"), unique(known("c", 3, 10), "3")},
			[]Known{unique(known("", 3, 10), "1"), unique(known("", 4, 10), "2"), unique(known("", 3, 11), "3")}, []int{2, -1, -1}},
		{"other names: another server", []Known{unique(known("a", 1, 10), "M1")}, []Known{unique(known("", 1, 10), "X1")}, []int{0}},
		{"a copy of a message that has its name", []Known{unique(known("a", 1, 10), "M1"), known("b", 2, 10)},
			[]Known{unique(known("", 1, 10), "M1"), known("", 1, 10)}, []int{0, -1}},
		{"nothing", nil, nil, []int{}},
	} {
		if got := Match(test.old, test.new); !slices.Equal(got, test.want) {
			t.Errorf("%s: %v; want %v", test.why, got, test.want)
		}
	}
}

// mailboxes makes a mailbox and what became of it elsewhere: some messages were
// lost, some came, some were doubled, some have other sizes, and some have
// nothing to be recognised by.
func mailboxes(r *rand.Rand) (old, new []Known) {
	for i := range r.IntN(30) {
		k := known(fmt.Sprint("u", i), byte(r.IntN(40)), 100+int64(r.IntN(3)))
		if r.IntN(3) == 0 {
			k.Sizes[1] = 100 + int64(r.IntN(3))
		}
		if r.IntN(4) == 0 {
			k.Unique = fmt.Sprint("M", r.IntN(40))
		}
		old = append(old, k)
	}
	add := func(k Known) {
		k.Name = ""
		switch r.IntN(6) {
		case 0:
			k.Sizes = [2]int64{100 + int64(r.IntN(3))}
		case 1:
			k.Print = Print{}
		case 2:
			k.Unique = ""
		}
		new = append(new, k)
	}
	for _, k := range old {
		for range []int{1, 1, 1, 1, 0, 2}[r.IntN(6)] {
			add(k)
		}
	}
	for range r.IntN(5) {
		add(known("", byte(r.IntN(40)), 100))
	}
	r.Shuffle(len(new), func(i, j int) { new[i], new[j] = new[j], new[i] })
	return old, new
}

// Whatever the mailboxes: a match has a proof, the proof is nobody else's, and no
// old message is matched twice. The order of messages decides nothing.
func TestMatchProperties(t *testing.T) {
	matches := 0
	for seed := range uint64(20_000) {
		r := rand.New(rand.NewPCG(seed, 1))
		old, new := mailboxes(r)
		got := Match(old, new)
		used := map[int]bool{}
		for i, o := range got {
			if o < 0 {
				continue
			}
			matches++
			if used[o] {
				t.Fatalf("seed %d: old message %d is matched twice", seed, o)
			}
			used[o] = true
			if !sameByName(old, new, o, i) && !sameByPrint(old, new, o, i) {
				t.Fatalf("seed %d: %+v is not provably %+v", seed, new[i], old[o])
			}
		}
		wantAnyOrder(t, seed, r, old, new, got)
	}
	if matches < 50_000 {
		t.Errorf("only %d matches: the mailboxes prove nothing", matches)
	}
}

func wantAnyOrder(t *testing.T, seed uint64, r *rand.Rand, old, new []Known, got []int) {
	t.Helper()
	before, now := r.Perm(len(old)), r.Perm(len(new))
	shuffledOld, shuffledNew := make([]Known, len(old)), make([]Known, len(new))
	for i, at := range before {
		shuffledOld[at] = old[i]
	}
	for i, at := range now {
		shuffledNew[at] = new[i]
	}
	again := Match(shuffledOld, shuffledNew)
	for i, at := range now {
		want := got[i]
		if want >= 0 {
			want = before[want]
		}
		if again[at] != want {
			t.Fatalf("seed %d: another order, another match of %+v", seed, new[i])
		}
	}
}

func sameByName(old, new []Known, o, n int) bool {
	name := old[o].Unique
	others := func(list []Known, self int) bool {
		for i := range list {
			if i != self && list[i].Unique == name {
				return true
			}
		}
		return false
	}
	return name != "" && new[n].Unique == name && !others(old, o) && !others(new, n)
}

func sameByPrint(old, new []Known, o, n int) bool {
	for _, size := range old[o].Sizes {
		if size == 0 || !slices.Contains(new[n].Sizes[:], size) || old[o].Print != new[n].Print || old[o].Print == (Print{}) {
			continue
		}
		alone := func(list []Known, self int) bool {
			for i := range list {
				if i != self && list[i].Print == old[o].Print && slices.Contains(list[i].Sizes[:], size) {
					return false
				}
			}
			return true
		}
		if alone(old, o) && alone(new, n) {
			return true
		}
	}
	return false
}

// What nothing else resembles is recognised: all of a mailbox without copies.
func TestMatchFindsAll(t *testing.T) {
	var old, new []Known
	for i := range 1000 {
		old = append(old, Known{Name: fmt.Sprint(i), Print: Print{byte(i), byte(i >> 8), 1}, Sizes: [2]int64{int64(100 + i%7)}})
		new = append(new, Known{Print: old[i].Print, Sizes: old[i].Sizes})
	}
	rand.New(rand.NewPCG(1, 1)).Shuffle(len(new), func(i, j int) { new[i], new[j] = new[j], new[i] })
	for i, o := range Match(old, new) {
		if o < 0 || old[o].Print != new[i].Print {
			t.Fatalf("message %d is taken for %d", i, o)
		}
	}
}
