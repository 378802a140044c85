package audit

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// A jar is an output in memory that can be made to fail, or to hang.
type jar struct {
	mu    sync.Mutex
	lines []string
	err   error
	syncs error
	hold  chan struct{} // write waits until it is closed; nil: it does not
	mark  int           // lines that were there at the last sync
}

func (j *jar) write(lines [][]byte) (int, error) {
	j.mu.Lock()
	hold := j.hold
	j.mu.Unlock()
	if hold != nil {
		<-hold
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.err != nil {
		return 0, j.err
	}
	for _, line := range lines {
		j.lines = append(j.lines, string(line))
	}
	return len(lines), nil
}

func (j *jar) sync() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.syncs == nil {
		j.mark = len(j.lines)
	}
	return j.syncs
}

func (j *jar) close() error { return nil }

func (j *jar) set(f func()) {
	j.mu.Lock()
	defer j.mu.Unlock()
	f()
}

func (j *jar) read() (lines []string, mark int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return append([]string(nil), j.lines...), j.mark
}

// intoJar starts a trail whose only sink writes to a jar.
func intoJar(t *testing.T, set Settings, c clock) (*Trail, *jar, *troubles) {
	t.Helper()
	j, seen := &jar{}, &troubles{}
	trail := NewTrail(seen.report)
	if c == nil {
		c = trail.clock
	}
	s := newSink(set, j, newHead(), c, trail.report)
	s.witness = trail.attest
	s.beginning = (&recovered{}).beginning(set, "gw1")
	s.start()
	trail.list.Store(&[]*sink{s})
	t.Cleanup(func() { _ = trail.Close() })
	return trail, j, seen
}

func jarSettings() Settings {
	set := fileSettings("")
	set.Name, set.To, set.Queue = "jar", "jar", 64<<10
	return set
}

// verifiedLines verifies what is in a jar.
func verifiedLines(t *testing.T, lines []string) *ChainReport {
	t.Helper()
	v := Verification{Keys: testKeys()}
	if err := v.Read("jar", strings.NewReader(strings.Join(lines, "\n")+"\n")); err != nil {
		t.Fatal(err)
	}
	return wantIntact(t, v.Report())
}

// TestFullAndBack: a sink fails, its queue fills, sessions wait for so long as
// they must and not longer, lines are dropped; then it works again, and the
// trail says what is missing, at its place.
func TestFullAndBack(t *testing.T) {
	for _, patience := range []time.Duration{0, 50 * time.Millisecond} {
		t.Run(patience.String(), func(t *testing.T) {
			set := jarSettings()
			set.Patience = patience
			trail, j, seen := intoJar(t, set, nil)
			say(trail, 1, 5)
			written(t, trail, 7)
			j.set(func() { j.err = errors.New("no space left on device") })
			start := time.Now()
			say(trail, 6, 5000)
			if took := time.Since(start); took > 100*patience+deadline/2 {
				t.Errorf("sessions waited for %v", took)
			}
			st := trail.Stats()[0]
			if st.Dropped == 0 || st.QueuedOctets > set.Queue+entryCost || !st.Failing || st.Errors == 0 {
				t.Errorf("while it fails: %+v", st)
			}
			if !seen.has("no space left") || !seen.has("cannot keep up") {
				t.Errorf("troubles: %v", seen.all)
			}
			j.set(func() { j.err = nil })
			await(t, "it works again", func() bool { return !trail.Stats()[0].Failing && trail.Stats()[0].QueuedLines == 0 })
			say(trail, 5001, 5010)
			end(t, trail)
			lines, _ := j.read()
			c := verifiedLines(t, lines)
			events := 0
			for _, kind := range kinds(lines) {
				if kind == "retrieval" {
					events++
				}
			}
			if c.Dropped == 0 || c.Gaps == 0 || int(c.Dropped)+events != 5010 || c.Unproven != 0 || !seen.has("") {
				t.Errorf("%d events, %+v", events, c)
			}
		})
	}
}

