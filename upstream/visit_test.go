package upstream

import (
	"io"
	"net"
	"testing"
)

// TestWatch counts answers, not reads, and not what comes unasked.
func TestWatch(t *testing.T) {
	near, far := net.Pipe()
	defer near.Close()
	trips := 0
	conn := Hooks{RoundTrip: func() { trips++ }}.Watch(near)
	sent := make(chan error, 1)
	go func() {
		_, err := io.WriteString(far, "greeting")
		for range 2 {
			if err == nil {
				_, err = io.ReadFull(far, make([]byte, 1))
			}
			if err == nil {
				_, err = io.WriteString(far, "an answer in two reads..")
			}
		}
		sent <- err
	}()
	read := func(n int) {
		if _, err := io.ReadFull(conn, make([]byte, n)); err != nil {
			t.Fatal(err)
		}
	}
	if read(8); trips != 0 {
		t.Errorf("%d round trips for a greeting", trips)
	}
	for want := 1; want <= 2; want++ {
		if _, err := io.WriteString(conn, "?"); err != nil {
			t.Fatal(err)
		}
		read(12)
		if read(12); trips != want {
			t.Errorf("%d round trips, want %d", trips, want)
		}
	}
	if err := <-sent; err != nil {
		t.Error(err)
	}
	if (Hooks{}).Watch(near) != near {
		t.Error("nobody wants to know, and it is watched")
	}
	_ = far.Close()
}
