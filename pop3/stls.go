package pop3

import "crypto/tls"

// stls answers STLS (RFC 2595 section 4).
func (c *conn) stls(string) error {
	if !c.offersSTLS() {
		return &refusal{text: "TLS is not offered here or already active"}
	}
	c.ok("begin TLS")
	if err := c.flush(); err != nil {
		return c.lost(err)
	}
	return c.startTLS()
}

func (c *conn) offersSTLS() bool { return c.server.TLS != nil && c.tls == nil }

// startTLS makes the connection a TLS one. What came before is not to be
// believed, since anybody may have sent it: it is forgotten. If the handshake
// fails the connection is over.
func (c *conn) startTLS() error {
	c.lines.discard()
	c.user = ""
	conn := tls.Server(c.sock, c.server.TLS)
	_ = c.sock.SetDeadline(c.loginBefore)
	if err := conn.HandshakeContext(c.ctx); err != nil {
		return &ending{EndTLS, err}
	}
	state := conn.ConnectionState()
	c.change(func() { c.peer.TLS = &state })
	c.tls, c.lines.src, c.w.dst = conn, conn, conn
	if c.server.Hooks.TLS != nil {
		c.server.Hooks.TLS(c.peer)
	}
	return nil
}
