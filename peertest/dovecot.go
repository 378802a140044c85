package peertest

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// readyTime is how long Dovecot may take until it greets.
const readyTime = 20 * time.Second

// A DovecotServer is a private Dovecot on loopback.
type DovecotServer struct {
	t        T
	settings settings
	dir      string
	owner    owner
	process  *Process
	ports    map[string]int
	homes    map[string]string // by user name
	// Certificate is what IMAPS, POP3S and STARTTLS show.
	Certificate Certificate
	delivered   atomic.Int64
}

// Dovecot starts a Dovecot with IMAP (plain with STARTTLS, and implicit TLS)
// and stops it when the test ends. Without options it has one user, alice,
// whose password is "secret" and who has an empty Maildir.
//
// It runs as an ordinary user, as nobody if the test runs as root, and needs no
// privileges. Clients are not punished for wrong passwords.
func Dovecot(t T, options ...Option) *DovecotServer {
	t.Helper()
	d := &DovecotServer{t: t, settings: defaults()}
	for _, o := range options {
		o(&d.settings)
	}
	Need(t, "dovecot")
	Need(t, "doveadm")
	if d.settings.pop3 {
		needModule(t, "pop3-login")
	}
	d.prepare()
	t.Cleanup(d.cleanup)
	for try := 1; ; try++ {
		err := d.start()
		if err == nil {
			return d
		}
		d.Stop()
		// Another process may have taken a port that was free a moment ago.
		if try == 3 || !strings.Contains(d.Log(), "Address already in use") {
			t.Fatalf("start Dovecot: %v\n%s", err, d.Log())
		}
	}
}

// needModule checks that a part of Dovecot that has a package of its own is there.
func needModule(t T, program string) {
	t.Helper()
	if _, err := os.Stat("/usr/lib/dovecot/" + program); err == nil {
		return
	}
	if _, err := os.Stat("/usr/libexec/dovecot/" + program); err != nil {
		Need(t, program)
	}
}

func (d *DovecotServer) prepare() {
	d.owner = ordinaryUser(d.t)
	d.dir = d.owner.tempDir(d.t)
	d.Certificate = NewCertificate(d.t, d.dir)
	d.homes = map[string]string{}
	for i, name := range d.settings.names() {
		d.homes[name] = filepath.Join(d.dir, "home", strconv.Itoa(i))
		d.owner.mkdir(d.t, d.homes[name])
	}
	for _, sub := range []string{"run", "state"} {
		d.owner.mkdir(d.t, filepath.Join(d.dir, sub))
	}
	d.write("users", d.settings.passwdFile(d.homes))
	d.write("masters", d.settings.masterFile())
	d.prepareTokens()
}

func (d *DovecotServer) write(name, text string) {
	path := filepath.Join(d.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		d.t.Fatalf("%v", err)
	}
	d.owner.own(d.t, path)
}

// command is one of Dovecot's programs, run on this server's configuration.
func (d *DovecotServer) command(program string, args ...string) *exec.Cmd {
	args = append([]string{"-c", filepath.Join(d.dir, "dovecot.conf")}, args...)
	cmd := d.owner.as(exec.Command(Need(d.t, program), args...))
	cmd.Dir = d.dir
	return cmd
}

func (d *DovecotServer) start() error {
	if err := d.pickPorts(); err != nil {
		return err
	}
	d.write("dovecot.conf", d.config())
	d.write("log", "")
	p, err := startProcess(d.command("dovecot", "-F"))
	if err != nil {
		return err
	}
	d.process = p
	for name := range d.ports {
		if strings.HasSuffix(name, "s") {
			continue
		}
		if err := d.awaitGreeting(d.addr(name)); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// pickPorts finds ports that nobody listens on.
func (d *DovecotServer) pickPorts() error {
	names := []string{"imap", "imaps"}
	if d.settings.pop3 {
		names = append(names, "pop3", "pop3s")
	}
	if d.settings.haproxy {
		names = append(names, "haproxys") // whoever looks for a greeting there waits for ever
	}
	d.ports = map[string]int{}
	for _, name := range names {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		defer l.Close()
		d.ports[name] = l.Addr().(*net.TCPAddr).Port
	}
	return nil
}

// awaitGreeting waits until the server greets as one that can sign people in:
// before its auth process is up it has only an excuse to say.
func (d *DovecotServer) awaitGreeting(addr string) error {
	deadline := time.Now().Add(readyTime)
	for {
		err := greets(addr, deadline)
		if err == nil {
			return nil
		}
		select {
		case <-d.process.Ended():
			return fmt.Errorf("ended: %v", d.process.err)
		case <-time.After(20 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("not ready in %v: %w", readyTime, err)
		}
	}
}

func greets(addr string, deadline time.Time) error {
	c, err := net.DialTimeout("tcp", addr, time.Until(deadline))
	if err != nil {
		return err
	}
	defer c.Close()
	_ = c.SetDeadline(deadline)
	for r := bufio.NewReader(c); ; {
		line, err := r.ReadString('\n')
		if err != nil {
			return err
		}
		if strings.HasPrefix(line, "+OK") || strings.HasPrefix(line, "* OK [CAPABILITY") {
			return nil
		}
	}
}

// Stop ends Dovecot at once, as if its machine had lost power.
func (d *DovecotServer) Stop() {
	if d.process == nil {
		return
	}
	if err := d.process.KillTree(); err != nil {
		d.t.Errorf("stop Dovecot: %v", err)
	}
	d.process = nil
}

func (d *DovecotServer) cleanup() {
	d.Stop()
	if d.t.Failed() {
		d.t.Logf("Dovecot's log:\n%s", d.Log())
	}
}

func (d *DovecotServer) addr(name string) string {
	port, ok := d.ports[name]
	if !ok {
		d.t.Fatalf("this Dovecot was started without %s", name)
	}
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
}

// IMAPAddr is the host:port of IMAP with STARTTLS.
func (d *DovecotServer) IMAPAddr() string { return d.addr("imap") }

// IMAPSAddr is the host:port of IMAP over TLS.
func (d *DovecotServer) IMAPSAddr() string { return d.addr("imaps") }

// POP3Addr is the host:port of Dovecot's own POP3, with STLS.
func (d *DovecotServer) POP3Addr() string { return d.addr("pop3") }

// HAProxyAddr is the host:port of POP3 behind a PROXY header.
func (d *DovecotServer) HAProxyAddr() string { return d.addr("haproxys") }

// POP3SAddr is the host:port of Dovecot's own POP3 over TLS.
func (d *DovecotServer) POP3SAddr() string { return d.addr("pop3s") }

// Password is the password of a user.
func (d *DovecotServer) Password(user string) string { return d.settings.users[user] }

// PID is the id of the process above all of Dovecot's others; Tree lists them.
func (d *DovecotServer) PID() int { return d.process.PID() }

// Log is all that Dovecot has logged.
func (d *DovecotServer) Log() string {
	text, _ := os.ReadFile(filepath.Join(d.dir, "log"))
	return string(text)
}

// Doveadm runs doveadm on this server and returns what it prints.
func (d *DovecotServer) Doveadm(args ...string) string {
	d.t.Helper()
	out, err := d.command("doveadm", args...).CombinedOutput()
	if err != nil {
		d.t.Fatalf("doveadm %q: %v\n%s", args, err, out)
	}
	return string(out)
}

// Kick ends all connections of a user, as an administrator would.
func (d *DovecotServer) Kick(user string) {
	d.t.Helper()
	d.Doveadm("kick", user)
}
