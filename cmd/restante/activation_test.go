package main

import (
	"bufio"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/restante-mail/restante/memimap"
	"github.com/restante-mail/restante/peertest"
)

// TestUnit: systemd finds nothing wrong with the units, and little exposed.
func TestUnit(t *testing.T) {
	analyze := peertest.Need(t, "systemd-analyze")
	text, err := os.ReadFile("../../contrib/systemd/restante.service")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	service, socket := filepath.Join(dir, "restante.service"), filepath.Join(dir, "restante.socket")
	installed := strings.Replace(string(text), "/usr/bin/restante", "/bin/true", 1) // a program that is there
	if installed == string(text) || os.WriteFile(service, []byte(installed), 0o644) != nil {
		t.Fatal("the unit does not start /usr/bin/restante")
	}
	if text, err = os.ReadFile("../../contrib/systemd/restante.socket"); err != nil || os.WriteFile(socket, text, 0o644) != nil {
		t.Fatal("there is no socket unit")
	}
	for _, args := range [][]string{
		{"verify", service, socket},
		{"security", "--offline=yes", "--threshold=20", service}, // 2.0; it is 1.6 with systemd 252
	} {
		if out, err := exec.Command(analyze, args...).CombinedOutput(); err != nil || args[0] == "verify" && len(out) > 0 {
			t.Errorf("systemd-analyze %s: %v\n%s", args[0], err, out)
		}
	}
}

// TestSocketActivation: Restante takes the sockets that systemd gives it, by
// name and by address, and tells how it is.
func TestSocketActivation(t *testing.T) {
	activate := peertest.Need(t, "systemd-socket-activate")
	binary := peertest.BuildRestante(t, false)
	dir := t.TempDir()
	told, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(dir, "notify"), Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer told.Close()
	byName, byAddress, unwanted := nobody(t), nobody(t), nobody(t)
	conf := filepath.Join(dir, "restante.toml")
	// Nobody can listen at the address of the first: 203.0.113.0/24 is for documents.
	text := "[[listener]]\nname = \"legacy\"\naddress = \"203.0.113.1:110\"\n[[listener]]\naddress = \"" + byAddress + "\"\n" +
		"[[upstream]]\nurl = \"imap://" + imapServer(t, memimap.New()) + "\"\n"
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(activate, "-l", byName, "-l", unwanted, "-l", byAddress, "--fdname=legacy:other:other",
		"-E", "NOTIFY_SOCKET="+told.LocalAddr().String(), "-E", "WATCHDOG_USEC=200000", binary, "serve", "--config", conf)
	var log strings.Builder
	cmd.Stderr = &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	defer func() {
		_ = cmd.Process.Kill()
		if t.Failed() {
			t.Log(log.String())
		}
	}()
	for _, address := range []string{byName, byAddress} {
		greeted(t, address)
	}
	heard(t, told, "READY=1")
	heard(t, told, "WATCHDOG=1")
	_ = cmd.Process.Signal(syscall.SIGHUP)
	heard(t, told, "RELOADING=1")
	heard(t, told, "READY=1")
	greeted(t, byAddress)
	_ = cmd.Process.Signal(syscall.SIGTERM)
	heard(t, told, "STOPPING=1")
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if !strings.Contains(log.String(), unwanted+" (other)") {
		t.Error("nothing is said of the socket that nobody wants")
	}
}

// greeted connects until it is greeted: the first one makes systemd start the program.
func greeted(t *testing.T, address string) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for {
		c, err := net.DialTimeout("tcp", address, time.Second)
		if err == nil {
			_ = c.SetDeadline(deadline)
			line, err := bufio.NewReader(c).ReadString('\n')
			_ = c.Close()
			if err != nil || !strings.HasPrefix(line, "+OK") {
				t.Fatalf("%s greets with %q, %v", address, line, err)
			}
			return
		}
		if time.Now().After(deadline) { // not even systemd listens
			t.Fatal(err)
		}
	}
}

// heard waits for a state.
func heard(t *testing.T, told *net.UnixConn, want string) {
	t.Helper()
	_ = told.SetReadDeadline(time.Now().Add(20 * time.Second))
	buf := make([]byte, 4096)
	for {
		n, err := told.Read(buf)
		if err != nil {
			t.Fatalf("%s was not said: %v", want, err)
		}
		if string(buf[:n]) == want {
			return
		}
	}
}

// TestIsAddress: what is one address and what is not.
func TestIsAddress(t *testing.T) {
	at := func(s string) net.Addr {
		a, err := net.ResolveTCPAddr("tcp", s)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	for _, test := range []struct {
		socket, address string
		want            bool
	}{
		{"[::]:110", ":110", true}, {"0.0.0.0:110", ":110", true}, {"[::]:110", "0.0.0.0:110", true}, {"10.0.0.5:110", "10.0.0.5:110", true},
		{"[::ffff:10.0.0.5]:110", "10.0.0.5:110", true}, {"[2001:db8::1]:995", "[2001:db8::1]:995", true},
		{"10.0.0.5:110", ":110", false}, {"[::]:110", "10.0.0.5:110", false}, {"[::]:995", ":110", false}, {"127.0.0.1:110", "localhost:110", false},
	} {
		if got := isAddress(at(test.socket), test.address); got != test.want {
			t.Errorf("%s, %s: %v", test.socket, test.address, got)
		}
	}
	if isAddress(&net.UnixAddr{Name: "x"}, ":110") {
		t.Error("a Unix socket is no address")
	}
}
