package pop3

import (
	"slices"
	"time"
)

// maxUnproven bounds the memory that a client can hold by retrieving small
// messages without ever reading them. The oldest are given up.
const maxUnproven = 4096

// delivery is a message that was sent whole and that the client is not yet
// known to have.
type delivery struct {
	body   Body
	fate   Delivery
	retr   bool
	sent   bool  // the terminator was handed to the kernel
	in     int64 // what the client had sent by then, read or not; -1 if unknown
	outEnd int64 // what we had written by then
}

// deliver takes note of a body that was read and closed.
func (c *conn) deliver(body Body, fate Delivery, retr bool) {
	if !fate.Whole {
		body.Done(fate)
		return
	}
	if len(c.unproven) >= maxUnproven {
		c.proveByQueue()
	}
	if len(c.unproven) >= maxUnproven {
		c.settle(1, false)
	}
	c.unproven = append(c.unproven, delivery{body: body, fate: fate, retr: retr})
}

// markSent notes where both directions stand, now that everything gathered
// was handed to the kernel.
func (c *conn) markSent() {
	i := len(c.unproven)
	for i > 0 && !c.unproven[i-1].sent {
		i--
	}
	if i == len(c.unproven) {
		return
	}
	in, ok := c.sock.received()
	if !ok {
		in = -1
	}
	for ; i < len(c.unproven); i++ {
		d := &c.unproven[i]
		d.sent, d.in, d.outEnd = true, in, c.sock.out.Load()
	}
}

// proveByInput settles what was sent before the client's latest octets.
func (c *conn) proveByInput() {
	c.settleWhile(func(d *delivery) bool { return d.in >= 0 && c.sock.in.Load() > d.in })
}

// proveByQueue settles what the client's system has acknowledged. It returns
// false if the system does not tell.
func (c *conn) proveByQueue() bool {
	acknowledged, ok := c.sock.acknowledged()
	if ok {
		c.settleWhile(func(d *delivery) bool { return d.outEnd <= acknowledged })
	}
	return ok
}

// proofPause is how long a client that says nothing is waited for before its
// system is asked what it has acknowledged; mostProofPause is the longest of the
// pauses that follow. A client that goes on is not delayed by either.
const (
	proofPause     = 100 * time.Millisecond
	mostProofPause = time.Second
)

// nextLook is when waiting for the client is broken off.
func (c *conn) nextLook(now time.Time) time.Time {
	look := now.Add(c.pause)
	if len(c.unproven) == 0 || c.pause == 0 || !look.Before(c.until) {
		c.pause = 0
		return c.until
	}
	c.pause = min(2*c.pause, mostProofPause)
	return look
}

// awaitProof gives the client a moment to acknowledge the rest, and settles it
// one way or the other.
func (c *conn) awaitProof() {
	deadline := time.Now().Add(c.limits.ProofTime)
	for pause := time.Millisecond; len(c.unproven) > 0 && c.w.err == nil; pause = min(2*pause, 100*time.Millisecond) {
		if !c.proveByQueue() || len(c.unproven) == 0 || !time.Now().Before(deadline) {
			break
		}
		time.Sleep(pause)
	}
	c.settle(len(c.unproven), false)
}

// settleWhile settles deliveries as proven, oldest first: none is proven
// before one that was sent before it.
func (c *conn) settleWhile(proven func(*delivery) bool) {
	n := 0
	for n < len(c.unproven) && c.unproven[n].sent && proven(&c.unproven[n]) {
		n++
	}
	c.settle(n, true)
}

// settle tells the oldest n bodies what became of them.
func (c *conn) settle(n int, proven bool) {
	for _, d := range c.unproven[:n] {
		d.fate.Proven = proven
		if proven && d.retr {
			c.sum.Proven++
		}
		d.body.Done(d.fate)
	}
	c.unproven = slices.Delete(c.unproven, 0, n)
	if len(c.unproven) == 0 && cap(c.unproven) > 64 {
		c.unproven = nil // an idle session keeps little
	}
}
