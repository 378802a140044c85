package main

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"math"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/restante-mail/restante/peertest"
)

// A row is one thing that is measured. It may yield several figures.
type row struct {
	name    string // what -rows calls it
	figures []figure
	// every tells in which rounds a subject is measured: 1 is each, n every
	// n-th, 0 none. 1 also takes part in the round that does not count.
	every func(subject) int
	// needs are the mailboxes that it reads.
	needs []mail
	// measure yields a value for each figure; NaN stands for what a subject
	// has not.
	measure func(subject) ([]float64, error)
}

// mail is mailboxes, and how they are filled.
type mail struct {
	name    string
	deliver func(upstream)
}

// A figure is one line of the table.
type figure struct {
	name, unit string
	goals      []goal
}

// once is for what takes long and hardly varies.
const once = 1 << 20

// always has every subject measured in each round.
func always(subject) int { return 1 }

// allRows lists what can be measured, in the order of the table.
func allRows(u upstream) []*row {
	rows := pollRows(u)
	rows = append(rows, retrieveRows()...)
	rows = append(rows, farPollRow(u))
	rows = append(rows, farDownloadRows(u)...)
	return append(rows, crowdRow(u), listingRow(), listingMemoryRow(), idleRow(false), idleRow(true))
}

// chosen keeps the rows whose names begin with one of the words; no words are
// all.
func chosen(all []*row, words string) (rows []*row, err error) {
	if words == "" {
		return all, nil
	}
	for word := range strings.SplitSeq(words, ",") {
		found := false
		for _, r := range all {
			if strings.HasPrefix(r.name, word) {
				rows, found = append(rows, r), true
			}
		}
		if !found {
			return nil, fmt.Errorf("no row begins with %q", word)
		}
	}
	return rows, nil
}

const (
	pollClients  = 16 // at once, each with a mailbox of its own
	pollMessages = 20 // in each mailbox
	pollsEach    = 40 // of a client in one round
)

func pollUser(i int) string { return fmt.Sprintf("poll%d", i) }

var pollMail = mail{"poll", func(u upstream) {
	for i := range pollClients {
		for n := range pollMessages {
			u.Deliver(pollUser(i), "INBOX", peertest.Text(n, 4<<10))
		}
	}
}}

func pollRows(u upstream) []*row {
	return []*row{{
		name: "polls",
		figures: []figure{
			{"polls, warm", "1/s", goals(atLeast(1.5, nativeName), atLeast(5, imapcName))},
			{"… processor time for 1,000, gateway", "s", goals(atMost(0.2, imapcName))},
			{"… processor time for 1,000, upstream", "s", goals(noMore(0.3))},
		},
		every:   always,
		needs:   []mail{pollMail},
		measure: func(s subject) ([]float64, error) { return polls(s, s.plain, u) },
	}, {
		name: "tlspolls",
		figures: []figure{
			{"polls with TLS, warm", "1/s", goals(atLeast(1, nativeName), atLeast(2, imapcName))},
			{"… processor time for 1,000, gateway", "s", nil},
			{"… processor time for 1,000, upstream", "s", nil},
		},
		every:   always,
		needs:   []mail{pollMail},
		measure: func(s subject) ([]float64, error) { return polls(s, s.tls, u) },
	}, {
		name:    "coldpolls",
		figures: []figure{{"polls, each with a new connection upstream", "1/s", goals(atLeast(1.5, imapcName))}},
		every:   always,
		needs:   []mail{pollMail},
		measure: func(s subject) ([]float64, error) {
			at := s.plain
			if s.restante != nil {
				at = s.restante.cold
			}
			figures, err := polls(s, at, u)
			return figures[:1], err
		},
	}}
}

// polls has all clients sign in, STAT, UIDL and QUIT again and again.
func polls(s subject, at place, u upstream) ([]float64, error) {
	gatewayBefore, upstreamBefore := s.cpu(u.DovecotServer)
	errs := make([]error, pollClients)
	var all sync.WaitGroup
	start := time.Now()
	for i := range pollClients {
		all.Go(func() {
			for range pollsEach {
				if errs[i] == nil {
					errs[i] = poll(at, pollUser(i))
				}
			}
		})
	}
	all.Wait()
	took := time.Since(start)
	gatewayAfter, upstreamAfter := s.cpu(u.DovecotServer)
	const count = pollClients * pollsEach
	gateway := (gatewayAfter - gatewayBefore).Seconds() * 1000 / count
	if s.gateway == 0 {
		gateway = math.NaN()
	}
	return []float64{
		count / took.Seconds(), gateway, (upstreamAfter - upstreamBefore).Seconds() * 1000 / count,
	}, errors.Join(errs...)
}

func poll(at place, user string) error { return pollFor(at, user, pollMessages, 4<<10) }

// pollFor polls a mailbox of so many messages, each of so many octets.
func pollFor(at place, user string, messages, octets int) error {
	c, err := at.login(user)
	if err != nil {
		return err
	}
	defer c.Close()
	stat, err := c.Do("STAT")
	if err != nil {
		return err
	}
	if want := fmt.Sprintf("+OK %d %d", messages, messages*octets); stat != want {
		return fmt.Errorf("STAT: %q, want %q", stat, want)
	}
	if _, err := c.Get("UIDL"); err != nil {
		return err
	}
	_, err = c.Do("QUIT")
	return err
}

