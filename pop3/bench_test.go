package pop3_test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"runtime"
	"testing"

	"github.com/restante-mail/restante/pop3/pop3test"
)

// BenchmarkRetr measures RETR over loopback, client included.
func BenchmarkRetr(b *testing.B) {
	line := []byte("Seventy-six characters of text make a line, says an old convention of mail.\r\n")
	for _, size := range []int{4 << 10, 75 << 10, 25 << 20} {
		b.Run(fmt.Sprintf("%dKiB", size>>10), func(b *testing.B) {
			m := pop3test.NewMemory(bytes.Repeat(line, size/len(line)))
			c := signedIn(b, start(b, m), m)
			c.OK("STAT")
			want := int64(len(fmt.Sprintf("+OK %d octets\r\n.\r\n", size/len(line)*len(line))) + size/len(line)*len(line))
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				c.Send("RETR 1\r\n")
				if n, err := io.CopyN(io.Discard, c.Conn, want); err != nil {
					b.Fatal(n, err)
				}
			}
		})
	}
}

// BenchmarkIdleSession shows what a signed-in session costs while nothing
// happens.
func BenchmarkIdleSession(b *testing.B) {
	for b.Loop() {
		kib, goroutines := idleCost(b)
		b.ReportMetric(kib, "KiB/session")
		b.ReportMetric(goroutines, "goroutines/session")
	}
}

// 1,000 idle sessions have a goroutine each, none more, and little memory. The
// bound leaves room for the race detector; the benchmark shows the true figure.
func TestIdleSessionsAreLean(t *testing.T) {
	kib, goroutines := idleCost(t)
	if kib > 20 || goroutines > 1.1 {
		t.Errorf("an idle session costs %.1f KiB and %.2f goroutines", kib, goroutines)
	}
}

// idleCost holds 1,000 sessions: heap, stacks and goroutines of each, the
// client's end of the connection included.
func idleCost(t testing.TB) (kib, goroutines float64) {
	const sessions = 1000
	m := pop3test.NewMemory(pop3test.Mail(3)...)
	r := start(t, m)
	memory, running := inUse(), runtime.NumGoroutine()
	clients := make([]net.Conn, 0, sessions)
	for range sessions {
		clients = append(clients, idleSession(t, r.Address))
	}
	kib = float64(inUse()-memory) / sessions / 1024
	goroutines = float64(runtime.NumGoroutine()-running) / sessions
	for _, c := range clients {
		_ = c.Close()
	}
	waitFor(t, func() bool { return r.Connections() == 0 })
	return kib, goroutines
}

// inUse is the memory of heap and stacks after a collection.
func inUse() uint64 {
	runtime.GC()
	runtime.GC() // empties the pools, too
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapInuse + stats.StackInuse
}

// idleSession signs in, lists, retrieves, and says nothing more.
func idleSession(b testing.TB, address string) net.Conn {
	c, err := net.Dial("tcp", address)
	if err != nil {
		b.Fatal(err)
	}
	_, _ = io.WriteString(c, "USER alice\r\nPASS wonder land\r\nSTAT\r\nRETR 1\r\nRETR 2\r\nXYZZY\r\n")
	var heard []byte
	for chunk := make([]byte, 512); !bytes.Contains(heard, []byte("-ERR")); {
		n, err := c.Read(chunk)
		if err != nil {
			b.Fatal(err)
		}
		heard = append(heard, chunk[:n]...)
	}
	return c
}
