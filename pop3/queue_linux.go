package pop3

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// unread is how many octets wait in the receive queue.
func unread(raw syscall.RawConn) (n int, ok bool) {
	return ask(raw, unix.SIOCINQ)
}

// unacknowledged is how many octets were written and not yet confirmed by the
// other end. After a reset it stays what it was.
func unacknowledged(raw syscall.RawConn) (n int, ok bool) {
	return ask(raw, unix.SIOCOUTQ)
}

func ask(raw syscall.RawConn, question uint) (n int, ok bool) {
	if raw == nil {
		return 0, false
	}
	var err error
	if raw.Control(func(fd uintptr) { n, err = unix.IoctlGetInt(int(fd), question) }) != nil || err != nil {
		return 0, false
	}
	return n, true
}
