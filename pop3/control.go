package pop3

import "time"

// control is a conn as others may reach it.
type control conn

func (c *control) Idle() time.Duration {
	since := c.waiting.Load()
	if since == 0 {
		return 0
	}
	return time.Since(time.Unix(0, since))
}

func (c *control) Evict() { (*conn)(c).stop(everybody, EndEvicted) }
