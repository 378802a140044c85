package main

import (
	"crypto/sha256"
	"sync"
	"time"
)

// passRows are about servers that pass POP3 through to another.
func passRows(u upstream) []*row {
	rows := []*row{passPollRow(u, false), passPollRow(u, true)}
	for _, m := range retrievals {
		want := sync.OnceValue(m.sums)
		for _, secure := range []bool{false, true} {
			rows = append(rows, passRetrieveRow(m, secure, want))
		}
	}
	return append(rows, passFarRow(u), passIdleRow())
}

// passRetrieveRow is retrieveRow's. nginx and perdition wait 40 ms for each small
// message that is asked for alone (Nagle's algorithm, and delayed acknowledgements),
// and are asked for few.
func passRetrieveRow(m maildrop, secure bool, want func() [][sha256.Size]byte) *row {
	r := retrieveRow(m, secure, want)
	r.name = "pass" + r.name
	for i := range r.figures {
		r.figures[i].goals = goals(atLeast(0.8, bestName))
	}
	r.measure = func(s subject) ([]float64, error) {
		at, some := s.plain, m
		if secure {
			at = s.tls
		}
		if s.name == nginxName || s.name == perditionName {
			some.count = min(m.count, 50)
		}
		return figures(
			func() (float64, error) { return throughput(at, some, oneByOne, want()) },
			func() (float64, error) { return throughput(at, m, pipelined, want()) },
		)
	}
	return r
}

func passPollRow(u upstream, secure bool) *row {
	name, title := "passpolls", "polls"
	if secure {
		name, title = "passtlspolls", "polls with TLS"
	}
	return &row{
		name: name,
		figures: []figure{
			{title, "1/s", goals(atLeast(0.8, bestName))},
			{"… processor time for 1,000, proxy", "s", nil},
			{"… processor time for 1,000, upstream", "s", nil},
		},
		every: always,
		needs: []mail{pollMail},
		measure: func(s subject) ([]float64, error) {
			at := s.plain
			if secure {
				at, s.gateway = s.tls, s.secure
			}
			return polls(s, at, u)
		},
	}
}

// passTrip is the round trip of the line that is downloaded over.
const passTrip = 150 * time.Millisecond

// passFarRow has the line between proxy and server. Who needs a round trip for
// each message gets a fifth of the maildrop, and its time is multiplied.
func passFarRow(u upstream) *row {
	want := sync.OnceValue(farMaildrop.sums)
	return &row{
		name:    "passfar150",
		figures: []figure{{"500 × 20 KiB over 150 ms, one by one", "s", goals(noMore(5))}},
		every: func(s subject) int {
			if s.name == oursName {
				return 1
			}
			return once
		},
		needs: []mail{farMaildrop.mail(), farFew.mail()},
		measure: func(s subject) ([]float64, error) {
			u.line.delay(passTrip)
			defer u.line.delay(0)
			if s.name == oursName { // the relay takes the TCP connection at once
				t, err := download(s.far, farMaildrop, want())
				return []float64{t + passTrip.Seconds()}, err
			}
			t, err := download(s.far, farFew, want())
			return []float64{t * farFewFactor}, err
		},
	}
}

func passIdleRow() *row {
	return &row{
		name:    "passidle",
		figures: []figure{{"idle session", "KiB", goals(noMore(32))}},
		every:   func(subject) int { return once },
		needs:   []mail{idleMail},
		measure: func(s subject) ([]float64, error) {
			count := idleFew
			if s.start != nil {
				r := s.start()
				defer r.stop()
				s.plain, s.server, count = r.plain, r.PID(), idleSessions
			}
			return idleMemory(s.plain, s.server, count)
		},
	}
}
