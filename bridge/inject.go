package bridge

import (
	"fmt"
	"io"
	"slices"

	"github.com/restante-mail/restante/upstream"
)

// ownTag begins the tags of our own commands. The library's begin with T.
const ownTag = "X"

// injection is a command of our own on the library's connection: what the
// library cannot say (ID with x-originating-ip), or would be slow at
// (listing). The library sees nothing of it.
type injection struct {
	f    *framing
	tag  string
	list *lister // gets the FETCH responses until the command is done, if not nil
	uids *uids   // gets the SEARCH response, if not nil
	// quotas gets the QUOTA responses until the command is done, if not nil.
	quotas *quotas
	// folders gets the LIST responses until the command is done, if not nil.
	folders *[]upstream.SurveyedFolder
	// selects: what comes before the command is done is of another folder.
	selects bool
	done    chan struct{}
	status  status
}

// inject sends a command. No strings from outside may be in it.
func (f *framing) inject(command string, list *lister) (*injection, error) {
	c := f.queue(command, injection{list: list})
	return c, f.flush()
}

// queue makes a command part of what flush will send, in one write: several
// commands that do not wait for each other's answers cost one round trip.
func (f *framing) queue(command string, c injection) *injection {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.tags++
	c.f, c.tag, c.done = f, fmt.Sprint(ownTag, f.tags), make(chan struct{})
	f.own = append(f.own, &c)
	f.queued = append(append(append(append(f.queued, c.tag...), ' '), command...), "\r\n"...)
	return &c
}

func (f *framing) flush() error {
	f.mu.Lock()
	commands := f.queued
	f.queued = nil
	f.mu.Unlock()
	if len(commands) == 0 {
		return nil
	}
	_, err := f.Write(commands)
	return err
}

// wait returns once the command is done: nil for OK, a *reply for anything
// else that the server answered.
func (c *injection) wait() error {
	if err := c.f.await(c.done); err != nil {
		return err
	}
	if c.status.kind != "OK" {
		return c.status.reply()
	}
	return nil
}

// await waits until done is closed. As long as the library is not there,
// nobody reads but who waits.
func (f *framing) await(done <-chan struct{}) error {
	for f.alone && !isClosed(done) {
		err := f.next()
		f.out = nil
		if err != nil {
			return f.fail(err)
		}
	}
	select {
	case <-done:
	case <-f.dead:
		if !isClosed(done) {
			return f.cause()
		}
	}
	return nil
}

func isClosed(done <-chan struct{}) bool {
	select {
	case <-done:
		return true
	default:
		return false
	}
}

// drain waits until all our commands are answered, however.
func (f *framing) drain() error {
	for {
		f.mu.Lock()
		own := f.own
		f.mu.Unlock()
		if len(own) == 0 {
			return nil
		}
		if err := f.await(own[0].done); err != nil {
			return err
		}
	}
}

// exchange runs a command and waits for it.
func (f *framing) exchange(command string) error {
	c, err := f.inject(command, nil)
	if err == nil {
		err = c.wait()
	}
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return err
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
		if c.selects {
			return nil
		}
		if c.list != nil {
			c.list.makeRoom(f.selected.exists)
			return c.list
		}
	}
	return nil
}

// searcher returns who gets a SEARCH response, or nil; tag is what the
// response says, or "" if it does not. f.mu is held.
func (f *framing) searcher(tag string) *uids {
	for _, c := range f.own {
		if c.uids != nil && (tag == c.tag || tag == "" && !c.uids.answered) {
			return c.uids
		}
	}
	return nil
}

// bulk tells whether much is to come.
func (f *framing) bulk() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	l := f.lister()
	return l != nil && !l.small || len(f.wanted) > 0
}

// quiet tells whether the server has answered everything.
func (f *framing) quiet() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.err == nil && len(f.own) == 0 && len(f.queued) == 0 && len(f.wanted) == 0 && f.due == 0
}
