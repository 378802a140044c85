package bridge

import (
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/restante-mail/restante/upstream"
)

// observed keeps what hooks are told.
type observed struct {
	mu   sync.Mutex
	told []string
}

func (o *observed) add(words ...string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.told = append(o.told, strings.Join(words, " "))
}

func (o *observed) hooks() upstream.Hooks {
	return upstream.Hooks{
		Dialed: func(_ time.Duration, err error) { o.add("dialed", failed(err)) },
		Opened: func(warm bool, _ time.Duration, err error) {
			o.add(map[bool]string{true: "warm", false: "new"}[warm], failed(err))
		},
		Listed: func(how upstream.Listing) { o.add(how.String()) },
	}
}

func failed(err error) string {
	if err != nil {
		return upstream.KindOf(err).String()
	}
	return "ok"
}

// Hooks hear of every dial, every opening and how each folder was listed.
func TestHooks(t *testing.T) {
	b := newBox(100)
	f := b.serve(t)
	var o observed
	options := f.options()
	options.Hooks = o.hooks()
	u := open(t, options)
	u.worthwhile = 1
	b.visit(t, u)
	if inUse, idle := u.Connections(); inUse != 0 || idle != 1 {
		t.Errorf("after a session %d connections are in use and %d idle, want 0 and 1", inUse, idle)
	}
	b.visit(t, u)
	b.change(func() { b.renumber() })
	b.visit(t, u)
	want := []string{"dialed ok", "whole", "new ok", "remembered", "warm ok", "rebuilt", "warm ok"}
	if !slices.Equal(o.told, want) {
		t.Errorf("told %q\nwant %q", o.told, want)
	}
	wrong := alice
	wrong.User = "a\nb"
	if _, err := u.Open(t.Context(), wrong); err == nil {
		t.Fatal("a user with a line break signs in")
	}
	if last := o.told[len(o.told)-1]; !strings.HasPrefix(last, "new ") || last == "new ok" {
		t.Errorf("a failure is told as %q", last)
	}
}
