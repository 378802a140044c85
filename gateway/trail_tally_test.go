package gateway_test

import (
	"context"
	"io"
	"testing"

	"github.com/restante-mail/restante/audit"
	"github.com/restante-mail/restante/pop3"
)

// counter is a Recorder that only counts.
type counter struct{ *notes }

func (counter) OnlyCounts() {}

// For who only counts, a message is neither hashed nor described, and counted
// all the same.
func TestOnlyCounted(t *testing.T) {
	server, _ := memory(t, [][]byte{[]byte(letter)})
	g := over(server, nil)
	n := &notes{new: make(chan struct{}, 1)}
	g.Recorder = counter{n}
	s := &pop3.Server{Backend: g, Hooks: g.Hooks()}
	address := serve(t, s.Serve, func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_ = s.Shutdown(ctx)
	})
	c := signIn(t, address)
	retrieve(t, c, 1)
	top, err := c.Top(t.Context(), 1, 0)
	if err != nil {
		t.Fatal(err)
	}
	io.Copy(io.Discard, top)
	top.Close()
	quit(t, c)
	all := n.upTo(t, 1)
	r := find[*audit.Retrieval](t, all)
	if !r.Sent || !r.Complete || r.Octets == 0 || r.SHA256 != nil || r.MessageID != "" || r.From != "" || r.UIDL != "" {
		t.Errorf("%+v", r)
	}
	if top := find[*audit.Top](t, all); top.Octets == 0 || top.MessageID != "" {
		t.Errorf("%+v", top)
	}
}
