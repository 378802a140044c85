package audit

import (
	"bytes"
	"compress/gzip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// What somebody without the key can write, and agrees with itself.

// made is a chain that somebody made up, signed or not.
func made(signer *Signer) []string {
	h, day := newHead(), time.Unix(1_800_000_000, 0)
	return []string{
		string(h.link(record{Event: kindChain, Sink: "file", Host: "gw1"}.encode(day))),
		string(h.checkpoint(signer, whyBegin, day)),
		string(h.link((&Encoder{}).Append(nil, &Retrieval{Header: Header{Time: day, User: "mallory"}}))),
		string(h.checkpoint(signer, whyStop, day)),
	}
}

func wantFirst(t *testing.T, r *Report, kind string, line int) {
	t.Helper()
	for _, c := range r.Chains {
		if len(c.Findings) == 0 {
			continue
		}
		if f := c.Findings[0]; f.Kind != kind || f.Line != line {
			t.Errorf("found %v, want %s at line %d", f, kind, line)
		}
		return
	}
	t.Errorf("nothing was found, want %s at line %d", kind, line)
}

// A whole trail that is signed with none of the keys, or not at all, is no
// proof, and whoever only looks at the exit status must not think so.
func TestMadeUpTrail(t *testing.T) {
	for name, signer := range map[string]*Signer{"not signed": nil, "signed with another key": forgerKey} {
		t.Run(name, func(t *testing.T) {
			s := &specimen{files: [][]string{made(signer)}}
			line := map[bool]int{true: 1, false: 2}[signer == nil]
			wantFirst(t, s.verify(t), Rewritten, line)
		})
	}
}

// An older key that was not given does no harm if what follows is signed with
// one that was.
func TestKeyWasChanged(t *testing.T) {
	lines := made(forgerKey)
	l, _ := parseLink([]byte(lines[3]))
	h := l.head()
	s := &specimen{files: [][]string{append(lines, string(h.checkpoint(testKey(), whyResume, time.Unix(1_800_000_001, 0))))}}
	if c := wantIntact(t, s.verify(t)); c.Unknown != 2 || c.Proven != 5 {
		t.Errorf("%+v", c)
	}
}

// Lines that were written while no process ran are signed by its next start; the
// checkpoint before them says that there were none.
func TestAddedWhileStopped(t *testing.T) {
	line := (&Encoder{}).Append(nil, &Retrieval{Header: Header{Time: time.Unix(1_800_000_000, 0), User: "mallory"}})
	day := time.Unix(1_800_000_001, 0)
	torn := record{Event: kindTorn, Torn: 4, SHA256: "88d4266fd4e6338d13b845fcf289579d209c897823b9217da3e161936f031589"}.encode(day)
	for name, test := range map[string]struct {
		add  func(h *head) []string
		line int
	}{
		"a line":               {func(h *head) []string { return []string{string(h.link(line))} }, 5},
		"a line behind a tear": {func(h *head) []string { return []string{"abcd", string(h.link(torn)), string(h.link(line))} }, 7},
	} {
		t.Run(name, func(t *testing.T) {
			lines := made(testKey())
			l, _ := parseLink([]byte(lines[3]))
			h := l.head()
			lines = append(lines, test.add(&h)...)
			lines = append(lines, string(h.checkpoint(testKey(), whyResume, day)))
			wantFirst(t, (&specimen{files: [][]string{lines}}).verify(t), Added, test.line)
		})
	}
}

// A sink's whole trail was removed, and a new one begun: only the witness knows.
func TestWitnessedAndGone(t *testing.T) {
	other, day := newHead(), time.Unix(1_800_000_000, 0)
	second := []string{
		string(other.link(record{Event: kindChain, Sink: "second"}.encode(day))),
		string(other.checkpoint(testKey(), whyBegin, day)),
	}
	old := made(testKey())
	for _, i := range []int{1, 3} {
		second = append(second, string(other.link(record{Event: kindWitness, Sink: "file", Line: old[i]}.encode(day))))
	}
	for name, test := range map[string]struct {
		sinks []string
		finds bool
	}{"all is read": {[]string{"file", "second"}, true}, "only some": {[]string{"second"}, false}} {
		t.Run(name, func(t *testing.T) {
			v := Verification{Keys: testKeys(), Whole: true, Sinks: test.sinks}
			for file, lines := range map[string][]string{"file": made(testKey()), "second": second} {
				if err := v.Read(file, strings.NewReader(strings.Join(lines, "\n")+"\n")); err != nil {
					t.Fatal(err)
				}
			}
			r := v.Report()
			if r.Intact() == test.finds {
				t.Fatalf("intact: %v", r.Intact())
			}
			if !test.finds {
				return
			}
			wantFirst(t, r, Removed, 3)
			if c := r.Chains[len(r.Chains)-1]; c.Sink != "file" || c.Witnessed != 4 || len(c.Findings) != 1 {
				t.Errorf("%+v", c)
			}
		})
	}
}

// A row of the state file whose columns were changed is not found by a search,
// though its line is as it was.
func TestRowThatIsHidden(t *testing.T) {
	for name, hide := range map[string]func(r *Row){
		"from its user":       func(r *Row) { r.Base = "bob" },
		"from its time":       func(r *Row) { r.Time -= 1e8 },
		"from its message":    func(r *Row) { r.MessageID = "<other@example.org>" },
		"from its session":    func(r *Row) { r.Session = "x" },
		"from its UIDL":       func(r *Row) { r.UIDL = "" },
		"as a kind of a line": func(r *Row) { r.Kind = kindCheckpoint },
	} {
		t.Run(name, func(t *testing.T) {
			v := Verification{Keys: testKeys(), Whole: true}
			for i, line := range grow().files[0] {
				row, err := rowOf([]byte(line))
				if err != nil {
					t.Fatal(err)
				}
				if i == 3 {
					hide(&row)
				}
				if err := v.Row("table", row); err != nil {
					t.Fatal(err)
				}
			}
			wantFirst(t, v.Report(), Changed, 4)
		})
	}
}

// A compressed file that was damaged is named, and does not keep anybody from
// what is before the damage and in other files.
func TestDamagedFile(t *testing.T) {
	s, dir := grow(), t.TempDir()
	var paths []string
	for i, lines := range s.files {
		var packed bytes.Buffer
		z := gzip.NewWriter(&packed)
		for j, line := range lines {
			if _, err := z.Write([]byte(line + "\n")); err != nil {
				t.Fatal(err)
			}
			if j == 8 {
				if err := z.Flush(); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
		data := packed.Bytes()
		switch i {
		case 0:
			data = data[:len(data)-20]
		case 1:
			data[0] ^= 1
		}
		path := filepath.Join(dir, []string{"a", "b", "c"}[i]+".jsonl.gz")
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		paths = append(paths, path)
	}
	r := verifiedFiles(t, paths...)
	if r.Intact() || !strings.Contains(r.Chains[0].Findings[0].Text, "can be read") {
		t.Errorf("%+v", r.Chains)
	}
	found := 0
	q := Query{User: "alice", AnyView: true}
	_, err := q.Search(t.Context(), paths, func(Hit) error { found++; return nil })
	if err == nil || !strings.Contains(err.Error(), "a.jsonl.gz") || !strings.Contains(err.Error(), "b.jsonl.gz") {
		t.Errorf("the search says %v", err)
	}
	if found < 12+6 {
		t.Errorf("%d lines were found", found)
	}
}

// A file that is compressed between the reading of its name and its opening is
// found all the same.
func TestCompressedMeanwhile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.jsonl")
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, _ = z.Write([]byte(strings.Join(grow().files[0], "\n") + "\n"))
	_ = z.Close()
	if err := os.WriteFile(path+gzipSuffix, packed.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	if c := wantIntact(t, verifiedFiles(t, path)); c.Last != 16 {
		t.Errorf("%+v", c)
	}
}
