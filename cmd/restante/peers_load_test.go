package main

import (
	"bufio"
	"crypto/sha256"
	"fmt"
	"hash"
	"io"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/restante-mail/restante/peertest"
)

// TestLoad holds the real program, as it is shipped, to its bounds.
func TestLoad(t *testing.T) {
	if testing.Short() {
		t.Skip("moves 5 GiB, and starts 1,000 processes of Dovecot's: not with -short")
	}
	peertest.Need(t, "dovecot")
	binary := peertest.BuildRestante(t, false)
	t.Run("HugeMessages", func(t *testing.T) { hugeMessages(t, binary) })
	t.Run("IdleSessions", func(t *testing.T) { idleSessions(t, binary) })
}

// users is n names with passwords.
func users(n int) (names []string, option peertest.Option) {
	passwords := map[string]string{}
	for i := range n {
		name := fmt.Sprintf("user%d", i)
		names = append(names, name)
		passwords[name] = password
	}
	return names, peertest.WithUsers(passwords)
}

const (
	hugeSize     = 512 << 20
	hugeReaders  = 10
	hugeResident = 96 << 10 // KiB
)

// Ten clients read 512 MiB each at the same time, slowly at first: none gets
// on before all have begun and stand still with full socket buffers.
func hugeMessages(t *testing.T, binary string) {
	names, option := users(hugeReaders)
	d := peertest.Dovecot(t, option)
	file, _ := d.GenerateFile(hugeSize)
	for _, name := range names {
		d.DeliverFile(name, "INBOX", file)
	}
	want := wireSum(t, file)
	r := inFront(t, binary, d)

	var begun, done sync.WaitGroup
	begun.Add(len(names))
	done.Add(len(names))
	errs := make([]error, len(names))
	for i, name := range names {
		go func() {
			defer done.Done()
			errs[i] = readHuge(r.POP3, name, want, &begun)
		}()
	}
	done.Wait()
	for i, err := range errs {
		if err != nil {
			t.Errorf("%s: %v", names[i], err)
		}
	}
	peak, err := peertest.Status(r.PID(), "VmHWM")
	if err != nil {
		t.Skipf("memory can not be read here: %v", err)
	}
	t.Logf("at most %d KiB resident", peak)
	if peak > hugeResident {
		t.Errorf("%d KiB resident, at most %d are allowed", peak, hugeResident)
	}
}

// readHuge reads a little, waits for the others, reads the rest, and deletes.
func readHuge(addr, user string, want [sha256.Size]byte, begun *sync.WaitGroup) error {
	ready := sync.OnceFunc(begun.Done)
	defer ready()
	c, err := peertest.DialPOP3(addr, nil)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.Login(user, password); err != nil {
		return err
	}
	if _, err := c.Do("RETR 1"); err != nil {
		return err
	}
	got := sha256.New()
	if err := c.Copy(got, func() { ready(); begun.Wait() }); err != nil {
		return err
	}
	if [sha256.Size]byte(got.Sum(nil)) != want {
		return fmt.Errorf("got another message than was sent")
	}
	_, err = c.Do("QUIT")
	return err
}

// wireSum is the SHA-256 of a CRLF file as it is on the wire, dots stuffed and
// terminator included.
func wireSum(t *testing.T, path string) (sum [sha256.Size]byte) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	h := sha256.New()
	if err := stuff(h, bufio.NewReaderSize(f, 1<<20)); err != nil {
		t.Fatal(err)
	}
	return [sha256.Size]byte(h.Sum(nil))
}

func stuff(h hash.Hash, r *bufio.Reader) error {
	for {
		line, err := r.ReadSlice('\n')
		if len(line) > 0 && line[0] == '.' {
			h.Write([]byte("."))
		}
		h.Write(line)
		if err == io.EOF {
			h.Write([]byte(".\r\n"))
			return nil
		} else if err != nil {
			return err
		}
	}
}

const (
	idleCount = 1000
	// idleThreads is far below one a session; Go starts a few for each core,
	// and some more for files.
	idleThreads = 64
)

// A thousand signed-in clients that do nothing cost neither a process nor a
// thread each, and are all still served.
func idleSessions(t *testing.T, binary string) {
	names, option := users(idleCount)
	d := peertest.Dovecot(t, option)
	r := inFront(t, binary, d)
	before, err := peertest.Status(r.PID(), "VmRSS")
	if err != nil {
		t.Skipf("memory can not be read here: %v", err)
	}
	conns := signInAll(t, r, names)
	threads, _ := peertest.Status(r.PID(), "Threads")
	after, _ := peertest.Status(r.PID(), "VmRSS")
	t.Logf("%d sessions: %d threads, %d KiB more resident each", idleCount, threads, (after-before)/idleCount)
	if threads > idleThreads {
		t.Errorf("%d threads, at most %d are allowed", threads, idleThreads)
	}
	if n := len(peertest.Tree(r.PID())); n != 1 {
		t.Errorf("%d processes", n)
	}
	for i, c := range conns {
		if _, err := c.Do("STAT"); err != nil {
			t.Fatalf("session %d: %v", i, err)
		}
	}
	for i, c := range conns {
		if _, err := c.Do("QUIT"); err != nil {
			t.Fatalf("session %d: QUIT: %v", i, err)
		}
	}
}

// signInAll signs all users in, eight at a time.
func signInAll(t *testing.T, r *peertest.RestanteServer, names []string) []*peertest.POP3Conn {
	t.Helper()
	conns, errs := make([]*peertest.POP3Conn, len(names)), make([]error, len(names))
	var all sync.WaitGroup
	slots := make(chan struct{}, 8)
	for i, name := range names {
		all.Add(1)
		slots <- struct{}{}
		go func() {
			defer func() { <-slots; all.Done() }()
			conns[i], errs[i] = peertest.DialPOP3(r.POP3, nil)
			if errs[i] == nil {
				errs[i] = conns[i].Login(name, password)
			}
		}()
	}
	all.Wait()
	for i, c := range conns {
		if c != nil {
			t.Cleanup(c.Close)
			c.Patience = time.Minute
		}
		if errs[i] != nil {
			t.Fatalf("session %d: %v", i, errs[i])
		}
	}
	return conns
}
