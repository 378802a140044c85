package pop3

import (
	"context"
	"errors"
	"slices"
	"strings"
)

// clientMaxCaps bounds the answer to CAPA; real ones have a dozen lines.
const clientMaxCaps = 256

// ServerCaps is what a server said to CAPA: the arguments of each capability
// by its name in capitals. It is nil if the server does not know CAPA, and
// then nothing is known of what it can do.
type ServerCaps map[string][]string

// Has tells whether a capability was announced.
func (s ServerCaps) Has(name string) bool {
	_, ok := s[name]
	return ok
}

// SASL tells whether a mechanism was announced.
func (s ServerCaps) SASL(mechanism string) bool {
	return slices.ContainsFunc(s["SASL"], func(m string) bool { return strings.EqualFold(m, mechanism) })
}

// Capabilities asks what the server can do, once: the answer is remembered
// until TLS is started. A server without CAPA gives nil and no error.
func (c *Client) Capabilities(ctx context.Context) (ServerCaps, error) {
	if c.capsKnown {
		return c.caps, nil
	}
	caps := ServerCaps{}
	err := c.converse(ctx, func() error {
		if err := c.send("CAPA", "CAPA"); err != nil {
			return err
		}
		if _, err := c.status("CAPA"); err != nil {
			return err
		}
		return c.lines("CAPA", caps.add)
	})
	var refused *ReplyError
	if errors.As(err, &refused) {
		caps, err = nil, nil
	}
	if err == nil {
		c.Assume(caps)
	}
	return caps, err
}

// Assume makes the client believe in capabilities that were learned before
// from the same server, which saves asking.
func (c *Client) Assume(caps ServerCaps) { c.caps, c.capsKnown = caps, true }

// Forget makes the next Capabilities ask anew: after sign-in a server may say more.
func (c *Client) Forget() { c.caps, c.capsKnown = nil, false }

func (s ServerCaps) add(line []byte) error {
	if len(s) >= clientMaxCaps {
		return ErrMalformed
	}
	if words := strings.Fields(string(line)); len(words) > 0 {
		s[strings.ToUpper(words[0])] = words[1:]
	}
	return nil
}
