package main

import (
	"crypto/sha256"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/restante-mail/restante/peertest"
)

// pollTrip is the round trip of the line that is polled over.
const pollTrip = 100 * time.Millisecond

// farPollRow polls over the delay line. The relay itself takes TCP
// connections, at once; what a handshake through the line would have cost is added:
// a round trip, and half of one more until the greeting of a server that speaks first.
func farPollRow(u upstream) *row {
	return &row{
		name: "farpoll",
		figures: []figure{
			{"poll over 100 ms, warm", "ms", goals(noMore(150))},
			{"poll over 100 ms, new connection upstream", "ms", nil},
			{"poll over 100 ms, new connection upstream with TLS", "ms", goals(noMore(450))},
		},
		every: always,
		needs: []mail{pollMail},
		measure: func(s subject) ([]float64, error) {
			u.line.delay(pollTrip)
			defer u.line.delay(0)
			cold, coldTLS := place{}, place{}
			if s.restante != nil {
				cold, coldTLS = s.restante.farCold, s.restante.farColdTLS
			}
			trip := pollTrip.Seconds() * 1000
			return figures(
				func() (float64, error) { return pollTime(s.far) },
				func() (float64, error) { t, err := pollTime(cold); return t + 1.5*trip, err },
				func() (float64, error) { t, err := pollTime(coldTLS); return t + trip, err },
			)
		},
	}
}

// figures measures one after the other, until an error.
func figures(measure ...func() (float64, error)) (all []float64, err error) {
	for _, m := range measure {
		v, err := m()
		if err != nil {
			return nil, err
		}
		all = append(all, v)
	}
	return all, nil
}

// pollTime is that of a poll in ms, the second of two: what is remembered is.
func pollTime(at place) (float64, error) {
	if at.addr == "" {
		return math.NaN(), nil
	}
	if err := poll(at, pollUser(0)); err != nil {
		return 0, err
	}
	start := time.Now()
	err := poll(at, pollUser(0))
	return time.Since(start).Seconds() * 1000, err
}

// farMaildrop is downloaded over the line; who needs a round trip for each
// message gets a fifth of it, and its time is multiplied.
var (
	farMaildrop  = maildrop{"20 KiB", "far", 20 << 10, 500}
	farFew       = maildrop{"20 KiB", "farfew", 20 << 10, 100}
	farFewFactor = 5.0
)

func farDownloadRows(u upstream) []*row {
	return []*row{farDownloadRow(u, 50*time.Millisecond, 1.5), farDownloadRow(u, 150*time.Millisecond, 2.5)}
}

func farDownloadRow(u upstream, trip time.Duration, limit float64) *row {
	want := sync.OnceValue(farMaildrop.sums)
	name := fmt.Sprintf("500 × 20 KiB over %d ms, one by one", trip.Milliseconds())
	return &row{
		name: fmt.Sprintf("far%d", trip.Milliseconds()),
		figures: []figure{
			{name + ", first visit", "s", goals(noMore(limit))},
			{name + ", again", "s", goals(noMore(limit))},
		},
		every: func(s subject) int {
			return map[string]int{oursName: 1, imapcName: once}[s.name]
		},
		needs: []mail{farMaildrop.mail(), farFew.mail()},
		measure: func(s subject) ([]float64, error) {
			u.line.delay(trip)
			defer u.line.delay(0)
			if s.restante == nil {
				return visits(s.far, s, farFew, farFewFactor, 0, want())
			}
			r := s.restante.start(s.restante.far)
			defer r.stop()
			return visits(r.plain, s, farMaildrop, 1, 1.5*trip.Seconds(), want())
		},
	}
}

// visits downloads a maildrop twice. What the first takes longer than can be
// seen here is added to it.
func visits(at place, s subject, m maildrop, factor, first float64, want [][sha256.Size]byte) ([]float64, error) {
	s.forget(m.user)
	return figures(
		func() (float64, error) { t, err := download(at, m, want); return t*factor + first, err },
		func() (float64, error) { t, err := download(at, m, want); return t * factor, err },
	)
}

// download is a whole visit, from connecting to the answer to QUIT, in seconds.
func download(at place, m maildrop, want [][sha256.Size]byte) (float64, error) {
	start := time.Now()
	c, err := at.login(m.user)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	if err := list(c, m.count); err != nil {
		return 0, err
	}
	all, bounds, err := oneByOne(c, nil, m.count)
	if err != nil {
		return 0, err
	}
	if _, err := c.Do("QUIT"); err != nil {
		return 0, err
	}
	took := time.Since(start)
	return took.Seconds(), verify(all, bounds, want)
}

// list does STAT, LIST and UIDL, and counts.
func list(c *peertest.POP3Conn, count int) error {
	stat, err := c.Do("STAT")
	if err != nil {
		return err
	}
	var n int
	if _, err := fmt.Sscanf(stat, "+OK %d ", &n); err != nil || n != count {
		return fmt.Errorf("STAT of %d messages: %q", count, stat)
	}
	for _, command := range []string{"LIST", "UIDL"} {
		text, err := c.Get(command)
		if err != nil {
			return err
		}
		if n := lines(text); n != count {
			return fmt.Errorf("%s has %d lines, want %d", command, n, count)
		}
	}
	return nil
}
