package main

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/restante-mail/restante/peertest"
)

// A row is one thing that is measured. It may yield several figures.
type row struct {
	name    string
	figures []figure
	measure func(subject) ([]float64, error)
}

// A figure is one line of the table. NaN stands for what a subject has not.
type figure struct{ name, unit string }

const (
	pollClients  = 16 // at once, each with a mailbox of its own
	pollMessages = 20 // in each mailbox
	pollsEach    = 40 // of a client in one round
)

// retrievals are mailboxes that are downloaded message by message; each takes a
// good part of a second.
var retrievals = []struct {
	name, user  string
	size, count int
}{
	{"4 KiB", "small", 4 << 10, 4000},
	{"75 KiB", "medium", 75 << 10, 800},
	{"25 MiB", "large", 25 << 20, 12},
}

func rows(d *peertest.DovecotServer) []*row {
	all := []*row{{
		name: "polls",
		figures: []figure{
			{"polls, 16 clients at once", "1/s"},
			{"processor time for 1,000 polls, in all", "s"},
			{"… of the gateway", "s"},
			{"… of Dovecot", "s"},
		},
		measure: func(s subject) ([]float64, error) { return polls(s, d) },
	}}
	for _, m := range retrievals {
		want := sums(m.count, m.size)
		all = append(all, &row{
			name:    "RETR " + m.name,
			figures: []figure{{"RETR one by one, messages of " + m.name, "MB/s"}},
			measure: func(s subject) ([]float64, error) { return retrieve(s, m.user, m.size, want) },
		})
	}
	all = append(all, &row{
		name:    "memory",
		figures: []figure{{"memory of the gateway at rest, after the row above", "MB"}},
		measure: memory,
	})
	return all
}

// polls has all clients sign in, STAT, UIDL and QUIT again and again.
func polls(s subject, d *peertest.DovecotServer) ([]float64, error) {
	gatewayBefore, upstreamBefore := s.cpu(d)
	errs := make([]error, pollClients)
	var all sync.WaitGroup
	start := time.Now()
	for i := range pollClients {
		all.Add(1)
		go func() {
			defer all.Done()
			for range pollsEach {
				if errs[i] == nil {
					errs[i] = poll(s.addr, pollUser(i))
				}
			}
		}()
	}
	all.Wait()
	took := time.Since(start)
	gatewayAfter, upstreamAfter := s.cpu(d)
	const count = pollClients * pollsEach
	gateway := (gatewayAfter - gatewayBefore).Seconds() * 1000 / count
	upstream := (upstreamAfter - upstreamBefore).Seconds() * 1000 / count
	own := gateway
	if s.gateway == 0 {
		own = math.NaN()
	}
	return []float64{count / took.Seconds(), gateway + upstream, own, upstream}, errors.Join(errs...)
}

func poll(addr, user string) error {
	c, err := peertest.DialPOP3(addr, nil)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.Login(user, password); err != nil {
		return err
	}
	stat, err := c.Do("STAT")
	if err != nil {
		return err
	}
	if want := fmt.Sprintf("+OK %d %d", pollMessages, pollMessages*4<<10); stat != want {
		return fmt.Errorf("STAT: %q, want %q", stat, want)
	}
	if _, err := c.Get("UIDL"); err != nil {
		return err
	}
	_, err = c.Do("QUIT")
	return err
}

// sums are the SHA-256 of the messages that build delivers.
func sums(count, size int) (all [][sha256.Size]byte) {
	for n := range count {
		all = append(all, sha256.Sum256(peertest.Text(n, size)))
	}
	return all
}

// retrieve downloads a mailbox, one RETR after another. The clock runs from the
// first RETR to the last octet; sums are compared when it has stopped.
func retrieve(s subject, user string, size int, want [][sha256.Size]byte) ([]float64, error) {
	c, err := peertest.DialPOP3(s.addr, nil)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	if err := c.Login(user, password); err != nil {
		return nil, err
	}
	if _, err := c.Do("STAT"); err != nil {
		return nil, err
	}
	all := make([]byte, 0, len(want)*(size+size/50+1024))
	ends := make([]int, len(want))
	start := time.Now()
	for i := range want {
		if _, err := c.Do(fmt.Sprintf("RETR %d", i+1)); err != nil {
			return nil, err
		}
		if all, err = c.Text(all); err != nil {
			return nil, err
		}
		ends[i] = len(all)
	}
	took := time.Since(start)
	if _, err := c.Do("QUIT"); err != nil {
		return nil, err
	}
	from := 0
	for i, end := range ends {
		if sha256.Sum256(peertest.Unstuff(all[from:end])) != want[i] {
			return nil, fmt.Errorf("message %d is not what was delivered", i+1)
		}
		from = end
	}
	return []float64{float64(len(want)*size) / 1e6 / took.Seconds()}, nil
}

// memory is the gateway's; Dovecot's own pop3d has a process for each session
// and none at rest.
func memory(s subject) ([]float64, error) {
	if s.gateway == 0 {
		return []float64{math.NaN()}, nil
	}
	return []float64{float64(peertest.Resident(s.gateway)) * 1024 / 1e6}, nil
}
