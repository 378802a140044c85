package gateway

import (
	"bytes"
	"strings"
	"testing"
)

func TestMailHeader(t *testing.T) {
	long := strings.Repeat("x", 3000)
	for _, test := range []struct{ name, text, id, from, subject string }{
		{"all of it", "Subject: s\r\nFROM:f@x\r\nmessage-id : <1@x> \r\n\r\nSubject: body\r\n", "<1@x>", "f@x", "s"},
		{"folded", "Message-ID:\r\n\t<1@x>\r\nSubject: one\r\n two\r\n", "<1@x>", "", "one two"},
		{"repeated: the first", "From: a@x\r\nFrom: b@x\r\n\r\n", "", "a@x", ""},
		{"encoded", "Subject: =?utf-8?B?w6Q=?= =?iso-8859-1?q?=E4?=\r\n\r\n", "", "", "ää"},
		{"encoded as we cannot read", "Subject: =?x-klingon?q?a?=\r\n\r\n", "", "", "=?x-klingon?q?a?="},
		{"a comment around the Message-ID", "Message-ID: (c) <1@x> (d)\r\n\r\n", "<1@x>", "", ""},
		{"no header", "\r\nFrom: body@x\r\n", "", "", ""},
		{"nothing", "", "", "", ""},
		{"no line end", "Subject: s", "", "", "s"},
		{"no colon", "From nobody\r\nSubject\r\nMessage-ID\r\n\r\n", "", "", ""},
		{"long", "Subject: " + long + "\r\n\r\n", "", "", long[:maxField-1]},
		{"far down", "X: " + long + strings.Repeat("\r\nY: "+long, 15) + "\r\nFrom: a@x\r\n\r\n", "", "a@x", ""},
		{"beyond what is searched", "X: " + long + strings.Repeat("\r\nY: "+long, 30) + "\r\nFrom: a@x\r\n\r\n", "", "", ""},
		{"like others", "Froms: a\r\nSub: b\r\nMessage-IDs: <c>\r\n\r\n", "", "", ""},
	} {
		for _, step := range []int{1, 7, 4096, 1 << 20} {
			if step == 1 && len(test.text) > 10_000 {
				continue
			}
			var h mailHeader
			for p := []byte(test.text); len(p) > 0; p = p[min(step, len(p)):] {
				h.read(bytes.Clone(p[:min(step, len(p))]))
			}
			h.end()
			if h.messageID != test.id || h.from != test.from || h.subject != test.subject || h.kept != nil {
				t.Errorf("%s, by %d: %q, %q, %.50q (%d)", test.name, step, h.messageID, h.from, h.subject, len(h.subject))
			}
		}
	}
}

func FuzzMailHeader(f *testing.F) {
	f.Add([]byte("From: a\r\n b\r\n\r\n"), 3)
	f.Fuzz(func(t *testing.T, text []byte, step int) {
		var whole, pieces mailHeader
		whole.read(text)
		whole.end()
		for p, n := text, max(step, 1); len(p) > 0; p = p[min(n, len(p)):] {
			pieces.read(p[:min(n, len(p))])
		}
		pieces.end()
		if whole.from != pieces.from || whole.subject != pieces.subject || whole.messageID != pieces.messageID {
			t.Errorf("in pieces of %d: %q %q %q, want %q %q %q", step, pieces.from, pieces.subject, pieces.messageID, whole.from, whole.subject, whole.messageID)
		}
	})
}
