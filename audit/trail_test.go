package audit

import (
	"bytes"
	"crypto/ed25519"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// deadline bounds every wait of a test; none comes near it on an idle machine.
const deadline = 20 * time.Second

// testKey signs in all tests.
var testKey = sync.OnceValue(func() *Signer {
	private, _, _, err := NewKey()
	if err != nil {
		panic(err)
	}
	s, err := ReadSigner(private)
	if err != nil {
		panic(err)
	}
	return s
})

func testKeys() Verifier { return Verifier{testKey().id: testKey().key.Public().(ed25519.PublicKey)} }

// troubles gathers what sinks report.
type troubles struct {
	mu  sync.Mutex
	all []Trouble
}

func (t *troubles) report(one Trouble) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.all = append(t.all, one)
}

func (t *troubles) has(text string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, one := range t.all {
		if one.Err == nil && text == "" || one.Err != nil && strings.Contains(one.Err.Error(), text) && text != "" {
			return true
		}
	}
	return false
}

// fileSettings are a file sink that is fast enough for tests.
func fileSettings(path string) Settings {
	return Settings{Name: "file", To: ToFile, Target: path, Path: path, Queue: 1 << 20, Patience: deadline,
		Sync: SyncInterval, Interval: 10 * time.Millisecond, Signer: testKey(), Every: 10, Within: time.Hour}
}

// use starts a trail with sinks, which ends with the test.
func use(t *testing.T, all ...Settings) (*Trail, *troubles) {
	t.Helper()
	seen := &troubles{}
	trail := NewTrail(seen.report)
	change(t, trail, all...)
	t.Cleanup(func() { _ = trail.Close() }) // a second time does nothing
	return trail, seen
}

func change(t *testing.T, trail *Trail, all ...Settings) {
	t.Helper()
	c, err := trail.Prepare(all)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Make(&Encoder{}); err != nil {
		t.Fatal(err)
	}
}

// say records facts with numbers from..to.
func say(trail *Trail, from, to int) {
	for i := from; i <= to; i++ {
		trail.Record(&Retrieval{Header: Header{Time: time.Unix(int64(1_800_000_000+i), 0), Session: "5f0c2a17", User: "alice", Base: "alice"},
			Message: Message{Upstream: "main", Folder: "INBOX", UIDValidity: 1, UID: uint32(i), Number: i, UIDL: fmt.Sprintf("uidl-%d", i), MessageID: fmt.Sprintf("<%d@example.org>", i)}, Octets: int64(i), Sent: true, Complete: true})
	}
}

func end(t *testing.T, trail *Trail) {
	t.Helper()
	if err := trail.Close(); err != nil {
		t.Fatal(err)
	}
}

// await waits until a condition holds.
func await(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for until := time.Now().Add(deadline); !holds(); {
		if time.Now().After(until) {
			t.Fatalf("in vain: %s", what)
		}
		time.Sleep(time.Millisecond)
	}
}

// written waits until the only sink has written n lines in all.
func written(t *testing.T, trail *Trail, n uint64) {
	t.Helper()
	await(t, fmt.Sprintf("%d lines are written: %+v", n, trail.Stats()), func() bool { return trail.Stats()[0].Lines >= n })
}

