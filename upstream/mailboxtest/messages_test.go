package mailboxtest

import "testing"

func TestCanonical(t *testing.T) {
	for _, c := range []struct{ raw, want string }{
		{"", "\r\n"},
		{"a", "a\r\n"},
		{"a\r\n", "a\r\n"},
		{"a\nb", "a\r\nb\r\n"},
		{"a\n\n", "a\r\n\r\n"},
		{"a\r\n\r\n", "a\r\n\r\n"},
		{"a\rb\r", "a\r\nb\r\n"},
		{"a\r\r\n", "a\r\n\r\n"},
		{"\n", "\r\n"},
		{"a\n\r\nb\n", "a\r\n\r\nb\r\n"},
	} {
		if got := string(Canonical([]byte(c.raw))); got != c.want {
			t.Errorf("%q: %q, want %q", c.raw, got, c.want)
		}
	}
}

func TestTop(t *testing.T) {
	const message = "a: b\r\nc: d\r\n\r\none\r\n\r\nthree\r\n"
	for n, want := range []string{message[:14], message[:19], message[:21], message, message} {
		if got := string(top([]byte(message), n)); got != want {
			t.Errorf("%d lines: %q, want %q", n, got, want)
		}
	}
	if got := string(top([]byte("a: b\r\n"), 0)); got != "a: b\r\n" {
		t.Errorf("without an empty line: %q", got)
	}
}
