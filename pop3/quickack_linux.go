package pop3

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// quickAck has the kernel acknowledge at once what comes next. A server that
// answers pipelined commands in small writes without TCP_NODELAY, as Dovecot
// does, holds back each until the one before is acknowledged, which takes our
// kernel 40 ms when it has nothing to send. It holds until we send again.
func quickAck(raw syscall.RawConn) {
	if raw != nil {
		// It only saves time; if it cannot be set nothing else changes.
		_ = raw.Control(func(fd uintptr) { _ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_QUICKACK, 1) })
	}
}
