package policy

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/restante-mail/restante/upstream"
)

var now = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func must(t *testing.T, preset string) Policy {
	t.Helper()
	p, ok := Preset(preset)
	if !ok {
		t.Fatalf("no preset %q", preset)
	}
	return p
}

func TestView(t *testing.T) {
	old := upstream.Message{Size: 10, Arrived: now.Add(-31 * day)}
	young := upstream.Message{Size: 10, Arrived: now.Add(-29 * day)}
	undated := upstream.Message{Size: 10}
	deleted := upstream.Message{Size: 10, Arrived: now, Flags: upstream.Deleted}
	seen := upstream.Message{Size: 10, Arrived: now, Flags: upstream.Seen}
	big := upstream.Message{Size: 1001, Arrived: now}
	all := []upstream.Message{old, young, undated, deleted, seen, big}
	tests := []struct {
		name   string
		change func(*Policy)
		shown  []int
	}{
		{"classic hides only what others deleted", func(*Policy) {}, []int{0, 1, 2, 4, 5}},
		{"show_deleted", func(p *Policy) { p.ShowDeleted = true }, []int{0, 1, 2, 3, 4, 5}},
		{"unseen_only", func(p *Policy) { p.UnseenOnly = true }, []int{0, 1, 2, 5}},
		{"max_age keeps what has no date", func(p *Policy) { p.MaxAge = Age(30 * day) }, []int{1, 2, 4, 5}},
		{"max_size", func(p *Policy) { p.MaxSize = 1000 }, []int{0, 1, 2, 4}},
		{"max_size is a limit, not a bound below it", func(p *Policy) { p.MaxSize = 1001 }, []int{0, 1, 2, 4, 5}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p := must(t, "classic")
			test.change(&p)
			var shown []int
			for i, v := range p.View(all, &State{}, now) {
				if v.Show {
					shown = append(shown, i)
				}
				if v.Show != (v.Why == "") {
					t.Errorf("message %d: shown %v, but the reason is %q", i, v.Show, v.Why)
				}
			}
			if !slices.Equal(shown, test.shown) {
				t.Errorf("shown %v, want %v", shown, test.shown)
			}
		})
	}
}

func TestUpdate(t *testing.T) {
	// 0 untouched, 1 retrieved, 2 deleted, 3 both, 4 retrieved and already seen.
	shown := make([]upstream.Message, 5)
	for i := range shown {
		shown[i].ID.UID = uint32(i)
	}
	shown[4].Flags = upstream.Seen
	tests := []struct {
		retrieve, delete string
		want             string
	}{
		{"seen", "expunge", "1 seen; 2 expunge; 3 seen; 3 expunge"},
		{"nothing", "expunge", "2 expunge; 3 expunge"},
		{"nothing", "keep", ""},
		{"nothing", "refuse", ""},
		{"seen", "keep", "1 seen; 3 seen"},
		{"seen", "trash", `1 seen; 2 move \Trash; 3 seen; 3 move \Trash`},
		{"archive", "expunge", `1 move \Archive; 2 expunge; 3 expunge; 4 move \Archive`},
		{"archive", "keep", `1 move \Archive; 3 move \Archive; 4 move \Archive`},
		{"expunge", "trash", `1 expunge; 2 move \Trash; 3 move \Trash; 4 expunge`},
		{"hide", "hide", ""},
		{"hide", "expunge", "2 expunge; 3 expunge"},
		{"expunge", "flag:gone", `1 expunge; 2 flag gone; 3 expunge; 4 expunge`},
		{"flag:$Fetched", "move:Old mail", `1 flag $Fetched; 2 move Old mail; 3 flag $Fetched; 3 move Old mail; 4 flag $Fetched`},
	}
	for _, test := range tests {
		t.Run(test.retrieve+"/"+test.delete, func(t *testing.T) {
			p := parse(t, test.retrieve, test.delete)
			var got []string
			for _, s := range p.Update(shown, Session{Retrieved: []int{1, 3, 4}, Deleted: []int{2, 3}}, &State{}, now).Steps {
				got = append(got, strings.TrimSpace(fmt.Sprint(s.ID.UID, " ", s.Do, " ", s.Target)))
				if s.Why == "" {
					t.Errorf("no reason for %v", s.Change)
				}
			}
			if text := strings.Join(got, "; "); text != test.want {
				t.Errorf("got  %s\nwant %s", text, test.want)
			}
		})
	}
}

func parse(t *testing.T, retrieve, del string) (p Policy) {
	p.MaxRemovals = 1
	t.Helper()
	if err := p.OnRetrieve.UnmarshalText([]byte(retrieve)); err != nil {
		t.Fatal(err)
	}
	if err := p.OnDelete.UnmarshalText([]byte(del)); err != nil {
		t.Fatal(err)
	}
	if err := p.Check(); err != nil {
		t.Fatal(err)
	}
	return p
}

