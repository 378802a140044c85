package gateway_test

import (
	"testing"

	"github.com/restante-mail/restante/audit"
)

// A client that has deleted and said QUIT has asked for it, also if nothing can
// be done.
func TestAskedAndNotDone(t *testing.T) {
	server, _ := memory(t, letters(2))
	state := stateFile(t)
	p := preset("keep")
	address, n := recorded(t, remembering(server, state, &p))
	c := signIn(t, address)
	dele(t, c, 2)
	state.failReads.Store(true)
	if err := c.Quit(t.Context()); err == nil {
		t.Error("QUIT succeeds")
	}
	all := n.upTo(t, 1)
	if d := find[*audit.Deletion](t, all); d.Number != 2 {
		t.Errorf("%+v", d)
	}
	if e := find[*audit.SessionEnded](t, all); e.End != "quit failed" || e.Deleted != 1 {
		t.Errorf("%+v", e)
	}
}
