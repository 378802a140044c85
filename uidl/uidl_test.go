package uidl

import (
	"strings"
	"testing"
)

// The names that real servers gave to a message with UID 20 under UIDVALIDITY
// 1263540964: what each format must make.
func TestOf(t *testing.T) {
	m := Message{UID: 20, UIDValidity: 1263540964, Folder: "INBOX", Unique: "1278455344230334865"}
	for format, want := range map[string]string{
		"restante":    "000000144b501ae4",
		"dovecot":     "000000144b501ae4",
		"cyrus":       "1263540964.20",
		"courier":     "UID20-1263540964",
		"%08Xv%08Xu":  "4b501ae400000014", // UW ipop3d
		"%v-%u":       "1263540964-20",
		"%u":          "20",
		"a%%%u%%":     "a%20%",
		"%05u":        "00020",
		"emailid":     "1278455344230334865",
		"gmail":       "GmailId11bdfc5cae0c8191",
		"%020u.%020v": "00000000000000000020.00000000001263540964",
	} {
		f, err := Parse(format)
		if err != nil {
			t.Errorf("Parse %q: %v", format, err)
			continue
		}
		if got := f.Of(m); got != want || f.String() != format {
			t.Errorf("%s: %q; want %q", format, got, want)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for text, word := range map[string]string{
		"":             "not known",
		"outlook":      "not known",
		"%v":           "without %u",
		"%%u":          "without %u",
		"%f":           "uidl import",
		"%g":           "uidl import",
		"%u %v":        "no spaces",
		"%u\x7f":       "printable",
		"é%u":          "printable",
		"%u%":          "after %",
		"%x":           "after %",
		"%8u":          "after %",
		"%021u":        "after %",
		"%099999999u":  "after %",
		"%0X":          "after %",
		"%XXu":         "after %",
		"%-08Xu":       "after %",
		"%08Xu%08Xv%m": "uidl import",
	} {
		if _, err := Parse(text); err == nil || !strings.Contains(err.Error(), word) {
			t.Errorf("Parse %q: %v; want a word of %q", text, err, word)
		}
	}
}

// Whatever the format, names are valid, and differ between messages of a maildrop.
func TestNames(t *testing.T) {
	long := strings.Repeat("x", 80)
	for _, format := range []string{"restante", "cyrus", "courier", "emailid", "gmail", "%u", long + "%u.%v", strings.Repeat("y", 50) + "%020v%020u"} {
		f, err := Parse(format)
		if err != nil {
			t.Fatal(err)
		}
		seen := map[string]Message{}
		for _, folder := range []string{"INBOX", "Junk", "Junk 2"} {
			for uid := range uint32(100) {
				m := Message{UID: uid + 1, UIDValidity: 7, Folder: folder, Other: folder != "INBOX"}
				name := f.Of(m)
				if before, ok := seen[name]; ok || !Valid(name) {
					t.Fatalf("%s: %q names %v and %v", format, name, m, before)
				}
				seen[name] = m
			}
		}
	}
}

// A name by the server's own goes with the message from folder to folder, and
// from UIDVALIDITY to UIDVALIDITY.
func TestNamesByServer(t *testing.T) {
	f, _ := Parse("emailid")
	a := f.Of(Message{UID: 1, UIDValidity: 7, Folder: "INBOX", Unique: "M1"})
	b := f.Of(Message{UID: 9, UIDValidity: 8, Folder: "Junk", Other: true, Unique: "M1"})
	if a != "M1" || b != a {
		t.Errorf("%q and %q; want M1", a, b)
	}
	if got := f.Of(Message{UID: 1, UIDValidity: 7, Unique: strings.Repeat("M", 255)}); !Valid(got) {
		t.Errorf("a long EMAILID makes %q", got)
	}
	g, _ := Parse("gmail")
	if got := g.Of(Message{UID: 1, UIDValidity: 7, Unique: "not a number"}); got != "0000000100000007" {
		t.Errorf("gmail without a number makes %q", got)
	}
}

func TestWithValidity(t *testing.T) {
	for format, want := range map[string]string{"%u": "5-7", "cyrus": "7.5", "emailid": "0000000500000007"} {
		f, _ := Parse(format)
		if got := f.WithValidity().Of(Message{UID: 5, UIDValidity: 7}); got != want || !f.WithValidity().Lasting() {
			t.Errorf("%s: %q; want %q", format, got, want)
		}
	}
	for format, want := range map[string]string{"%u": "5-ab", "restante": "0000000500000007-ab", "%u%%": "5%-ab", "emailid": "0000000500000007"} {
		f, _ := Parse(format)
		if got := f.WithMark("ab").Of(Message{UID: 5, UIDValidity: 7}); got != want {
			t.Errorf("%s with a mark: %q; want %q", format, got, want)
		}
	}
}
