// Package lookup asks an HTTP endpoint where a login leads: it speaks what
// nginx's mail proxy calls auth_http, so that a program written for that one
// serves Restante too. It decides nothing by itself, signs nobody in, and cannot be
// led to servers of the endpoint's own choice: whoever asks says which answers
// it understands.
package lookup

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2/simplelru"

	"github.com/restante-mail/restante/secret"
)

const (
	// maxAtOnce bounds the questions under way; others wait for their turn.
	maxAtOnce = 64
	// maxAnswer bounds the header. Nobody needs the body.
	maxAnswer = 16 << 10
	// maxRemembered answers, the longest unused of which go first.
	maxRemembered = 10_000
)

// Options say whom to ask.
type Options struct {
	URL string
	// TLS is for https; nil is the system's authorities.
	TLS *tls.Config
	// Timeout bounds a question, waiting for its turn included.
	Timeout time.Duration
	// Remember is how long a good answer holds; 0 asks each time.
	Remember time.Duration
	// Header and Secret are sent along if Header is not "", so that the endpoint
	// knows who asks (nginx: auth_http_header).
	Header string
	Secret secret.Text
}

// A Client asks one endpoint. It is safe for concurrent use.
type Client struct {
	o     Options
	where string // the URL as errors may have it
	http  *http.Client
	turns chan struct{}
	now   func() time.Time
	key   [32]byte

	mu    sync.Mutex
	known *lru.LRU[[32]byte, remembered]
}

type remembered struct {
	answer Answer
	until  time.Time
}

// New asks nothing yet.
func New(o Options) *Client {
	c := &Client{o: o, where: withoutQuery(o.URL), turns: make(chan struct{}, maxAtOnce), now: time.Now}
	_, _ = rand.Read(c.key[:]) // never fails
	c.known, _ = lru.NewLRU[[32]byte, remembered](maxRemembered, nil)
	c.http = &http.Client{
		// A redirection would carry the password to somebody else.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			// Nothing is left open, as nginx leaves nothing open.
			TLSClientConfig: o.TLS, MaxResponseHeaderBytes: maxAnswer, DisableKeepAlives: true, DisableCompression: true,
		},
	}
	return c
}

// A Question is a client that wants to sign in.
type Question struct {
	User   string
	Secret secret.Text
	// Method is nginx's word: plain, apop, external, xoauth2, oauthbearer. For
	// apop Secret is the digest of Salt.
	Method, Salt string
	Client       netip.Addr
	Listener     string
	Attempt      int // of the connection, from 1
	TLS          *tls.ConnectionState
}

// An Answer is where a login leads. What is "" is for the route to say.
type Answer struct {
	// Server is host:port.
	Server string
	User   string
	Secret secret.Text // "" is the client's own
	// Upstream, Policy and View are names of the configuration; nginx has nothing
	// of the kind.
	Upstream, Policy, View string
}

// ErrRefused is the endpoint's no: the name or the password is wrong, or the
// account is closed. What it said is for the log.
var ErrRefused = errors.New("refused")

// Ask returns the answer. An error that is not ErrRefused says that there is
// none, and that the client should try again later.
func (c *Client) Ask(ctx context.Context, q Question) (Answer, error) {
	digest := c.digest(q)
	if a, ok := c.recall(digest); ok {
		return a, nil
	}
	ctx, cancel := context.WithTimeout(ctx, c.o.Timeout)
	defer cancel()
	select {
	case c.turns <- struct{}{}:
		defer func() { <-c.turns }()
	case <-ctx.Done():
		return Answer{}, fmt.Errorf("wait to ask %s: %w", c.where, ctx.Err())
	}
	a, err := c.ask(ctx, q)
	if err != nil {
		return Answer{}, fmt.Errorf("ask %s: %w", c.where, err)
	}
	c.remember(digest, a)
	return a, nil
}

func (c *Client) ask(ctx context.Context, q Question) (Answer, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.o.URL, nil)
	if err != nil {
		return Answer{}, err
	}
	c.fill(request.Header, q)
	response, err := c.http.Do(request)
	if err != nil {
		return Answer{}, cause(err)
	}
	_ = response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return Answer{}, fmt.Errorf("the answer is %q, not 200", clip(response.Status))
	}
	return read(response.Header)
}