func linesOf(t *testing.T, path string) (all []string) {
	t.Helper()
	if err := readFile(path, func(line []byte, _ int) error {
		all = append(all, string(line))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return all
}

func kinds(lines []string) (all []string) {
	for _, line := range lines {
		all = append(all, kindOf([]byte(line)))
	}
	return all
}

// verified verifies a trail's files.
func verified(t *testing.T, path string) *Report {
	t.Helper()
	files, err := Files(path)
	if err != nil {
		t.Fatal(err)
	}
	return verifiedFiles(t, files...)
}

func verifiedFiles(t *testing.T, files ...string) *Report {
	t.Helper()
	v := Verification{Keys: testKeys()}
	if err := v.Files(files); err != nil {
		t.Fatal(err)
	}
	return v.Report()
}

// wantIntact wants one chain without findings.
func wantIntact(t *testing.T, r *Report) *ChainReport {
	t.Helper()
	if len(r.Chains) != 1 {
		t.Fatalf("%d chains", len(r.Chains))
	}
	for _, f := range r.Chains[0].Findings {
		t.Errorf("found: %v", f)
	}
	return r.Chains[0]
}

// numbers are the message numbers of the retrievals in a trail.
func numbers(t *testing.T, path string) (all []int) {
	t.Helper()
	files, err := Files(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		for _, line := range linesOf(t, f) {
			if _, rest, ok := strings.Cut(line, `"event":"retrieval"`); ok {
				var n int
				_, rest, _ = strings.Cut(rest, `"n":`)
				fmt.Sscanf(rest, "%d", &n)
				all = append(all, n)
			}
		}
	}
	return all
}

func wantNumbers(t *testing.T, path string, to int) {
	t.Helper()
	got := numbers(t, path)
	for i, n := range got {
		if n != i+1 {
			t.Fatalf("retrieval %d of the trail is number %d", i+1, n)
		}
	}
	if len(got) != to {
		t.Fatalf("%d retrievals in the trail, want %d", len(got), to)
	}
}

func TestFileSink(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	trail, seen := use(t, fileSettings(path))
	say(trail, 1, 25)
	end(t, trail)
	c := wantIntact(t, verified(t, path))
	if c.First != 1 || c.Unproven != 0 || !c.Stopped || c.Signed < 3 || c.Sink != "file" || len(seen.all) != 0 {
		t.Errorf("%+v; troubles %v", c, seen.all)
	}
	wantNumbers(t, path, 25)
	schema := documented(t)
	for _, line := range linesOf(t, path) {
		if err := check(t, schema, []byte(line)); err != nil {
			t.Errorf("%s: %v", line, err)
		}
	}
}

// TestRestart: the chain goes on, however often, whatever the end was.
func TestRestart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	for i := range 3 {
		trail, _ := use(t, fileSettings(path))
		say(trail, 3*i+1, 3*i+3)
		end(t, trail)
	}
	wantNumbers(t, path, 9)
	if c := wantIntact(t, verified(t, path)); c.Unproven != 0 || c.Late != 0 {
		t.Errorf("%+v", c)
	}
}

// TestTornLine: what a crash leaves behind the last line is kept, and written
// down.
func TestTornLine(t *testing.T) {
	for name, tail := range map[string]string{
		"half a line":               `{"chain":"0123456789abcdef","seq":9,"prev":"00`,
		"half a line, with its end": `{"chain":"0123` + "\n", "an empty line": "\n", "zeros": strings.Repeat("\x00", 5000),
		"several": "a\nb\n\nc", "a long one": strings.Repeat("x", longestLine+10),
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "audit.jsonl")
			trail, _ := use(t, fileSettings(path))
			say(trail, 1, 3)
			end(t, trail)
			appendTo(t, path, tail)
			trail, _ = use(t, fileSettings(path))
			say(trail, 4, 6)
			end(t, trail)
			wantNumbers(t, path, 6)
			if c := wantIntact(t, verified(t, path)); c.Torn != 1 || c.Unproven != 0 {
				t.Errorf("%+v", c)
			}
			if data, err := os.ReadFile(path); err != nil || !bytes.Contains(data, []byte(tail)) {
				t.Errorf("what the crash left is gone (%v)", err)
			}
		})
	}
}

// TestWholeLastLine: only the line end is missing.
func TestWholeLastLine(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	trail, _ := use(t, fileSettings(path))
	say(trail, 1, 3)
	end(t, trail)
	data, _ := os.ReadFile(path)
	if err := os.WriteFile(path, data[:len(data)-1], 0o600); err != nil {
		t.Fatal(err)
	}
	trail, _ = use(t, fileSettings(path))
	say(trail, 4, 4)
	end(t, trail)
	wantNumbers(t, path, 4)
	if c := wantIntact(t, verified(t, path)); c.Torn != 0 {
		t.Errorf("%+v", c)
	}
}

