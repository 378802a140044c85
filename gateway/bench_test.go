package gateway_test

import (
	"context"
	"io"
	"net"
	"net/netip"
	"path/filepath"
	"testing"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/restante-mail/restante/gateway"
	"github.com/restante-mail/restante/pop3"
	"github.com/restante-mail/restante/secret"
	"github.com/restante-mail/restante/store"
	"github.com/restante-mail/restante/upstream"
)

// instant is an upstream that costs nothing but its listing, which is parsed
// for every session as a bridge's is.
type instant struct{ messages int }

type instantMailbox struct {
	upstream.Mailbox
	messages int
}

func (i instant) Open(context.Context, upstream.Login) (upstream.Mailbox, error) {
	return &instantMailbox{messages: i.messages}, nil
}

func (m *instantMailbox) Folders() []upstream.Folder {
	return []upstream.Folder{{Name: "INBOX", UIDValidity: 1}}
}

func (m *instantMailbox) Messages(context.Context) ([]upstream.Message, error) {
	list := make([]upstream.Message, m.messages)
	for i := range list {
		list[i] = upstream.Message{ID: upstream.ID{UID: uint32(i + 1)}, Size: 1000, Arrived: time.Unix(int64(i), 0)}
	}
	return list, nil
}

func (m *instantMailbox) Apply(_ context.Context, changes []upstream.Change) []upstream.Result {
	return make([]upstream.Result, len(changes))
}

func (m *instantMailbox) Close() error { return nil }

// BenchmarkPoll is a session that lists and quits, over few messages or 50,000
// of which all or none are hidden, without and with a state file. Over a real
// upstream the listing comes on top, in all of them.
func BenchmarkPoll(b *testing.B) {
	const many = 50_000
	for _, test := range []struct {
		name             string
		messages, hidden int
		state            bool
	}{{"no state", many, 0, false}, {"none hidden", many, 0, true}, {"all hidden", many, many, true},
		{"few, no state", 10, 0, false}, {"few, none hidden", 10, 0, true}, {"few hidden", 10, 10, true}} {
		b.Run(test.name, func(b *testing.B) {
			g := &gateway.Gateway{Shared: gateway.NewShared(), Log: silent()}
			g.Route = func(name string, _ netip.Addr, _ string) (gateway.Route, error) {
				r := gateway.Route{Upstream: "test", Server: instant{test.messages}, User: name, Policy: preset("classic")}
				if test.state {
					r.Policy = preset("keep")
				}
				return r, nil
			}
			if test.state {
				g.Shared.Store = hiding(b, test.hidden)
			}
			b.ReportAllocs()
			for b.Loop() {
				poll(b, g)
			}
		})
	}
}

func silent() *logrus.Logger {
	log := logrus.New()
	log.SetOutput(io.Discard)
	return log
}

// hiding is a state file in which the first n messages are hidden.
func hiding(b *testing.B, n int) store.Store {
	s, err := store.Open(filepath.Join(b.TempDir(), "state.db"), true)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { s.Close() })
	folder := store.ViewFolder{Name: "INBOX", UIDValidity: 1}
	for i := range n {
		at := int64(1_795_000_000)
		folder.Memories = append(folder.Memories, store.Memory{Key: uint64(i + 1), First: at, Last: at, Deleted: at, Hidden: at})
	}
	if err := s.Remember(b.Context(), store.ViewKey{Maildrop: gateway.Maildrop("test", user)}, store.Changes{At: 1, Folders: []store.ViewFolder{folder}}); err != nil {
		b.Fatal(err)
	}
	return s
}

func poll(b *testing.B, g *gateway.Gateway) {
	session, err := g.Login(b.Context(), pop3.Peer{ID: "poll", Remote: &net.TCPAddr{}}, pop3.Credentials{User: user, Secret: secret.New(password)})
	if err != nil {
		b.Fatal(err)
	}
	if _, err = session.Messages(b.Context()); err == nil {
		err = session.Update(b.Context(), nil)
	}
	if err != nil {
		b.Fatal(err)
	}
	session.Close()
}
