package proxy

import (
	"fmt"
	"testing"

	"github.com/restante-mail/restante/upstream"
)

// nameless is a fake without UIDL.
func nameless(t *testing.T, caps string, messages ...string) *fake {
	f := newFake(t, messages...)
	f.announces(caps)
	f.does(refuse("UIDL", "what?"))
	return f
}

// TestHeaderNames: names last, go with their messages, and are unique.
func TestHeaderNames(t *testing.T) {
	for _, caps := range []string{"USER TOP", "USER TOP PIPELINING", ""} {
		var mail []string
		for i := range 200 {
			mail = append(mail, fmt.Sprintf("Subject: %d\r\n\r\nbody\r\n", i%150))
		}
		f := nameless(t, caps, mail...)
		first := f.open(t).listed(t)
		seen := map[string]bool{}
		for _, m := range first {
			if !validUIDL(m.UIDL) || seen[m.UIDL] {
				t.Errorf("%q", m.UIDL)
			}
			seen[m.UIDL] = true
		}
		if first[150].UIDL != first[0].UIDL+".2" {
			t.Errorf("the same header is %q and %q", first[0].UIDL, first[150].UIDL)
		}
		f.change(func() { f.messages = f.messages[10:100] })
		for i, m := range f.open(t).listed(t) {
			if m.UIDL != first[i+10].UIDL {
				t.Errorf("%q was %q before others went", m.UIDL, first[i+10].UIDL)
			}
		}
	}
}

func TestHashHeader(t *testing.T) {
	const plain = "Subject: a\r\nX: 1\r\n 2\r\n\r\nbody\r\n"
	for header, same := range map[string]bool{
		plain:                                    true,
		"Subject: a\nX: 1\n 2\n\nanother body\n": true,
		"Subject: a\r\nStatus: RO\r\n more\r\nX: 1\r\n 2\r\n": true,
		"X-UIDL: 123\r\nSubject: a\r\nX: 1\r\n 2\r\n\r\n":     true,
		"Subject: a\r\nX: 1\r\n\r\n":                          false,
		"Subject: a\r\nX: 1 2\r\n\r\n":                        false,
		"":                                                    false,
	} {
		if got := hashHeader([]byte(header)) == hashHeader([]byte(plain)); got != same {
			t.Errorf("%q: %v", header, got)
		}
	}
}

// TestHeaderNamesAfterALoss: a new session knows messages by their headers, if
// no two are the same.
func TestHeaderNamesAfterALoss(t *testing.T) {
	for _, twins := range []bool{false, true} {
		mail := []string{"Subject: 1\r\n\r\none\r\n", "Subject: 2\r\n\r\ntwo\r\n"}
		if twins {
			mail = append(mail, mail[1])
		}
		f := nameless(t, "USER TOP", mail...)
		m := f.open(t)
		list := m.listed(t)
		_ = m.line.Close()
		f.change(func() { f.messages = f.messages[1:] })
		got, err := m.text(t.Context(), list[1].ID)
		if twins && upstream.KindOf(err) != upstream.Unavailable || !twins && got != mail[1] {
			t.Errorf("twins %v: %q, %v", twins, got, err)
		}
	}
}
