package audit

import (
	"encoding/json"
	"math"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"
)

// everyEvent has one of each kind; Kinds that are missing fail a test.
func everyEvent() []Event {
	return []Event{
		&Started{}, &Reloaded{}, &Stopped{}, &Admin{}, &LimitHit{}, &Banned{},
		&SessionStarted{}, &SessionEnded{}, &TLSStarted{}, &RouteChosen{}, &SignIn{}, &Listing{}, &Transcript{},
		&Retrieval{}, &Top{}, &Deletion{}, &Decision{}, &Outcome{}, &Alert{}, &Quota{}, &Return{},
	}
}

// fill gives every field a value of its own.
func fill(v reflect.Value, n *int64) {
	*n++
	switch v.Interface().(type) {
	case time.Time:
		v.Set(reflect.ValueOf(time.Date(2026, 1, 2, 3, 4, 5, 678901000, time.UTC)))
		return
	case netip.Addr:
		v.Set(reflect.ValueOf(netip.MustParseAddr("192.0.2.7")))
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i), n)
		}
	case reflect.String:
		v.SetString("text <" + string(rune('a'+*n)) + ">")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(*n)
	case reflect.Uint32:
		v.SetUint(uint64(*n))
	case reflect.Float64:
		v.SetFloat(float64(*n) + 0.25)
	case reflect.Slice:
		v.SetBytes([]byte{1, 2, byte(*n)})
	default:
		panic("a field of a type that this test does not know: " + v.Type().String())
	}
}

func object(t *testing.T, line []byte) map[string]any {
	t.Helper()
	var o map[string]any
	if err := json.Unmarshal(line, &o); err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	return o
}

// TestTagsAreTheLine: the encoder writes what the structs' tags promise, of a
// full event and of an empty one.
func TestTagsAreTheLine(t *testing.T) {
	for _, e := range everyEvent() {
		for _, full := range []bool{false, true} {
			if n := int64(0); full {
				fill(reflect.ValueOf(e).Elem(), &n)
			}
			tagged, err := json.Marshal(e)
			if err != nil {
				t.Fatal(err)
			}
			want := object(t, tagged)
			for name, value := range want {
				if value == "" { // texts that are empty are left out, promised or not
					delete(want, name)
				}
			}
			want["v"], want["event"], want["instance"] = float64(Version), string(e.Kind()), "gw1"
			got := object(t, (&Encoder{Instance: "gw1"}).Append(nil, e))
			if r, ok := e.(*Retrieval); ok && full {
				got["sha256"], want["sha256"] = nil, nil // hex rather than base64
				if !strings.Contains(string((&Encoder{}).Append(nil, r)), `"sha256":"0102`) {
					t.Error("a retrieval lacks its hash")
				}
			}
			got["time"] = want["time"]
			if !reflect.DeepEqual(got, want) {
				t.Errorf("%s, full %v:\n got %v\nwant %v", e.Kind(), full, got, want)
			}
		}
	}
}

func TestTimesSortAsText(t *testing.T) {
	at := time.Date(2026, 3, 1, 23, 59, 59, 999_999_999, time.FixedZone("", -5*3600))
	got := object(t, (&Encoder{}).Append(nil, &Alert{Header: Header{Time: at}}))["time"]
	if got != "2026-03-02T04:59:59.999999Z" {
		t.Errorf("time is %v", got)
	}
}

var hostile = []struct{ name, in, out string }{
	{"quotes", `a"b\c`, `a"b\c`},
	{"line ends", "a\r\nb\vc\fd\u2028e\u2029f\u0085g", "a\r\nb\vc\fd\u2028e\u2029f\u0085g"},
	{"a terminal's controls", "\x1b[2J\a\b\x7f\x00\u009b31m", "\x1b[2J\a\b\x7f\x00\u009b31m"},
	{"direction", "\u202eevil\u2066x\u200f\u061c", "\u202eevil\u2066x\u200f\u061c"},
	{"what is not seen", "a\u200bb\ufeffc\u00add\U000e0041", "a\u200bb\ufeffc\u00add\U000e0041"},
	{"other scripts stay", "Grüße ภาษาไทย 日本 \U0001F600", "Grüße ภาษาไทย 日本 \U0001F600"},
	{"not UTF-8", "a\xff\xc3(", `a\xff\xc3(`},
	{"a surrogate in UTF-8", "\xed\xa0\x80", `\xed\xa0\x80`},
	{"too long", strings.Repeat("a", 600), strings.Repeat("a", maxText) + cutMark},
	{"cut in a character", strings.Repeat("a", maxText-1) + "é tail", strings.Repeat("a", maxText-1) + cutMark},
	{"private use", "\ue000", "\ue000"},
}

func TestHostileTextIsOnePrintableLine(t *testing.T) {
	for _, test := range hostile {
		line := (&Encoder{}).Append(nil, &SignIn{Header: Header{User: test.in}, Error: test.in})
		if !utf8.Valid(line) {
			t.Errorf("%s: %q is not UTF-8", test.name, line)
		}
		for _, r := range string(line) {
			if !unicode.IsPrint(r) {
				t.Errorf("%s: %q holds %U", test.name, line, r)
			}
		}
		if o := object(t, line); o["user"] != test.out || o["error"] != test.out {
			t.Errorf("%s: read back as %q, want %q", test.name, o["user"], test.out)
		}
	}
}

