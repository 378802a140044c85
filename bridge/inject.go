package bridge

import (
	"fmt"
	"slices"
)

// ownTag begins the tags of our own commands. The library's begin with T.
const ownTag = "X"

// injection is a command of our own on the library's connection: what the
// library cannot say (ID with x-originating-ip), or would be slow at
// (listing). The library sees nothing of it.
type injection struct {
	f      *framing
	tag    string
	list   *lister // gets the FETCH responses until the command is done, if not nil
	done   chan struct{}
	status status
}

// inject sends a command. No strings from outside may be in it.
func (f *framing) inject(command string, list *lister) (*injection, error) {
	f.mu.Lock()
	f.tags++
	c := &injection{f: f, tag: fmt.Sprint(ownTag, f.tags), list: list, done: make(chan struct{})}
	f.own = append(f.own, c)
	f.mu.Unlock()
	if _, err := f.Write([]byte(c.tag + " " + command + "\r\n")); err != nil {
		return nil, err
	}
	return c, nil
}

// wait returns once the command is done: nil for OK, a *reply for anything
// else that the server answered.
func (c *injection) wait() error {
	select {
	case <-c.done:
	case <-c.f.dead:
		select {
		case <-c.done: // answered, and then the connection ended
		default:
			return c.f.cause()
		}
	}
	if c.status.kind != "OK" {
		return c.status.reply()
	}
	return nil
}

// complete is called with f.mu held.
func (f *framing) complete(tag string, s status) error {
	i := slices.IndexFunc(f.own, func(c *injection) bool { return c.tag == tag })
	if i < 0 {
		return fmt.Errorf("the server answered a command that was never given: %s", printable([]byte(tag)))
	}
	c := f.own[i]
	f.own = slices.Delete(f.own, i, i+1)
	c.status = s
	close(c.done)
	return nil
}

// lister returns who gets FETCH responses, or nil. f.mu is held.
func (f *framing) lister() *lister {
	for _, c := range f.own {
		if c.list != nil {
			return c.list
		}
	}
	return nil
}

func (f *framing) listing() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.lister() != nil
}
