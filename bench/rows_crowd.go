package main

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/restante-mail/restante/peertest"
)

// The crowd is more accounts than connections may be kept for. Some poll often
// and most hardly ever: account k by (50 + k)^-1.1 (Zipf).
const (
	crowdAccounts = 10_000
	crowdPool     = 500 // the default of max_idle
	crowdPolls    = 10_000
	crowdSkew     = 1.1
	crowdHead     = 50
	crowdMessages = 2
	crowdOctets   = 600
)

func crowdUser(i int) string { return fmt.Sprintf("crowd%d", i) }

var crowdMail = mail{"crowd", func(u upstream) {
	for i := range crowdAccounts {
		u.DeliverCopies(crowdUser(i), crowdMessages, peertest.Text(0, crowdOctets))
	}
}}

func crowdRow(u upstream) *row {
	return &row{
		name: "crowd",
		figures: []figure{
			{"10,000 accounts over a pool of 500: polls", "1/s", nil},
			{"… that found a warm connection", "%", nil},
			{"… that could have, with a pool that knew the future", "%", nil},
			{"… memory upstream of a warm connection", "KiB", nil},
		},
		every: func(s subject) int {
			if s.name == imapcName {
				return 0
			}
			return once
		},
		needs:   []mail{crowdMail},
		measure: func(s subject) ([]float64, error) { return crowd(s, u) },
	}
}

// crowd polls twice as much as is counted: the first half fills the pool, and
// has Dovecot make its indexes.
func crowd(s subject, u upstream) ([]float64, error) {
	first, second := crowdOrder(1), crowdOrder(2)
	if s.restante == nil {
		if _, err := crowdRate(s.plain, first); err != nil {
			return nil, err
		}
		rate, err := crowdRate(s.plain, second)
		return []float64{rate, math.NaN(), math.NaN(), math.NaN()}, err
	}
	processes, memory := upstreamSize(u)
	r := s.restante.start(s.restante.near)
	defer r.stop()
	if _, err := crowdRate(r.plain, first); err != nil {
		return nil, err
	}
	before := warmVisits(r)
	rate, err := crowdRate(r.plain, second)
	if err != nil {
		return nil, err
	}
	hits := float64(warmVisits(r)-before) / crowdPolls * 100
	nowProcesses, nowMemory := upstreamSize(u)
	return []float64{rate, hits, crowdBest(first, second), float64(nowMemory-memory) / float64(nowProcesses-processes)}, nil
}

// crowdOrder is who polls, one after the other.
func crowdOrder(seed uint64) []int {
	z := rand.NewZipf(rand.New(rand.NewPCG(seed, 0)), crowdSkew, crowdHead, crowdAccounts-1)
	order := make([]int, crowdPolls)
	for i := range order {
		order[i] = int(z.Uint64())
	}
	return order
}

// crowdRate is polls a second. An account's polls are all one client's.
func crowdRate(at place, order []int) (float64, error) {
	errs := make([]error, pollClients)
	var all sync.WaitGroup
	start := time.Now()
	for c := range pollClients {
		all.Go(func() {
			for _, i := range order {
				if i%pollClients == c && errs[c] == nil {
					errs[c] = pollFor(at, crowdUser(i), crowdMessages, crowdOctets)
				}
			}
		})
	}
	all.Wait()
	return float64(len(order)) / time.Since(start).Seconds(), errors.Join(errs...)
}

// warmVisits counts in the log.
func warmVisits(r started) int { return strings.Count(r.Log(), `"warm":true`) }

// upstreamSize is how many processes Dovecot has, and their memory in KiB.
func upstreamSize(u upstream) (processes int, kib int64) {
	return len(peertest.Tree(u.PID())), peertest.Resident(u.PID())
}

// crowdBest is the share of the second polls, in percent, that find a connection if
// always the one goes that is needed latest (Belady): what no pool can beat.
func crowdBest(first, second []int) float64 {
	all := append(append([]int{}, first...), second...)
	next, seen := make([]int, len(all)), map[int]int{}
	for i := len(all) - 1; i >= 0; i-- {
		next[i] = math.MaxInt
		if later, ok := seen[all[i]]; ok {
			next[i] = later
		}
		seen[all[i]] = i
	}
	kept, hits := map[int]int{}, 0
	for i, who := range all {
		if _, ok := kept[who]; ok && i >= len(first) {
			hits++
		}
		kept[who] = next[i]
		if len(kept) > crowdPool {
			delete(kept, latest(kept))
		}
	}
	return float64(hits) / float64(len(second)) * 100
}

func latest(kept map[int]int) (who int) {
	most := -1
	for account, next := range kept {
		if next > most {
			who, most = account, next
		}
	}
	return who
}
