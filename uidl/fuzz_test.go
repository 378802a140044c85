package uidl

import (
	"testing"
)

// FuzzTap: anybody may send a message with any header. However its octets come, its
// print is the same, and only as much of it is kept as is bounded.
func FuzzTap(f *testing.F) {
	f.Add([]byte("Message-ID: <1@x>\r\nDate: today\r\n\r\nbody"), 3, true)
	f.Add([]byte("message-id :\n <1\n @x>\nDATE:\n\n"), 1, false)
	f.Add([]byte("\n"), 0, true)
	f.Fuzz(func(t *testing.T, text []byte, step int, whole bool) {
		var once, pieces Tap
		_, _ = once.Write(text)
		for p, n := text, max(step, 1); len(p) > 0; p = p[min(n, len(p)):] {
			_, _ = pieces.Write(p[:min(n, len(p))])
		}
		if once.Print(whole) != pieces.Print(whole) || len(once.header) > MaxHeader || len(pieces.header) > MaxHeader {
			t.Errorf("in pieces of %d: %x, want %x", step, pieces.Print(whole), once.Print(whole))
		}
	})
}