func appendTo(t *testing.T, path, text string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err == nil {
		_, err = f.WriteString(text)
	}
	if err == nil {
		err = f.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestForeignFile: nothing is written to what is no trail.
func TestForeignFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	if err := os.WriteFile(path, []byte("dear diary\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := NewTrail(nil).Prepare([]Settings{fileSettings(path)}); err == nil || !strings.Contains(err.Error(), "is not an audit trail") {
		t.Errorf("%v", err)
	}
}

// TestTwoWriters: a file has one.
func TestTwoWriters(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	use(t, fileSettings(path))
	if _, err := NewTrail(nil).Prepare([]Settings{fileSettings(path)}); err == nil || !strings.Contains(err.Error(), "another process") {
		t.Errorf("%v", err)
	}
}

func TestRotation(t *testing.T) {
	for _, compress := range []bool{false, true} {
		t.Run(fmt.Sprint("compressed ", compress), func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "audit.jsonl")
			set := fileSettings(path)
			set.RotateSize, set.Compress = 4000, compress
			trail, seen := use(t, set)
			for i := range 20 {
				say(trail, 10*i+1, 10*i+10)
				written(t, trail, uint64(10*i+10))
			}
			end(t, trail)
			trail, _ = use(t, set) // what was not compressed yet is now
			end(t, trail)
			files, _ := Files(path)
			if len(files) < 5 {
				t.Fatalf("files: %q", files)
			}
			for _, f := range files[:len(files)-2] { // the newest of them may have been closed by that start, and be packed at the next
				if strings.HasSuffix(f, ".gz") != compress {
					t.Errorf("file %s", f)
				}
			}
			wantNumbers(t, path, 200)
			if c := wantIntact(t, verified(t, path)); c.Unproven != 0 {
				t.Errorf("%+v", c)
			}
			for _, f := range files {
				wantIntact(t, verifiedFiles(t, f)) // each begins with a checkpoint
			}
			if len(seen.all) > 0 {
				t.Errorf("troubles: %v", seen.all)
			}
		})
	}
}

// TestRestartBetweenFiles: the file is gone in between, as after a crash in
// the middle of a rotation; the chain goes on from the one before.
func TestRestartBetweenFiles(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "audit.jsonl")
	set := fileSettings(path)
	set.Compress = true
	trail, _ := use(t, set)
	say(trail, 1, 3)
	end(t, trail)
	if err := os.Rename(path, filepath.Join(dir, "audit-000000000001-20260102T030405Z.jsonl")); err != nil {
		t.Fatal(err)
	}
	for i := 4; i < 6; i++ { // the second time the one before is compressed
		trail, _ = use(t, set)
		say(trail, i, i)
		end(t, trail)
	}
	wantNumbers(t, path, 5)
	wantIntact(t, verified(t, path))
}

// TestFileRemoved: somebody removes the file under the process.
func TestFileRemoved(t *testing.T) {
	for _, renamed := range []bool{false, true} {
		path := filepath.Join(t.TempDir(), "audit.jsonl")
		trail, seen := use(t, fileSettings(path))
		say(trail, 1, 3)
		written(t, trail, 5)
		if renamed {
			if err := os.Rename(path, path+".1"); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte("not ours"), 0o600); err != nil {
				t.Fatal(err)
			}
		} else if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		say(trail, 4, 6)
		end(t, trail)
		if !seen.has("removed or renamed") {
			t.Errorf("troubles: %v", seen.all)
		}
		if got := kinds(linesOf(t, path)); got[0] != kindCheckpoint || got[1] != kindFileLost || got[2] != "retrieval" {
			t.Errorf("the new file has %v", got)
		}
		if c := wantIntact(t, verified(t, path)); c.LostFiles != 1 || c.First == 1 {
			t.Errorf("%+v", c)
		}
		v := Verification{Keys: testKeys(), Whole: true}
		if err := v.Files([]string{path}); err != nil {
			t.Fatal(err)
		}
		if f := v.Report().Chains[0].Findings; len(f) != 1 || f[0].Kind != Removed || f[0].Seq != 1 {
			t.Errorf("as the whole trail: %v", f)
		}
		if renamed {
			wantIntact(t, verifiedFiles(t, path, path+".1"))
		}
	}
}

