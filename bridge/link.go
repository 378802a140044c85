package bridge

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"github.com/restante-mail/restante/upstream"
)

// link is one signed-in connection. Its owner uses it from one goroutine; the
// library's reader is the only other one that it has.
type link struct {
	u    *Upstream
	f    *framing
	c    *imapclient.Client // nil until something needs it: see start
	caps imap.CapSet
	born time.Time // when it signed in
	ends time.Time // when no other session may have it any more
	// While a text is awaited:
	ctx   context.Context
	stop  func() bool // nil until something had to be waited for
	waits func()      // told before; may be nil
	held  int64       // of the read-ahead budget
}

// link connects and signs in. What ask queues, if it is not nil, goes in the
// same flight as the sign-in where that is possible, and with the next flush
// otherwise.
func (u *Upstream) link(ctx context.Context, login upstream.Login, ask func(*link)) (*link, error) {
	l, err := u.signedIn(ctx, login, ask, nil)
	var before *changed
	if errors.As(err, &before) {
		l, err = u.signedIn(ctx, login, ask, before) // nothing is remembered any more
	}
	if err != nil {
		return nil, err
	}
	l.born = u.pool.now()
	l.ends = u.pool.end(l.born, login)
	return l, nil
}

// changed says that the server may not be what it was remembered as.
type changed struct {
	caps string // before sign-in; "": the server is another for certain
	err  error  // what it said to the sign-in
}

func (c *changed) Error() string { return c.err.Error() }
func (c *changed) Unwrap() error { return c.err }

// signedIn does not repeat to the same server what it has refused: that would
// count as two wrong passwords.
func (u *Upstream) signedIn(ctx context.Context, login upstream.Login, ask func(*link), before *changed) (*link, error) {
	f, address, err := u.dial(ctx, true)
	if err != nil {
		return nil, err
	}
	l := &link{u: u, f: f}
	if before != nil && before.caps == f.caps {
		l.drop()
		return nil, before.err
	}
	s := signIn{l: l, address: address, login: login, ask: ask, before: f.caps}
	if s.mechanism, err = choose(f, login); err == nil {
		err = s.do(ctx)
	}
	if err != nil {
		u.served.doubt(address)
		l.drop()
		return nil, err
	}
	return l, nil
}

// start hands the connection to the library, whose reader then reads. A client
// that only looks for new mail never needs it: our own commands do, and cost
// neither a goroutine nor buffers.
func (l *link) start() {
	if l.c == nil {
		l.f.greet("PREAUTH")
		l.c = imapclient.New(l.f, nil)
		_ = l.c.WaitGreeting() // before that it knows of no capabilities; it fails only with the connection
	}
}

func (l *link) client() *imapclient.Client {
	l.start()
	return l.c
}

// run runs commands of the library's. Silence for longer than timeout ends the
// connection, and so does the end of ctx: the library knows no other way to
// cancel. The error is an *upstream.Error; a bare NO is of kind Unavailable.
func (l *link) run(ctx context.Context, doing string, timeout time.Duration, commands func() error) error {
	return l.explain(ctx, doing, upstream.Unavailable, l.bounded(ctx, timeout, commands))
}

func (l *link) bounded(ctx context.Context, timeout time.Duration, commands func() error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	l.settle(ctx)
	stop := context.AfterFunc(ctx, func() { _ = l.f.Close() })
	defer stop()
	l.f.expect(timeout)
	defer l.f.expect(0)
	defer l.f.rest()
	return commands()
}

// explain finds out what an error of the library's was about, and passes on
// what the server wanted a person to read.
func (l *link) explain(ctx context.Context, doing string, otherwise upstream.Kind, err error) error {
	alert := l.f.takeAlert()
	if signing := doing == signingIn && err != nil; alert != "" && signing {
		err = l.explained(ctx, doing, otherwise, err)
		var e *upstream.Error
		if errors.As(err, &e) { // who has the secret at hand looks whether it may be shown
			e.Err = fmt.Errorf("%w; the server alerts: %s", e.Err, alert)
		}
		return err
	} else if alert != "" {
		l.u.o.Log.WithField("alert", alert).Info("the upstream alerts")
	}
	return l.explained(ctx, doing, otherwise, err)
}

// signingIn is what errors of signing in say they were doing.
const signingIn = "sign in"

func (l *link) explained(ctx context.Context, doing string, otherwise upstream.Kind, err error) error {
	var status *imap.Error
	var said *reply
	if err == nil || errors.As(err, &status) || errors.As(err, &said) {
		return refusal(doing, err, otherwise)
	}
	return refusal(doing, l.cause(ctx, err), otherwise)
}

// cause prefers what ended the connection over how the library took it.
func (l *link) cause(ctx context.Context, err error) error {
	if ended := context.Cause(ctx); ended != nil {
		return ended
	}
	switch cause := l.f.cause(); {
	case cause == nil:
		return err
	case cause == io.EOF:
		return errors.New("the server hung up")
	case errors.Is(cause, net.ErrClosed):
		return fmt.Errorf("the connection was closed: %w", err)
	default:
		return cause
	}
}

// dead tells whether the connection has ended.
func (l *link) dead() bool {
	select {
	case <-l.f.dead:
		return true
	default:
		return false
	}
}

// cut tells whether the connection has ended in a way that casts no doubt on
// what came before: it was closed, reset or silent, or the server said BYE. A
// server that said what makes no sense may have done so before.
func (l *link) cut() bool {
	cause := l.f.cause()
	var network net.Error
	var bye *reply
	switch {
	case errors.Is(cause, net.ErrClosed):
		return false // by us, or by the library in disgust
	case errors.Is(cause, io.EOF), errors.Is(cause, io.ErrUnexpectedEOF), errors.As(cause, &bye):
		return true
	}
	return errors.As(cause, &network)
}

// drop ends the connection without a word, and returns when the library's
// reader is gone. No literal may be open.
func (l *link) drop() {
	_ = l.f.Close()
	if l.c != nil {
		<-l.c.Closed()
	}
	l.forgetTexts()
}

// logout ends the connection politely, and waits for nothing but the socket.
func (l *link) logout() {
	if !l.dead() {
		l.f.mu.Lock()
		l.f.write = min(l.f.write, time.Second)
		l.f.mu.Unlock()
		_, _ = l.f.inject("LOGOUT", nil) // a server that is gone needs none
	}
	l.drop()
}

// has tells what the server can do, after sign-in.
func (l *link) has(capability imap.Cap) bool {
	return l.caps.Has(capability)
}

// identify queues ID (RFC 2971). Nothing waits for its answer: the commands
// after it do not depend on it, and servers work in order.
func (l *link) identify(client netip.Addr) {
	if !l.f.has("ID") {
		return
	}
	fields := `"name" "Restante"`
	if version := l.u.o.Version; version != "" {
		fields += ` "version" ` + quoted(version)
	}
	if l.u.o.TellClient && client.IsValid() {
		fields += ` "x-originating-ip" ` + quoted(client.Unmap().WithZone("").String())
	}
	l.f.queue("ID ("+fields+")", injection{})
}

// quoted makes a quoted string of what may be in one and is harmless.
func quoted(s string) string {
	return `"` + strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' || r == '"' || r == '\\' {
			return -1
		}
		return r
	}, s[:min(len(s), 64)]) + `"`
}
