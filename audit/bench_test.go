package audit

import (
	"bytes"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// BenchmarkRecord is what a fact costs until it is in a file.
func BenchmarkRecord(b *testing.B) {
	trail := NewTrail(func(Trouble) {})
	set := fileSettings(filepath.Join(b.TempDir(), "audit.jsonl"))
	set.Interval, set.Every, set.Queue = time.Second, 1000, 4<<20
	c, err := trail.Prepare([]Settings{set})
	if err != nil {
		b.Fatal(err)
	}
	if err := c.Make(&Encoder{}); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.ResetTimer()
	say(trail, 1, b.N)
	if err := trail.Close(); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkVerify reads a trail of 100,000 lines.
func BenchmarkVerify(b *testing.B) {
	h := head{chain: "0123456789abcdef"}
	var text bytes.Buffer
	object := []byte(`{"v":1,"event":"retrieval","time":"2027-01-15T08:00:00.000000Z","x":"` + strings.Repeat("x", 300) + `"}`)
	for range 100_000 {
		text.Write(h.link(object))
		text.WriteByte('\n')
	}
	b.SetBytes(int64(text.Len()))
	for b.Loop() {
		var v Verification
		if err := v.Read("bench", io.Reader(bytes.NewReader(text.Bytes()))); err != nil {
			b.Fatal(err)
		}
		if r := v.Report(); r.Lines != 100_000 || !r.Intact() {
			b.Fatal("not intact")
		}
	}
}
