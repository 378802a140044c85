package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestTranscriptsByConfiguration: a reload brings a transcript and takes it
// away; a folder that cannot be is refused, and nothing changes.
func TestTranscriptsByConfiguration(t *testing.T) {
	upstream := mailServer(t, "alice", 2)
	folder := filepath.Join(t.TempDir(), "transcripts")
	base := fmt.Sprintf("[[listener]]\nname = \"a\"\naddress = \"127.0.0.1:0\"\n[[upstream]]\nurl = \"imap://%s\"\n[[route]]\nname = \"people\"\n", upstream)
	rule := fmt.Sprintf("[[transcript]]\nroute = [\"people\"]\nuntil = %q\nfolder = ", time.Now().Add(time.Hour).Format(time.RFC3339))
	r := start(t, base)
	poll := func() (files []string) {
		t.Helper()
		for _, f := range r.fronts {
			if n, err := count(t, f.listener.Addr().String(), "alice"); n != 2 || err != nil {
				t.Fatal(n, err)
			}
		}
		files, _ = filepath.Glob(filepath.Join(folder, "*.txt"))
		return files
	}
	if files := poll(); files != nil {
		t.Fatalf("there are transcripts that nobody asked for: %v", files)
	}
	r.write(t, base+rule+fmt.Sprintf("%q\n", folder))
	if err := r.live.Reload(); err != nil {
		t.Fatal(err)
	}
	files := poll()
	if len(files) != 1 {
		t.Fatalf("transcripts are %v", files)
	}
	r.log.await(t, "a transcript of this session is written")
	text, err := os.ReadFile(files[0])
	if err != nil || !strings.Contains(string(text), "C: PASS ****") || strings.Contains(string(text), "sesame") {
		t.Errorf("%v: the transcript is\n%s", err, text)
	}
	r.write(t, base+rule+fmt.Sprintf("%q\n", files[0]))
	if err := r.live.Reload(); err == nil {
		t.Error("a folder that is a file was taken")
	}
	if files := poll(); len(files) != 2 {
		t.Errorf("after a reload that failed there are %v", files)
	}
}
