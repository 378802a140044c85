package memimap

import (
	"bytes"
	"encoding/base64"
	"image/png"
	"mime"
	"net/mail"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestSampleIsTheSame(t *testing.T) {
	first, second := Sample(), Sample()
	if len(first) != 12 {
		t.Fatalf("%d messages, want 12", len(first))
	}
	for i := range first {
		if !bytes.Equal(first[i].Raw, second[i].Raw) || !first[i].Date.Equal(second[i].Date) {
			t.Errorf("message %d differs from run to run", i+1)
		}
		if i > 0 && !first[i].Date.After(first[i-1].Date) {
			t.Errorf("message %d is not younger than the one before", i+1)
		}
	}
}

func TestSampleHeaders(t *testing.T) {
	ids := make(map[string]bool)
	for i, m := range Sample() {
		parsed, err := mail.ReadMessage(bytes.NewReader(m.Raw))
		if err != nil {
			t.Errorf("message %d: %v", i+1, err)
			continue
		}
		if _, err := parsed.Header.Date(); err != nil {
			t.Errorf("message %d: Date: %v", i+1, err)
		}
		if _, err := parsed.Header.AddressList("From"); err != nil {
			t.Errorf("message %d: From: %v", i+1, err)
		}
		id := parsed.Header.Get("Message-ID")
		if id == "" || ids[id] {
			t.Errorf("message %d: Message-ID %q is missing or not unique", i+1, id)
		}
		ids[id] = true
	}
}

// Each kind of message that the demonstration promises is there.
func TestSampleVariety(t *testing.T) {
	for name, is := range map[string]func(raw []byte) bool{
		"HTML alternative": has("multipart/alternative", "text/html"),
		"Thai": func(raw []byte) bool {
			m, err := mail.ReadMessage(bytes.NewReader(raw))
			if err != nil {
				return false
			}
			subject, err := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
			return err == nil && strings.Contains(subject, "ไปรษณีย์") && bytes.Contains(raw, []byte("สวัสดี"))
		},
		"dots at line begins":   has("\r\n.\r\n", "\r\n..- "),
		"no final line end":     func(raw []byte) bool { return raw[len(raw)-1] != '\n' },
		"LF only":               func(raw []byte) bool { return !bytes.ContainsRune(raw, '\r') },
		"a line over 998":       func(raw []byte) bool { return longest(raw) > 998 },
		"8-bit, not UTF-8":      func(raw []byte) bool { return !utf8.Valid(raw) },
		"digest":                has("multipart/digest"),
		"an attached picture":   func(raw []byte) bool { return has("image/png")(raw) && drawable(raw) },
		"300 KiB of attachment": func(raw []byte) bool { return len(attachment(raw)) == 300<<10 },
		"receipt":               has("receipt", "Total"),
	} {
		found := 0
		for _, m := range Sample() {
			if is(m.Raw) {
				found++
			}
		}
		if found != 1 {
			t.Errorf("%s: %d messages, want 1", name, found)
		}
	}
}

func has(texts ...string) func([]byte) bool {
	return func(raw []byte) bool {
		for _, text := range texts {
			if !bytes.Contains(raw, []byte(text)) {
				return false
			}
		}
		return true
	}
}

func longest(raw []byte) int {
	n := 0
	for line := range bytes.Lines(raw) {
		n = max(n, len(line))
	}
	return n
}

// attachment decodes what follows the header of a base64 part.
func attachment(raw []byte) []byte {
	_, rest, _ := bytes.Cut(raw, []byte("base64\r\n\r\n"))
	text, _, _ := bytes.Cut(rest, []byte("\r\n--"))
	octets, err := base64.StdEncoding.DecodeString(string(text))
	if err != nil {
		return nil
	}
	return octets
}

func drawable(raw []byte) bool {
	img, err := png.Decode(bytes.NewReader(attachment(raw)))
	return err == nil && img.Bounds().Dx() == 48
}
