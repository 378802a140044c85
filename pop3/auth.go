package pop3

import (
	"encoding/base64"
	"errors"
	"slices"
	"strings"
)

// bearerRefused is what an OAUTHBEARER client is told before -ERR (RFC 7628
// section 3.2.2).
const bearerRefused = `{"status":"invalid_token","schemes":"bearer"}`

// auth answers AUTH (RFC 5034), and without a mechanism lists them, because
// clients from before CAPA ask so.
func (c *conn) auth(arg string) error {
	if !c.maySignIn() {
		return errNoTLS
	}
	if arg == "" {
		return c.listMechanisms()
	}
	name, initial, hasInitial := strings.Cut(arg, " ")
	cred := Credentials{Mechanism: strings.ToUpper(name)}
	var response []byte
	if hasInitial {
		var err error
		if response, err = decodeResponse(strings.TrimLeft(initial, " "), true); err != nil {
			return err
		}
	}
	if err := c.exchange(&cred, response); err != nil {
		return err
	}
	if cred.Mechanism == mechExternal && cred.User == "" {
		cred.User = nameIn(c.certificate())
	}
	if cred.Identity == cred.User {
		cred.Identity = ""
	}
	c.user = ""
	return c.refuseBearer(cred.Mechanism, c.signIn(cred))
}

// exchange runs the mechanism's challenges and responses until cred is filled.
// response is the initial one, nil if there is none.
func (c *conn) exchange(cred *Credentials, response []byte) error {
	server := newMechanism(cred.Mechanism, cred)
	if server == nil || !slices.Contains(c.mechanisms(), cred.Mechanism) {
		return bad("this mechanism is not offered")
	}
	for {
		challenge, done, err := server.Next(response)
		if err != nil {
			return bad("the mechanism's response is malformed")
		}
		if done {
			return nil
		}
		if response, err = c.challenge(challenge); err != nil {
			return err
		}
	}
}

// challenge sends one line and returns the client's response to it, never nil
// without an error.
func (c *conn) challenge(text []byte) ([]byte, error) {
	c.w.writeString("+ " + base64.StdEncoding.EncodeToString(text) + "\r\n")
	line, err := c.readLine(func([]byte) int { return c.limits.AuthLine })
	switch {
	case errors.Is(err, errLong):
		return nil, bad("line too long")
	case err != nil:
		return nil, c.lost(err)
	}
	c.trace(masked)
	if string(line) == "*" {
		return nil, &refusal{text: "authentication cancelled"}
	}
	return decodeResponse(string(line), false)
}

// decodeResponse decodes base64; an initial response that is empty is written
// "=" (RFC 5034 section 4).
func decodeResponse(text string, initial bool) ([]byte, error) {
	if initial && text == "=" {
		return []byte{}, nil
	}
	response, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil || strings.Contains(text, "\r") { // the decoder would skip it
		return nil, bad("this is not base64")
	}
	return response, nil
}

// refuseBearer lets an OAUTHBEARER client know the reason before it hears the
// -ERR: RFC 7628 section 3.2.3 has it answer an error with one octet first.
// XOAUTH2 has the same custom at Google and not at Microsoft. There the plain
// -ERR is the safe choice, since a client that does not know the custom would
// take the line for success, and every client knows -ERR.
func (c *conn) refuseBearer(mechanism string, err error) error {
	r, ok := err.(*refusal)
	if !ok || mechanism != mechOAuthBearer || r.code != CodeAuth {
		return err
	}
	_, stop := c.challenge([]byte(bearerRefused))
	if e := (*ending)(nil); errors.As(stop, &e) {
		return stop
	}
	return r
}

// listMechanisms answers AUTH without an argument.
func (c *conn) listMechanisms() error {
	c.ok("mechanisms follow")
	for _, name := range c.mechanisms() {
		c.w.writeString(name + "\r\n")
	}
	c.w.writeString(terminator)
	return nil
}

// mechanisms are those that are configured and exist.
func (s *Server) mechanisms() []string {
	if s.Mechanisms == nil {
		return defaultMechanisms
	}
	return slices.DeleteFunc(slices.Clone(s.Mechanisms), func(name string) bool {
		return !slices.Contains(defaultMechanisms, name)
	})
}
