package pop3

import "strings"

// capaBefore answers CAPA (RFC 2449 section 5) before sign-in. Whether a
// maildrop has unique identifiers is not known yet; clients look for UIDL here
// already, and nearly all have them.
func (c *conn) capaBefore(string) error {
	lines := c.capabilities(true)
	if c.offersSTLS() {
		lines = append(lines, "STLS")
	}
	return c.listCapabilities(append(lines, c.server.Capabilities...))
}

// capaAfter answers CAPA after sign-in, when the maildrop decides.
func (c *conn) capaAfter(string) error {
	if err := c.load(); err != nil {
		return err
	}
	lines := c.capabilities(c.maildrop.hasUIDLs)
	if capable, ok := c.maildrop.session.(Capable); ok {
		lines = append(lines, capable.Capabilities()...)
	}
	return c.listCapabilities(lines)
}

// capabilities are those of both states.
func (c *conn) capabilities(uidl bool) []string {
	lines := []string{"TOP", "RESP-CODES", "AUTH-RESP-CODE", "PIPELINING"}
	if uidl {
		lines = append(lines, "UIDL")
	}
	if c.maySignIn() {
		lines = append(lines, "USER")
		if names := c.mechanisms(); len(names) > 0 {
			lines = append(lines, "SASL "+strings.Join(names, " "))
		}
	}
	return append(lines, "IMPLEMENTATION "+c.server.banner())
}

func (c *conn) listCapabilities(lines []string) error {
	c.ok("capabilities follow")
	for _, line := range lines {
		if line != "" && line[0] != '.' { // it would end the list
			c.w.writeString(printable(line, maxReply-len("\r\n")) + "\r\n")
		}
	}
	c.w.writeString(terminator)
	return nil
}
