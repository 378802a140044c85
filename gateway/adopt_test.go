package gateway_test

import (
	"testing"

	"github.com/restante-mail/restante/gateway"
	"github.com/restante-mail/restante/pop3"
	"github.com/restante-mail/restante/upstream"
)

// imports learns the names at one server and gives them to messages at another.
func (h *house) imports(from, to upstream.Server) *gateway.Adoption {
	h.t.Helper()
	g := over(to, h.route)
	g.Shared.Store = h.state
	q := gateway.Question{Credentials: pop3.Credentials{Mechanism: "USER", User: user, Secret: secretPassword}}
	a, err := g.Adopt(h.t.Context(), q, func(maildrop string) error {
		mailbox, err := from.Open(h.t.Context(), upstream.Login{User: user, Secret: secretPassword, Session: "import"})
		if err != nil {
			return err
		}
		defer mailbox.Close()
		_, err = gateway.LearnPOP3(h.t.Context(), h.state, maildrop, mailbox, 1, func(int, int) {})
		return err
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return a
}

// Names were imported from the wrong server, and then from the right one: what
// that says counts, and no name of it is another message's.
func TestImportFromTheWrongServerFirst(t *testing.T) {
	for name, wrong := range map[string]upstream.Server{
		"of the same messages":            calling(t, 77, posts(0, 5), 11, 12, 13, 14, 15),
		"of others, called as these are":  calling(t, 99, posts(5, 10), 1, 2, 3, 4, 5),
		"of all, called as they are not":  calling(t, 99, posts(0, 10), 6, 7, 8, 9, 10, 1, 2, 3, 4, 5),
		"of some, called as others of it": calling(t, 99, posts(1, 6), 1, 2, 3, 4, 5),
	} {
		t.Run(name, func(t *testing.T) {
			h := &house{t: t, state: stateFile(t)}
			right := calling(t, 99, posts(0, 5), 1, 2, 3, 4, 5)
			server, _ := memory(t, posts(0, 10))
			h.imports(wrong, server)
			if a := h.imports(right, server); a.Known != 5 || a.Matched != 5 {
				t.Errorf("%+v", a)
			}
			before := (&house{t: t, state: stateFile(t)}).names(right)
			wantKept(t, before, h.names(server), 0, 5)
		})
	}
}

// A message that has gone from the server before since the last import keeps the
// name that this gave it.
func TestImportAgain(t *testing.T) {
	h := &house{t: t, state: stateFile(t)}
	server, _ := memory(t, posts(0, 5))
	first := calling(t, 99, posts(0, 5), 1, 2, 3, 4, 5)
	before := (&house{t: t, state: stateFile(t)}).names(first)
	h.imports(first, server)
	h.imports(calling(t, 99, posts(1, 5), 2, 3, 4, 5), server)
	wantKept(t, before, h.names(server), 0, 0)
}
