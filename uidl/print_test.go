package uidl

import (
	"strings"
	"testing"
)

const usual = "Received: by x\r\nMessage-ID: <a b@x>\r\nSubject: s\r\nDate: Sun, 22 Nov 2026 10:00:00 +0000\r\n"

// How a server folds, spaces and ends lines does not matter, nor what else is in
// the header, if both fields are there.
func TestPrintIsTheSame(t *testing.T) {
	want := PrintOf([]byte(usual), true)
	for _, header := range []string{
		"Message-ID: <a b@x>\r\nDate: Sun, 22 Nov 2026 10:00:00 +0000\r\n\r\n",
		"message-id:<a b@x>\nDATE:   Sun, 22 Nov 2026\n\t10:00:00 +0000\n",
		"Date : Sun, 22 Nov 2026 10:00:00 +0000\r\nMessage-Id:\r\n <a b@x>  \r\nMessage-ID: <second@x>\r\n",
		"X: y\nMessage-ID: <a b@x>\nDate: Sun, 22 Nov 2026 10:00:00 +0000",
	} {
		if PrintOf([]byte(header), false) != want {
			t.Errorf("another print of %q", header)
		}
	}
	if want == (Print{}) {
		t.Error("a usual header has no print")
	}
}

func TestPrintDiffers(t *testing.T) {
	seen := map[Print]string{}
	for _, header := range []string{
		usual,
		strings.Replace(usual, "<a b@x>", "<A b@x>", 1),
		strings.Replace(usual, "10:00:00", "10:00:01", 1),
		strings.Replace(usual, "Message-ID", "X-Message-ID", 1),
		strings.Replace(usual, "Date", "X-Date", 1),
		"Subject: s\r\n", "Subject: s\r\nX: y\r\n",
		"Message-ID: x\r\nDate:\r\n", "Message-ID:\r\nDate: x\r\n",
		"\r\n" + usual + "after the end of an empty header",
	} {
		p := PrintOf([]byte(header), true)
		if before, ok := seen[p]; ok || p == (Print{}) {
			t.Errorf("%q has the print of %q", header, before)
		}
		seen[p] = header
	}
	for _, header := range []string{"Subject: s\r\n", "Message-ID: x\r\n", "Date: x\r\n", ""} {
		if PrintOf([]byte(header), false) != (Print{}) {
			t.Errorf("%q has a print though it is not the whole header", header)
		}
	}
	if PrintOf([]byte(" \r\n"), true) != (Print{}) {
		t.Error("nothing has a print")
	}
}

// A tap takes the header, however the message comes.
func TestTap(t *testing.T) {
	message := usual + "\r\nbody\r\nMessage-ID: <no@x>\r\n"
	for size := 1; size <= len(message); size++ {
		for _, text := range []string{message, strings.ReplaceAll(message, "\r\n", "\n")} {
			tap := new(Tap)
			for rest := []byte(text); len(rest) > 0; {
				n := min(size, len(rest))
				_, _ = tap.Write(rest[:n])
				rest = rest[n:]
			}
			if got := tap.Print(false); got != PrintOf([]byte(usual), true) {
				t.Fatalf("in pieces of %d: another print, of %q", size, tap.header)
			}
		}
	}
}

func TestTapIsBounded(t *testing.T) {
	tap := new(Tap)
	for range 100 {
		_, _ = tap.Write([]byte(strings.Repeat("X: y\r\n", 1000)))
	}
	if len(tap.header) > MaxHeader || tap.Print(true) != (Print{}) {
		t.Errorf("kept %d octets", len(tap.header))
	}
	cut := new(Tap)
	_, _ = cut.Write([]byte(usual))
	if cut.Print(false) != (Print{}) || cut.Print(true) != PrintOf([]byte(usual), true) {
		t.Error("a header that was cut has a print, or one that was not has none")
	}
}
