package proxy

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/restante-mail/restante/secret"
	"github.com/restante-mail/restante/upstream"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fullCaps is what a modern server announces.
const fullCaps = "USER UIDL TOP PIPELINING"

// hangUp as an answer makes the fake hang up without one.
const hangUp = "\x00hang up"

// A fake is a POP3 server that does what it is told, for faults that no real
// one can be talked into.
type fake struct {
	address string

	mu   sync.Mutex
	caps string // blank-separated; "" for a server without CAPA
	tls  *tls.Config
	// instead gives another answer to a command of the nth session (from 1);
	// "" is the ordinary one.
	instead  func(session int, command string) string
	messages []*fakeMessage
	stat     string // the answer to STAT; "" is +OK alone
	said     []string
	sessions int
}

type fakeMessage struct{ uidl, text string }

// newFake serves on loopback until the test ends.
func newFake(t *testing.T, messages ...string) *fake {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &fake{address: listener.Addr().String(), caps: fullCaps}
	for i, text := range messages {
		f.messages = append(f.messages, &fakeMessage{fmt.Sprint("uidl-", i+1), text})
	}
	var serving sync.WaitGroup
	serving.Go(func() { f.accept(listener, &serving) })
	t.Cleanup(func() {
		_ = listener.Close()
		serving.Wait()
	})
	return f
}

func (f *fake) accept(listener net.Listener, serving *sync.WaitGroup) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		f.mu.Lock()
		f.sessions++
		s := &fakeSession{fake: f, n: f.sessions, messages: slices.Clone(f.messages), conn: conn}
		f.mu.Unlock()
		serving.Go(func() {
			defer func() { _ = s.conn.Close() }()
			s.serve()
		})
	}
}

// commands are all that was said to the fake, in order.
func (f *fake) commands() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.said)
}

// does makes the fake give other answers.
func (f *fake) does(instead func(session int, command string) string) {
	f.change(func() { f.instead = instead })
}

// announces sets the capabilities.
func (f *fake) announces(caps string) { f.change(func() { f.caps = caps }) }

// count is the number of sessions up to now.
func (f *fake) count() (sessions int) {
	f.change(func() { sessions = f.sessions })
	return sessions
}

// change does something to the fake that it sees at the next command.
func (f *fake) change(do func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	do()
}

func (f *fake) left() (uidls []string) {
	f.change(func() {
		for _, m := range f.messages {
			uidls = append(uidls, m.uidl)
		}
	})
	return uidls
}

type fakeSession struct {
	fake     *fake
	n        int
	conn     net.Conn
	in       *bufio.Reader
	messages []*fakeMessage
	doomed   []*fakeMessage
}

func (s *fakeSession) serve() {
	_ = s.conn.SetDeadline(time.Now().Add(30 * time.Second))
	s.in = bufio.NewReader(s.conn)
	if !s.answer("greeting", "+OK fake\r\n") {
		return
	}
	for {
		line, err := s.in.ReadString('\n')
		if err != nil {
			return
		}
		line = strings.TrimSuffix(line, "\r\n")
		s.fake.change(func() { s.fake.said = append(s.fake.said, line) })
		if !s.answer(line, s.ordinary(line)) {
			return
		}
		if line == "STLS" {
			s.fake.change(func() { s.conn = tls.Server(s.conn, s.fake.tls) })
			s.in = bufio.NewReader(s.conn)
		}
		if line == "QUIT" {
			return
		}
	}
}

func (s *fakeSession) answer(command, ordinary string) bool {
	said := ordinary
	var instead func(int, string) string
	s.fake.change(func() { instead = s.fake.instead })
	if instead != nil {
		if other := instead(s.n, command); other != "" {
			said = other
		}
	}
	text, end, cut := strings.Cut(said, hangUp)
	if said == ordinary {
		s.obey(command)
	}
	_, err := io.WriteString(s.conn, text+end)
	return err == nil && !cut
}

