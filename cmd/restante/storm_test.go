package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pires/go-proxyproto"

	"github.com/restante-mail/restante/peertest"
)

const (
	// The storm in the suite is short and slow, for machines that do other things,
	// too; make soak has it in full.
	stormDefault  = 5 * time.Second
	stormRate     = 200                   // attempts a second
	stormHeld     = 500                   // connections at once
	stormHonest   = 8                     // clients
	stormPause    = 50 * time.Millisecond // between their sessions, so that they do not fill the machine by themselves
	stormMessages = 20
	stormResident = 256 << 10 // KiB
)

// storm is a flood of connections, half of them by rude clients. Some are held
// for as long as the server bears it, and most come and go.
type storm struct {
	address, tls string
	attempts     atomic.Int64
	late         atomic.Int64 // attempts that were not made, for too many were under way
}

// rude are ways to be so. Each has a connection and ends with its context.
var rude = map[string]func(ctx context.Context, c net.Conn, n int64){
	"slow": func(ctx context.Context, c net.Conn, _ int64) {
		for i := 0; ctx.Err() == nil; i++ {
			if _, err := io.WriteString(c, "CAPA"[i%4:i%4+1]); err != nil {
				return
			}
			pauseFor(ctx, 200*time.Millisecond)
		}
	},
	"garbage": func(ctx context.Context, c net.Conn, n int64) {
		junk := make([]byte, 8<<10)
		for i, r := 0, rand.New(rand.NewPCG(uint64(n), 0)); i < len(junk); i++ {
			junk[i] = byte(r.Uint32())
		}
		for range 8 {
			if _, err := c.Write(junk); err != nil {
				return
			}
		}
		_, _ = io.Copy(io.Discard, c)
	},
	"half open": func(ctx context.Context, c net.Conn, _ int64) { <-ctx.Done() },
	"TLS to plain": func(ctx context.Context, c net.Conn, _ int64) {
		_, _ = c.Write([]byte("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"))
		_, _ = io.Copy(io.Discard, c)
	},
	"endless line": func(ctx context.Context, c net.Conn, _ int64) {
		for line := []byte(strings.Repeat("x", 32<<10)); ctx.Err() == nil; {
			if _, err := c.Write(line); err != nil {
				return
			}
			pauseFor(ctx, 10*time.Millisecond)
		}
	},
	"guesses": func(_ context.Context, c net.Conn, n int64) {
		fmt.Fprintf(c, "USER user%d\r\nPASS guess %d\r\nQUIT\r\n", n%8, n)
		_, _ = io.Copy(io.Discard, c)
	},
}

func pauseFor(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// held are the ways to stay; the others come and go.
var held = []string{"TLS to plain", "endless line", "half open", "slow"}
var passing = []string{"garbage", "guesses"}

// attempt is one connection. Of those that come and go every other one only says
// hello and leaves.
func (s *storm) attempt(ctx context.Context, n int64, kind string) {
	s.attempts.Add(1)
	at := s.address
	if n%10 == 9 {
		at = s.tls // where a greeting is waited for in vain
	}
	c, err := dialAs(ctx, at, fmt.Sprintf("198.51.%d.%d", n/200%100, n%200+1))
	if err != nil {
		return
	}
	defer c.Close()
	stop := context.AfterFunc(ctx, func() { c.Close() })
	defer stop()
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	if kind == "" {
		fmt.Fprint(c, "CAPA\r\nQUIT\r\n")
		_, _ = io.Copy(io.Discard, c)
		return
	}
	rude[kind](ctx, c, n)
}

// hold keeps a number of connections, each made again when it ends.
func (s *storm) hold(ctx context.Context, all *sync.WaitGroup) {
	for i := range int64(stormHeld) {
		all.Go(func() {
			for n := i; ctx.Err() == nil; n += stormHeld {
				s.attempt(ctx, n, held[n%int64(len(held))])
			}
		})
	}
}

// dialAs connects as a proxy does for a client at an address: those of this
// machine itself have no bounds.
func dialAs(ctx context.Context, server, client string) (net.Conn, error) {
	c, err := new(net.Dialer).DialContext(ctx, "tcp", server)
	if err != nil {
		return nil, err
	}
	header := proxyproto.HeaderProxyFromAddrs(1, &net.TCPAddr{IP: net.ParseIP(client), Port: 4711}, &net.TCPAddr{IP: net.IPv4(192, 0, 2, 99), Port: 110})
	if _, err := header.WriteTo(c); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// blow makes attempts at a rate until ctx ends. Not all are made if the server,
// or this machine, does not keep up.
func (s *storm) blow(ctx context.Context, rate int) {
	var all sync.WaitGroup
	defer all.Wait()
	s.hold(ctx, &all)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	slots := make(chan struct{}, stormHeld)
	for began, n := time.Now(), int64(0); ; {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for due := int64(time.Since(began).Seconds() * float64(rate)); n < due; n++ {
			select {
			case slots <- struct{}{}:
			default:
				s.late.Add(1)
				continue
			}
			kind, i := "", n
			if n%2 == 1 {
				kind = passing[n/2%int64(len(passing))]
			}
			all.Go(func() {
				defer func() { <-slots }()
				s.attempt(ctx, i, kind)
			})
		}
	}
}

// honest polls and reads until ctx ends, and counts its sessions.
func honest(ctx context.Context, address, user, client string) (sessions int, err error) {
	for ctx.Err() == nil {
		if err := visitAs(ctx, address, user, client); err != nil {
			if end, _ := ctx.Deadline(); !time.Now().Before(end) {
				break // it was our own
			}
			return sessions, err
		}
		sessions++
		pauseFor(ctx, stormPause)
	}
	return sessions, nil
}

func visitAs(ctx context.Context, address, user, client string) error {
	nc, err := dialAs(ctx, address, client)
	if err != nil {
		return err
	}
	c, err := peertest.NewPOP3(nc)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.Login(user, password); err != nil {
		return err
	}
	for _, command := range []string{"STAT", "RETR 1", "RETR 2"} {
		if _, err := c.Do(command); err != nil {
			return err
		}
		if strings.HasPrefix(command, "RETR") {
			if err := c.Copy(io.Discard, nil); err != nil {
				return err
			}
		}
	}
	_, err = c.Do("QUIT")
	return err
}

// crowdOf has honest clients at work for a time, and returns their sessions a
// second.
func crowdOf(t *testing.T, address string, lasts time.Duration) float64 {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), lasts)
	defer cancel()
	var all sync.WaitGroup
	counts, errs := make([]int, stormHonest), make([]error, stormHonest)
	for i := range stormHonest {
		all.Go(func() {
			counts[i], errs[i] = honest(ctx, address, fmt.Sprintf("user%d", i), fmt.Sprintf("203.0.113.%d", i+1))
		})
	}
	all.Wait()
	sum := 0
	for i := range counts {
		if sum += counts[i]; errs[i] != nil || counts[i] == 0 {
			t.Errorf("client %d: %d sessions, %v", i, counts[i], errs[i])
		}
	}
	return float64(sum) / lasts.Seconds()
}