// TestRetention: old files go, oldest first, and the chain says so.
func TestRetention(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	set := fileSettings(path)
	set.RotateSize = 2000
	trail, _ := use(t, set)
	for i := range 10 {
		say(trail, 10*i+1, 10*i+10)
		written(t, trail, uint64(10*i+10))
	}
	end(t, trail)
	before, _ := listClosed(path)
	for i, c := range before[:2] { // two are of last year
		old := strings.Replace(c.path, c.ended.Format("2006"), "2001", 1)
		if err := os.Rename(c.path, old); err != nil {
			t.Fatal(err)
		}
		before[i].path = old
	}
	set.Retain = 24 * time.Hour
	trail, _ = use(t, set)
	end(t, trail)
	after, _ := listClosed(path)
	if len(after) != len(before)-2 || after[0].path != before[2].path {
		t.Errorf("%d files, then %d", len(before), len(after))
	}
	files, _ := Files(path)
	v := Verification{Keys: testKeys(), Whole: true}
	if err := v.Files(files); err != nil {
		t.Fatal(err)
	}
	c := wantIntact(t, v.Report())
	if c.First != before[2].first || c.Pruned != before[2].first-1 || c.Unproven != 0 {
		t.Errorf("%+v", c)
	}
}

// TestReload: a sink that stays the same goes on; one that goes has written all.
func TestReload(t *testing.T) {
	dir := t.TempDir()
	a, b := fileSettings(filepath.Join(dir, "a.jsonl")), fileSettings(filepath.Join(dir, "b.jsonl"))
	a.Name, b.Name = "a", "b"
	trail, _ := use(t, a)
	say(trail, 1, 3)
	a.Every, a.Queue = 1, 2<<20
	change(t, trail, a, b)
	say(trail, 4, 6)
	change(t, trail, b)
	say(trail, 7, 7)
	end(t, trail)
	wantNumbers(t, a.Path, 6)
	if c := wantIntact(t, verified(t, a.Path)); !c.Stopped || c.Unproven != 0 {
		t.Errorf("%+v", c)
	}
	if got := numbers(t, b.Path); len(got) != 4 || got[0] != 4 {
		t.Errorf("b has %v", got)
	}
	// A sink that cannot be opened changes nothing.
	trail, _ = use(t, a)
	broken := fileSettings(filepath.Join(dir, "no such", "c.jsonl"))
	if _, err := trail.Prepare([]Settings{b, broken}); err == nil {
		t.Error("a file in no directory was opened")
	}
	change(t, trail, a, b) // b is not locked by the attempt
}

// TestRotationFails: the trail goes on in the file that it has.
func TestRotationFails(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	set := fileSettings(path)
	set.RotateSize = 1000
	seen := &troubles{}
	trail := NewTrail(seen.report)
	c, err := trail.Prepare([]Settings{set})
	if err != nil {
		t.Fatal(err)
	}
	c.opened[0].file.rename = func(string, string) error { return os.ErrPermission }
	if err := c.Make(&Encoder{}); err != nil {
		t.Fatal(err)
	}
	for i := range 10 {
		say(trail, 4*i+1, 4*i+4)
		written(t, trail, uint64(4*i+4))
	}
	end(t, trail)
	wantNumbers(t, path, 40)
	wantIntact(t, verified(t, path))
	if !seen.has("begin another: permission denied") || len(seen.all) > 2 {
		t.Errorf("troubles: %v", seen.all)
	}
}