// TestSlowButMoving: a sink that is only slow loses nothing where sessions
// wait.
func TestSlowButMoving(t *testing.T) {
	set := jarSettings()
	trail, j, _ := intoJar(t, set, nil)
	say(trail, 1, 20_000) // many times what the queue holds
	end(t, trail)
	lines, _ := j.read()
	if c := verifiedLines(t, lines); c.Dropped != 0 || c.Unproven != 0 {
		t.Errorf("%+v", c)
	}
}

// TestMemoryIsBounded: whatever is recorded while the output hangs.
func TestMemoryIsBounded(t *testing.T) {
	set := jarSettings()
	set.Patience = 0
	trail, j, _ := intoJar(t, set, nil)
	hold := make(chan struct{})
	j.set(func() { j.hold = hold })
	say(trail, 1, 100)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	say(trail, 101, 50_000)
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 8*int64(set.Queue) {
		t.Errorf("50,000 lines took %d octets", grown)
	}
	close(hold)
	j.set(func() { j.hold = nil })
	end(t, trail)
}

// TestSyncEvent: Record returns when the line is on disk; if that cannot be, it
// returns all the same, and nobody waits a second time.
func TestSyncEvent(t *testing.T) {
	set := jarSettings()
	set.Sync = SyncEvent
	trail, j, _ := intoJar(t, set, nil)
	for i := range 20 {
		say(trail, i+1, i+1)
		if lines, mark := j.read(); mark != len(lines) || !strings.Contains(lines[mark-1], fmt.Sprintf(`"n":%d,`, i+1)) && !strings.Contains(lines[mark-2], fmt.Sprintf(`"n":%d,`, i+1)) {
			t.Fatalf("event %d is not on disk when Record returns", i+1)
		}
	}
	set.Patience = 20 * time.Millisecond
	for _, s := range trail.sinks() {
		s.retune(set)
	}
	j.set(func() { j.err = errors.New("broken") })
	start := time.Now()
	say(trail, 21, 120)
	if took := time.Since(start); took > 50*set.Patience {
		t.Errorf("100 events waited %v for a sink that is broken", took)
	}
	j.set(func() { j.err = nil })
	await(t, "all is written", func() bool { return trail.Stats()[0].QueuedLines == 0 && !trail.Stats()[0].Failing })
	end(t, trail)
}

// TestSyncFails: that what was written is on disk is not claimed, and tried
// again.
func TestSyncFails(t *testing.T) {
	trail, j, seen := intoJar(t, jarSettings(), nil)
	j.set(func() { j.syncs = errors.New("input/output error") })
	say(trail, 1, 3)
	await(t, "it fails", func() bool { return trail.Stats()[0].Failing })
	if !seen.has("make sure of what was written: input/output error") {
		t.Errorf("troubles: %v", seen.all)
	}
	j.set(func() { j.syncs = nil })
	await(t, "it works again", func() bool { return !trail.Stats()[0].Failing })
	end(t, trail)
	lines, _ := j.read()
	verifiedLines(t, lines)
}

// TestSyncSession: the end of a session is when it is on disk.
func TestSyncSession(t *testing.T) {
	set := jarSettings()
	set.Sync = SyncSession
	trail, j, _ := intoJar(t, set, nil)
	say(trail, 1, 3)
	written(t, trail, 5)
	if _, mark := j.read(); mark != 0 {
		t.Errorf("%d lines are on disk before the session ends", mark)
	}
	trail.Record(&SessionEnded{Header: Header{Time: time.Now(), Session: "5f0c2a17"}, End: "quit"})
	await(t, "the session is on disk", func() bool { _, mark := j.read(); return mark == 6 })
	end(t, trail)
}

// TestClockIsSet: lines keep their order, and the trail says by how much it was.
func TestClockIsSet(t *testing.T) {
	var mu sync.Mutex
	day, start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), time.Now()
	set := func(t time.Time) { mu.Lock(); day = t; mu.Unlock() }
	c := func() (time.Time, time.Duration) {
		mu.Lock()
		defer mu.Unlock()
		since := time.Since(start)
		return day.Add(since), since
	}
	trail, j, _ := intoJar(t, jarSettings(), c)
	say(trail, 1, 2)
	written(t, trail, 4)
	set(day.Add(-time.Hour))
	say(trail, 3, 4)
	written(t, trail, 7)
	set(day.Add(24 * time.Hour))
	say(trail, 5, 6)
	end(t, trail)
	lines, _ := j.read()
	if r := verifiedLines(t, lines); r.ClockSet != 2 {
		t.Errorf("%+v", r)
	}
	if all := strings.Join(lines, "\n"); !strings.Contains(all, `"event":"clock"`) || !strings.Contains(all, `"seconds":-3600`) {
		t.Errorf("the trail has %s", all)
	}
}

