// Package uidl decides what messages are called, for ever. It has the formats
// in which servers name messages (Format), what a message is recognised by after
// its UIDs have changed (Print), and the decision which message of the old
// mailbox each one of the new is (Match). All of it is pure: no I/O, no clock,
// no memory. What was decided is remembered by the gateway.
package uidl

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// MaxLength of a UIDL (RFC 1939 section 7).
const MaxLength = 70

// Default is the format of whoever names none.
const Default = "restante"

// named formats, as templates. Which server's output proves each is in
// docs/migration.md.
var named = map[string]string{
	Default:   "%08Xu%08Xv",
	"dovecot": "%08Xu%08Xv",
	"cyrus":   "%v.%u",
	"courier": "UID%u-%v",
}

// Formats that name a message by what the server calls it for ever, whatever
// the folder: EMAILID (RFC 8474), and X-GM-MSGID as Gmail's own POP3 writes it.
const (
	emailID = "emailid"
	gmail   = "gmail"
)

// A Format makes UIDLs. The zero Format is not useful; Parse makes one.
type Format struct {
	text  string
	parts []part
}

// A part is a piece of text, and the number that follows it.
type part struct {
	text     string
	number   byte // 'u' UID, 'v' UIDVALIDITY, 0 none
	width    int
	hex      bool
	zeroFill bool
}

// Parse reads the name of a format, or a template in the words of Dovecot's
// pop3_uidl_format: %u is the UID, %v the UIDVALIDITY, with X for hexadecimal and
// a width as in %08Xu; %% is a percent sign.
func Parse(text string) (Format, error) {
	f := Format{text: text}
	if text == emailID || text == gmail {
		return f, nil
	}
	template, ok := named[text]
	if !ok {
		if template = text; !strings.Contains(template, "%") {
			return f, fmt.Errorf("%q is not known; write restante, dovecot, cyrus, courier, emailid, gmail, or a template such as %q", text, "%v.%u")
		}
	}
	for rest := template; rest != ""; {
		p, after, err := parsePart(rest)
		if err != nil {
			return f, fmt.Errorf("%q: %w", text, err)
		}
		f.parts, rest = append(f.parts, p), after
	}
	return f, f.check()
}

// parsePart reads text up to a number, and the number.
func parsePart(s string) (p part, rest string, err error) {
	for {
		text, after, found := strings.Cut(s, "%")
		p.text += text
		switch {
		case !found:
			return p, "", nil
		case strings.HasPrefix(after, "%"):
			p.text, s = p.text+"%", after[1:]
		default:
			rest, err = p.parseNumber(after)
			return p, rest, err
		}
	}
}

var errNumber = errors.New("after % must come u or v, with X and a width up to 20 before it if wanted, as in %08Xu; " +
	"%m, %f and %g of Dovecot cannot be had over IMAP: learn such names with restante uidl import")

func (p *part) parseNumber(s string) (rest string, err error) {
	digits := len(s) - len(strings.TrimLeft(s, "0123456789"))
	if digits > 0 {
		p.zeroFill = s[0] == '0'
		if p.width, err = strconv.Atoi(s[:digits]); err != nil || p.width > 20 || !p.zeroFill && p.width > 0 {
			return "", errNumber
		}
		s = s[digits:]
	}
	if p.hex = strings.HasPrefix(s, "X"); p.hex {
		s = s[1:]
	}
	if s == "" || s[0] != 'u' && s[0] != 'v' {
		return "", errNumber
	}
	p.number = s[0]
	return s[1:], nil
}

func (f Format) check() error {
	if !f.has('u') {
		return fmt.Errorf("%q: without %%u all messages would have the same name", f.text)
	}
	for _, p := range f.parts {
		if strings.ContainsFunc(p.text, func(r rune) bool { return r < 0x21 || r > 0x7E }) {
			return fmt.Errorf("%q: a UIDL has printable ASCII characters and no spaces (RFC 1939)", f.text)
		}
	}
	return nil
}