// A maildrop is a user's messages, all of one size.
type maildrop struct {
	name, user  string
	size, count int
}

// retrievals are mailboxes that are downloaded; each takes some tenths of a second.
var retrievals = []maildrop{
	{"4 KiB", "small", 4 << 10, 4000},
	{"75 KiB", "medium", 75 << 10, 1200},
	{"25 MiB", "large", 25 << 20, 12},
}

func (m maildrop) mail() mail {
	return mail{m.user, func(u upstream) {
		for n := range m.count {
			u.Deliver(m.user, "INBOX", peertest.Text(n, m.size))
		}
	}}
}

// sums are the SHA-256 of its messages.
func (m maildrop) sums() (all [][sha256.Size]byte) {
	for n := range m.count {
		all = append(all, sha256.Sum256(peertest.Text(n, m.size)))
	}
	return all
}

func retrieveRows() (rows []*row) {
	for _, m := range retrievals {
		want := sync.OnceValue(m.sums)
		for _, secure := range []bool{false, true} {
			rows = append(rows, retrieveRow(m, secure, want))
		}
	}
	return rows
}

// retrieveRow downloads; want is what has to come.
func retrieveRow(m maildrop, secure bool, want func() [][sha256.Size]byte) *row {
	suffix, name := "", "retr"
	if secure {
		suffix, name = ", TLS", "tlsretr"
	}
	g := goals(atLeast(0.9, nativeName), atLeast(1.3, imapcName))
	return &row{
		name: name + strings.ReplaceAll(m.name, " ", ""),
		figures: []figure{
			{"RETR " + m.name + suffix + ", one by one", "MB/s", g},
			{"RETR " + m.name + suffix + ", pipelined", "MB/s", g},
		},
		every: always,
		needs: []mail{m.mail()},
		measure: func(s subject) ([]float64, error) {
			at := s.plain
			if secure {
				at = s.tls
			}
			single, err := throughput(at, m, oneByOne, want())
			if err != nil {
				return nil, err
			}
			many, err := throughput(at, m, pipelined, want())
			return []float64{single, many}, err
		},
	}
}

// throughput in MB/s, from the first RETR to the last octet.
func throughput(at place, m maildrop, retrieve retriever, want [][sha256.Size]byte) (float64, error) {
	c, err := at.login(m.user)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	if _, err := c.Do("STAT"); err != nil {
		return 0, err
	}
	buf := arena(m.count * (m.size + m.size/50 + 1024))
	start := time.Now()
	all, bounds, err := retrieve(c, buf, m.count)
	if err != nil {
		return 0, err
	}
	took := time.Since(start)
	if _, err := c.Do("QUIT"); err != nil {
		return 0, err
	}
	return float64(m.count*m.size) / 1e6 / took.Seconds(), verify(all, bounds, want)
}

var arenaPages []byte

// arena is room for what is downloaded, the same each time and touched before:
// the kernel's work of handing out pages is not what is measured.
func arena(size int) []byte {
	if len(arenaPages) < size {
		arenaPages = make([]byte, size)
		for i := 0; i < size; i += os.Getpagesize() {
			arenaPages[i] = 1
		}
	}
	return arenaPages[:0]
}

// A retriever retrieves n messages: the octets, and where each message is.
type retriever func(c *peertest.POP3Conn, buf []byte, n int) ([]byte, [][2]int, error)

// oneByOne sends a RETR when the message before is there.
func oneByOne(c *peertest.POP3Conn, buf []byte, n int) (all []byte, bounds [][2]int, err error) {
	for i := range n {
		if _, err := c.Do(fmt.Sprintf("RETR %d", i+1)); err != nil {
			return nil, nil, err
		}
		from := len(buf)
		if buf, err = c.Text(buf); err != nil {
			return nil, nil, err
		}
		bounds = append(bounds, [2]int{from, len(buf)})
	}
	return buf, bounds, nil
}

// pipelined sends all commands at once.
func pipelined(c *peertest.POP3Conn, buf []byte, n int) ([]byte, [][2]int, error) {
	var commands strings.Builder
	for i := range n {
		fmt.Fprintf(&commands, "RETR %d\r\n", i+1)
	}
	sent := make(chan error, 1)
	go func() { sent <- c.Send(commands.String()) }()
	all, bounds, err := c.Texts(buf, n)
	if err != nil {
		c.Close() // so that Send ends
	}
	return all, bounds, errors.Join(err, <-sent)
}

// verify compares what came with what was delivered.
func verify(all []byte, bounds [][2]int, want [][sha256.Size]byte) error {
	if len(bounds) > len(want) {
		return fmt.Errorf("%d messages, of %d", len(bounds), len(want))
	}
	for i, b := range bounds {
		if sha256.Sum256(peertest.Unstuff(all[b[0]:b[1]])) != want[i] {
			return fmt.Errorf("message %d is not what was delivered", i+1)
		}
	}
	return nil
}
