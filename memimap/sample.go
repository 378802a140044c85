package memimap

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"math/rand/v2"
	"mime"
	"strings"
	"time"
)

// Sample returns the messages of the demonstration, each of another make: what
// old clients and naive gateways trip over is among them. The octets are the
// same every time. UIDs are left to the folder they go to.
func Sample() []Message {
	letters := []struct {
		raw  []byte
		seen bool
	}{
		{raw: crlf(welcome), seen: true},
		{raw: crlf(newsletter)},
		{raw: stampByPost()},
		{raw: thaiGreeting()},
		{raw: crlf(dottedLines)},
		{raw: bytes.TrimSuffix(crlf(unfinished), []byte("\r\n"))},
		{raw: []byte(unixNote)},
		{raw: longLine()},
		{raw: latin1Card()},
		{raw: crlf(digest), seen: true},
		{raw: register()},
		{raw: crlf(receipt)},
	}
	first := time.Date(2026, time.March, 2, 8, 15, 0, 0, time.UTC)
	messages := make([]Message, len(letters))
	for i, letter := range letters {
		messages[i] = Message{Date: first.Add(time.Duration(i) * 7 * time.Hour), Raw: letter.raw}
		if letter.seen {
			messages[i].Flags = []string{`\Seen`}
		}
	}
	return messages
}

// crlf gives a text from the source code the line ends of mail.
func crlf(text string) []byte {
	return []byte(strings.ReplaceAll(text, "\n", "\r\n"))
}

// stampByPost carries a picture.
func stampByPost() []byte {
	return crlf(stampLetter + base64Lines(stamp()) + "--stamp--\n")
}

// stamp draws a small postage stamp: a red sun over blue waves, perforated.
func stamp() []byte {
	const side = 48
	img := image.NewRGBA(image.Rect(0, 0, side, side))
	for y := range side {
		for x := range side {
			img.Set(x, y, stampColor(x, y, side))
		}
	}
	var out bytes.Buffer
	if err := png.Encode(&out, img); err != nil {
		panic(err) // a bytes.Buffer takes everything
	}
	return out.Bytes()
}

func stampColor(x, y, side int) color.Color {
	edge := min(x, y, side-1-x, side-1-y)
	fromSun := (x-side/2)*(x-side/2) + (y-side/3)*(y-side/3)
	switch {
	case edge == 0 && (x+y)%4 < 2:
		return color.Transparent
	case edge < 4:
		return color.White
	case fromSun < 64:
		return color.RGBA{200, 40, 40, 255}
	case y > side*2/3 && (x+y)%6 < 3:
		return color.RGBA{40, 80, 160, 255}
	default:
		return color.RGBA{240, 225, 190, 255}
	}
}

// thaiGreeting has a subject in encoded words and a body of 8-bit UTF-8.
func thaiGreeting() []byte {
	subject := mime.BEncoding.Encode("utf-8", "ไปรษณีย์รอจ่าย: มีจดหมายถึงคุณ")
	return crlf(fmt.Sprintf(thaiLetter, subject))
}

// longLine has one line of 5,000 octets, five times what SMTP allows.
func longLine() []byte {
	return crlf(telegram + strings.Repeat("STOP ", 1000) + "\n")
}

// latin1Card is 8-bit text that is not UTF-8.
func latin1Card() []byte {
	card := crlf(postcard)
	for utf8, latin1 := range map[string]byte{"é": 0xE9, "è": 0xE8, "à": 0xE0, "ê": 0xEA, "û": 0xFB} {
		card = bytes.ReplaceAll(card, []byte(utf8), []byte{latin1})
	}
	return card
}

// register carries 300 KiB that do not compress.
func register() []byte {
	random := rand.NewPCG(1840, 5) // the penny black, May 1840
	scan := make([]byte, 0, 300<<10)
	for len(scan) < cap(scan) {
		n := random.Uint64()
		for shift := 0; shift < 64; shift += 8 {
			scan = append(scan, byte(n>>shift))
		}
	}
	return crlf(registerLetter + base64Lines(scan) + "--register--\n")
}

// base64Lines are of 76 characters (RFC 2045 section 6.8).
func base64Lines(octets []byte) string {
	const width = 76
	text := base64.StdEncoding.EncodeToString(octets)
	var lines strings.Builder
	for len(text) > width {
		lines.WriteString(text[:width] + "\n")
		text = text[width:]
	}
	return lines.String() + text + "\n"
}
