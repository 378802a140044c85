package pop3test

import (
	"bytes"
	"fmt"
	"strings"
)

// Canonical is the reference for what a message is on the wire before
// dot-stuffing: every line end is CRLF, a final one is added if it is missing,
// and nothing else changes.
func Canonical(message []byte) []byte {
	out := make([]byte, 0, len(message)+2)
	for i := 0; i < len(message); i++ {
		switch {
		case message[i] == '\r' && i+1 < len(message) && message[i+1] == '\n':
			i++
			out = append(out, '\r', '\n')
		case message[i] == '\r' || message[i] == '\n':
			out = append(out, '\r', '\n')
		default:
			out = append(out, message[i])
		}
	}
	if len(out) > 0 && out[len(out)-1] != '\n' {
		out = append(out, '\r', '\n')
	}
	return out
}

// Top is the reference for TOP: the header, the blank line and some lines of
// the body of a message in canonical form.
func Top(canonical []byte, lines int) []byte {
	var out []byte
	inBody := false
	for _, line := range bytes.SplitAfter(canonical, []byte("\r\n")) {
		if inBody && lines == 0 {
			break
		}
		if inBody {
			lines--
		}
		if string(line) == "\r\n" {
			inBody = true
		}
		out = append(out, line...)
	}
	return out
}

// Stuffed is the reference for a multi-line answer of canonical text.
func Stuffed(canonical []byte) []byte {
	var out []byte
	for _, line := range bytes.SplitAfter(canonical, []byte("\r\n")) {
		if len(line) > 0 && line[0] == '.' {
			out = append(out, '.')
		}
		out = append(out, line...)
	}
	return append(out, ".\r\n"...)
}

// Mail makes n ordinary messages that differ in text and size.
func Mail(n int) (messages [][]byte) {
	for i := range n {
		messages = append(messages, fmt.Appendf(nil,
			"From: a@example.org\r\nSubject: message %d\r\nMessage-ID: <%d@example.org>\r\n\r\nHello\r\n%s\r\n",
			i, i, strings.Repeat("x", i)))
	}
	return messages
}

const header = "From: a@example.org\r\nSubject: odd\r\n"

// Odd are messages that naive servers get wrong, by name.
var Odd = []struct {
	Name    string
	Message []byte
}{
	{"Ordinary", []byte(header + "\r\nHello,\r\nworld.\r\n")},
	{"LFOnly", []byte(strings.ReplaceAll(header+"\r\nHello,\r\n.world\r\n\r\n", "\r\n", "\n"))},
	{"CROnly", []byte(strings.ReplaceAll(header+"\r\nHello,\r\n.world\r\n", "\r\n", "\r"))},
	{"MixedLineEnds", []byte(header + "\r\na\nb\rc\r\n\r\r\n\n\rd\n\r\n")},
	{"NoFinalLineEnd", []byte(header + "\r\nThe end is missing")},
	{"FinalCR", []byte(header + "\r\nThe end is half missing\r")},
	{"Empty", []byte("")},
	{"OneDot", []byte(".")},
	{"OneLineEnd", []byte("\r\n")},
	{"DotFirst", []byte(".first octet\r\n" + header + "\r\nbody\r\n")},
	{"Dots", []byte(header + "\r\n.\r\n..\r\n...\r\n.\r\na.b\r\n .\r\n.")},
	{"Terminators", []byte(header + "\r\n\r\n.\r\n\r\n.\r\n+OK\r\n.\r\n")},
	{"LoneDotLF", []byte(header + "\r\nbefore\n.\nafter\r.\rend\n")},
	{"NUL", []byte(header + "\r\nbefore\x00after\r\n\x00\r\n\x00")},
	{"EightBit", []byte(header + "\r\n\xe0\xb8\xaa\xe0\xb8\xa7\xe0\xb8\xb1\xe0\xb8\xaa\xff\xfe\x80\r\n")},
	{"HeaderOnly", []byte(header)},
	{"HeaderAndBlankLine", []byte(header + "\r\n")},
	{"NoHeader", []byte("\r\nonly\r\na\r\nbody\r\n")},
	{"BlankLinesInBody", []byte(header + "\r\n\r\n\r\na\r\n\r\n\r\nb\r\n\r\n")},
	{"LongLine", append([]byte(header+"\r\n"), append(bytes.Repeat([]byte("0123456789"), 5<<20/10), "\r\nend\r\n"...)...)},
	{"Large", append([]byte(header+"\r\n"), bytes.Repeat([]byte("Seventy-six characters of text make a line, says an old convention of mail..\r\n"), 5000)...)},
	{"ManyDots", append([]byte(header+"\r\n"), bytes.Repeat([]byte(".\r\n"), 60000)...)},
	{"ManyBareLFs", append([]byte(header+"\r\n"), bytes.Repeat([]byte(".\n"), 60000)...)},
	{"AroundReadAhead", append([]byte(header+"\r\n"), bytes.Repeat([]byte("0123456789abcd\r\n"), 4096-3)...)},
}
