package audit

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"math/big"
	"net"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// A collector is a syslog server that keeps what it gets.
type collector struct {
	mu       sync.Mutex
	messages []string
	bad      error
	conns    []net.Conn
	all      sync.WaitGroup
}

// serve reads messages of one connection with octet counting, RFC 6587 section
// 3.4.1: MSG-LEN SP SYSLOG-MSG.
func (c *collector) serve(l net.Listener) {
	c.all.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			c.mu.Lock()
			c.conns = append(c.conns, conn)
			c.mu.Unlock()
			c.all.Go(func() { c.read(conn) })
		}
	})
}

func (c *collector) read(conn net.Conn) {
	defer conn.Close()
	b := bufio.NewReader(conn)
	for {
		length, err := b.ReadString(' ')
		if err != nil {
			return
		}
		n, err := strconv.Atoi(strings.TrimSuffix(length, " "))
		if err != nil || n > longestLine+1000 {
			c.keep("", fmt.Errorf("a frame of the length %q", length))
			return
		}
		message := make([]byte, n)
		if _, err := io.ReadFull(b, message); err != nil {
			return
		}
		c.keep(string(message), nil)
	}
}

func (c *collector) keep(message string, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		c.bad = err
		return
	}
	c.messages = append(c.messages, message)
}

func (c *collector) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.messages)
}

// hasEnd tells whether the last message is the last of a process.
func (c *collector) hasEnd() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.messages) > 0 && strings.Contains(c.messages[len(c.messages)-1], `"why":"stop"`)
}

// hangUp closes the connections that there are.
func (c *collector) hangUp() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, conn := range c.conns {
		_ = conn.Close()
	}
	c.conns = nil
}

// rfc5424 is section 6 of the RFC: HEADER SP STRUCTURED-DATA SP MSG, with
// facility 13 (log audit) and severity 6.
var rfc5424 = regexp.MustCompile(`^<110>1 (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z) ([!-~]{1,255}) restante (\d+) audit - (\{.*\})$`)

// lines are the trail's lines in what was collected.
func (c *collector) lines(t *testing.T) (all []string) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.bad != nil {
		t.Fatal(c.bad)
	}
	for _, m := range c.messages {
		parts := rfc5424.FindStringSubmatch(m)
		if parts == nil {
			t.Fatalf("not a message of RFC 5424: %q", m)
		}
		all = append(all, parts[4])
	}
	return all
}

func syslogSettings(network, address string) Settings {
	set := fileSettings("")
	set.Name, set.To, set.Target, set.Network, set.Address, set.Facility = "far", ToSyslog, network+address, network, address, 13
	set.Sync, set.Patience, set.Queue = "", 0, 256<<10
	return set
}

func TestSyslogStreams(t *testing.T) {
	server, client := tlsPair(t)
	for _, network := range []string{"unix", "tcp", "tls"} {
		t.Run(network, func(t *testing.T) {
			kind, address := "tcp", "127.0.0.1:0"
			if network == "unix" {
				kind, address = "unix", filepath.Join(t.TempDir(), "log")
			}
			l, err := net.Listen(kind, address)
			if err != nil {
				t.Fatal(err)
			}
			set := syslogSettings(network, l.Addr().String())
			if network == "tls" {
				l, set.TLS = tls.NewListener(l, server), client
			}
			c := &collector{}
			c.serve(l)
			defer c.all.Wait()
			defer c.hangUp()
			defer l.Close()
			trail, seen := use(t, set)
			say(trail, 1, 50)
			end(t, trail)
			await(t, "the end has come", c.hasEnd)
			if r := verifiedLines(t, c.lines(t)); !r.Stopped || r.Unproven != 0 || len(seen.all) > 0 {
				t.Errorf("%+v; troubles %v", r, seen.all)
			}
		})
	}
}

func TestSyslogDatagrams(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	trail, _ := use(t, syslogSettings("unix", path))
	say(trail, 1, 3)
	c := &collector{}
	_ = conn.SetReadDeadline(time.Now().Add(deadline))
	buf := make([]byte, longestLine+1000)
	for c.count() < 5 {
		n, err := conn.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		c.keep(string(buf[:n]), nil)
	}
	verifiedLines(t, c.lines(t))
}

// TestSyslogUnreachable: nobody waits for a server that is not there; when it
// comes the trail goes on, and says how much it lacks.
func TestSyslogUnreachable(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	trail, seen := use(t, syslogSettings("unix", path))
	start := time.Now()
	say(trail, 1, 5000)
	if took := time.Since(start); took > deadline/4 {
		t.Errorf("5,000 events took %v", took)
	}
	await(t, "it fails", func() bool { return trail.Stats()[0].Failing })
	if !seen.has("no such file") && !seen.has("connect") {
		t.Errorf("troubles: %v", seen.all)
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	c := &collector{}
	c.serve(l)
	defer c.all.Wait()
	defer c.hangUp()
	defer l.Close()
	await(t, "it works again", func() bool { return !trail.Stats()[0].Failing && trail.Stats()[0].QueuedLines == 0 })
	await(t, "all has come", func() bool { return uint64(c.count()) == trail.Stats()[0].Lines })
	if r := verifiedLines(t, c.lines(t)); r.Dropped == 0 || r.Gaps == 0 {
		t.Errorf("%+v", r)
	}
	c.hangUp() // and once more
	say(trail, 5001, 5010)
	end(t, trail)
	await(t, "the end has come", c.hasEnd)
	// What was on its way when the connection broke may be lost: that is a hole.
	v := Verification{Keys: testKeys()}
	if err := v.Read("far", strings.NewReader(strings.Join(c.lines(t), "\n")+"\n")); err != nil {
		t.Fatal(err)
	}
	for _, f := range v.Report().Chains[0].Findings {
		if f.Kind != Removed {
			t.Errorf("found %v", f)
		}
	}
}

// tlsPair is a server's and a client's side, with a certificate for 127.0.0.1.
func tlsPair(t *testing.T) (server, client *tls.Config) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}, &tls.Config{RootCAs: pool, ServerName: "127.0.0.1"}
}
