package pop3

import "context"

// dele marks a message (RFC 1939 section 5). Nothing else happens before QUIT.
func (c *conn) dele(arg string) error {
	i, err := c.message(arg)
	if err != nil {
		return err
	}
	m := &c.maildrop
	if r, ok := m.session.(DeleteRefuser); ok {
		if err := r.MayDelete(i); err != nil {
			return c.failed("delete", err)
		}
	}
	if m.deleted == nil {
		m.deleted = make([]bool, len(m.messages))
	}
	m.deleted[i] = true
	m.gone++
	c.ok("message deleted")
	return nil
}

// rset takes back all marks, and what LAST knows of this session.
func (c *conn) rset(string) error {
	m := &c.maildrop
	m.deleted, m.gone, m.last = nil, 0, 0
	c.ok("")
	return nil
}

func (c *conn) noop(string) error {
	c.ok("")
	return nil
}

// last answers LAST (RFC 1460 section 5), which RFC 1939 dropped and old
// clients still ask for.
func (c *conn) last(string) error {
	m := &c.maildrop
	if knower, ok := m.session.(LastKnower); ok && !m.knowLast {
		if err := c.load(); err != nil { // what was retrieved has a number only in a list
			return err
		}
		ctx, cancel := c.backendContext()
		defer cancel()
		before, err := knower.Last(ctx)
		if err != nil {
			return c.failed("find the last message retrieved", err)
		}
		m.before, m.knowLast = before, true
	}
	c.okNumbers(int64(max(m.before, m.last, 0)))
	return nil
}

// goodbye is QUIT before sign-in.
func (c *conn) goodbye(string) error {
	c.ok("goodbye")
	return c.hangUp(EndQuit)
}

// quit is the UPDATE state (RFC 1939 section 6). It answers when the work is
// done, and the work does not depend on whether the client waits for that.
func (c *conn) quit(string) error {
	if err := c.enter(updating); err != nil {
		return err
	}
	_ = c.flush() // whoever is gone by now has said QUIT all the same
	c.awaitProof()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.ctx), c.limits.UpdateTime)
	defer cancel()
	if err := c.maildrop.session.Update(ctx, c.marked()); err != nil {
		return c.quitFailed(err)
	}
	c.ok("goodbye")
	return c.hangUp(EndQuit)
}

// quitFailed tells that not everything was done that QUIT asked for.
func (c *conn) quitFailed(err error) error {
	told := c.failed("update the maildrop", err)
	if r, ok := told.(*refusal); ok {
		if r.code == "" {
			r.code = CodeSysTemp
		}
		c.refuse(r)
	}
	_ = c.hangUp(EndFailed)
	return &ending{EndFailed, err}
}

// marked lists the deleted messages, lowest first.
func (c *conn) marked() []int {
	var marked []int
	for i, deleted := range c.maildrop.deleted {
		if deleted {
			marked = append(marked, i)
		}
	}
	return marked
}
