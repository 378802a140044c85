package store

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// victimPath in the environment makes the test binary a victim.
const victimPath = "RESTANTE_STORE_VICTIM"

// victimWriters is how many write at the same time, so that commits are shared.
const victimWriters = 8

// victim writes until it is killed, and says what was acknowledged: a line
// "writer number", after which that writer's size and listing have that number.
func victim(path string) {
	s, err := Open(path, true)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	var all sync.WaitGroup
	for w := range victimWriters {
		all.Go(func() { victimWriter(s, w) })
	}
	all.Wait()
}

func victimWriter(s Store, w int) {
	ctx, key := context.Background(), victimKey(w)
	known, err := s.Sizes(ctx, key)
	for n := len(known) + 1; err == nil; n++ {
		// The size comes last, so it stands for both.
		err = s.SaveListing(ctx, key.Maildrop, victimBlob(n))
		if err == nil {
			err = s.LearnSizes(ctx, key, map[uint32]int64{uint32(n): int64(n)})
		}
		if err == nil {
			_, err = fmt.Printf("%d %d\n", w, n) // one write, straight to the pipe
		}
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

func victimKey(w int) FolderKey { return FolderKey{Maildrop: fmt.Sprint("writer ", w), UIDValidity: 1} }

func victimBlob(n int) []byte { return []byte(strings.Repeat(fmt.Sprintf("%08d", n), 50+n%500)) }

// A process is killed again and again over the same file, in the first round
// while it makes the file. Whatever it said was written is there.
func TestKillLosesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "restante.db")
	acknowledged := map[int]int{}
	for round := range 10 {
		killAfter(t, path, round*(1+rand.IntN(60)), acknowledged)
		s, err := Open(path, true)
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		for w, n := range acknowledged {
			wantWritten(t, s, w, n)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if len(acknowledged) < victimWriters {
		t.Errorf("only %d writers got anything written", len(acknowledged))
	}
}

// killAfter starts a victim, and kills it after so many acknowledgements.
func killAfter(t *testing.T, path string, lines int, acknowledged map[int]int) {
	t.Helper()
	cmd := exec.CommandContext(bounded(t), os.Args[0])
	cmd.Env = append(os.Environ(), victimPath+"="+path)
	var complaints strings.Builder
	cmd.Stderr = &complaints
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	in := bufio.NewReader(out)
	for range lines {
		if err := readAcknowledgement(in, acknowledged); err != nil {
			t.Errorf("the victim died by itself: %v", err)
			break
		}
	}
	_ = cmd.Process.Kill()
	for readAcknowledgement(in, acknowledged) == nil {
	}
	_ = cmd.Wait() // it was killed
	if complaints.Len() > 0 {
		t.Fatalf("the victim: %s", &complaints)
	}
}

func readAcknowledgement(in *bufio.Reader, acknowledged map[int]int) error {
	line, err := in.ReadString('\n')
	if err != nil {
		return err // half a line is no acknowledgement
	}
	var w, n int
	if _, err := fmt.Sscanf(line, "%d %d\n", &w, &n); err != nil {
		return io.ErrUnexpectedEOF
	}
	acknowledged[w] = max(n, acknowledged[w])
	return nil
}

func wantWritten(t *testing.T, s Store, w, n int) {
	t.Helper()
	sizes, err := s.Sizes(bounded(t), victimKey(w))
	if err != nil {
		t.Fatal(err)
	}
	for uid := 1; uid <= n; uid++ {
		if sizes[uint32(uid)] != int64(uid) {
			t.Fatalf("writer %d: size %d of %d acknowledged is %d", w, uid, n, sizes[uint32(uid)])
		}
	}
	// What was written after the last acknowledgement may be there or not.
	blob, err := s.Listing(bounded(t), victimKey(w).Maildrop)
	if err != nil {
		t.Fatal(err)
	}
	for next := n; next <= len(sizes)+1; next++ {
		if string(blob) == string(victimBlob(next)) {
			return
		}
	}
	t.Errorf("writer %d: the listing is none of those from %d on", w, n)
}
