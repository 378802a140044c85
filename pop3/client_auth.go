package pop3

import (
	"context"
	"crypto/md5" // APOP is MD5 (RFC 1939 section 7)
	"crypto/tls"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/emersion/go-sasl"

	"github.com/restante-mail/restante/secret"
)

// clientMaxRounds bounds a SASL exchange; the longest mechanism in use has 3.
const clientMaxRounds = 8

// StartTLS begins TLS by STLS (RFC 2595). What was said before is not
// believed any more, and anything that came with the +OK was injected by
// somebody in between: it ends the connection. So does a failed handshake.
func (c *Client) StartTLS(ctx context.Context, config *tls.Config) error {
	return c.converse(ctx, func() error {
		if err := c.send("STLS", "STLS"); err != nil {
			return err
		}
		if _, err := c.status("STLS"); err != nil {
			return err
		}
		if c.input.Buffered() > 0 {
			return fmt.Errorf("STLS: %w: data before the handshake", ErrMalformed)
		}
		c.giveBack()
		c.caps, c.capsKnown = nil, false
		return c.handshake(ctx, config)
	})
}

func (c *Client) handshake(ctx context.Context, config *tls.Config) error {
	if err := c.conn.SetDeadline(time.Now().Add(c.options.ReadTimeout)); err != nil {
		return fmt.Errorf("STLS: %w", err)
	}
	conn := tls.Client(c.conn, config)
	if err := conn.HandshakeContext(ctx); err != nil {
		return fmt.Errorf("STLS: %w", err)
	}
	c.conn = conn
	return nil
}

// XClient tells the server whom this connection is for, before sign-in: an
// extension of Dovecot, which believes it of those in login_trusted_networks.
func (c *Client) XClient(ctx context.Context, client netip.AddrPort) error {
	_, err := c.simple(ctx, "XCLIENT", fmt.Sprintf("XCLIENT ADDR=%s PORT=%d", client.Addr(), client.Port()))
	return err
}

// Login signs in by USER and PASS, in one flight if the server allows
// pipelining. A refusal's Command tells which of the two was refused.
func (c *Client) Login(ctx context.Context, user string, password secret.Text) error {
	if user == "" || password.Empty() {
		return fmt.Errorf("USER: %w: it is empty", ErrArgument)
	}
	name, pass := "USER "+user, "PASS "+password.Reveal()
	if err := clientArguments("USER", name, pass); err != nil {
		return err
	}
	return c.converse(ctx, func() error {
		if c.Pipelining() {
			return c.loginAtOnce(name, pass)
		}
		if err := c.send("USER", name); err != nil {
			return err
		}
		if _, err := c.status("USER"); err != nil {
			return err
		}
		if err := c.send("PASS", pass); err != nil {
			return err
		}
		_, err := c.status("PASS")
		return err
	})
}

func (c *Client) loginAtOnce(name, pass string) error {
	if err := c.send("PASS", name, pass); err != nil {
		return err
	}
	quickAck(c.raw)
	_, first := c.status("USER")
	var refused *ReplyError
	if first != nil && !errors.As(first, &refused) {
		return first
	}
	_, second := c.status("PASS")
	if second == nil && refused != nil {
		return fmt.Errorf("PASS: %w: +OK after USER was refused", ErrMalformed)
	}
	if refused != nil && errors.As(second, &refused) {
		return first
	}
	return second
}

// APOP signs in without sending the password (RFC 1939 section 7). It fails
// with ErrArgument if the greeting had no timestamp.
func (c *Client) APOP(ctx context.Context, user string, password secret.Text) error {
	if c.timestamp == "" {
		return fmt.Errorf("APOP: %w: the server's greeting has no timestamp", ErrArgument)
	}
	if user == "" || strings.Contains(user, " ") || password.Empty() {
		return fmt.Errorf("APOP: %w: it is empty, or the name holds a space", ErrArgument)
	}
	digest := md5.Sum([]byte(c.timestamp + password.Reveal()))
	_, err := c.simple(ctx, "APOP", "APOP "+user+" "+hex.EncodeToString(digest[:]))
	return err
}

// clientTimestamp finds the msg-id in a greeting. One that is no msg-id is not
// signed: odd octets in it are how a false server learns an APOP password
// (CVE-2007-1558).
func clientTimestamp(greeting string) string {
	start := strings.IndexByte(greeting, '<')
	if start < 0 {
		return ""
	}
	length := strings.IndexByte(greeting[start:], '>')
	if length < 0 {
		return ""
	}
	id := greeting[start : start+length+1]
	odd := strings.ContainsFunc(id, func(r rune) bool { return r <= ' ' || r > '~' })
	if odd || strings.Count(id, "@") != 1 || strings.LastIndexByte(id, '<') > 0 {
		return ""
	}
	return id
}

// Auth signs in by a SASL mechanism (RFC 5034). The initial response goes on a
// line of its own, which every server understands; Microsoft 365 wants it so.
func (c *Client) Auth(ctx context.Context, mechanism sasl.Client) error {
	name, response, err := mechanism.Start()
	if err != nil {
		return fmt.Errorf("AUTH: %w", err)
	}
	return c.converse(ctx, func() error {
		if err := c.send("AUTH", "AUTH "+name); err != nil {
			return err
		}
		return c.rounds(mechanism, response)
	})
}

// rounds answers challenges until the server has decided. first answers the
// first one, whatever it is, if there is something to say.
func (c *Client) rounds(mechanism sasl.Client, first []byte) error {
	for round := range clientMaxRounds {
		challenge, done, err := c.challenge()
		if done || err != nil {
			return err
		}
		response := first
		if round > 0 || first == nil {
			response, err = mechanism.Next(challenge)
		}
		if err != nil {
			return c.cancelAuth(err)
		}
		if err := c.send("AUTH", base64.StdEncoding.EncodeToString(response)); err != nil {
			return err
		}
	}
	return fmt.Errorf("AUTH: %w: more than %d challenges", ErrMalformed, clientMaxRounds)
}

// challenge reads the server's turn: a challenge, or its decision.
func (c *Client) challenge() (challenge []byte, done bool, err error) {
	line, _, err := c.line(clientMaxChallenge)
	if err != nil {
		return nil, false, fmt.Errorf("AUTH: %w", err)
	}
	text, ok := clientIndicator(line, "+")
	if !ok {
		_, err := clientStatus("AUTH", line)
		return nil, true, err
	}
	challenge, err = base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, false, fmt.Errorf("AUTH: %w: challenge is not base64", ErrMalformed)
	}
	return challenge, false, nil
}

// cancelAuth ends an exchange that the mechanism gave up for cause; the
// server's refusal is what counts.
func (c *Client) cancelAuth(cause error) error {
	if err := c.send("AUTH", "*"); err != nil {
		return err
	}
	_, err := c.status("AUTH")
	if err == nil {
		return fmt.Errorf("AUTH: %w: +OK to a cancelled exchange (%w)", ErrMalformed, cause)
	}
	return err
}