// TestStorm: while strangers connect by the hundred, half of them rude, those
// who have business here are served, memory is bounded, and afterwards every
// descriptor is free again. STORM=2m STORM_RATE=2000 is the storm in full.
func TestStorm(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a while: not with -short")
	}
	peertest.Need(t, "dovecot")
	lasts, rate := stormDefault, stormRate
	if text := os.Getenv("STORM"); text != "" {
		var err error
		if lasts, err = time.ParseDuration(text); err != nil {
			t.Fatal(err)
		}
		if rate, err = strconv.Atoi(os.Getenv("STORM_RATE")); err != nil {
			t.Fatal(err)
		}
	}
	_, option := users(2 * stormHonest)
	d := peertest.Dovecot(t, option)
	for i := range stormHonest {
		for n := range stormMessages {
			d.Deliver(fmt.Sprintf("user%d", i), "INBOX", peertest.Text(n, 20<<10))
		}
	}
	binary := peertest.BuildRestante(t, false)
	r := peertest.Restante(t, binary, peertest.For("imap://"+d.IMAPAddr())+stormListener)
	address, tls := r.Address("storm"), r.Address("storm-tls")

	quiet := crowdOf(t, address, min(lasts, 10*time.Second))
	files := openFiles(t, r.PID())
	s := &storm{address: address, tls: tls}
	ctx, cancel := context.WithCancel(t.Context())
	blown := make(chan struct{})
	go func() { defer close(blown); s.blow(ctx, rate) }()
	stormy := crowdOf(t, address, lasts)
	cancel()
	<-blown

	peak, err := peertest.Status(r.PID(), "VmHWM")
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%.0f attempts a second, %d held, %d not made; honest sessions a second: %.0f before, %.0f in the storm (%.2f); at most %d KiB resident",
		float64(s.attempts.Load())/lasts.Seconds(), stormHeld, s.late.Load(), quiet, stormy, stormy/quiet, peak)
	if peak > stormResident {
		t.Errorf("%d KiB resident, at most %d are allowed", peak, stormResident)
	}
	for deadline := time.Now().Add(time.Minute); openFiles(t, r.PID()) > files+8; pauseFor(t.Context(), 100*time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d descriptors are open, %d were before", openFiles(t, r.PID()), files)
		}
	}
	crowdOf(t, address, time.Second)
}

// stormListener believes the addresses that the test gives its clients. Upstream
// connections are few, and kept.
const stormListener = `
[[listener]]
name = "storm"
address = "127.0.0.1:0"
proxy_protocol = ["127.0.0.1"]
plaintext_auth = ["0.0.0.0/0"]
[[listener]]
name = "storm-tls"
address = "localhost:0"
tls = "implicit"
proxy_protocol = ["127.0.0.1"]
[limits]
login_time = "5s"
`

func openFiles(t *testing.T, pid int) int {
	t.Helper()
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		t.Skipf("descriptors can not be counted here: %v", err)
	}
	return len(entries)
}