func (f Format) has(number byte) bool {
	for _, p := range f.parts {
		if p.number == number {
			return true
		}
	}
	return false
}

// String is what Parse was given.
func (f Format) String() string { return f.text }

// Lasting tells whether names differ from those that the folder gave under
// another UIDVALIDITY.
func (f Format) Lasting() bool { return f.parts == nil || f.has('v') }

// ByServer tells whether names come from the server, and not from UIDs.
func (f Format) ByServer() bool { return f.parts == nil }

// WithValidity is a format whose names also differ by UIDVALIDITY, for a folder
// that has had another one before.
func (f Format) WithValidity() Format {
	if f.Lasting() {
		return f
	}
	return f.with("-%v")
}

// WithMark is a format whose names end in a mark, for a folder that has the
// UIDVALIDITY of another one, of another server. Names that come from the server
// need none. The mark is a few letters and digits.
func (f Format) WithMark(mark string) Format {
	if f.ByServer() {
		return f
	}
	return f.with("-" + mark)
}

// with adds to what is known to be good.
func (f Format) with(more string) Format {
	template, ok := named[f.text]
	if !ok {
		template = f.text
	}
	made, err := Parse(template + more)
	if err != nil {
		panic("uidl: a template that was good has become bad: " + err.Error())
	}
	return made
}

// A Message is what a format names.
type Message struct {
	UID, UIDValidity uint32
	// Folder is its name, Other tells that it is not the maildrop's first.
	Folder string
	Other  bool
	// Unique is the server's lasting name for it; "" if there is none.
	Unique string
}

// Of names a message. UIDs repeat from folder to folder, so that outside the
// first one the folder's identity is part of the name. What a server calls a
// message for ever needs none of that; where it has no such name the default
// format names it. A name that is too long is hashed.
func (f Format) Of(m Message) string {
	if f.parts == nil {
		return f.byServer(m)
	}
	b := make([]byte, 0, MaxLength)
	for _, p := range f.parts {
		b = p.appendTo(append(b, p.text...), m)
	}
	if m.Other {
		b = append(append(b, '.'), FolderIdentity(m.Folder)...)
	}
	if len(b) > MaxLength {
		return Hashed(string(b), m)
	}
	return string(b)
}

func (p part) appendTo(b []byte, m Message) []byte {
	n, base := uint64(m.UID), 10
	switch p.number {
	case 0:
		return b
	case 'v':
		n = uint64(m.UIDValidity)
	}
	if p.hex {
		base = 16
	}
	var room [20]byte
	digits := strconv.AppendUint(room[:0], n, base)
	for i := len(digits); i < p.width; i++ {
		b = append(b, '0')
	}
	return append(b, digits...)
}

func (f Format) byServer(m Message) string {
	name := m.Unique
	if f.text == gmail {
		n, err := strconv.ParseUint(m.Unique, 10, 64)
		name = "GmailId" + strconv.FormatUint(n, 16)
		if err != nil {
			name = ""
		}
	}
	switch {
	case name == "":
		fallback, _ := Parse(Default) // it is good
		return fallback.Of(m)
	case len(name) > MaxLength:
		return Hashed(name, m)
	}
	return name
}

// Hashed names a message whose name would be too long, or another's.
func Hashed(name string, m Message) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\n%s\n%d\n%d", name, m.Folder, m.UIDValidity, m.UID))
	return hex.EncodeToString(sum[:16])
}

// FolderIdentity is short, and differs between any two folders of a maildrop
// but for one case in 2^48.
func FolderIdentity(name string) string {
	sum := sha256.Sum256([]byte(name))
	return hex.EncodeToString(sum[:6])
}

// Valid tells whether a client can bear a UIDL (RFC 1939 section 7).
func Valid(s string) bool {
	for i := range len(s) {
		if s[i] < 0x21 || s[i] > 0x7E {
			return false
		}
	}
	return len(s) >= 1 && len(s) <= MaxLength
}