func FuzzText(f *testing.F) {
	for _, test := range hostile {
		f.Add(test.in)
	}
	f.Fuzz(func(t *testing.T, s string) {
		b := appendText(nil, s)
		if len(b) > 6*maxText+len(cutMark)+2 {
			t.Errorf("%d octets of %d", len(b), len(s))
		}
		var back string
		if err := json.Unmarshal(b, &back); err != nil {
			t.Fatalf("%q: %v", b, err)
		}
		for _, r := range string(b) {
			if !unicode.IsPrint(r) {
				t.Fatalf("%q holds %U", b, r)
			}
		}
		if len(s) <= maxText && utf8.ValidString(s) && back != s {
			t.Errorf("%q came back as %q", s, back)
		}
	})
}

// TestLongestLine: no event makes a line that MaxLine does not allow.
func TestLongestLine(t *testing.T) {
	for _, e := range everyEvent() {
		worst(reflect.ValueOf(e).Elem())
		if n := len((&Encoder{Instance: strings.Repeat("\x00", 999)}).Append(nil, e)); n > MaxLine {
			t.Errorf("%s: %d octets", e.Kind(), n)
		}
	}
}

func worst(v reflect.Value) {
	if v.Kind() == reflect.String {
		v.SetString(strings.Repeat("\x01", 10_000))
	}
	if v.Kind() != reflect.Struct || v.Type() == reflect.TypeFor[time.Time]() || v.Type() == reflect.TypeFor[netip.Addr]() {
		return
	}
	for i := range v.NumField() {
		worst(v.Field(i))
	}
}

func TestPrivacy(t *testing.T) {
	e := &Retrieval{Header: Header{User: "Alice@Example.com", Base: "alice@example.com", Client: netip.MustParseAddr("192.0.2.7")},
		From: "Bob <Bob@example.org>", Subject: "the secret plan", Error: "alice hung up"}
	key := []byte("0123456789abcdef")
	for _, test := range []struct {
		name    string
		privacy Privacy
		with    []string
		without []string
	}{
		{"kept", Privacy{}, []string{"Alice@Example.com", "192.0.2.7", "Bob@example.org", "the secret plan", "hung up"}, nil},
		{"dropped", Privacy{User: Drop, Client: Drop, From: Drop, Subject: Drop}, nil,
			[]string{"lice", "192.0.2.7", "ob@", "secret", "hung up", "user", "base", "client", "from", "subject"}},
		{"hashed", Privacy{User: Hash, Client: Hash, From: Hash, Subject: Hash, Key: key},
			[]string{`"user":"hmac:`, `"base":"hmac:`, `"client":"hmac:`, `"from":"hmac:`, `"subject":"hmac:`},
			[]string{"lice", "192.0.2.7", "ob@", "secret", "hung up"}},
	} {
		line := string((&Encoder{Privacy: test.privacy}).Append(nil, e))
		for _, s := range test.with {
			if !strings.Contains(line, s) {
				t.Errorf("%s: %s lacks %q", test.name, line, s)
			}
		}
		for _, s := range test.without {
			if strings.Contains(line, s) {
				t.Errorf("%s: %s has %q", test.name, line, s)
			}
		}
	}
}

func TestHashesMatchWhatIsTheSame(t *testing.T) {
	p := &Privacy{Key: []byte("0123456789abcdef")}
	other := &Privacy{Key: []byte("0123456789abcdeF")}
	if p.HashName("Alice") != p.HashName("alice") || p.HashName("alice") == p.HashName("bob") {
		t.Error("names do not match as they should")
	}
	if p.HashName("alice") == other.HashName("alice") {
		t.Error("the key does not matter")
	}
	if a := p.HashFrom(`"B <x>" <Bob@Example.org> (comment)`); a != p.HashFrom("bob@example.org") || a == p.HashFrom("eve@example.org") {
		t.Error("senders do not match as they should")
	}
	if p.HashSubject("") != "" {
		t.Error("nothing has a hash")
	}
}

func TestChoice(t *testing.T) {
	for _, c := range []Choice{Keep, Drop, Hash} {
		var back Choice
		if err := back.UnmarshalText([]byte(c.String())); err != nil || back != c {
			t.Errorf("%v came back as %v, %v", c, back, err)
		}
	}
	if new(Choice).UnmarshalText([]byte("hide")) == nil {
		t.Error("hide was taken for a choice")
	}
}

func BenchmarkRetrieval(b *testing.B) {
	e := &Retrieval{Header: Header{Time: time.Now(), Session: "0123abcd", Listener: "legacy", User: "alice@example.com", Base: "alice@example.com", Client: netip.MustParseAddr("192.0.2.7")},
		Message: Message{Number: 12, UIDL: "0000000c5f3b2a10", Upstream: "main", Host: "imap.example.com", Folder: "INBOX", UIDValidity: 1597713936, UID: 12, MessageID: "<20260102030405.1234@example.org>"},
		From:    "Bob <bob@example.org>", Octets: 75_000, SHA256: make([]byte, 32), Sent: true, Complete: true, Seconds: 0.0123}
	n, buf := &Encoder{Instance: "gw1"}, make([]byte, 0, 1024)
	b.ReportAllocs()
	for b.Loop() {
		buf = n.Append(buf[:0], e)
	}
}

func TestSeconds(t *testing.T) {
	for s, want := range map[float64]string{0: "0", 1: "1", 0.5: "0.5", 12.000001: "12.000001", 0.0000004: "0", 3.9999999: "4",
		-1: "0", math.NaN(): "0", math.Inf(1): "0", 100.25: "100.25"} {
		l := line{}
		if l.seconds("s", s); string(l.b) != `,"s":`+want {
			t.Errorf("%v is written as %s", s, l.b)
		}
	}
}
