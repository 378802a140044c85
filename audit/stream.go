package audit

import "io"

// A stream is an output of lines to something like stdout.
type stream struct {
	w    io.Writer
	left []byte // of the lines under way, when a write ended early
}

// write implements output. It is called with the same lines again until all of
// them are written.
func (s *stream) write(lines [][]byte) (int, error) {
	if len(s.left) == 0 {
		s.left = s.left[:0]
		for _, line := range lines {
			s.left = append(append(s.left, line...), '\n')
		}
	}
	n, err := s.w.Write(s.left)
	if err != nil {
		s.left = s.left[n:]
		return 0, err
	}
	s.left = s.left[:0]
	return len(lines), nil
}

func (s *stream) sync() error  { return nil }
func (s *stream) close() error { return nil }
