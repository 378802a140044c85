//go:build unix

package bridge

import "syscall"

// tryRead reads what there is. An error, or the end, is left to an ordinary
// read, which finds it again.
func (s *socket) tryRead(fd uintptr) bool {
	s.n, s.err = syscall.Read(int(fd), s.p)
	return true
}
