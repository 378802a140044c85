package audit

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func transcripts(t *testing.T, octets, session int64) (*TranscriptFolder, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "sub", "transcripts")
	f, err := NewTranscriptFolder(path, octets, session, 24*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.Close)
	return f, path
}

func create(t *testing.T, f *TranscriptFolder, session string) *TranscriptFile {
	t.Helper()
	file, err := f.Create(session)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.file.Close() })
	return file
}

func TestTranscriptIsBounded(t *testing.T) {
	f, _ := transcripts(t, 1000, 100)
	file := create(t, f, "abcd")
	for range 50 {
		file.Write([]byte("0123456789\n"))
	}
	octets, err := file.Close()
	text, _ := os.ReadFile(file.Path())
	if err != nil || !file.Full() || octets > 100 || int64(len(text)) != octets {
		t.Errorf("%d octets, full %v, %v", octets, file.Full(), err)
	}
	if lines := strings.Split(string(text), "\n"); lines[0] != "0123456789" || lines[len(lines)-2]+"\n" != transcriptFull {
		t.Errorf("it holds %q", text)
	}
	if info, err := os.Stat(file.Path()); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the mode is %v, %v", info.Mode(), err)
	}
}

// TestTranscriptFolderIsBounded: open files count with what they may become.
func TestTranscriptFolderIsBounded(t *testing.T) {
	f, _ := transcripts(t, 250, 100)
	a, b := create(t, f, "a"), create(t, f, "b")
	if _, err := f.Create("c"); !errors.Is(err, errTranscripts) {
		t.Fatalf("a third: %v", err)
	}
	a.Write([]byte("x\n"))
	a.Close()
	c := create(t, f, "c")
	for _, file := range []*TranscriptFile{b, c} {
		file.Write([]byte(strings.Repeat("x", 40) + "\n"))
		file.Close()
	}
	if f.used != 2+2*41 {
		t.Errorf("%d octets are counted as used", f.used)
	}
}

func TestOldTranscriptsAreRemoved(t *testing.T) {
	f, path := transcripts(t, 250, 100)
	now := time.Now()
	f.now = func() time.Time { return now }
	old := create(t, f, "a")
	old.Write([]byte("x\n"))
	running := create(t, f, "b")
	if _, err := old.Close(); err != nil {
		t.Fatal(err)
	}
	other := filepath.Join(path, "notes.txt")
	if err := os.WriteFile(other, make([]byte, 9999), 0o600); err != nil {
		t.Fatal(err)
	}
	now = now.Add(25 * time.Hour)
	f.clean()
	if _, err := os.Stat(old.Path()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the old one is still there: %v", err)
	}
	for _, kept := range []string{running.Path(), other} {
		if _, err := os.Stat(kept); err != nil {
			t.Error(err)
		}
	}
	if f.used != 100 {
		t.Errorf("%d octets are counted as used", f.used)
	}
	running.Close()
}

func TestTranscriptFolderThatCannotBe(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if f, err := NewTranscriptFolder(file, 1000, 100, time.Hour); err == nil {
		f.Close()
		t.Error("a file is no folder")
	}
}
