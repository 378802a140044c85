package audit

import (
	"math"
	"net/netip"
	"strconv"
	"time"
)

// An Encoder makes lines of events. It never changes and is safe for concurrent
// use.
type Encoder struct {
	// Instance names the process among others that write the same trail.
	Instance string
	Privacy  Privacy
}

// MaxLine is more than any line has, in octets: every text in it is cut to
// maxText, and an octet becomes at most six.
const MaxLine = 64 << 10

// Append adds to dst one JSON object, without a line end. There are no spaces in
// it but within texts, "v" is first and "event" follows. It holds printable
// characters only, whatever was in the event, so that it is one line anywhere
// and does nothing to a terminal.
func (n *Encoder) Append(dst []byte, e Event) []byte {
	l := line{b: append(dst, `{"v":`...), privacy: &n.Privacy}
	l.b = strconv.AppendInt(l.b, Version, 10)
	l.text("event", string(e.Kind()))
	h := e.Head()
	l.key("time")
	l.b = appendTime(l.b, h.Time)
	l.text("instance", n.Instance)
	l.text("session", h.Session)
	l.text("listener", h.Listener)
	l.client("client", h.Client)
	l.who("user", h.User)
	l.who("base", h.Base)
	l.text("view", h.View)
	e.fields(&l)
	return append(l.b, '}')
}

// appendTime writes UTC with microseconds and a fixed width, so that texts sort
// as times do.
func appendTime(b []byte, t time.Time) []byte {
	t = t.UTC()
	year, month, day := t.Date()
	hour, minute, second := t.Clock()
	b = append(b, '"')
	b = appendDigits(b, year, 4)
	b = appendDigits(append(b, '-'), int(month), 2)
	b = appendDigits(append(b, '-'), day, 2)
	b = appendDigits(append(b, 'T'), hour, 2)
	b = appendDigits(append(b, ':'), minute, 2)
	b = appendDigits(append(b, ':'), second, 2)
	b = appendDigits(append(b, '.'), t.Nanosecond()/1000, 6)
	return append(b, 'Z', '"')
}

// appendDigits writes the last count digits of n.
func appendDigits(b []byte, n, count int) []byte {
	var digits [8]byte
	for i := count - 1; i >= 0; i-- {
		digits[i] = byte('0' + n%10)
		n /= 10
	}
	return append(b, digits[:count]...)
}

// line is an object in the making. What is "" is left out, everywhere.
type line struct {
	b       []byte
	privacy *Privacy
}

// key begins a field. Names are ours and need no escape.
func (l *line) key(name string) {
	l.b = append(append(append(l.b, `,"`...), name...), `":`...)
}

func (l *line) text(name, value string) {
	if value != "" {
		l.key(name)
		l.b = appendText(l.b, value)
	}
}

func (l *line) number(name string, n int64) {
	l.key(name)
	l.b = strconv.AppendInt(l.b, n, 10)
}

// count is a number that is left out if it is 0.
func (l *line) count(name string, n int64) {
	if n != 0 {
		l.number(name, n)
	}
}

func (l *line) truth(name string, value bool) {
	l.key(name)
	l.b = strconv.AppendBool(l.b, value)
}

// seconds are told to the microsecond, without zeros at the end. What is no
// time is 0: JSON has neither infinity nor NaN.
func (l *line) seconds(name string, s float64) {
	if !(s > 0 && s < maxSeconds) {
		s = 0
	}
	micros := int64(math.Round(s * 1e6))
	l.number(name, micros/1e6)
	if micros %= 1e6; micros == 0 {
		return
	}
	l.b = appendDigits(append(l.b, '.'), int(micros), 6)
	for l.b[len(l.b)-1] == '0' {
		l.b = l.b[:len(l.b)-1]
	}
}

// maxSeconds is more than anything lasts: some 30 years.
const maxSeconds = 1e9

// who is a user's name, here or upstream.
func (l *line) who(name, user string) {
	switch l.privacy.User {
	case Keep:
		l.text(name, user)
	case Hash:
		l.text(name, l.privacy.HashName(user))
	}
}

func (l *line) client(name string, a netip.Addr) {
	switch {
	case !a.IsValid():
	case l.privacy.Client == Keep:
		l.key(name)
		l.b = append(a.AppendTo(append(l.b, '"')), '"')
	case l.privacy.Client == Hash:
		l.text(name, l.privacy.HashClient(a.String()))
	}
}

func (l *line) from(name, value string) {
	switch l.privacy.From {
	case Keep:
		l.text(name, value)
	case Hash:
		l.text(name, l.privacy.HashFrom(value))
	}
}

func (l *line) subject(name, value string) {
	switch l.privacy.Subject {
	case Keep:
		l.text(name, value)
	case Hash:
		l.text(name, l.privacy.HashSubject(value))
	}
}

// said is what somebody else said, or an error: it may hold names and addresses,
// and is left out where these are not kept.
func (l *line) said(name, value string) {
	if l.privacy.User == Keep && l.privacy.Client == Keep {
		l.text(name, value)
	}
}
