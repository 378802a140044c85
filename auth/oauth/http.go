package oauth

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"golang.org/x/oauth2"
)

const (
	// askTime bounds one request. Providers answer within a second or two.
	askTime = 20 * time.Second
	// maxAnswer bounds what is read: answers have a few KiB, a document of
	// discovery has ten.
	maxAnswer = 256 << 10
	// maxHeader bounds an answer's header.
	maxHeader = 64 << 10
	// maxRetry bounds how long a server of tokens can make us wait.
	maxRetry = time.Hour
)

var errNotURL = errors.New(`is not the URL of an endpoint; write one that begins with https:// (http:// to this machine only)`)

var errNotRedirect = errors.New(`is not the URL of a port of this machine, such as "http://127.0.0.1:0/"; port 0 is any`)

func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}

// NewTransport is one that keeps few connections: an account asks once an hour.
func NewTransport() *http.Transport {
	return &http.Transport{
		Proxy: http.ProxyFromEnvironment, MaxResponseHeaderBytes: maxHeader, MaxIdleConnsPerHost: 1, MaxIdleConns: 4,
		IdleConnTimeout: 30 * time.Second, TLSHandshakeTimeout: askTime, ForceAttemptHTTP2: true,
		TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12},
		DialContext:     (&net.Dialer{Timeout: askTime}).DialContext,
	}
}

// A call is one exchange with a server of tokens. It stands between the library
// and the network: the library follows redirects with the secrets in hand,
// takes a form for an answer, puts whole answers into errors, and forgets the
// context of some requests.
type call struct {
	ctx  context.Context
	base http.RoundTripper
	now  func() time.Time
	// Of the last answer:
	status  int
	problem problem
	retry   time.Duration
	skew    time.Duration // how far our clock is ahead
}

// problem is an error as RFC 6749 section 5.2 words it.
type problem struct {
	Code        string `json:"error"`
	Description string `json:"error_description"`
}

// within returns a context in which the library asks through c. The client needs
// no timeout of its own, which would wait for bodies that the library never closes.
func (c *call) within() context.Context {
	client := &http.Client{Transport: c, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return context.WithValue(c.ctx, oauth2.HTTPClient, client)
}

// RoundTrip implements http.RoundTripper. What it returns is read to its end,
// is a JSON object, and has come from where the request went.
func (c *call) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithTimeout(c.ctx, askTime)
	defer cancel()
	started := c.now()
	answer, err := c.base.RoundTrip(r.WithContext(ctx))
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer+1))
	if err != nil {
		return nil, fmt.Errorf("read the answer: %w", err)
	}
	c.note(answer, started)
	switch {
	case len(body) > maxAnswer:
		return nil, fmt.Errorf("the answer has more than %d octets", maxAnswer)
	case answer.StatusCode >= 300 && answer.StatusCode < 400:
		return nil, fmt.Errorf("it answers with a redirect (HTTP status %d), and secrets are not sent elsewhere: is the URL right?", answer.StatusCode)
	case !isObject(body):
		return nil, fmt.Errorf("it answers with something that is not JSON (HTTP status %d): is the URL right?", answer.StatusCode)
	}
	_ = json.Unmarshal(body, &c.problem) // what does not fit is no such answer
	answer.Header.Set("Content-Type", "application/json")
	answer.Body, answer.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	return answer, nil
}

func isObject(body []byte) bool {
	return len(bytes.TrimSpace(body)) > 0 && bytes.TrimSpace(body)[0] == '{' && json.Valid(body)
}

// note takes down what an answer's header tells.
func (c *call) note(answer *http.Response, started time.Time) {
	c.status, c.problem, c.retry, c.skew = answer.StatusCode, problem{}, 0, 0
	if seconds, err := strconv.Atoi(answer.Header.Get("Retry-After")); err == nil && seconds > 0 {
		c.retry = min(time.Duration(min(seconds, int(maxRetry/time.Second)))*time.Second, maxRetry)
	}
	if date, err := http.ParseTime(answer.Header.Get("Date")); err == nil {
		c.skew = started.Sub(date).Round(time.Second)
	}
}

// printable makes a server's text fit for a log: one line of ASCII, not too
// long, and none at all if a secret is in it.
func printable(text string, secrets []string) string {
	for _, s := range secrets {
		if s != "" && (strings.Contains(text, s) || strings.Contains(text, url.QueryEscape(s))) {
			return "(what it says is not shown: it has a secret in it)"
		}
	}
	text, _, _ = strings.Cut(text, "\r") // Microsoft's second line is for its support
	text, _, _ = strings.Cut(text, "\n")
	if len(text) > 300 {
		text = text[:300] + "..."
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, text)
}
