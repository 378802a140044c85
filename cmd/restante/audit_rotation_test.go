package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/restante-mail/restante/audit"
)

// A trail whose files are closed and compressed while it is verified is never
// said to lack lines.
func TestVerifyWhileFilesAreClosed(t *testing.T) {
	dir := t.TempDir()
	private, _, _, err := audit.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	signer, err := audit.ReadSigner(private)
	if err != nil {
		t.Fatal(err)
	}
	path, conf := filepath.Join(dir, "audit.jsonl"), filepath.Join(dir, "restante.toml")
	for name, text := range map[string]string{"audit.key": string(private), "restante.toml": fmt.Sprintf(
		"[[listener]]\nname = \"l\"\naddress = \"127.0.0.1:1110\"\n[[upstream]]\nname = \"main\"\nurl = \"imap://127.0.0.1:1\"\n[audit]\nkey = %q\nfile = %q\n", filepath.Join(dir, "audit.key"), path)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	trail := audit.NewTrail(func(audit.Trouble) {})
	change, err := trail.Prepare([]audit.Settings{{Name: "file", To: audit.ToFile, Target: path, Path: path, Queue: 1 << 20, Patience: time.Minute,
		Sync: audit.SyncInterval, Interval: time.Millisecond, Signer: signer, Every: 50, Within: time.Hour, RotateSize: 5_000, Compress: true}})
	if err != nil {
		t.Fatal(err)
	}
	if err := change.Make(&audit.Encoder{}); err != nil {
		t.Fatal(err)
	}
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for pace := time.NewTicker(time.Millisecond); ; <-pace.C {
			select {
			case <-stop:
				pace.Stop()
				return
			default:
				trail.Record(&audit.Alert{Policy: "p", Text: "t"})
			}
		}
	}()
	deadline := time.Now().Add(20 * time.Second)
	for {
		files, err := audit.Files(path)
		if err != nil || time.Now().After(deadline) {
			t.Fatalf("%d files, %v", len(files), err)
		}
		if len(files) > 20 {
			break
		}
		if len(files) < 2 {
			continue
		}
		o := verifyOptions{trailOptions: trailOptions{config: conf}}
		var out strings.Builder
		if err := o.run(t.Context(), &out, nil); err != nil && !errors.Is(err, errRotated) {
			t.Errorf("while it is written: %v\n%s", err, &out)
		}
	}
	close(stop)
	<-stopped
	if err := trail.Close(); err != nil {
		t.Fatal(err)
	}
	o := verifyOptions{trailOptions: trailOptions{config: conf}}
	if err := o.run(t.Context(), io.Discard, nil); err != nil {
		t.Errorf("at rest: %v", err)
	}
}
