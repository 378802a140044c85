//go:build !linux

package pop3

import "syscall"

// Elsewhere the queues are unknown, so no message counts as proven: what
// depends on the proof is not done, and a client may fetch a message again.
// That is the safe side.

func unread(syscall.RawConn) (n int, ok bool) { return 0, false }

func unacknowledged(syscall.RawConn) (n int, ok bool) { return 0, false }
