package pop3

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// tcpClosed is the state of a TCP socket that was reset (include/net/tcp_states.h).
const tcpClosed = 7

// unread is how many octets wait in the receive queue.
func unread(raw syscall.RawConn) (n int, ok bool) {
	return ask(raw, func(fd int) (int, error) { return unix.IoctlGetInt(fd, unix.SIOCINQ) })
}

// unacknowledged is how many octets were written and not yet confirmed by the
// other end. Of a connection that was reset it is unknown: what was in the
// queue was thrown away.
func unacknowledged(raw syscall.RawConn) (n int, ok bool) {
	return ask(raw, func(fd int) (int, error) {
		n, err := unix.IoctlGetInt(fd, unix.SIOCOUTQ)
		if err != nil {
			return 0, err
		}
		info, err := unix.GetsockoptTCPInfo(fd, unix.SOL_TCP, unix.TCP_INFO)
		if err == nil && info.State == tcpClosed {
			return 0, unix.ENOTCONN
		}
		return n, nil // TCP_INFO fails on a Unix socket, which cannot be reset unseen
	})
}

func ask(raw syscall.RawConn, question func(fd int) (int, error)) (n int, ok bool) {
	if raw == nil {
		return 0, false
	}
	var err error
	if raw.Control(func(fd uintptr) { n, err = question(int(fd)) }) != nil || err != nil {
		return 0, false
	}
	return n, true
}
