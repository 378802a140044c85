package config

import (
	"cmp"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// An Error holds everything that is wrong with a configuration, one Problem a
// line.
type Error struct {
	Problems []Problem
	more     int // how many were left out

	// sources are the files that were read, or should have been: a change to
	// one of them may be the repair.
	sources *sources
}

func (e *Error) Error() string {
	lines := make([]string, len(e.Problems), len(e.Problems)+1)
	for i, p := range e.Problems {
		lines[i] = p.Error()
	}
	if e.more > 0 {
		lines = append(lines, fmt.Sprintf("and %d more problems", e.more))
	}
	return strings.Join(lines, "\n")
}

// Unwrap returns the Problems.
func (e *Error) Unwrap() []error {
	errs := make([]error, len(e.Problems))
	for i, p := range e.Problems {
		errs[i] = p
	}
	return errs
}

// A Problem is one thing that is wrong (or, as a warning, probably not meant).
type Problem struct {
	File string // "" if it came from the command line
	Line int    // from 1; 0 if it is not about a line
	Path string // of the field, as in listener[0].address; "" if it is not about a field
	Text string // what is wrong and what to do
}

func (p Problem) Error() string {
	var b strings.Builder
	if p.File != "" {
		b.WriteString(p.File)
		if p.Line > 0 {
			b.WriteString(":" + strconv.Itoa(p.Line))
		}
		b.WriteString(": ")
	}
	if p.Path != "" {
		b.WriteString(p.Path + ": ")
	}
	return b.String() + p.Text
}

func (p Problem) String() string { return p.Error() }

const (
	// maxProblems that are reported: more than anybody reads at once.
	maxProblems = 100
	// maxText of one problem, because it may quote a value from the file.
	maxText = 600
)

// problems collects what is wrong, at most once for each field.
type problems struct {
	places places
	list   []Problem
	more   int
	failed map[string]bool // the paths that have a problem
}

func newProblems(p places) *problems {
	return &problems{places: p, failed: map[string]bool{}}
}

// addf reports a problem of the field at path. A field that has a problem, or
// is inside of one that has, is not reported again: what follows from a mistake
// only hides it.
func (p *problems) addf(path, format string, args ...any) {
	for at := path; at != ""; at = parent(at) {
		if p.failed[at] {
			return
		}
	}
	p.failed[path] = true
	p.put(p.places.problem(path, fmt.Sprintf(format, args...)))
}

func (p *problems) put(problem Problem) {
	if len(p.list) == maxProblems {
		p.more++
		return
	}
	problem.Text = clip(problem.Text, maxText)
	p.list = append(p.list, problem)
}

// err is nil if there is no problem. The order is that of the files, whatever
// the order of finding.
func (p *problems) err(s *sources) error {
	if len(p.list) == 0 {
		return nil
	}
	slices.SortStableFunc(p.list, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Path, b.Path))
	})
	return &Error{Problems: p.list, more: p.more, sources: s}
}

func clip(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	return strings.ToValidUTF8(s[:limit], "") + "..."
}

// A place is where a value was written.
type place struct {
	file string
	line int
	// path as within the file: in a folder of files, listener[0] is the first
	// of its file, while the merged list goes on counting.
	path string
}

// places finds the place of a path in the merged configuration.
type places map[string]place

// problem locates text at path, or at the nearest thing around it that was
// written at all: a key that is missing has no line of its own.
func (p places) problem(path, text string) Problem {
	for at := path; at != ""; at = parent(at) {
		if w, ok := p[at]; ok {
			return Problem{File: w.file, Line: w.line, Path: w.path + path[len(at):], Text: text}
		}
	}
	w := p[""]
	return Problem{File: w.file, Line: w.line, Path: path, Text: text}
}

// where names the place of a path within a sentence.
func (p places) where(path string) string {
	at := p.problem(path, "")
	if at.Line == 0 {
		return path
	}
	return at.File + " line " + strconv.Itoa(at.Line)
}

// parent cuts the last key or index off a path: a.b[0] → a.b → a → "".
func parent(path string) string {
	quoted := false
	for i := len(path) - 1; i >= 0; i-- {
		switch c := path[i]; {
		case c == '"':
			quoted = !quoted || i > 0 && path[i-1] == '\\'
		case !quoted && (c == '.' || c == '['):
			return path[:i]
		}
	}
	return ""
}

// child appends a key to a path, quoted if TOML would need quotes too.
func child(path, key string) string {
	const bare = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"
	foreign := func(r rune) bool { return !strings.ContainsRune(bare, r) }
	if key = clip(key, 80); key == "" || strings.ContainsFunc(key, foreign) {
		key = strconv.Quote(key)
	}
	if path == "" {
		return key
	}
	return path + "." + key
}

// element appends an index to a path.
func element(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }

// relativeTo resolves a file name against the folder of the file it stands in.
func relativeTo(dir, name string) string {
	if name == "" || filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(dir, name)
}
