package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
)

// A stage is what servers are started on: a peertest.T that is no test. What
// would fail a test ends the run.
type stage struct {
	cleanups []func()
	failed   []error
}

// A failure travels from Fatalf to strike.
type failure struct{ error }

// strike stops all servers and turns what failed into *err.
func (s *stage) strike(err *error) {
	if r := recover(); r != nil {
		f, ok := r.(failure)
		if !ok {
			defer panic(r)
		}
		s.failed = append(s.failed, f)
	}
	for _, cleanup := range slices.Backward(s.cleanups) {
		cleanup()
	}
	*err = errors.Join(append([]error{*err}, s.failed...)...)
}

func (s *stage) Helper()                        {}
func (s *stage) Cleanup(f func())               { s.cleanups = append(s.cleanups, f) }
func (s *stage) Failed() bool                   { return len(s.failed) > 0 }
func (s *stage) Logf(format string, a ...any)   { fmt.Fprintf(os.Stderr, format+"\n", a...) }
func (s *stage) Fatalf(format string, a ...any) { panic(failure{fmt.Errorf(format, a...)}) }
func (s *stage) Skipf(format string, a ...any)  { s.Fatalf(format, a...) }
func (s *stage) Errorf(format string, a ...any) {
	s.failed = append(s.failed, fmt.Errorf(format, a...))
}

func (s *stage) TempDir() string {
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		s.Fatalf("%v", err)
	}
	s.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}
