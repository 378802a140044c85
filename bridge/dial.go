package bridge

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/restante-mail/restante/upstream"
)

// restAfterFailure is how long an address that failed comes last.
const restAfterFailure = 30 * time.Second

// addresses remembers which addresses failed lately, so that one that does not
// answer costs its timeout once in a while and not at each sign-in.
type addresses struct {
	mu     sync.Mutex
	all    []string
	failed map[string]time.Time
}

// inOrder returns all addresses: the good ones first, each part as configured.
func (a *addresses) inOrder(now time.Time) []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	var good, bad []string
	for _, address := range a.all {
		if at, ok := a.failed[address]; ok && now.Sub(at) < restAfterFailure {
			bad = append(bad, address)
			continue
		}
		good = append(good, address)
	}
	return append(good, bad...)
}

func (a *addresses) note(address string, err error, now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err == nil {
		delete(a.failed, address)
		return
	}
	a.failed[address] = now
}

// dial connects to the first address that answers as an IMAP server should,
// up to where a client may sign in. f.caps is set; to what is remembered, if
// that is enough and the server does not say it unasked.
func (u *Upstream) dial(ctx context.Context, remembered bool) (*framing, string, error) {
	var errs []error
	for _, address := range u.addresses.inOrder(time.Now()) {
		start := time.Now()
		f, err := u.dialOne(ctx, address, remembered)
		if u.o.Hooks.Dialed != nil {
			u.o.Hooks.Dialed(time.Since(start), err)
		}
		if ctx.Err() != nil && err != nil {
			return nil, "", refusal("connect", errors.Join(append(errs, err)...), upstream.Unavailable)
		}
		u.addresses.note(address, err, time.Now())
		if err == nil {
			return f, address, nil
		}
		errs = append(errs, fmt.Errorf("%s: %w", address, err))
	}
	return nil, "", refusal("connect", errors.Join(errs...), upstream.Unavailable)
}

func (u *Upstream) dialOne(ctx context.Context, address string, remembered bool) (*framing, error) {
	ctx, cancel := context.WithTimeout(ctx, u.o.DialTimeout)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	raw := newSocket(u.o.Hooks.Watch(conn))
	stop := context.AfterFunc(ctx, func() { _ = raw.Close() })
	defer stop()
	f, err := u.greet(ctx, raw, address)
	if err == nil && f.caps == "" && remembered {
		if known := u.served.get(address); !known.doubted {
			f.caps = known.before
		}
	}
	if err == nil && f.caps == "" {
		err = f.askCapabilities()
	}
	if err != nil {
		_ = raw.Close()
		return nil, cmpContext(ctx, err)
	}
	f.expect(0)
	return f, nil
}

// cmpContext prefers to say that time was up over what that did to a socket.
func cmpContext(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return fmt.Errorf("%w (%w)", cause, err)
	}
	return err
}

// greet protects the connection as configured and reads the greeting.
func (u *Upstream) greet(ctx context.Context, raw net.Conn, address string) (*framing, error) {
	conn := raw
	if u.o.Security == ImplicitTLS {
		var err error
		if conn, err = u.handshake(ctx, raw, address); err != nil {
			return nil, err
		}
	}
	f := newFraming(conn, raw, u.o.ReplyTimeout)
	f.alone = true
	f.expect(u.o.DialTimeout)
	if err := f.greeting(); err != nil {
		return nil, err
	}
	if u.o.Security == StartTLS {
		if err := f.startTLS(); err != nil {
			return nil, err
		}
		conn, err := u.handshake(ctx, raw, address)
		if err != nil {
			return nil, err
		}
		f = newFraming(conn, raw, u.o.ReplyTimeout) // what was learned in the clear is worth nothing
		f.alone = true
		f.expect(u.o.DialTimeout)
	}
	return f, nil
}

func (f *framing) askCapabilities() error {
	if err := f.exchange("CAPABILITY"); err != nil {
		return fmt.Errorf("ask for capabilities: %w", err)
	}
	return nil
}

func (u *Upstream) handshake(ctx context.Context, raw net.Conn, address string) (net.Conn, error) {
	config := u.o.TLS.Clone()
	if config == nil {
		config = new(tls.Config)
	}
	if config.ServerName == "" {
		config.ServerName, _, _ = net.SplitHostPort(address) // New has checked it
	}
	conn := tls.Client(raw, config)
	if err := conn.HandshakeContext(ctx); err != nil {
		return nil, fmt.Errorf("TLS: %w", err)
	}
	return conn, nil
}

var errPreauth = errors.New("the server says that we are signed in already (PREAUTH), as nobody knows whom")

// greeting reads the first response.
func (f *framing) greeting() error {
	u, _, err := f.unit()
	if err == io.EOF {
		return errors.New("the server hung up without a greeting")
	}
	if err != nil {
		return fmt.Errorf("read the greeting: %w", err)
	}
	if u[0] != '*' {
		return fmt.Errorf("no IMAP server: it greets with %q", printable(trimLineEnd(u)))
	}
	_, kind, rest := splitUntagged(u)
	switch s := parseStatus(kind, rest); kind {
	case "OK":
		if s.code == "CAPABILITY" {
			f.announced(s.args)
		}
		return nil
	case "PREAUTH":
		return errPreauth
	case "BYE":
		return s.reply()
	}
	return fmt.Errorf("no IMAP server: it greets with %q", printable(trimLineEnd(u)))
}

// startTLS asks for TLS. Whatever the server, or somebody between us, sent
// after its OK must not be taken for the first words inside TLS.
func (f *framing) startTLS() error {
	if f.caps != "" && !f.has("STARTTLS") {
		return errors.New("the server offers no STARTTLS; somebody between here and there may have removed it")
	}
	if err := f.exchange("STARTTLS"); err != nil {
		return fmt.Errorf("STARTTLS: %w", err)
	}
	if f.r < f.w {
		return errors.New("STARTTLS: somebody has put words into the connection before TLS began")
	}
	return nil
}

// has tells whether the capability was announced.
func (f *framing) has(capability string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return offers(f.caps, capability)
}

// offers tells whether a list of capabilities has one.
func offers(caps, capability string) bool {
	for announced := range strings.FieldsSeq(caps) {
		if strings.EqualFold(announced, capability) {
			return true
		}
	}
	return false
}

// synthesize gives the library the greeting that it waits for.
func (f *framing) synthesize() { f.greet("OK") }

func (f *framing) greet(kind string) {
	f.alone = false
	f.out = fmt.Appendf(nil, "* %s [CAPABILITY %s] ready\r\n", kind, f.caps)
}
