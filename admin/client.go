package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"strings"
	"syscall"
)

// A Client asks a running Restante over its socket.
type Client struct {
	path string
	http http.Client
}

// patience is more than the checks may take.
const patience = 2 * checkBound

// maxAnswer bounds what a Client reads, in octets: 100,000 sessions and more.
const maxAnswer = 64 << 20

// NewClient makes a Client for the socket at path.
func NewClient(path string) *Client {
	c := &Client{path: path}
	c.http.Timeout = patience
	c.http.Transport = &http.Transport{DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", path)
		}}
	return c
}

// Sweep has a maildrop looked after now.
func (c *Client) Sweep(ctx context.Context, r SweepRequest) (s Swept, err error) {
	err = c.ask(ctx, http.MethodPost, pathSweep, r, &s)
	return s, err
}

// Sessions lists the connections there are.
func (c *Client) Sessions(ctx context.Context) (all []Session, err error) {
	err = c.ask(ctx, http.MethodGet, pathSessions, nil, &all)
	return all, err
}

// Kick ends sessions.
func (c *Client) Kick(ctx context.Context, which KickRequest) (k Kicked, err error) {
	err = c.ask(ctx, http.MethodPost, pathKick, which, &k)
	return k, err
}

// Record has a running Restante take note of a deed. Absent tells whether none
// runs.
func (c *Client) Record(ctx context.Context, d Deed) error {
	return c.ask(ctx, http.MethodPost, pathRecord, d, &struct{}{})
}

// absent: nobody is there to ask.
type absent struct{ text string }

func (a *absent) Error() string { return a.text }

// Absent tells whether a Client's error means that no Restante runs.
func Absent(err error) bool {
	var a *absent
	return errors.As(err, &a)
}

// Status tells how the process does.
func (c *Client) Status(ctx context.Context) (s Status, err error) {
	err = c.ask(ctx, http.MethodGet, pathStatus, nil, &s)
	return s, err
}

func (c *Client) ask(ctx context.Context, method, path string, send, receive any) error {
	body, err := json.Marshal(send)
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, method, "http://restante"+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	answer, err := c.http.Do(r)
	if err != nil {
		return c.unreachable(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	switch {
	case err != nil:
		return fmt.Errorf("admin socket %s: read the answer: %w", c.path, err)
	case answer.StatusCode != http.StatusOK:
		return fmt.Errorf("admin socket %s: %s", c.path, strings.TrimSpace(string(text)))
	}
	if err := json.Unmarshal(text, receive); err != nil {
		return fmt.Errorf("admin socket %s: the answer is not Restante's: %w", c.path, err)
	}
	return nil
}

// unreachable says what to do.
func (c *Client) unreachable(err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return &absent{fmt.Sprintf("admin socket %s: there is none; Restante does not run, or with another configuration", c.path)}
	case errors.Is(err, syscall.ECONNREFUSED):
		return &absent{fmt.Sprintf("admin socket %s: nobody answers; Restante does not run any more", c.path)}
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("admin socket %s: not allowed; ask as the user that Restante runs as, or as root", c.path)
	}
	return fmt.Errorf("admin socket %s: %w", c.path, errors.Unwrap(err))
}