// cause is an error of net/http without the URL, and without what was said: a
// line that is not understood may be the one with the password.
func cause(err error) error {
	if u := (*url.Error)(nil); errors.As(err, &u) {
		err = u.Err
	}
	if strings.Contains(err.Error(), "malformed") {
		return errors.New("the answer is no HTTP; is this an auth_http endpoint?")
	}
	return err
}

// withoutQuery is a URL without what may hold a key.
func withoutQuery(text string) string {
	before, _, _ := strings.Cut(text, "?")
	return before
}

// fill writes the question as nginx does. nginx escapes these two, and nothing
// else comes from strangers.
func (c *Client) fill(h http.Header, q Question) {
	set := func(name, value string) {
		if value != "" {
			h[name] = []string{value} // not in Go's spelling: Client-IP
		}
	}
	set("Auth-Method", q.Method)
	set("Auth-User", escape(q.User))
	set("Auth-Pass", escape(q.Secret.Reveal()))
	set("Auth-Salt", q.Salt)
	set("Auth-Protocol", "pop3")
	set("Auth-Login-Attempt", strconv.Itoa(q.Attempt))
	if q.Client.IsValid() {
		set("Client-IP", q.Client.String())
	}
	set("Auth-Listener", q.Listener)
	if q.TLS != nil {
		set("Auth-SSL", "on")
		set("Auth-SSL-Protocol", strings.ReplaceAll(tls.VersionName(q.TLS.Version), "TLS ", "TLSv"))
		set("Auth-SSL-Cipher", tls.CipherSuiteName(q.TLS.CipherSuite))
	}
	if c.o.Header != "" {
		h.Set(c.o.Header, c.o.Secret.Reveal())
	}
}

// escape writes %XX for what nginx does: control characters, space, ", %, ',
// and all beyond ASCII.
func escape(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if o := s[i]; o <= ' ' || o >= 0x7f || strings.IndexByte(`"%'`, o) >= 0 {
			fmt.Fprintf(&b, "%%%02X", o)
		} else {
			b.WriteByte(o)
		}
	}
	return b.String()
}

// read understands an answer. Auth-Status is OK, or says why not.
func read(h http.Header) (Answer, error) {
	switch status := h.Get("Auth-Status"); {
	case status == "":
		return Answer{}, errors.New("the answer has no Auth-Status; is this an auth_http endpoint?")
	case status != "OK":
		return Answer{}, fmt.Errorf("%w: %q", ErrRefused, clip(status))
	}
	a := Answer{User: h.Get("Auth-User"), Secret: secret.New(h.Get("Auth-Pass")),
		Upstream: h.Get("Auth-Upstream"), Policy: h.Get("Auth-Policy"), View: h.Get("Auth-View")}
	if server, port := h.Get("Auth-Server"), h.Get("Auth-Port"); server != "" || port != "" {
		if server == "" || port == "" {
			return Answer{}, errors.New("the answer has one of Auth-Server and Auth-Port only")
		}
		a.Server = joinHostPort(server, port)
	}
	return a, nil
}

// joinHostPort puts an IPv6 address into brackets, unless the endpoint has.
func joinHostPort(host, port string) string {
	if strings.Contains(host, ":") && !strings.HasPrefix(host, "[") {
		host = "[" + host + "]"
	}
	return host + ":" + port
}

func clip(s string) string { return s[:min(len(s), 200)] }

// digest stands for a question; what cannot change the answer is not in it.
func (c *Client) digest(q Question) (sum [32]byte) {
	mac := hmac.New(sha256.New, c.key[:])
	for _, field := range []string{q.User, q.Secret.Reveal(), q.Method, q.Salt, q.Client.String(), q.Listener, strconv.FormatBool(q.TLS != nil)} {
		var length [8]byte
		binary.BigEndian.PutUint64(length[:], uint64(len(field)))
		mac.Write(length[:])
		mac.Write([]byte(field))
	}
	mac.Sum(sum[:0])
	return sum
}

func (c *Client) recall(digest [32]byte) (Answer, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r, ok := c.known.Get(digest)
	return r.answer, ok && c.now().Before(r.until)
}

func (c *Client) remember(digest [32]byte, a Answer) {
	if c.o.Remember <= 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.known.Add(digest, remembered{a, c.now().Add(c.o.Remember)})
}
