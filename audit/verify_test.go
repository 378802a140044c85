package audit

import (
	"bytes"
	"crypto/ed25519"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// A specimen is a trail in three files: lines 1 to 16, 17 to 31 and 32 to 45.
// Each begins with a checkpoint, and all but the last end with one.
type specimen struct{ files [][]string }

// forgerKey is somebody else's.
var forgerKey = func() *Signer {
	private, _, _, err := NewKey()
	if err != nil {
		panic(err)
	}
	s, _ := ReadSigner(private)
	return s
}()

// grow makes lines as a sink does, with a fixed time.
func grow() *specimen {
	s := &specimen{files: make([][]string, 3)}
	h := head{chain: "0123456789abcdef"}
	day := time.Unix(1_800_000_000, 0)
	add := func(file int, line []byte) { s.files[file] = append(s.files[file], string(line)) }
	add(0, h.link(record{Event: kindChain, Sink: "file", Host: "gw1"}.encode(day)))
	for file := range 3 {
		add(file, h.checkpoint(testKey(), whyBegin, day))
		for i := range 12 {
			if i == 6 {
				add(file, h.checkpoint(testKey(), whyLines, day))
			}
			e := &Retrieval{Header: Header{Time: day, User: "alice"}, Message: Message{Number: 100*file + i, UIDL: "u", Upstream: "main", Folder: "INBOX"}}
			add(file, h.link((&Encoder{}).Append(nil, e)))
		}
		if file < 2 {
			add(file, h.checkpoint(testKey(), whyEnd, day))
		}
	}
	return s
}

func (s *specimen) clone() *specimen {
	c := &specimen{}
	for _, f := range s.files {
		c.files = append(c.files, slices.Clone(f))
	}
	return c
}

// verify writes the files that are left and verifies them, in the wrong order.
func (s *specimen) verify(t *testing.T, more ...string) *Report {
	t.Helper()
	dir := t.TempDir()
	var paths []string
	for i, lines := range s.files {
		if lines == nil {
			continue
		}
		path := filepath.Join(dir, fmt.Sprintf("%d.jsonl", i))
		if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		paths = append(paths, path)
	}
	slices.Reverse(paths)
	return verifiedFiles(t, append(paths, more...)...)
}

// rehash makes the chain agree with itself again from a line on, as somebody
// would who has no key.
func (s *specimen) rehash(file, line int) {
	var before link
	for f := range s.files {
		for i, text := range s.files[f] {
			l, _ := parseLink([]byte(text))
			if f > file || f == file && i >= line {
				text = strings.Replace(text, l.prev.String(), before.hash.String(), 1)
				text = strings.Replace(text, fmt.Sprintf(`"seq":%d,`, l.seq), fmt.Sprintf(`"seq":%d,`, before.seq+1), 1)
				s.files[f][i] = text
				l, _ = parseLink([]byte(text))
			}
			before = l
		}
	}
}

// seqOf is the number of a line of the specimen.
func (s *specimen) seqOf(file, line int) uint64 {
	l, _ := parseLink([]byte(s.files[file][line]))
	return l.seq
}

func TestSpecimenIsIntact(t *testing.T) {
	r := grow().verify(t)
	c := wantIntact(t, r)
	if c.First != 1 || c.Proven == 0 || c.Unproven != c.Last-c.Proven || c.Unproven != 6 || c.Stopped {
		t.Errorf("%+v", c)
	}
	if !strings.HasSuffix(r.Files[0], "0.jsonl") {
		t.Errorf("files were read as %q", r.Files)
	}
}

// A crime is what somebody may do, and what is found first.
type crime struct {
	name       string
	do         func(s *specimen)
	kind       string
	file, line int // where it is found; lines count from 1
	seq        uint64
}

var tampering = []crime{
	{"a line is removed", func(s *specimen) { s.files[1] = slices.Delete(s.files[1], 4, 5) }, Removed, 1, 5, 21},
	{"several lines are removed", func(s *specimen) { s.files[1] = slices.Delete(s.files[1], 2, 5) }, Removed, 1, 3, 19},
	{"a checkpoint is removed", func(s *specimen) { s.files[1] = slices.Delete(s.files[1], 7, 8) }, Removed, 1, 8, 24},
	{"the first line of a file is removed", func(s *specimen) { s.files[1] = s.files[1][1:] }, Removed, 1, 1, 17},
	{"the first line of all is removed", func(s *specimen) { s.files[0] = s.files[0][2:] }, Removed, 0, 1, 3},
	{"the last line of a file is removed", func(s *specimen) { s.files[0] = s.files[0][:15] }, Removed, 1, 1, 16},
	{"the last lines of a file are removed", func(s *specimen) { s.files[0] = s.files[0][:9] }, Removed, 1, 1, 10},
	{"a whole file is removed", func(s *specimen) { s.files[1] = nil }, Removed, 2, 1, 17},
	{"the end of a file, and the file after it", func(s *specimen) { s.files[0], s.files[1] = s.files[0][:5], nil }, Removed, 2, 1, 6},

	{"a line is copied", func(s *specimen) { s.files[1] = slices.Insert(s.files[1], 5, s.files[1][4]) }, Added, 1, 6, 21},
	{"a line is copied to a place before", func(s *specimen) { s.files[1] = slices.Insert(s.files[1], 3, s.files[1][5]) }, Added, 1, 4, 22},
	{"a line is copied to another file", func(s *specimen) { s.files[2] = slices.Insert(s.files[2], 5, s.files[0][4]) }, Added, 2, 6, 5},
	{"a line is copied to the end", func(s *specimen) { s.files[2] = append(s.files[2], s.files[0][4]) }, Added, 2, 15, 5},
	{"a line is made up", func(s *specimen) { s.forge(1, 5) }, Added, 1, 6, 22},
	{"a line of another kind", func(s *specimen) { s.files[1] = slices.Insert(s.files[1], 5, `{"v":1,"event":"retrieval"}`) }, Added, 1, 6, 0},
	{"an empty line", func(s *specimen) { s.files[1] = slices.Insert(s.files[1], 5, "") }, Added, 1, 6, 0},
	{"a line before all", func(s *specimen) { s.files[0] = slices.Insert(s.files[0], 0, "hello") }, Added, 0, 1, 0},
	{"lines behind all", func(s *specimen) { s.files[2] = append(s.files[2], "hello", "world") }, Added, 2, 15, 0},

	{"two lines change places", func(s *specimen) { s.swap(1, 4, 5) }, Reordered, 1, 5, 22},
	{"two lines far apart change places", func(s *specimen) { s.swap(1, 3, 9) }, Reordered, 1, 4, 26},
	{"a line moves back", func(s *specimen) { s.move(1, 8, 3) }, Reordered, 1, 4, 25},
	{"a line moves ahead", func(s *specimen) { s.move(1, 3, 8) }, Reordered, 1, 4, 21},
	{"the last two lines change places", func(s *specimen) { s.swap(2, 12, 13) }, Reordered, 2, 13, 45},

	{"a word is changed", func(s *specimen) { s.replace(1, 4, "alice", "bob") }, Changed, 1, 5, 21},
	{"the hash of the line before is changed", func(s *specimen) { s.replace(1, 4, `"prev":"`, `"prev":"0`) }, Changed, 1, 5, 21},
	{"a digit of that hash is changed", func(s *specimen) { s.flip(1, 4) }, Changed, 1, 5, 21},
	{"the number is changed", func(s *specimen) { s.replace(1, 4, `"seq":21`, `"seq":99`) }, Changed, 1, 5, 21},
	{"the number is made smaller", func(s *specimen) { s.replace(1, 4, `"seq":21`, `"seq":2`) }, Added, 1, 5, 2},
	{"a checkpoint is changed", func(s *specimen) { s.replace(1, 7, whyLines, whyTime) }, Rewritten, 1, 8, 24},
	{"the first line is changed", func(s *specimen) { s.replace(0, 0, "gw1", "gw2") }, Changed, 0, 1, 1},
	{"the last line of a file is changed", func(s *specimen) { s.replace(0, 15, whyEnd, whyTime) }, Rewritten, 0, 16, 16},
	{"two lines are changed", func(s *specimen) { s.replace(1, 4, "alice", "bob"); s.replace(1, 5, "alice", "bob") }, Changed, 1, 6, 22},
	{"a line is made into none", func(s *specimen) { s.files[1][4] = "gone" }, Changed, 1, 5, 21},
	{"a line is emptied", func(s *specimen) { s.files[1][4] = "" }, Changed, 1, 5, 21},
	{"a line loses its end", func(s *specimen) { s.files[1][4] = s.files[1][4][:200] }, Changed, 1, 5, 21},
	{"two lines become one", func(s *specimen) {
		s.files[1][4] += s.files[1][5]
		s.files[1] = slices.Delete(s.files[1], 5, 6)
	}, Changed, 1, 5, 0},
	{"a file is cut in a line", func(s *specimen) { s.files[0] = append(s.files[0][:9:9], s.files[0][9][:99]) }, Changed, 0, 10, 0},

	{"a word is changed, and the hashes after it", func(s *specimen) { s.replace(1, 4, "alice", "bob"); s.rehash(1, 5) }, Rewritten, 1, 8, 24},
	{"a line is removed, and the chain closed", func(s *specimen) { s.files[1] = slices.Delete(s.files[1], 4, 5); s.rehash(1, 4) }, Rewritten, 1, 7, 23},
	{"a line is added, and the chain closed", func(s *specimen) { s.forge(1, 5); s.rehash(1, 6) }, Rewritten, 1, 9, 25},
	{"a checkpoint is removed, and the chain closed", func(s *specimen) { s.files[1] = slices.Delete(s.files[1], 7, 8); s.rehash(1, 7) }, Rewritten, 1, 14, 30},
	{"a checkpoint loses its signature", func(s *specimen) { s.unsign(1, 7); s.rehash(1, 8) }, Rewritten, 1, 8, 24},
}

func (s *specimen) swap(file, a, b int) {
	f := s.files[file]
	f[a], f[b] = f[b], f[a]
}

func (s *specimen) move(file, from, to int) {
	line := s.files[file][from]
	s.files[file] = slices.Insert(slices.Delete(s.files[file], from, from+1), to, line)
}

func (s *specimen) replace(file, line int, old, new string) {
	changed := strings.Replace(s.files[file][line], old, new, 1)
	if changed == s.files[file][line] {
		panic("nothing to replace")
	}
	s.files[file][line] = changed
}

// flip changes a digit in the hash of the line before.
func (s *specimen) flip(file, line int) {
	l, _ := parseLink([]byte(s.files[file][line]))
	other := l.prev
	other[5] ^= 1
	s.replace(file, line, l.prev.String(), other.String())
}

// forge puts a line in that follows the one before it.
func (s *specimen) forge(file, line int) {
	l, _ := parseLink([]byte(s.files[file][line-1]))
	h := l.head()
	made := h.link([]byte(`{"v":1,"event":"retrieval","time":"2027-01-15T08:00:00.000000Z"}`))
	s.files[file] = slices.Insert(s.files[file], line, string(made))
}

func (s *specimen) unsign(file, line int) {
	text := s.files[file][line]
	s.files[file][line] = text[:strings.Index(text, `,"key":`)] + "}"
}

// resign signs a checkpoint, and all that follow, with another key.
func (s *specimen) resign(file, line int) {
	first := true
	for f := file; f < len(s.files); f++ {
		for i := range s.files[f] {
			if f == file && i < line || kindOf([]byte(s.files[f][i])) != kindCheckpoint {
				continue
			}
			if !first {
				s.rehash(f, i)
			}
			first = false
			l, _ := parseLink([]byte(s.files[f][i]))
			h := head{l.chain, l.seq - 1, l.prev}
			s.files[f][i] = string(h.checkpoint(forgerKey, whyLines, time.Unix(1_800_000_000, 0)))
			s.rehash(f, i+1)
		}
	}
}

func TestTampering(t *testing.T) {
	intact := grow()
	for _, test := range tampering {
		t.Run(test.name, func(t *testing.T) {
			s := intact.clone()
			test.do(s)
			r := s.verify(t)
			if r.Intact() {
				t.Fatal("nothing was found")
			}
			var first Finding
			for _, c := range r.Chains {
				if len(c.Findings) > 0 && first.Kind == "" {
					first = c.Findings[0]
				}
			}
			if first.Kind != test.kind || !strings.HasSuffix(first.File, fmt.Sprintf("/%d.jsonl", test.file)) || first.Line != test.line || first.Seq != test.seq {
				t.Errorf("found: %v (seq %d)\nwant %s at %d.jsonl line %d (seq %d)", first, first.Seq, test.kind, test.file, test.line, test.seq)
			}
		})
	}
}

// TestOneFaultIsOneFinding: what comes behind a fault is verified as if it had
// not been there.
func TestOneFaultIsOneFinding(t *testing.T) {
	for _, name := range []string{"a line is removed", "a line is copied", "a line of another kind", "two lines change places", "a line moves back",
		"a line moves ahead", "a word is changed", "a line is made into none", "a whole file is removed"} {
		i := slices.IndexFunc(tampering, func(c crime) bool { return c.name == name })
		s := grow()
		tampering[i].do(s)
		if c := s.verify(t).Chains[0]; len(c.Findings) != 1 {
			t.Errorf("%s: found %v", name, c.Findings)
		}
	}
}

// TestCutTail: what was cut from the end is not missed by the chain itself, but
// by another sink's witness.
func TestCutTail(t *testing.T) {
	s := grow()
	checkpoint := s.files[2][7]
	other := head{chain: "fedcba9876543210"}
	day := time.Unix(1_800_000_000, 0)
	witness := string(other.link(record{Event: kindChain, Sink: "second"}.encode(day))) + "\n" +
		string(other.checkpoint(testKey(), whyBegin, day)) + "\n" +
		string(other.link(record{Event: kindWitness, Sink: "file", Line: checkpoint}.encode(day))) + "\n"
	path := filepath.Join(t.TempDir(), "second.jsonl")
	if err := os.WriteFile(path, []byte(witness), 0o600); err != nil {
		t.Fatal(err)
	}
	r := s.verify(t, path)
	if !r.Intact() || r.Chains[0].Witnessed != s.seqOf(2, 7) {
		t.Fatalf("%+v", r.Chains[0])
	}

	cut := s.clone()
	cut.files[2] = cut.files[2][:5]
	if r := cut.verify(t); !r.Intact() || r.Chains[0].Unproven != 4 {
		t.Errorf("without a witness: %+v", r.Chains[0])
	}
	r = cut.verify(t, path)
	if f := r.Chains[0].Findings; len(f) != 1 || f[0].Kind != Truncated || f[0].Line != 5 || f[0].Seq != s.seqOf(2, 4) {
		t.Errorf("with a witness: %v", f)
	}

	// The key is stolen, and everything is signed anew: the witness remembers.
	s.replace(2, 3, "alice", "bob")
	s.rehash(2, 4)
	l, _ := parseLink([]byte(s.files[2][7]))
	h := head{l.chain, l.seq - 1, l.prev}
	s.files[2][7] = string(h.checkpoint(testKey(), whyLines, time.Unix(1_800_000_000, 0)))
	s.rehash(2, 8)
	if r := s.verify(t); !r.Intact() {
		t.Errorf("without a witness: %v", r.Chains[0].Findings)
	}
	if f := s.verify(t, path).Chains[0].Findings; len(f) != 1 || f[0].Kind != Rewritten || f[0].Seq != l.seq {
		t.Errorf("with a witness: %v", f)
	}
}

// TestHalfLastLine: half a line at the end is told of, and is no finding.
func TestHalfLastLine(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.jsonl")
	text := strings.Join(grow().files[0], "\n")
	if err := os.WriteFile(path, []byte(text[:len(text)-20]), 0o600); err != nil {
		t.Fatal(err)
	}
	if c := wantIntact(t, verifiedFiles(t, path)); !c.HalfLine || c.Last != 15 || c.Unproven != 6 {
		t.Errorf("%+v", c)
	}
}

// TestUnknownKey: a signature proves something only to who has the key.
func TestUnknownKey(t *testing.T) {
	s := grow()
	s.resign(1, 7)
	c := s.verify(t).Chains[0]
	if c.Unknown == 0 || c.Proven != s.seqOf(1, 0) || c.Unproven != c.Last-c.Proven {
		t.Errorf("%+v", c)
	}
	if len(c.Findings) != 1 || c.Findings[0].Kind != Rewritten || c.Findings[0].Seq != s.seqOf(1, 7) {
		t.Errorf("what was signed with somebody else's key passes: %v", c.Findings)
	}
	v := Verification{}
	path := filepath.Join(t.TempDir(), "a.jsonl")
	if err := os.WriteFile(path, []byte(strings.Join(grow().files[0], "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := v.Files([]string{path}); err != nil {
		t.Fatal(err)
	}
	if c := wantIntact(t, v.Report()); c.Proven != 0 || c.Unproven != 16 || c.Unknown != 3 {
		t.Errorf("without any key: %+v", c)
	}
}

// TestVerifyCut reads what a syslog server has written, of two instances.
func TestVerifyCut(t *testing.T) {
	a, b := head{chain: "0123456789abcdef"}, head{chain: "fedcba9876543210"}
	var text strings.Builder
	for i := range 10 {
		for _, h := range []*head{&a, &b} {
			fmt.Fprintf(&text, "Jan 15 08:00:%02d gw restante[7]: %s\nJan 15 08:00:00 gw cron[8]: tick\n", i, h.link([]byte(`{"v":1,"event":"tls","time":"2027-01-15T08:00:00.000000Z"}`)))
		}
	}
	v := Verification{Cut: true}
	if err := v.Read("messages", strings.NewReader(text.String())); err != nil {
		t.Fatal(err)
	}
	if r := v.Report(); len(r.Chains) != 2 || !r.Intact() || r.Chains[0].Last != 10 || r.Chains[1].Last != 10 {
		t.Errorf("%+v", r)
	}
}

// FuzzVerify: whatever is in a file, there is an answer; a specimen that was
// changed anywhere before its last true checkpoint is never called intact.
func FuzzVerify(f *testing.F) {
	s := grow()
	all := []byte(strings.Join(slices.Concat(s.files...), "\n") + "\n")
	proven := bytes.LastIndex(all, []byte(s.files[2][7])) + len(s.files[2][7])
	keys := Verifier{testKey().id: testKey().key.Public().(ed25519.PublicKey)}
	f.Add(5, 1, []byte("x"))
	f.Add(500, 0, []byte("{}\n"))
	f.Add(1000, 700, []byte{})
	f.Add(0, len(all), all)
	f.Fuzz(func(t *testing.T, at, remove int, insert []byte) {
		at = min(max(at, 0), len(all))
		remove = min(max(remove, 0), len(all)-at)
		changed := slices.Concat(all[:at], insert, all[at+remove:])
		v := Verification{Keys: keys}
		if err := v.Read("fuzz", bytes.NewReader(changed)); err != nil {
			t.Fatal(err)
		}
		r := v.Report()
		if bytes.HasPrefix(changed, all[:proven]) || !r.Intact() {
			return
		}
		for _, c := range r.Chains {
			if c.Chain == "0123456789abcdef" && c.Proven > 0 && !bytes.HasSuffix(all[:proven], changed) && !isPart(all, changed, c.Proven) {
				t.Fatalf("%d octets at %d replaced by %q: %+v", remove, at, insert, c)
			}
		}
	})
}

// isPart tells whether the changed text is, up to its last true checkpoint, a
// part of the specimen, at line ends: older files may be missing.
func isPart(all, changed []byte, proven uint64) bool {
	from := bytes.Index(all, changed[:bytes.IndexByte(changed, '\n')+1])
	if from < 0 {
		return false
	}
	at := bytes.Index(all, fmt.Appendf(nil, `"seq":%d,`, proven))
	return at >= from && bytes.HasPrefix(changed, all[from:at])
}
