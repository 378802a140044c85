//go:build unix

package admin

import "syscall"

// makePrivate gives a socket its mode before it has a name.
func makePrivate(fd uintptr) { _ = syscall.Fchmod(int(fd), socketMode) }
