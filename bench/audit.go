package main

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/restante-mail/restante/audit"
	"github.com/restante-mail/restante/peertest"
)

// What auditing costs is measured on two Restantes that differ in nothing else,
// as processor time: a trail in a file, chained and signed, made sure of every
// second.

// An auditCost is one thing that both of them do.
type auditCost struct {
	name string
	goal float64 // of the ratio, after what SHA-256 takes by itself
	// hashed is how many octets of messages are hashed by it.
	hashed int
	do     func(place) error
}

const (
	auditPollsEach = 300 // of each client in one round
	auditDownloads = 4   // of the mailbox of 75 KiB messages in one round
)

func auditCosts() []auditCost {
	medium := retrievals[1]
	return []auditCost{
		{"poll (sign-in, STAT, UIDL, QUIT)", 1.15, 0, func(at place) error { return manyPolls(at, auditPollsEach) }},
		{"RETR " + medium.name, 1.03, auditDownloads * medium.count * medium.size, func(at place) error { return manyDownloads(at, medium) }},
	}
}

// measureAudit prints what auditing costs.
func measureAudit(rounds int) (err error) {
	s := &stage{}
	defer s.strike(&err)
	users := map[string]string{retrievals[1].user: password}
	for i := range pollClients {
		users[pollUser(i)] = password
	}
	u := startUpstream(s, users)
	pollMail.deliver(u)
	retrievals[1].mail().deliver(u)
	binary := peertest.BuildRestante(s, false)
	upstream := peertest.For("imap://" + u.IMAPAddr())
	both := []*peertest.RestanteServer{peertest.Restante(s, binary, upstream), peertest.Restante(s, binary, trailBefore(s)+upstream)}
	fmt.Println("| processor time beside auditing off | ratio | goal |\n|---|---|---|")
	for _, cost := range auditCosts() {
		quotients, err := cost.measure(both, rounds)
		if err != nil {
			return fmt.Errorf("%s: %w", cost.name, err)
		}
		low, high := interval(quotients)
		fmt.Printf("| %s | %.3f (%.3f to %.3f) | at most %.2f |\n", cost.name, median(quotients), low, high, cost.goal)
	}
	return nil
}

// trailBefore is the configuration of a trail.
func trailBefore(s *stage) string {
	dir := s.TempDir()
	private, _, _, err := audit.NewKey()
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "key"), private, 0o600)
	}
	if err != nil {
		s.Fatalf("%v", err)
	}
	return fmt.Sprintf("[audit]\nfile = %q\nkey = %q\n", filepath.Join(dir, "audit.jsonl"), filepath.Join(dir, "key"))
}

// measure returns, for each round, what it takes with auditing, less SHA-256's
// own, by what it takes without.
func (c auditCost) measure(both []*peertest.RestanteServer, rounds int) (quotients []float64, err error) {
	for round := range rounds + 1 {
		var took [2]float64
		for i := range both {
			k := (i + round) % len(both) // everyone goes first as often as last
			before := peertest.CPU(both[k].PID())
			if err := c.do(place{addr: both[k].POP3}); err != nil {
				return nil, err
			}
			took[k] = (peertest.CPU(both[k].PID()) - before).Seconds()
		}
		hashing, err := c.hashing(place{addr: both[0].POP3})
		if err != nil {
			return nil, err
		}
		if round > 0 { // round 0 fills every cache there is
			quotients = append(quotients, (took[1]-hashing)/took[0])
			fmt.Fprintf(os.Stderr, "%s, round %d: %.2f s without, %.2f s with, %.2f s of it SHA-256\n", c.name, round, took[0], took[1], hashing)
		}
	}
	return quotients, nil
}

// hashing is the seconds of processor time that SHA-256 takes for as much as is
// hashed. It is measured while the same work goes on without a trail: a core
// whose neighbours are busy hashes more slowly.
func (c auditCost) hashing(without place) (seconds float64, err error) {
	if c.hashed == 0 {
		return 0, nil
	}
	done := make(chan error, 1)
	go func() { done <- c.do(without) }()
	hashed, used := 0, time.Duration(0)
	for {
		select {
		case err = <-done:
			return used.Seconds() * float64(c.hashed) / float64(hashed), err
		default:
			used += hashingTime(hashedAtOnce)
			hashed += hashedAtOnce
		}
	}
}

// hashedAtOnce is some ten milliseconds of hashing.
const hashedAtOnce = 16 << 20

func manyPolls(at place, each int) error {
	errs := make([]error, pollClients)
	var all sync.WaitGroup
	for i := range pollClients {
		all.Go(func() {
			for range each {
				if errs[i] == nil {
					errs[i] = poll(at, pollUser(i))
				}
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

func manyDownloads(at place, m maildrop) error {
	want := m.sums()
	for range auditDownloads {
		if _, err := throughput(at, m, oneByOne, want); err != nil {
			return err
		}
	}
	return nil
}

// hashingTime is the processor time of SHA-256 alone, in the pieces that a
// session hashes.
func hashingTime(octets int) time.Duration {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	piece, h := make([]byte, 64<<10), sha256.New()
	start := threadTime()
	for octets > 0 {
		h.Write(piece[:min(octets, len(piece))])
		octets -= len(piece)
	}
	h.Sum(nil)
	return threadTime() - start
}

func threadTime() time.Duration {
	var used unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_THREAD, &used); err != nil {
		return time.Duration(math.MaxInt64)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
