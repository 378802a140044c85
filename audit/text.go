package audit

import (
	"unicode"
	"unicode/utf8"
)

// maxText is the most octets of a text that a line keeps: a Message-ID of any
// mail program fits, and the longest POP3 command.
const maxText = 512

// cutMark ends a text that was cut.
const cutMark = "…"

const hexDigits = "0123456789abcdef"

// appendText writes a JSON string of printable characters. Everything else is
// escaped: line ends, controls of terminals, characters that change the
// direction of writing or are not seen. An octet that is not UTF-8 becomes the
// text \xNN, so that two names that differ in one stay two.
func appendText(b []byte, s string) []byte {
	cut := len(s) > maxText
	if cut {
		s = s[:maxText]
	}
	b = append(b, '"')
	for len(s) > 0 {
		n := plainPrefix(s)
		b = append(b, s[:n]...)
		if s = s[n:]; s == "" {
			break
		}
		r, size := utf8.DecodeRuneInString(s)
		if cut && !utf8.FullRuneInString(s) {
			break // the cut went through a character
		}
		b = appendRune(b, r, size, s[0])
		s = s[size:]
	}
	if cut {
		b = append(b, cutMark...)
	}
	return append(b, '"')
}

// plainPrefix is how many octets of s need no look: printable ASCII.
func plainPrefix(s string) int {
	for i := range len(s) {
		if !plain[s[i]] {
			return i
		}
	}
	return len(s)
}

var plain = func() (is [256]bool) {
	for c := ' '; c <= '~'; c++ {
		is[c] = c != '"' && c != '\\'
	}
	return is
}()

func appendRune(b []byte, r rune, size int, first byte) []byte {
	switch {
	case r == utf8.RuneError && size <= 1:
		return append(b, '\\', '\\', 'x', hexDigits[first>>4], hexDigits[first&15])
	case r == '"' || r == '\\':
		return append(b, '\\', byte(r))
	case unicode.IsPrint(r):
		return utf8.AppendRune(b, r)
	case r > 0xFFFF:
		r -= 0x10000
		return appendUnit(appendUnit(b, 0xD800+uint16(r>>10)), 0xDC00+uint16(r&0x3FF))
	}
	return appendUnit(b, uint16(r))
}

// appendUnit writes one UTF-16 code unit as \uXXXX.
func appendUnit(b []byte, u uint16) []byte {
	b = append(b, '\\', 'u')
	for shift := 12; shift >= 0; shift -= 4 {
		b = append(b, hexDigits[u>>shift&15])
	}
	return b
}
