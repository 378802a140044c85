// Package peertest starts the real programs that Restante lives between, for
// tests and for the benchmark: Dovecot as the upstream server (and, with its
// own pop3d, as the server to be compared with), Courier's pop3d, and curl, fetchmail, getmail,
// mpop and Python's poplib as clients. Everything runs on loopback from a
// private directory, as an ordinary user, and is stopped by process id.
//
// It also has a small raw IMAP and POP3 client, and a Relay that delays, cuts
// and stalls connections, so that faults can be provoked between real peers.
//
// It is not a conformance suite (pop3/pop3test is) and never part of the
// program.
package peertest

import (
	"os"
	"os/exec"
)

// T is what this package needs of a *testing.T; the benchmark, which is no
// test, brings its own.
type T interface {
	Helper()
	Cleanup(func())
	TempDir() string
	Failed() bool
	Logf(format string, args ...any)
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
	Skipf(format string, args ...any)
}

// packages are the Debian packages of programs whose package has another name.
var packages = map[string]string{
	"dovecot": "dovecot-imapd dovecot-pop3d",
	"doveadm": "dovecot-imapd dovecot-pop3d",
	"getmail": "getmail6",

	"systemd-analyze":         "systemd",
	"systemd-socket-activate": "systemd",
}

// Need returns the path of a program. Where it is missing the test is skipped,
// but in CI (environment CI=true) it fails: there the peers are required.
func Need(t T, program string) string {
	t.Helper()
	for _, name := range []string{program, "/usr/sbin/" + program} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	pkg := program
	if p, ok := packages[program]; ok {
		pkg = p
	}
	const missing = "%s is not installed, and this test needs it: apt-get install %s"
	if os.Getenv("CI") == "true" {
		t.Fatalf(missing, program, pkg)
	}
	t.Skipf(missing, program, pkg)
	return ""
}
