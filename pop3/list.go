package pop3

// stat answers STAT (RFC 1939 section 5).
func (c *conn) stat(string) error {
	if err := c.count(); err != nil {
		return err
	}
	if m := &c.maildrop; m.counted && !m.listed {
		c.okNumbers(int64(m.count), m.octets)
		return nil
	}
	if err := c.load(); err != nil {
		return err
	}
	messages, octets := c.remaining()
	c.okNumbers(messages, octets)
	return nil
}

// count asks for STAT's figures, if nothing has needed the list before.
func (c *conn) count() error {
	m := &c.maildrop
	counter, ok := m.session.(Counter)
	if !ok || m.listed || m.counted || m.invalid != nil {
		return nil
	}
	if err := c.flush(); err != nil {
		return c.lost(err)
	}
	ctx, cancel := c.backendContext()
	defer cancel()
	count, octets, known, err := counter.Count(ctx)
	if err != nil {
		return c.failed("count messages", err)
	}
	m.count, m.octets, m.counted = count, octets, known
	return nil
}

// list answers LIST (RFC 1939 section 5).
func (c *conn) list(arg string) error {
	if arg != "" {
		i, err := c.message(arg)
		if err == nil {
			c.okNumbers(int64(i+1), c.maildrop.messages[i].Size)
		}
		return err
	}
	if err := c.load(); err != nil {
		return err
	}
	messages, octets := c.remaining()
	c.okNumbers(messages, octets)
	c.eachMessage(func(m Message) { c.number(m.Size) })
	return nil
}

// uidl answers UIDL (RFC 1939 section 7).
func (c *conn) uidl(arg string) error {
	if err := c.load(); err != nil {
		return err
	}
	if !c.maildrop.hasUIDLs {
		return &refusal{text: "this maildrop has no unique identifiers"}
	}
	if arg != "" {
		i, err := c.message(arg)
		if err == nil {
			c.w.writeString("+OK ")
			c.number(int64(i + 1))
			c.w.writeString(" " + c.maildrop.messages[i].UIDL + "\r\n")
		}
		return err
	}
	c.ok("unique identifiers follow")
	c.eachMessage(func(m Message) { c.w.writeString(m.UIDL) })
	return nil
}

// eachMessage writes one line for each message that is not deleted, its number
// first, and the terminator. No line begins with a dot.
func (c *conn) eachMessage(tell func(Message)) {
	for i, m := range c.maildrop.messages {
		if c.isDeleted(i) {
			continue
		}
		c.number(int64(i + 1))
		c.w.writeString(" ")
		tell(m)
		c.w.writeString("\r\n")
	}
	c.w.writeString(terminator)
}
