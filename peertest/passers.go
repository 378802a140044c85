package peertest

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"
)

// A Passer is another program that passes POP3 through to a server behind it,
// on loopback.
type Passer struct {
	// POP3 is without TLS, POP3S with TLS from the first octet; host:port.
	POP3, POP3S string
	// CA is the file of the authority of its certificate.
	CA string
	// PIDs are of the processes that serve: both addresses, or one each.
	PID, SecurePID int
}

// Nginx starts nginx's mail proxy in front of the POP3 server at upstream. That
// everybody belongs there is what an HTTP server here tells it, as nginx demands.
func Nginx(t T, upstream string) *Passer {
	t.Helper()
	program := Need(t, "nginx")
	const module = "/usr/lib/nginx/modules/ngx_mail_module.so"
	if _, err := os.Stat(module); err != nil {
		Need(t, "libnginx-mod-mail")
	}
	o := ordinaryUser(t)
	dir := o.tempDir(t)
	cert := NewCertificate(t, dir)
	ports := freePorts(t, 2)
	path := filepath.Join(dir, "nginx.conf")
	config := fmt.Sprintf(nginxConfig, module, dir, authHTTP(t, upstream), cert.Cert, cert.Key, ports[0], ports[1])
	if err := os.WriteFile(path, []byte(config), 0o644); err != nil {
		t.Fatalf("%v", err)
	}
	p := passing(t, o.as(exec.Command(program, "-p", dir, "-c", path, "-e", filepath.Join(dir, "error.log"))), ports[0])
	await(t, ports[1])
	return &Passer{POP3: local(ports[0]), POP3S: local(ports[1]), CA: cert.CA, PID: p.PID(), SecurePID: p.PID()}
}

// nginxConfig has two workers, one for each core of a small machine, and limits
// far above what is needed.
const nginxConfig = `
load_module %[1]s;
daemon off;
worker_processes 2;
worker_rlimit_nofile 20000;
pid %[2]s/pid;
error_log %[2]s/error.log error;
events { worker_connections 8000; }
mail {
  auth_http %[3]s;
  pop3_auth plain;
  timeout 10m;
  ssl_protocols TLSv1.2 TLSv1.3;
  ssl_certificate %[4]s;
  ssl_certificate_key %[5]s;
  server { listen 127.0.0.1:%[6]d; protocol pop3; }
  server { listen 127.0.0.1:%[7]d ssl; protocol pop3; }
}
`

// authHTTP answers nginx that every sign-in belongs to one server.
func authHTTP(t T, upstream string) (address string) {
	host, port, _ := net.SplitHostPort(upstream)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("%v", err)
	}
	server := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Auth-Status", "OK")
		w.Header().Set("Auth-Server", host)
		w.Header().Set("Auth-Port", port)
	})}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = server.Serve(l)
	}()
	t.Cleanup(func() {
		_ = server.Close()
		<-ended
	})
	return l.Addr().String()
}

// Perdition starts two of them, without and with TLS, in front of the POP3
// server at upstream.
func Perdition(t T, upstream string) *Passer {
	t.Helper()
	program := Need(t, "perdition")
	o := ordinaryUser(t)
	dir := o.tempDir(t)
	cert := NewCertificate(t, dir)
	host, port, _ := net.SplitHostPort(upstream)
	start := func(listen int, args ...string) *Process {
		args = append([]string{
			"--no_daemon", "-b", "127.0.0.1", "-l", strconv.Itoa(listen), "-s", host, "-p", port, "-f", "/dev/null",
			"-M", "", "-n", "--pid_file", "", "-u", o.user, "-g", o.group, "-F", "-", "-q", "-o",
		}, args...)
		return passing(t, o.as(exec.Command(program+".pop3", args...)), listen)
	}
	ports := freePorts(t, 2)
	plain := start(ports[0], "--ssl_mode", "none")
	secure := start(ports[1], "--ssl_mode", "ssl_listen", "--ssl_cert_file", cert.Cert, "--ssl_key_file", cert.Key)
	return &Passer{POP3: local(ports[0]), POP3S: local(ports[1]), CA: cert.CA, PID: plain.PID(), SecurePID: secure.PID()}
}

// passing starts a program that then listens on a port, and ends with the test.
func passing(t T, cmd *exec.Cmd, port int) *Process {
	t.Helper()
	p, err := startProcess(cmd)
	if err != nil {
		t.Fatalf("start %s: %v", cmd.Path, err)
	}
	t.Cleanup(func() {
		if err := p.KillTree(); err != nil {
			t.Errorf("stop %s: %v", cmd.Path, err)
		}
	})
	await(t, port)
	return p
}

// await waits until somebody listens on a port.
func await(t T, port int) {
	t.Helper()
	for deadline := time.Now().Add(readyTime); ; <-time.After(10 * time.Millisecond) {
		c, err := net.Dial("tcp", local(port))
		if err == nil {
			_ = c.Close()
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("nobody listens on port %d: %v", port, err)
		}
	}
}

func local(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// freePorts are n ports that nobody listens on.
func freePorts(t T, n int) (ports []int) {
	t.Helper()
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatalf("%v", err)
		}
		defer l.Close()
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports
}
