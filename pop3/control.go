package pop3

import "time"

// control is a conn as others may reach it.
type control conn

func (c *control) Idle() time.Duration {
	return time.Since(time.Unix(0, (*conn)(c).lastLine.Load()))
}

func (c *control) Evict() { (*conn)(c).stop(everybody, EndEvicted) }
