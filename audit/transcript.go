package audit

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"sync"
	"time"
)

// A TranscriptFolder holds protocol transcripts, a file for each session. All
// files together have a bound, each has one, and old ones are removed. It is safe
// for concurrent use. Its Close ends nothing but the removal of old files.
type TranscriptFolder struct {
	path            string
	octets, session int64
	keep            time.Duration
	now             func() time.Time
	mu              sync.Mutex
	used            int64 // by what is there, and by what open files may become
	scanned         time.Time
	open            map[string]int64 // what each open file may become, by name
	janitor         *time.Timer
	closed          bool
}

// scanPause is how long what was found in the folder is believed.
const scanPause = time.Minute

// NewTranscriptFolder makes the folder if it is not there, and removes what is
// old. octets bounds all files together, session each one.
func NewTranscriptFolder(path string, octets, session int64, keep time.Duration) (*TranscriptFolder, error) {
	f := &TranscriptFolder{path: path, octets: octets, session: session, keep: keep, now: time.Now, open: map[string]int64{}}
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, fmt.Errorf("transcripts: %w", err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.scan(); err != nil {
		return nil, err
	}
	f.janitor = time.AfterFunc(min(keep, time.Hour), f.clean)
	return f, nil
}

// clean removes old files every now and then, also if there are no new ones.
func (f *TranscriptFolder) clean() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return
	}
	_ = f.scan() // Create tells of it
	f.janitor.Reset(min(f.keep, time.Hour))
}

// Close stops removing old files.
func (f *TranscriptFolder) Close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	f.janitor.Stop()
}

// transcriptName is what our files are called; others are left alone.
var transcriptName = regexp.MustCompile(`^\d{8}T\d{6}Z-[0-9a-f]+\.txt$`)

// scan removes old files and counts the others. The caller holds the lock.
func (f *TranscriptFolder) scan() error {
	entries, err := os.ReadDir(f.path)
	if err != nil {
		return fmt.Errorf("transcripts: %w", err)
	}
	f.scanned, f.used = f.now(), 0
	for _, e := range entries {
		bound, open := f.open[e.Name()]
		info, err := e.Info()
		switch {
		case !transcriptName.MatchString(e.Name()) || errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return fmt.Errorf("transcripts: %w", err)
		case open:
			f.used += bound
		case f.scanned.Sub(info.ModTime()) > f.keep:
			if err := os.Remove(filepath.Join(f.path, e.Name())); err != nil {
				return fmt.Errorf("transcripts: remove an old one: %w", err)
			}
		default:
			f.used += info.Size()
		}
	}
	return nil
}

// errTranscripts is why there is no transcript of a session.
var errTranscripts = errors.New("transcripts: the folder has as much as it may hold; remove some, or wait until they are old")

// A TranscriptFile is being written by one goroutine.
type TranscriptFile struct {
	folder *TranscriptFolder
	name   string
	file   *os.File
	room   int64
	octets int64
	full   bool
	err    error
}

// Create begins the file of a session.
func (f *TranscriptFolder) Create(session string) (*TranscriptFile, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := f.now()
	if now.Sub(f.scanned) >= scanPause || f.used+f.session > f.octets {
		if err := f.scan(); err != nil {
			return nil, err
		}
	}
	if f.used+f.session > f.octets {
		return nil, errTranscripts
	}
	name := now.UTC().Format("20060102T150405Z-") + session + ".txt"
	file, err := os.OpenFile(filepath.Join(f.path, name), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("transcripts: %w", err)
	}
	f.open[name] = f.session
	f.used += f.session
	return &TranscriptFile{folder: f, name: name, file: file, room: f.session}, nil
}

const transcriptFull = "(the bound is reached: what comes now is not written)\n"

// Write adds whole lines, or nothing if they do not fit. After an error it does
// nothing; Close tells it.
func (t *TranscriptFile) Write(lines []byte) {
	if t.full || t.err != nil {
		return
	}
	if t.octets+int64(len(lines)+len(transcriptFull)) > t.room {
		t.full, lines = true, []byte(transcriptFull)
	}
	n, err := t.file.Write(lines)
	t.octets, t.err = t.octets+int64(n), err
}

// Path is where it is.
func (t *TranscriptFile) Path() string { return t.file.Name() }

// Full tells whether something was left out.
func (t *TranscriptFile) Full() bool { return t.full }

// Close ends the file, and returns its size and the first error.
func (t *TranscriptFile) Close() (octets int64, err error) {
	f := t.folder
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.open, t.name)
	f.used -= t.room - t.octets
	return t.octets, errors.Join(t.err, t.file.Close())
}
