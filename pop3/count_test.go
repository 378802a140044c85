package pop3

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

func TestCountOctets(t *testing.T) {
	for text, want := range map[string]int64{
		"": 0, "a": 3, "a\r\n": 3, "a\n": 3, "a\r": 3, "a\n\nb": 8, ".\r\n": 3, "a\r\r\n": 5,
		strings.Repeat("x\n", 100_000): 300_000,
	} {
		for how, r := range map[string]io.Reader{
			"at once":        strings.NewReader(text),
			"octet by octet": iotest.OneByteReader(strings.NewReader(text)),
		} {
			if n, err := CountOctets(r); n != want || err != nil {
				t.Errorf("%.20q %s: %d, %v; want %d", text, how, n, err, want)
			}
		}
	}
	broken := errors.New("broken")
	if _, err := CountOctets(iotest.ErrReader(broken)); !errors.Is(err, broken) {
		t.Errorf("got %v, want the reader's error", err)
	}
}
