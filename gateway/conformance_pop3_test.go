package gateway_test

import (
	"bytes"
	"testing"

	"github.com/restante-mail/restante/peertest"
	"github.com/restante-mail/restante/pop3"
	"github.com/restante-mail/restante/pop3/pop3test"
	"github.com/restante-mail/restante/proxy"
)

// proxyTo is a proxy to a server on loopback where RETR has no consequences.
func proxyTo(t testing.TB, address string) *proxy.Upstream {
	t.Helper()
	neutral := true
	p, err := proxy.New(proxy.Options{Addresses: []string{address}, Security: proxy.Plain, Neutral: &neutral})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestConformanceOverPOP3(t *testing.T) {
	pop3test.Run(t, func(t *testing.T, messages [][]byte) pop3test.Fixture {
		box := pop3test.NewMemory(messages...)
		legacy := &pop3.Server{Backend: box}
		address := serve(t, legacy.Serve, func() { _ = legacy.Shutdown(t.Context()) })
		fixture := box.Fixture()
		fixture.Backend = over(proxyTo(t, address), nil)
		return fixture
	})
}

func TestConformanceOverDovecotPOP3(t *testing.T) {
	pop3test.Run(t, func(t *testing.T, messages [][]byte) pop3test.Fixture {
		d := peertest.Dovecot(t, peertest.WithPOP3(), peertest.WithUsers(map[string]string{user: password}))
		d.Deliver(user, "INBOX", messages...)
		return pop3test.Fixture{
			Backend: over(proxyTo(t, d.POP3Addr()), nil), User: user, Password: password,
			Stored:    finished,
			Remaining: func(testing.TB) [][]byte { return eachFinished(d.Files(user, "INBOX")) },
		}
	})
}

func TestConformanceOverCourierPOP3(t *testing.T) {
	pop3test.Run(t, func(t *testing.T, messages [][]byte) pop3test.Fixture {
		c := peertest.Courier(t, map[string]string{user: password})
		c.Deliver(user, messages...)
		return pop3test.Fixture{
			Backend: over(proxyTo(t, c.POP3Addr()), nil), User: user, Password: password,
			Stored:    finished,
			Remaining: func(testing.TB) [][]byte { return eachFinished(c.Messages(user)) },
		}
	})
}

// finished is what Dovecot's and Courier's pop3d make of a message: whatever
// does not end with LF gets a line end, be it nothing or a CR.
func finished(m []byte) []byte {
	if bytes.HasSuffix(m, []byte("\n")) {
		return m
	}
	return append(bytes.Clone(m), "\r\n"...)
}

func eachFinished(messages [][]byte) [][]byte {
	for i, m := range messages {
		messages[i] = finished(m)
	}
	return messages
}