// TestCheckpoints come after so many lines, or so much time, and not for
// nothing.
func TestCheckpoints(t *testing.T) {
	set := jarSettings()
	set.Every, set.Within = 1000, 50*time.Millisecond
	trail, j, _ := intoJar(t, set, nil)
	await(t, "it begins", func() bool { return trail.Stats()[0].Lines == 2 })
	say(trail, 1, 3)
	await(t, "a checkpoint", func() bool { return trail.Stats()[0].Checkpoints == 1 })
	end(t, trail)
	lines, _ := j.read()
	if got := strings.Join(kinds(lines), " "); got != "chain_start checkpoint retrieval retrieval retrieval checkpoint checkpoint" {
		t.Errorf("%s", got)
	}
}

// TestWitness: another sink has the checkpoints, and misses what was cut.
func TestWitness(t *testing.T) {
	dir := t.TempDir()
	a, b := fileSettings(filepath.Join(dir, "a.jsonl")), fileSettings(filepath.Join(dir, "b.jsonl"))
	a.Name, b.Name, a.Witness, b.Witness = "a", "b", "b", "a"
	trail, _ := use(t, a, b)
	say(trail, 1, 25)
	await(t, "checkpoints are witnessed", func() bool {
		data, _ := os.ReadFile(b.Path)
		return bytes.Count(data, []byte(`"event":"witness"`)) >= 1
	})
	end(t, trail)
	r := verifiedFiles(t, a.Path, b.Path)
	if !r.Intact() || len(r.Chains) != 2 || r.Chains[0].Witnessed == 0 {
		t.Fatalf("%+v %+v", r.Chains[0], r.Chains[1])
	}
	lines := linesOf(t, a.Path)
	if err := os.WriteFile(a.Path, []byte(strings.Join(lines[:5], "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if r := verifiedFiles(t, a.Path); !r.Intact() {
		t.Errorf("without a witness: %v", r.Chains[0].Findings)
	}
	if f := verifiedFiles(t, a.Path, b.Path).Chains[0].Findings; len(f) != 1 || f[0].Kind != Truncated {
		t.Errorf("with a witness: %v", f)
	}
}

// TestDiskFull has a real file system of 320 KiB, where one may be made.
func TestDiskFull(t *testing.T) {
	dir := t.TempDir()
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=320k", "tmpfs", dir).CombinedOutput(); err != nil {
		t.Skipf("no tmpfs may be mounted here: %s", out)
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", dir).CombinedOutput(); err != nil {
			t.Errorf("umount: %s", out)
		}
	})
	path := filepath.Join(dir, "audit.jsonl")
	set := fileSettings(path)
	set.Queue, set.Patience = 64<<10, 0
	ballast := filepath.Join(dir, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 240<<10), 0o600); err != nil {
		t.Fatal(err)
	}
	trail, seen := use(t, set)
	for i := range 50 {
		say(trail, 20*i+1, 20*i+20)
		await(t, "it was tried", func() bool { s := trail.Stats()[0]; return s.QueuedLines == 0 || s.Failing })
	}
	if !seen.has("no space left on device") {
		t.Fatalf("the disk did not get full: %+v", trail.Stats()[0])
	}
	if c := wantIntact(t, verified(t, path)); c.HalfLine {
		t.Errorf("a full disk left half a line: %+v", c)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	await(t, "it works again", func() bool { return !trail.Stats()[0].Failing })
	end(t, trail)
	c := wantIntact(t, verified(t, path))
	if got := len(numbers(t, path)); c.Dropped == 0 || got+int(c.Dropped) != 1000 || c.Unproven != 0 {
		t.Errorf("%d retrievals, %+v", got, c)
	}
}