// obey does what was not refused.
func (s *fakeSession) obey(command string) {
	if number, ok := strings.CutPrefix(command, "DELE "); ok {
		if n, _ := strconv.Atoi(number); n > 0 && n <= len(s.messages) {
			s.doomed = append(s.doomed, s.messages[n-1])
		}
	}
	if command == "QUIT" {
		s.remove()
	}
}

// remove is the UPDATE state.
func (s *fakeSession) remove() {
	s.fake.change(func() {
		s.fake.messages = slices.DeleteFunc(s.fake.messages, func(m *fakeMessage) bool {
			return slices.Contains(s.doomed, m)
		})
	})
}

func (s *fakeSession) ordinary(line string) string {
	command, argument, _ := strings.Cut(line, " ")
	switch command {
	case "CAPA":
		var caps string
		s.fake.change(func() { caps = s.fake.caps })
		if caps == "" {
			return "-ERR unknown command\r\n"
		}
		return "+OK\r\n" + strings.ReplaceAll(caps, " ", "\r\n") + "\r\n.\r\n"
	case "LIST", "UIDL":
		return s.list(command)
	case "RETR", "TOP", "DELE":
		return s.message(command, argument)
	case "AUTH":
		return "+ \r\n"
	case "STAT":
		if s.fake.stat != "" {
			return s.fake.stat
		}
	}
	return "+OK\r\n"
}

func (s *fakeSession) list(command string) string {
	answer := "+OK\r\n"
	for i, m := range s.messages {
		value := m.uidl
		if command == "LIST" {
			value = strconv.Itoa(len(m.text))
		}
		answer += fmt.Sprintf("%d %s\r\n", i+1, value)
	}
	return answer + ".\r\n"
}

func (s *fakeSession) message(command, argument string) string {
	number, _, _ := strings.Cut(argument, " ")
	n, err := strconv.Atoi(number)
	if err != nil || n < 1 || n > len(s.messages) {
		return "-ERR no such message\r\n"
	}
	m := s.messages[n-1]
	if command == "DELE" {
		return "+OK\r\n"
	}
	return "+OK\r\n" + m.text + ".\r\n"
}

// refuse answers -ERR to every command that begins so.
func refuse(prefix, answer string) func(int, string) string {
	return func(_ int, command string) string {
		if strings.HasPrefix(command, prefix) {
			return "-ERR " + answer + "\r\n"
		}
		return ""
	}
}

var alice = upstream.Login{User: "alice", Secret: secret.New("secret"), Session: "s1"}

// open signs in to the fake, which must work.
func (f *fake) open(t *testing.T) *Mailbox {
	t.Helper()
	return f.openAt(t, f.upstream(t))
}

// openAt signs in to the fake by an Upstream that knows it perhaps.
func (f *fake) openAt(t *testing.T, u *Upstream) *Mailbox {
	t.Helper()
	m, err := u.Open(t.Context(), alice)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	return m.(*Mailbox)
}

func (f *fake) upstream(t *testing.T) *Upstream {
	t.Helper()
	u, err := New(Options{Addresses: []string{f.address}, Security: Plain, ReplyTimeout: 20 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	u.lockWaits = []time.Duration{time.Microsecond, time.Microsecond}
	return u
}

func (m *Mailbox) listed(t *testing.T) []upstream.Message {
	t.Helper()
	messages, err := m.Messages(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return messages
}

func (m *Mailbox) text(ctx context.Context, id upstream.ID) (string, error) {
	body, err := m.Open(ctx, id, upstream.Whole)
	if err != nil {
		return "", err
	}
	octets, err := io.ReadAll(body)
	return string(octets), errors.Join(err, body.Close())
}

func expunge(ids ...uint32) (changes []upstream.Change) {
	for _, id := range ids {
		changes = append(changes, upstream.Change{ID: upstream.ID{UID: id}, Do: upstream.Expunge})
	}
	return changes
}

// testTLS is a certificate for 127.0.0.1, and who vouches for it.
func testTLS(t *testing.T) (server, client *tls.Config) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}, &tls.Config{RootCAs: roots}
}
