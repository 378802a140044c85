package peertest

import (
	"bytes"
	"io"
	"net"
	"testing"
	"time"
)

// echo answers every connection with what it gets.
func echo(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				_, _ = io.Copy(c, c)
				_ = c.Close()
			}()
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-done })
	return l.Addr().String()
}

func dial(t *testing.T, addr string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(30 * time.Second))
	return c
}

func say(t *testing.T, c net.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
}

func TestRelayCarries(t *testing.T) {
	c := dial(t, NewRelay(t, echo(t)).Addr())
	want := bytes.Repeat([]byte("0123456789"), 300_000)
	go func() {
		_, _ = c.Write(want)
		_ = c.(*net.TCPConn).CloseWrite()
	}()
	got, err := io.ReadAll(c)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%d octets of %d, %v", len(got), len(want), err)
	}
}

// A delay line: twenty messages sent at once come back after one round trip,
// not after twenty.
func TestRelayDelays(t *testing.T) {
	r := NewRelay(t, echo(t))
	const roundTrip = 100 * time.Millisecond
	r.Delay(roundTrip)
	c := dial(t, r.Addr())
	start := time.Now()
	for range 20 {
		say(t, c, "message")
	}
	if _, err := io.ReadFull(c, make([]byte, 20*len("message"))); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(start); took < roundTrip || took > 10*roundTrip {
		t.Errorf("took %v", took)
	}
}

func TestRelayFaults(t *testing.T) {
	tests := []struct {
		name  string
		fault Fault
		want  string // what comes back of "hello" and "world"
		cut   bool
	}{
		{"cut to client", Fault{Dir: ToClient, After: 7}, "hellowo", true},
		{"cut to server", Fault{Dir: ToServer, After: 5}, "", true},
		{"cut at a text", Fault{Dir: ToClient, Seen: "lowo"}, "hellowo", true},
		{"cut the answer", Fault{Dir: ToServer, Seen: "wor", Do: CutAnswer}, "hello", true},
		{"stall", Fault{Dir: ToClient, After: 7, Do: Stall}, "hellowo", false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := NewRelay(t, echo(t))
			happened := r.Break(test.fault)
			c := dial(t, r.Addr())
			say(t, c, "hello")
			got := make([]byte, 100)
			n, _ := io.ReadAtLeast(c, got, len("hello"))
			_, _ = io.WriteString(c, "world")
			if !test.cut {
				_ = c.SetReadDeadline(time.Now().Add(300 * time.Millisecond))
			}
			rest, err := io.ReadAll(c)
			if got := string(got[:n]) + string(rest); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
			if timeout, ok := err.(net.Error); (ok && timeout.Timeout()) == test.cut {
				t.Errorf("ended with %v", err)
			}
			<-happened
			again := dial(t, r.Addr())
			say(t, again, "again")
			if _, err := io.ReadFull(again, make([]byte, 5)); err != nil {
				t.Errorf("the next connection: %v", err)
			}
		})
	}
}

func TestRelayCutAll(t *testing.T) {
	r := NewRelay(t, echo(t))
	c := dial(t, r.Addr())
	say(t, c, "hello")
	if _, err := io.ReadFull(c, make([]byte, 5)); err != nil {
		t.Fatal(err)
	}
	if n := r.Connections(); n != 1 {
		t.Errorf("%d connections", n)
	}
	r.CutAll()
	if _, err := c.Read(make([]byte, 1)); err == nil {
		t.Error("still connected")
	}
}

func TestRelayLastFault(t *testing.T) {
	r := NewRelay(t, echo(t))
	happened := r.Break(Fault{Dir: ToServer, Seen: "hello", Last: true})
	say(t, dial(t, r.Addr()), "hello")
	<-happened
	if n, err := dial(t, r.Addr()).Read(make([]byte, 1)); err == nil {
		t.Errorf("the next connection got %d octets", n)
	}
}
