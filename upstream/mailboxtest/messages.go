package mailboxtest

import (
	"bytes"
	"fmt"
	"strings"
)

// Canonical is a message as RETR sends it before dot-stuffing: every line end
// is CRLF, and the last line has one.
func Canonical(raw []byte) []byte {
	out := make([]byte, 0, len(raw)+len(raw)/32+2)
	for i, c := range raw {
		switch {
		case c == '\n' && i > 0 && raw[i-1] == '\r':
			// its CR has become a CRLF already
		case c == '\r' || c == '\n':
			out = append(out, '\r', '\n')
		default:
			out = append(out, c)
		}
	}
	if !bytes.HasSuffix(out, []byte("\r\n")) {
		out = append(out, '\r', '\n')
	}
	return out
}

// top is what TOP gives of a canonical message: the header, the empty line and
// n lines of the body.
func top(message []byte, n int) []byte {
	end, body := 0, false
	for line := range bytes.Lines(message) {
		if body && n == 0 {
			break
		}
		end += len(line)
		if body {
			n--
		}
		body = body || string(line) == "\r\n"
	}
	return message[:end]
}

// letter is an ordinary message, in canonical form. No two numbers give the
// same octets.
func letter(n int) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "From: sender%d@example.org\r\nTo: owner@example.org\r\nSubject: letter %d\r\n", n, n)
	fmt.Fprintf(&b, "Date: Mon, 02 Mar 2026 08:%02d:%02d +0000\r\nMessage-ID: <letter.%d@example.org>\r\n\r\n", n/60%60, n%60, n)
	for line := range n%50 + 3 {
		fmt.Fprintf(&b, "letter %d, line %d\r\n.\r\n..dots %s\r\n", n, line, strings.Repeat("*", n/50))
	}
	return b.Bytes()
}

func letters(n int) [][]byte {
	list := make([][]byte, n)
	for i := range list {
		list[i] = letter(i + 1)
	}
	return list
}

// heavy is a letter of at least size octets, no two lines of which are equal.
func heavy(n, size int) []byte {
	b := bytes.NewBuffer(letter(n))
	b.Grow(size + 100)
	for line := 0; b.Len() < size; line++ {
		fmt.Fprintf(b, ".%d.%08x the rain in Nakhon Pathom falls mainly on the roof\r\n", n, line)
	}
	return b.Bytes()
}

// oddMessages are those that servers and gateways stumble over. keeps is what
// a server needs for the message to come back at all.
var oddMessages = []struct {
	name  string
	keeps Ability
	raw   string
}{
	{"bare LF", "", "From: a@example.org\nSubject: LF\n\nBody.\n.\n..\nEnd.\n"},
	{"no final line end", "", "From: a@example.org\r\nSubject: cut\r\n\r\nBody without an end"},
	{"empty lines at the end", "", "From: a@example.org\r\nSubject: air\r\n\r\nBody.\r\n\r\n\r\n"},
	{"no body", "", "From: a@example.org\r\nSubject: header alone\r\n\r\n"},
	{"dots", "", "From: a@example.org\r\nSubject: dots\r\n\r\n.\r\n..\r\n...\r\n.x\r\n.\r\n"},
	{"8-bit", "", "From: a@example.org\r\nSubject: caf\xe9 \xff\xfe\r\n\r\n\x80\x81\xfe\xff \xe0\xb8\x81\r\n"},
	{"long line", "", "From: a@example.org\r\nSubject: long\r\n\r\n" + strings.Repeat("x", 200_000) + "\r\nend\r\n"},
	{"looks like IMAP", "", "From: a@example.org\r\nSubject: {5}\r\n\r\n* 1 FETCH (UID 1 BODY[] {3}\r\n)\r\nA1 OK done\r\n* BYE\r\n"},
	{"looks like POP3", "", "From: a@example.org\r\nSubject: +OK\r\n\r\n+OK 5 octets\r\n.\r\n-ERR no\r\nQUIT\r\n"},
	{"binary control characters", "", "From: a@example.org\r\nSubject: ctl\r\n\r\n\x01\x02\x1a\x7f\x1b[0m\t\v\f\r\n"},
	{"bare CR", KeepsBareCR, "From: a@example.org\r\nSubject: CR\r\n\r\none\rtwo\r\r\nthree\r\n"},
	{"NUL", KeepsNUL, "From: a@example.org\r\nSubject: NUL\r\n\r\nzero\x00zero\r\n\x00\r\n"},
	{"mbox From line", KeepsFromLine, "From a@example.org Mon Mar  2 08:15:00 2026\r\nFrom: a@example.org\r\nSubject: mbox\r\n\r\nBody.\r\n"},
	{"bad header line", KeepsHeadless, "From: a@example.org\r\nthis is no field\r\n: nor is this\r\nSubject: x\r\n\r\nBody.\r\n"},
	{"no empty line", KeepsHeadless, "From: a@example.org\r\nSubject: nothing after the header\r\n"},
	{"no header", KeepsHeadless, "\r\nBody alone.\r\n"},
	{"one octet", KeepsHeadless, "x"},
	{"empty", KeepsEmpty, ""},
}
