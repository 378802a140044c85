//go:build !linux

package pop3

import "syscall"

// quickAck is for Linux only.
func quickAck(syscall.RawConn) {}
