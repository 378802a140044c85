package gateway_test

import (
	"bytes"
	"io"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	"go.uber.org/goleak"

	"github.com/restante-mail/restante/bridge"
	"github.com/restante-mail/restante/gateway"
	"github.com/restante-mail/restante/memimap"
	"github.com/restante-mail/restante/peertest"
	"github.com/restante-mail/restante/policy"
	"github.com/restante-mail/restante/pop3/pop3test"
	"github.com/restante-mail/restante/secret"
	"github.com/restante-mail/restante/upstream"
)

// TestMain runs the tests, or is a process that a test started to kill it.
func TestMain(m *testing.M) {
	if os.Getenv(victimCrash) != "" {
		victim()
		return
	}
	goleak.VerifyTestMain(m)
}

// over returns a gateway that leads everybody to one upstream.
func over(server upstream.Server, change func(*gateway.Route)) *gateway.Gateway {
	classic, _ := policy.Preset(policy.DefaultPreset)
	log := logrus.New()
	log.SetOutput(io.Discard)
	return &gateway.Gateway{Shared: gateway.NewShared(), Log: log,
		Route: func(user string, _ netip.Addr, _ string) (gateway.Route, error) {
			r := gateway.Route{Upstream: "test", Server: server, User: user, Policy: classic}
			if change != nil {
				change(&r)
			}
			return r, nil
		}}
}

const user, password = "alice", `a "secret" \ of alice`

// memory serves one mailbox over IMAP, in memory, and bridges to it.
func memory(t *testing.T, messages [][]byte, lacks ...string) (*bridge.Upstream, *memimap.Mailbox) {
	t.Helper()
	address, inbox := mailServer(t, messages, lacks...)
	return bridgeTo(t, address), inbox
}

var secretPassword = secret.New(password)

// mailServer serves one mailbox over IMAP, in memory.
func mailServer(t *testing.T, messages [][]byte, lacks ...string) (address string, inbox *memimap.Mailbox) {
	t.Helper()
	server := memimap.New()
	server.InsecureAuth, server.Lacks = true, lacks
	inbox = server.AddUser(user, secretPassword).Mailbox("INBOX")
	for _, m := range messages {
		inbox.Append(m, nil, time.Time{})
	}
	return serve(t, server.Serve, func() { server.Close() }), inbox
}

// serve runs a server on loopback until the test ends.
func serve(t *testing.T, run func(net.Listener) error, stop func()) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- run(l) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return l.Addr().String()
}

func bridgeTo(t *testing.T, address string) *bridge.Upstream {
	t.Helper()
	b, err := bridge.New(bridge.Options{Addresses: []string{address}, Security: bridge.Plain})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	return b
}

func contents(inbox *memimap.Mailbox) (all [][]byte) {
	for _, m := range inbox.Messages() {
		all = append(all, m.Raw)
	}
	return all
}

func TestConformanceOverIMAP(t *testing.T) {
	for _, exact := range []bool{false, true} {
		name := map[bool]string{false: "listed sizes", true: "exact sizes"}[exact]
		t.Run(name, func(t *testing.T) {
			pop3test.Run(t, func(t *testing.T, messages [][]byte) pop3test.Fixture {
				server, inbox := memory(t, messages)
				return pop3test.Fixture{
					Backend: over(server, func(r *gateway.Route) { r.ExactSizes = exact }),
					User:    user, Password: password,
					Remaining: func(testing.TB) [][]byte { return contents(inbox) },
				}
			})
		})
	}
}

func TestConformanceOverDovecot(t *testing.T) {
	pop3test.Run(t, func(t *testing.T, messages [][]byte) pop3test.Fixture {
		d := peertest.Dovecot(t, peertest.WithUsers(map[string]string{user: password}))
		d.Deliver(user, "INBOX", messages...)
		return pop3test.Fixture{
			Backend: over(bridgeTo(t, d.IMAPAddr()), nil), User: user, Password: password,
			// IMAP has no NUL outside BINARY; Dovecot sends 0x80 in its place.
			Stored: func(m []byte) []byte { return bytes.ReplaceAll(m, []byte{0}, []byte{0x80}) },
			Remaining: func(testing.TB) (all [][]byte) {
				for _, m := range d.Messages(user, "INBOX") {
					all = append(all, m.Octets)
				}
				return all
			},
		}
	})
}
