package bridge

import (
	"sync/atomic"
	"testing"

	"github.com/restante-mail/restante/peertest"
	"github.com/restante-mail/restante/upstream"
)

// BenchmarkPoll is what a client costs that looks for new mail and finds none:
// in a small folder, and in a large one, over a warm connection.
func BenchmarkPoll(b *testing.B) {
	for name, n := range map[string]int{"20": 20, "2000": 2000} {
		d := peertest.Dovecot(b)
		var letters [][]byte
		for i := range n {
			letters = append(letters, peertest.Text(i, 4<<10))
		}
		d.Deliver("alice", "INBOX", letters...)
		b.Run(name, func(b *testing.B) {
			u := open(b, dovecotOptions(b, d, Plain))
			login := alice
			login.NoDates = true
			poll(b, u, login)
			poll(b, u, login)
			before := peertest.CPU(d.PID())
			b.ReportAllocs()
			var cold atomic.Int64
			for b.Loop() {
				if !poll(b, u, login) {
					cold.Add(1)
				}
			}
			b.ReportMetric(float64((peertest.CPU(d.PID())-before).Microseconds())/float64(b.N), "upstream-us/op")
			b.ReportMetric(float64(cold.Load()), "cold")
		})
	}
}

func poll(b *testing.B, u *Upstream, login upstream.Login) (warm bool) {
	m, err := u.Open(b.Context(), login)
	if err != nil {
		b.Fatal(err)
	}
	if _, err = m.Messages(b.Context()); err != nil {
		b.Fatal(err)
	}
	m.Apply(b.Context(), nil)
	if err := m.Close(); err != nil {
		b.Fatal(err)
	}
	return m.(*mailbox).Warm()
}