func TestPresetsAreSound(t *testing.T) {
	expire := map[string]string{"classic": "NEVER", "read-only": "NEVER", "recent": "30",
		"gmail-archive": "0", "gmail-trash": "0", "keep": "NEVER", "keep-days": "NEVER"}
	for _, name := range Presets() {
		p := must(t, name)
		if err := p.Check(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if got := p.Expire(); got != expire[name] {
			t.Errorf("%s: EXPIRE %s, want %s", name, got, expire[name])
		}
	}
}

func TestCheckNamesTheSetting(t *testing.T) {
	tests := []struct {
		change func(*Policy)
		want   string
	}{
		{func(p *Policy) { p.OnRetrieve.Do = Refuse }, "on_retrieve: \"refuse\" is not possible here"},
		{func(p *Policy) { p.OnDelete.Do = Seen }, "on_delete: \"seen\" is not possible here"},
		{func(p *Policy) { p.OnDelete = Act{} }, "on_delete: "},
		{func(p *Policy) { p.OnDelete = Act{Do: Flag, Target: "a b"} }, "on_delete: flag needs a keyword"},
		{func(p *Policy) { p.MaxAge = -1 }, "max_age: must not be negative"},
		{func(p *Policy) { p.MaxSize = -1 }, "max_size: must not be negative"},
		{func(p *Policy) { p.Newest = -1 }, "newest: must not be negative"},
		{func(p *Policy) { p.Folders = []string{} }, "folders: needs 1 to 8 names, not 0"},
		{func(p *Policy) { p.Folders = make([]string, 9) }, "folders: needs 1 to 8 names, not 9"},
		{func(p *Policy) { p.Folders = []string{"INBOX", ""} }, "folders: \"\" is no name"},
		{func(p *Policy) { p.Folders = []string{"a\r\nb"} }, "is no name of a folder"},
		{func(p *Policy) { p.Folders = []string{"INBOX", "Inbox"} }, "\"Inbox\" is there twice"},
		{func(p *Policy) { p.LoginDelay = -1 }, "login_delay: must be from 0"},
		{func(p *Policy) { p.LoginDelay = Age(25 * time.Hour) }, "login_delay: must be from 0 to 24h"},
		{func(p *Policy) { p.Lock = "none" }, "lock: \"none\" is not known"},
		{func(p *Policy) { p.MaxRemovals = 0 }, "max_removals: must be at least 1"},
		{func(p *Policy) { p.Retain = make([]Rule, 17) }, "retain: 17 rules are too many"},
		{func(p *Policy) { p.Retain = []Rule{{Since: "sent", After: 1, Do: Act{Do: Expunge}}} }, "retain: rule 1: since: \"sent\""},
		{func(p *Policy) { p.Retain = []Rule{{Since: SinceArrived, Do: Act{Do: Expunge}}} }, "retain: rule 1: after: is missing"},
		{func(p *Policy) { p.Retain = []Rule{{Since: SinceArrived, After: 1, Do: Act{Do: Hide}}} }, "retain: rule 1: do: \"hide\" is not possible"},
		{func(p *Policy) { p.Retain = []Rule{{Since: SinceArrived, After: 1}} }, "retain: rule 1: do: "},
		{func(p *Policy) {
			p.Retain = []Rule{{Since: SinceRetrieved, After: 1, Do: Act{Do: Expunge}, Unretrieved: true}}
		}, "unretrieved: only a rule since arrived"},
		{func(p *Policy) { p.Retain = []Rule{{Since: SinceDeleted, After: 1, Do: Act{Do: Expunge}}} }, "on_delete = expunge leaves nothing"},
		{func(p *Policy) {
			p.OnDelete.Do, p.Retain = Refuse, []Rule{{Since: SinceDeleted, After: 1, Do: Act{Do: Expunge}}}
		}, "on_delete = refuse lets nothing"},
		{func(p *Policy) {
			p.OnRetrieve.Do, p.Retain = Trash, []Rule{{Since: SinceRetrieved, After: 1, Do: Act{Do: Expunge}}}
		}, "on_retrieve = trash leaves nothing"},
	}
	for _, test := range tests {
		p := must(t, "classic")
		test.change(&p)
		if err := p.Check(); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("got %v, want %q in it", err, test.want)
		}
	}
}

func TestActText(t *testing.T) {
	good := []string{"seen", "nothing", "hide", "archive", "trash", "expunge", "keep", "refuse", "move:Old mail", "move:a:b", "flag:$Pop3_x-1"}
	for _, text := range good {
		var a Act
		if err := a.UnmarshalText([]byte(text)); err != nil || a.String() != text {
			t.Errorf("%q: %v, %q", text, err, a)
		}
	}
	bad := []string{"", "Seen", "delete", "move", "move:", "flag", "flag:", "flag:\\Seen", "flag:a b", "flag:\u212a", "seen:x", "expunge:"}
	for _, text := range bad {
		var a Act
		if err := a.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q was taken for %#v", text, a)
		}
	}
}

func TestUnits(t *testing.T) {
	ages := map[string]time.Duration{"14d": 14 * day, "0d": 0, "36h": 36 * time.Hour, "0": 0, "90m": 90 * time.Minute}
	for text, want := range ages {
		var a Age
		if err := a.UnmarshalText([]byte(text)); err != nil || time.Duration(a) != want {
			t.Errorf("age %q: %v, %v", text, a, err)
		}
	}
	sizes := map[string]Size{"0": 0, "7": 7, "7B": 7, "1KB": 1000, "1KiB": 1024, "25MB": 25e6, "2 GiB": 2 << 30}
	for text, want := range sizes {
		var s Size
		if err := s.UnmarshalText([]byte(text)); err != nil || s != want {
			t.Errorf("size %q: %v, %v", text, s, err)
		}
	}
	for _, text := range []string{"", "d", "-1d", "1.5d", "70000d", "x", "1y"} {
		if err := new(Age).UnmarshalText([]byte(text)); err == nil {
			t.Errorf("age %q was taken", text)
		}
	}
	for _, text := range []string{"", "MB", "-1", "+1", "1.5MB", "1TB", "9223372036854775808", "9223372037GB"} {
		if err := new(Size).UnmarshalText([]byte(text)); err == nil {
			t.Errorf("size %q was taken", text)
		}
	}
}
