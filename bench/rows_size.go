package main

import (
	"bytes"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/restante-mail/restante/peertest"
)

// hugeMaildrop has 100,000 messages.
var hugeMaildrop = maildrop{"600 octets", "huge", 600, 100_000}

// hugeMail also has Dovecot know all of it: what it takes to see new mail
// for the first time is not measured.
var hugeMail = mail{hugeMaildrop.user, func(u upstream) {
	u.DeliverCopies(hugeMaildrop.user, hugeMaildrop.count, peertest.Text(0, hugeMaildrop.size))
	u.Doveadm("fetch", "-u", hugeMaildrop.user, "size.virtual", "mailbox", "INBOX", "1")
	u.Doveadm("mailbox", "status", "-u", hugeMaildrop.user, "vsize messages", "INBOX")
}}

func lines(text []byte) int { return bytes.Count(text, []byte("\n")) }

func listingRow() *row {
	return &row{
		name: "listing",
		figures: []figure{
			{"100,000 messages, STAT LIST UIDL, first visit", "s", goals(atMost(2.5, nativeName))},
			{"100,000 messages, STAT LIST UIDL, again", "s", goals(atMost(1, nativeName))},
		},
		every: func(s subject) int {
			if s.name == imapcName {
				return once
			}
			return 1
		},
		needs: []mail{hugeMail},
		measure: func(s subject) ([]float64, error) {
			at := s.plain
			if s.restante != nil {
				r := s.restante.start(s.restante.near)
				defer r.stop()
				at = r.plain
			}
			s.forget(hugeMaildrop.user)
			visit := func() (float64, error) { return listing(at) }
			return figures(visit, visit)
		},
	}
}

// listing is the time from connecting to the end of UIDL, in seconds.
func listing(at place) (float64, error) {
	start := time.Now()
	c, err := at.login(hugeMaildrop.user)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	c.Patience = 5 * time.Minute
	if err := list(c, hugeMaildrop.count); err != nil {
		return 0, err
	}
	took := time.Since(start)
	_, err = c.Do("QUIT")
	return took.Seconds(), err
}

// restTime is how long memory has to be given back.
const restTime = 10 * time.Second

func listingMemoryRow() *row {
	return &row{
		name: "listingmemory",
		figures: []figure{
			{"… growth of the gateway's memory, at most", "MB", goals(noMore(40))},
			{"… of which is left after 10 s", "MB", goals(noMore(10))},
		},
		every: func(s subject) int {
			if s.restante == nil {
				return 0
			}
			return once
		},
		needs:   []mail{pollMail, hugeMail},
		measure: listingMemory,
	}
}

// listingMemory is the growth of a Restante that has served one poll.
func listingMemory(s subject) ([]float64, error) {
	r := s.restante.start(s.restante.near)
	defer r.stop()
	at := r.plain
	if err := poll(at, pollUser(0)); err != nil {
		return nil, err
	}
	before, err := peertest.Status(r.PID(), "VmRSS")
	if err != nil {
		return nil, err
	}
	for range 2 {
		if _, err := listing(at); err != nil {
			return nil, err
		}
	}
	peak, err := peertest.Status(r.PID(), "VmHWM")
	if err != nil {
		return nil, err
	}
	<-time.After(restTime)
	after, err := peertest.Status(r.PID(), "VmRSS")
	return []float64{megabytes(peak - before), megabytes(after - before)}, err
}

func megabytes(kib int64) float64 { return float64(kib) * 1024 / 1e6 }

const (
	idleSessions = 1000
	// idleFew is for those that need processes for each.
	idleFew = 100
)

func idleUser(i int) string { return fmt.Sprintf("idle%d", i) }

var idleMail = mail{"idle", func(u upstream) {
	for i := range idleSessions {
		u.DeliverCopies(idleUser(i), pollMessages, peertest.Text(0, 4<<10))
	}
}}

// idleRow counts what stays in the gateway of a session that has signed in,
// listed and waits; for Dovecot's pop3d, in all of Dovecot.
func idleRow(secure bool) *row {
	name, title, limit := "idle", "idle session", 48.0
	if secure {
		name, title, limit = "tlsidle", "idle session, TLS on both sides", 96
	}
	return &row{
		name:    name,
		figures: []figure{{title, "KiB", goals(noMore(limit))}},
		every: func(s subject) int {
			// Dovecot's processes of the row before still wait for work, and
			// what they cost would not be seen again.
			if secure && s.restante == nil {
				return 0
			}
			return once
		},
		needs:   []mail{idleMail},
		measure: func(s subject) ([]float64, error) { return idle(s, secure) },
	}
}

func idle(s subject, secure bool) ([]float64, error) {
	plain, tls, pid, count := s.plain, s.tls, s.server, idleFew
	if s.restante != nil {
		config := s.restante.near
		if secure {
			config = s.restante.nearTLS
		}
		r := s.restante.start(config)
		defer r.stop()
		plain, tls, pid, count = r.plain, r.tls, r.PID(), idleSessions
	}
	if secure {
		return idleMemory(tls, pid, count)
	}
	return idleMemory(plain, pid, count)
}

// idleMemory is the growth of a process tree by a session, in KiB; some
// sessions before have it make what it needs anyway.
func idleMemory(at place, pid, count int) ([]float64, error) {
	conns, err := signInAll(at, signInsAtOnce)
	hangUp(conns)
	if err != nil {
		return nil, err
	}
	before := peertest.Resident(pid)
	conns, err = signInAll(at, count)
	defer hangUp(conns)
	if err != nil {
		return nil, err
	}
	return []float64{float64(peertest.Resident(pid)-before) / float64(count)}, nil
}

const signInsAtOnce = 8

// signInAll signs users in, and lists their mailboxes.
func signInAll(at place, count int) ([]*peertest.POP3Conn, error) {
	conns, errs := make([]*peertest.POP3Conn, count), make([]error, count)
	slots := make(chan struct{}, signInsAtOnce)
	var all sync.WaitGroup
	for i := range count {
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			conns[i], errs[i] = at.login(idleUser(i))
			if errs[i] == nil {
				errs[i] = list(conns[i], pollMessages)
			}
		})
	}
	all.Wait()
	return conns, errors.Join(errs...)
}

// hangUp ends sessions by QUIT, so that the server knows.
func hangUp(conns []*peertest.POP3Conn) {
	for _, c := range conns {
		if c != nil {
			_, _ = c.Do("QUIT")
			c.Close()
		}
	}
}
