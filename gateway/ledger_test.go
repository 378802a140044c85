package gateway_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/restante-mail/restante/gateway"
	"github.com/restante-mail/restante/memimap"
	"github.com/restante-mail/restante/policy"
	"github.com/restante-mail/restante/pop3"
	"github.com/restante-mail/restante/pop3/pop3test"
	"github.com/restante-mail/restante/proxy"
	"github.com/restante-mail/restante/store"
	"github.com/restante-mail/restante/uidl"
	"github.com/restante-mail/restante/upstream"
)

// posts are messages with all that they are recognised by.
func posts(from, to int) (all [][]byte) {
	for i := from; i < to; i++ {
		all = append(all, post(i))
	}
	return all
}

func post(i int) []byte {
	return fmt.Appendf(nil, "Received: by test\r\nMessage-ID: <%d@example.com>\r\nDate: Sun, 22 Nov 2026 10:00:00 +0000\r\nSubject: %d\r\n\r\n%s\r\n", i, i, strings.Repeat("x", i%50))
}

// A house is a gateway whose sessions are waited for.
type house struct {
	t     *testing.T
	state store.Store
	route func(*gateway.Route)
	now   time.Time
}

// session signs in at a server, does something, and quits; it returns when the
// session has learned what it could.
func (h *house) session(server upstream.Server, do func(c *pop3.Client)) {
	h.t.Helper()
	if err := h.try(server, do); err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) try(server upstream.Server, do func(c *pop3.Client)) error {
	h.t.Helper()
	g := over(server, h.route)
	g.Shared.Store = h.state
	if !h.now.IsZero() {
		g.Now = func() time.Time { return h.now }
	}
	ended := make(chan struct{}, 1)
	s := &pop3.Server{Backend: g, Hooks: pop3.Hooks{End: func(pop3.Summary) { ended <- struct{}{} }}}
	address := serve(h.t, s.Serve, func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_ = s.Shutdown(ctx)
	})
	c := connect(h.t, address)
	defer func() {
		_ = c.Close()
		select {
		case <-ended:
		case <-time.After(20 * time.Second):
			h.t.Error("the session does not end")
		}
	}()
	if err := c.Login(h.t.Context(), user, secretPassword); err != nil {
		return err
	}
	if _, err := c.UIDL(h.t.Context()); err != nil {
		return err
	}
	do(c)
	quit(h.t, c)
	return nil
}

// names are the UIDLs of what is shown, by the message's text.
func (h *house) names(server upstream.Server) map[string]string {
	h.t.Helper()
	all := map[string]string{}
	h.session(server, func(c *pop3.Client) {
		for i, name := range uidls(h.t, c) {
			all[string(retrieve(h.t, c, i+1))] += name + " "
		}
	})
	return all
}

func keepHiding(r *gateway.Route) { r.Policy = preset("keep") }

// After UIDs and UIDVALIDITY have changed, what was hidden stays hidden, what is
// known keeps its name, and what is new has a new one.
func TestUIDValidityChanges(t *testing.T) {
	server, inbox := memory(t, posts(0, 10))
	h := &house{t: t, state: stateFile(t), route: keepHiding}
	h.session(server, func(c *pop3.Client) { dele(t, c, 6, 10) })
	before := h.names(server)
	if len(before) != 8 {
		t.Fatalf("%d are shown; want 8", len(before))
	}
	for i := range 3 {
		inbox.Remove(inbox.Messages()[0].UID)
		inbox.Renumber()
		inbox.Append(post(100+i), nil, time.Time{})
		after := h.names(server)
		wantKept(t, before, after, 1, 1)
		before = after
	}
	inbox.Renumber() // and nobody asks for UIDLs but once
	h.session(server, func(c *pop3.Client) {
		if n, err := c.Last(t.Context()); err != nil || n != 8 {
			t.Errorf("LAST %d, %v; want 8: all were retrieved, under other UIDs", n, err)
		}
	})
}

// wantKept compares two visits: how many messages left, and how many came.
func wantKept(t *testing.T, before, after map[string]string, left, came int) {
	t.Helper()
	for text, name := range after {
		was, known := before[text]
		switch {
		case !known:
			came--
		case was != name:
			t.Errorf("%.60q was %s and is %s", text, was, name)
		}
		if !known && slices.Contains(slices.Collect(maps.Values(before)), name) {
			t.Errorf("a new message has the old name %s", name)
		}
	}
	for text := range before {
		if _, there := after[text]; !there {
			left--
		}
	}
	if left != 0 || came != 0 {
		t.Errorf("%d too few left, %d too few came", left, came)
	}
}

// What cannot be told apart gets new names, and is shown even if one of it was
// hidden.
func TestAmbiguousIsShown(t *testing.T) {
	server, inbox := memory(t, append(posts(0, 4), post(1), post(2)))
	h := &house{t: t, state: stateFile(t), route: keepHiding}
	h.session(server, func(c *pop3.Client) { dele(t, c, 2) }) // one of two that are equal
	before := h.names(server)
	inbox.Renumber()
	after := h.names(server)
	for text, name := range after {
		twice := text == string(post(1)) || text == string(post(2))
		if equal := before[text] == name; equal == twice {
			t.Errorf("%.80q was %s and is %s", text, before[text], name)
		}
	}
	if n := strings.Count(after[string(post(1))], " "); n != 2 {
		t.Errorf("%d of two equal messages are shown, and nobody knows which was hidden", n)
	}
}

// A message that lacks Message-ID or Date is told by its whole header, and one
// whose size has changed is another.
func TestOddHeaders(t *testing.T) {
	odd := [][]byte{
		[]byte("From: printer\r\nSubject: 1\r\n\r\nx\r\n"), []byte("From: printer\r\nSubject: 2\r\n\r\nx\r\n"),
		[]byte("Message-ID: <a>\r\n\r\nx\r\n"), []byte("\r\nno header\r\n"), []byte("no header at all"), []byte(""),
		post(1),
	}
	server, inbox := memory(t, odd)
	h := &house{t: t, state: stateFile(t)}
	before := h.names(server)
	inbox.Renumber()
	last := inbox.Messages()[6]
	inbox.Remove(last.UID)
	inbox.Append(append(slices.Clone(last.Raw), "and more\r\n"...), nil, time.Time{})
	after := h.names(server)
	for i, text := range odd[:3] {
		if before[string(text)] != after[string(text)] {
			t.Errorf("message %d was %s and is %s", i, before[string(text)], after[string(text)])
		}
	}
	for text, name := range after {
		if strings.Contains(text, "and more") && name == before[string(post(1))] {
			t.Error("a message of another size has the same name")
		}
	}
}

// Another format is for messages that come from now on.
func TestFormatChanges(t *testing.T) {
	server, inbox := memory(t, posts(0, 3))
	h := &house{t: t, state: stateFile(t)}
	before := h.names(server)
	for i, format := range []string{"cyrus", "courier", "%u", "dovecot"} {
		h.route = func(r *gateway.Route) { r.UIDL, _ = uidl.Parse(format) }
		wantKept(t, before, h.names(server), 0, 0)
		inbox.Append(post(100+i), nil, time.Time{})
		after := h.names(server)
		wantKept(t, before, after, 0, 1)
		uid := inbox.Messages()[3+i].UID
		want := fmt.Sprint(uid)
		switch format {
		case "cyrus":
			want = fmt.Sprintf("%d.%d", inbox.UIDValidity(), uid)
		case "courier":
			want = fmt.Sprintf("UID%d-%d", uid, inbox.UIDValidity())
		case "dovecot":
			want = fmt.Sprintf("%08x%08x", uid, inbox.UIDValidity())
		}
		if got := strings.TrimSpace(after[string(post(100+i))]); got != want {
			t.Errorf("%s: %q; want %q", format, got, want)
		}
		before = after
	}
	inbox.Renumber()
	wantKept(t, before, h.names(server), 0, 0)
}

// Names without UIDVALIDITY must not be given to other messages after it changed.
func TestNamesAreNotGivenAgain(t *testing.T) {
	server, inbox := memory(t, posts(0, 6))
	h := &house{t: t, state: stateFile(t), route: func(r *gateway.Route) { r.UIDL, _ = uidl.Parse("%u") }}
	before := h.names(server)
	for range 5 {
		inbox.Remove(inbox.Messages()[0].UID)
	}
	inbox.Append(post(50), nil, time.Time{})
	inbox.Renumber()
	between := h.names(server)
	wantKept(t, before, between, 5, 1)
	inbox.Append(post(51), nil, time.Time{}) // long after
	after := h.names(server)
	wantKept(t, between, after, 0, 1)
	for _, name := range before {
		if name == after[string(post(51))] {
			t.Errorf("%s was another message's", name)
		}
	}
}

// The mailbox moves from a POP3 server to an IMAP server: under the same name of
// the upstream, and as the successor of another.
func TestFromPOP3ToIMAP(t *testing.T) {
	for _, succeeds := range []bool{false, true} {
		t.Run(fmt.Sprint(succeeds), func(t *testing.T) {
			h := &house{t: t, state: stateFile(t), route: keepHiding}
			old := posts(0, 10)
			h.session(legacy(t, old), func(c *pop3.Client) {
				for i := range 10 {
					retrieve(t, c, i+1)
				}
				dele(t, c, 4)
			})
			before := h.names(legacy(t, old))
			slices.Reverse(old)
			server, inbox := memory(t, append(old, post(77)))
			if succeeds {
				h.route = func(r *gateway.Route) {
					r.Policy, r.Upstream, r.Before = preset("keep"), "new", gateway.Maildrop("test", "alice")
				}
			}
			after := h.names(server)
			wantKept(t, before, after, 0, 1)
			inbox.Append(post(78), nil, time.Time{})
			wantKept(t, after, h.names(server), 0, 1)
		})
	}
}

// What only the header of which passed, for the client asked by TOP.
func TestLearnsFromTop(t *testing.T) {
	h := &house{t: t, state: stateFile(t)}
	var before []string
	h.session(legacy(t, posts(0, 3)), func(c *pop3.Client) {
		before = uidls(t, c)
		for i := range 3 {
			top, err := c.Top(t.Context(), i+1, i*99999999)
			if err != nil {
				t.Fatal(err)
			}
			if err := top.CloseWithin(1 << 20); err != nil {
				t.Fatal(err)
			}
		}
	})
	server, _ := memory(t, posts(0, 3))
	h.session(server, func(c *pop3.Client) {
		if got := uidls(t, c); !slices.Equal(got, before) {
			t.Errorf("%v; want %v", got, before)
		}
	})
}

// A server that has other mail under the same UIDVALIDITY is refused, for what is
// remembered is of other messages; as its successor it is welcome.
func TestAnotherServerWithTheSameUIDs(t *testing.T) {
	one, inbox := memory(t, posts(0, 5))
	two, other := memory(t, posts(1, 6))
	if inbox.UIDValidity() != other.UIDValidity() {
		t.Fatal("the servers have different UIDVALIDITYs, which proves nothing")
	}
	h := &house{t: t, state: stateFile(t)}
	at := func(origin, upstream, before string) func(r *gateway.Route) {
		return func(r *gateway.Route) {
			r.Policy, r.Origin, r.Upstream, r.Before = preset("keep"), origin, upstream, before
		}
	}
	h.route = at("one:143", "test", "")
	h.session(one, func(c *pop3.Client) { dele(t, c, 2) })
	before := h.names(one)
	h.route = at("two:143", "test", "")
	var refused *pop3.ReplyError
	if err := h.try(two, nil); !errors.As(err, &refused) || refused.Code != pop3.CodeSysPerm {
		t.Errorf("%v; want SYS/PERM", err)
	}
	h.route = at("one.example.com:143", "test", "") // another name of the same
	wantKept(t, before, h.names(one), 0, 0)
	h.route = at("two:143", "two", gateway.Maildrop("test", "alice"))
	wantKept(t, before, h.names(two), 1, 1)
	h.route = at("two:993", "two", gateway.Maildrop("test", "alice"))
	wantKept(t, before, h.names(two), 1, 1)
}

// A hold and the views of the server before go on.
func TestSuccessionKeepsViews(t *testing.T) {
	h := &house{t: t, state: stateFile(t)}
	one, _ := memory(t, posts(0, 6))
	view := func(name, upstream, before string) func(r *gateway.Route) {
		return func(r *gateway.Route) {
			r.Policy, r.View, r.Upstream, r.Before = preset("keep"), name, upstream, before
		}
	}
	for i, name := range []string{"", "printer"} {
		h.route = view(name, "test", "")
		h.session(one, func(c *pop3.Client) { dele(t, c, i+1) })
	}
	two, _ := memory(t, posts(0, 6))
	for i, name := range []string{"", "printer"} {
		h.route = view(name, "new", gateway.Maildrop("test", "alice"))
		shown := h.names(two)
		for n := range 6 {
			if _, there := shown[string(post(n))]; there == (n == i) {
				t.Errorf("view %q: message %d is shown: %v", name, n, there)
			}
		}
	}
}

// What newest and from_now_on left out does not come back under new UIDs.
func TestLeftOutStaysOut(t *testing.T) {
	for name, change := range map[string]func(*policy.Policy){
		"newest":        func(p *policy.Policy) { p.Newest = 3 },
		"from_now_on":   func(p *policy.Policy) { p.FromNowOn = true },
		"of all copies": func(p *policy.Policy) { p.Newest, p.FromNowOn = 4, true },
	} {
		t.Run(name, func(t *testing.T) {
			server, inbox := memory(t, posts(0, 6))
			h := &house{t: t, state: stateFile(t), route: func(r *gateway.Route) { r.Policy = preset("keep", change) }}
			h.names(server)
			inbox.Append(post(10), nil, time.Time{})
			before := h.names(server)
			for range 2 {
				inbox.Renumber()
				wantKept(t, before, h.names(server), 0, 0)
			}
			removeAll(inbox, 2)
			inbox.Renumber()
			h.session(server, func(c *pop3.Client) {
				for i := range uidls(t, c) {
					if text := string(retrieve(t, c, i+1)); before[text] == "" {
						t.Errorf("%.70q has come back", text)
					}
				}
			})
		})
	}
}

// removeAll removes the newest messages.
func removeAll(inbox *memimap.Mailbox, n int) {
	all := inbox.Messages()
	for _, m := range all[len(all)-n:] {
		inbox.Remove(m.UID)
	}
}

// A folder whose UIDVALIDITY goes back to what it was: a mail store was not
// there for a day.
func TestUnmountedStore(t *testing.T) {
	server, inbox := memory(t, posts(0, 5))
	h := &house{t: t, state: stateFile(t), route: keepHiding, now: time.Now()}
	h.session(server, func(c *pop3.Client) { dele(t, c, 1) })
	before := h.names(server)
	empty, none := memory(t, nil)
	none.Renumber()
	h.session(empty, func(c *pop3.Client) {})
	h.now = h.now.Add(26 * time.Hour)
	none.Append(post(99), nil, time.Time{})
	h.session(empty, func(c *pop3.Client) {})
	wantKept(t, before, h.names(server), 0, 0)
	inbox.Renumber()
	inbox.Renumber()
	wantKept(t, before, h.names(server), 0, 0)
}

// If what was recognised cannot be remembered nobody is told, for another time
// it might be recognised otherwise.
func TestRecognisedIsRemembered(t *testing.T) {
	server, inbox := memory(t, posts(0, 5))
	state := stateFile(t)
	h := &house{t: t, state: state}
	before := h.names(server)
	inbox.Renumber()
	h.state = &noLedger{Store: state}
	if err := h.try(server, nil); err == nil {
		t.Error("the maildrop was listed")
	}
	h.state = state
	wantKept(t, before, h.names(server), 0, 0)
}

type noLedger struct{ store.Store }

func (noLedger) Enter(context.Context, store.FolderKey, store.LedgerChanges) error { return errDisk }

// A poll that finds nothing new costs one query of the ledger, and no write.
func TestLedgerCosts(t *testing.T) {
	server, inbox := memory(t, posts(0, 100))
	count := &ledgerCounts{Store: stateFile(t)}
	h := &house{t: t, state: count}
	poll := func(want string) {
		t.Helper()
		*count = ledgerCounts{Store: count.Store}
		h.session(server, func(c *pop3.Client) {})
		if got := fmt.Sprint(count.lives, count.uidls, count.entries, count.writes); got != want {
			t.Errorf("queries of lives, UIDLs, entries, and writes: %s; want %s", got, want)
		}
	}
	poll("1 0 0 1")
	poll("1 0 0 0")
	inbox.Append(post(100), nil, time.Time{})
	poll("1 0 0 1")
	poll("1 0 0 0")
	inbox.Renumber()
	poll("1 0 1 1")
	poll("1 1 0 0")
}

type ledgerCounts struct {
	store.Store
	lives, uidls, entries, writes int
}

func (c *ledgerCounts) Lives(ctx context.Context, maildrop string) ([]store.Life, error) {
	c.lives++
	return c.Store.Lives(ctx, maildrop)
}

func (c *ledgerCounts) UIDLs(ctx context.Context, life store.FolderKey) (map[uint64]string, error) {
	c.uidls++
	return c.Store.UIDLs(ctx, life)
}

func (c *ledgerCounts) Entries(ctx context.Context, life store.FolderKey) ([]store.Entry, error) {
	c.entries++
	return c.Store.Entries(ctx, life)
}

func (c *ledgerCounts) Enter(ctx context.Context, life store.FolderKey, changes store.LedgerChanges) error {
	c.writes++
	return c.Store.Enter(ctx, life, changes)
}

// A large mailbox is learned little by little, and completely.
func TestLearnsLargeMailbox(t *testing.T) {
	server, inbox := memory(t, posts(0, 4500))
	state := stateFile(t)
	h := &house{t: t, state: state}
	for visit, want := range []int{2000, 4000, 4500, 4500} {
		h.session(server, func(c *pop3.Client) {})
		lives, err := state.Lives(t.Context(), gateway.Maildrop("test", "alice"))
		if err != nil || len(lives) != 1 || lives[0].Entries != want {
			t.Fatalf("after visit %d: %+v, %v; want %d entries", visit, lives, err, want)
		}
	}
	var before []string
	h.session(server, func(c *pop3.Client) { before = uidls(t, c) })
	inbox.Renumber()
	h.session(server, func(c *pop3.Client) {
		if got := uidls(t, c); !slices.Equal(got, before) {
			t.Error("names have changed")
		}
	})
}

// What has gone is forgotten after it was missing for long, and not before.
func TestLedgerForgets(t *testing.T) {
	server, inbox := memory(t, posts(0, 5))
	state := stateFile(t)
	h := &house{t: t, state: state, now: time.Now()}
	visit := func(want ...bool) { // absent, of each entry
		t.Helper()
		h.session(server, func(c *pop3.Client) {})
		entries, err := state.Entries(t.Context(), store.FolderKey{Maildrop: gateway.Maildrop("test", "alice"), Folder: "INBOX", UIDValidity: inbox.UIDValidity()})
		var got []bool
		for _, e := range entries {
			got = append(got, e.Absent != 0)
		}
		if err != nil || !slices.Equal(got, want) {
			t.Fatalf("absent %v, %v; want %v", got, err, want)
		}
	}
	visit(false, false, false, false, false)
	inbox.Remove(1)
	inbox.Remove(3)
	visit(true, false, true, false, false)
	inbox.Remove(4)
	h.now = h.now.Add(80 * 24 * time.Hour)
	visit(true, false, true, true, false)
	h.now = h.now.Add(11 * 24 * time.Hour)
	visit(false, true, false)
}

// What the last session hid can be undone under other UIDs.
func TestUndeleteAfterUIDValidityChanged(t *testing.T) {
	for _, visits := range []bool{false, true} {
		server, inbox := memory(t, posts(0, 4))
		state := stateFile(t)
		h := &house{t: t, state: state, route: keepHiding}
		before := h.names(server)
		h.session(server, func(c *pop3.Client) { dele(t, c, 2) })
		inbox.Remove(inbox.Messages()[0].UID)
		inbox.Renumber()
		if visits {
			h.session(server, func(c *pop3.Client) {})
		}
		info, err := state.Info(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		u, err := store.Undelete(t.Context(), info.Path, store.ViewKey{Maildrop: gateway.Maildrop("test", "alice")})
		if err != nil || len(u.Shown) != 1 {
			t.Fatalf("%+v, %v", u, err)
		}
		after := h.names(server)
		if name := after[string(post(1))]; name == "" || name == before[string(post(1))] {
			t.Errorf("visited before: %v: the undeleted message is called %q, and was %q", visits, name, before[string(post(1))])
		}
		inbox.Renumber()
		wantKept(t, after, h.names(server), 0, 0)
	}
}

// A session that could not list does not know that anything is missing.
func TestFailedListingForgetsNothing(t *testing.T) {
	server, _ := memory(t, posts(0, 4))
	state := stateFile(t)
	h := &house{t: t, state: state, route: keepHiding, now: time.Now()}
	before := h.names(server)
	h.now = h.now.Add(48 * time.Hour)
	h.state = &noView{Store: state}
	if err := h.try(server, nil); err == nil {
		t.Error("the maildrop was listed without its state")
	}
	h.state = state
	wantKept(t, before, h.names(server), 0, 0)
	entries, err := state.Entries(t.Context(), store.FolderKey{Maildrop: gateway.Maildrop("test", "alice"), Folder: "INBOX", UIDValidity: 1})
	if err != nil || len(entries) != 4 || slices.ContainsFunc(entries, func(e store.Entry) bool { return e.Absent != 0 }) {
		t.Errorf("%+v, %v", entries, err)
	}
}

// noView reads the view once.
type noView struct {
	store.Store
	reads int
}

func (n *noView) View(ctx context.Context, key store.ViewKey) (store.View, error) {
	if n.reads++; n.reads == 1 {
		v, err := n.Store.View(ctx, key)
		for i := range v.Folders {
			for j := range v.Folders[i].Memories {
				v.Folders[i].Memories[j].Wish = "nonsense" // so that the listing fails
			}
		}
		return v, err
	}
	return store.View{}, errDisk
}

// Whatever becomes of the mailbox: what is not the very message that the client
// deleted is never hidden, names are never given twice, and what nothing else
// resembles keeps its name and stays hidden.
func TestMovesOfGeneratedMailboxes(t *testing.T) {
	for seed := range uint64(12) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { moveGenerated(t, rand.New(rand.NewPCG(seed, 7))) })
	}
}

func moveGenerated(t *testing.T, r *rand.Rand) {
	server, inbox := memory(t, nil)
	h := &house{t: t, state: stateFile(t), route: keepHiding}
	deliver := func(n int) {
		for range n {
			inbox.Append(post(r.IntN(60)), nil, time.Time{})
		}
	}
	deliver(20)
	hidden, named := map[string]int{}, map[string]string{} // by text; by name: the text
	for range 6 {
		h.session(server, func(c *pop3.Client) {
			shown := map[string]int{}
			for i, name := range uidls(t, c) {
				text := string(retrieve(t, c, i+1))
				if was, known := named[name]; known && was != text {
					t.Fatalf("%s was %.70q and is %.70q", name, was, text)
				}
				named[name] = text
				if shown[text]++; r.IntN(5) == 0 {
					dele(t, c, i+1)
					hidden[text]++
					shown[text]--
				}
			}
			for text, n := range count(inbox) {
				if n-shown[text] > hidden[text] {
					t.Fatalf("%d of %d are shown of %.70q, and %d were deleted", shown[text], n, text, hidden[text])
				}
				if n == 1 && hidden[text] == 0 && shown[text] == 0 {
					t.Fatalf("%.70q is hidden, and nobody deleted it", text)
				}
			}
		})
		for _, m := range inbox.Messages() {
			if r.IntN(6) == 0 {
				inbox.Remove(m.UID)
			}
		}
		deliver(r.IntN(6))
		if r.IntN(3) > 0 {
			inbox.Renumber()
		}
	}
}

func count(inbox *memimap.Mailbox) map[string]int {
	all := map[string]int{}
	for _, m := range inbox.Messages() {
		all[string(m.Raw)]++
	}
	return all
}

// naming is a server that has a lasting name for each message, and tells nothing
// else to recognise one by.
type naming struct {
	upstream.Server
	inbox *memimap.Mailbox
}

func (n naming) Open(ctx context.Context, login upstream.Login) (upstream.Mailbox, error) {
	m, err := n.Server.Open(ctx, login)
	if err != nil {
		return nil, err
	}
	names := map[uint32]string{}
	for _, m := range n.inbox.Messages() {
		_, name, _ := strings.Cut(string(m.Raw), "<")
		name, _, _ = strings.Cut(name, "@")
		names[m.UID] = "M" + name
	}
	return &namingMailbox{m, names}, nil
}

type namingMailbox struct {
	upstream.Mailbox
	names map[uint32]string
}

func (n *namingMailbox) Messages(ctx context.Context) ([]upstream.Message, error) {
	msgs, err := n.Mailbox.Messages(ctx)
	msgs = slices.Clone(msgs)
	for i := range msgs {
		msgs[i].Unique = n.names[msgs[i].ID.UID]
	}
	return msgs, err
}

// With EMAILID nothing has to be read, and copies of a message in one folder are
// told apart.
func TestLastingNames(t *testing.T) {
	for _, format := range []string{"restante", "emailid"} {
		t.Run(format, func(t *testing.T) {
			server, inbox := memory(t, append(posts(0, 4), post(2)))
			h := &house{t: t, state: stateFile(t), route: func(r *gateway.Route) {
				r.Policy = preset("keep")
				r.UIDL, _ = uidl.Parse(format)
			}}
			h.session(naming{server, inbox}, func(c *pop3.Client) {
				for i := range 5 {
					retrieve(t, c, i+1) // so that entries are made
				}
				dele(t, c, 1)
			})
			before := h.names(naming{server, inbox})
			if format == "emailid" && before[string(post(1))] != "M1 " {
				t.Errorf("%q; want the server's name", before[string(post(1))])
			}
			inbox.Renumber()
			after := h.names(naming{server, inbox})
			copies := string(post(2))
			if strings.Count(after[copies], " ") != 2 {
				t.Errorf("the copies are called %q", after[copies])
			}
			delete(before, copies)
			delete(after, copies)
			wantKept(t, before, after, 0, 0)
			again := h.names(naming{server, inbox})
			inbox.Remove(3) // the first of the copies
			rest := h.names(naming{server, inbox})
			if one := rest[copies]; !strings.Contains(again[copies], one) {
				t.Errorf("the copies were called %q, and the one that is left %q", again[copies], one)
			}
		})
	}
}

// Folders are recognised each by itself, with the folder's name in their names.
func TestFoldersUnderOtherUIDs(t *testing.T) {
	imap := memimap.New()
	imap.InsecureAuth = true
	owner := imap.AddUser(user, secretPassword)
	inbox, junk := owner.Mailbox("INBOX"), owner.Mailbox("Junk")
	for i := range 4 {
		inbox.Append(post(i), nil, time.Time{})
		junk.Append(post(i+2), nil, time.Time{}) // two are in both
	}
	server := bridgeTo(t, serve(t, imap.Serve, func() { imap.Close() }))
	h := &house{t: t, state: stateFile(t), route: func(r *gateway.Route) {
		r.Policy = preset("keep", func(p *policy.Policy) { p.Folders = []string{"INBOX", "Junk"} })
	}}
	h.session(server, func(c *pop3.Client) { dele(t, c, 1, 8) })
	before := h.names(server)
	for _, folders := range [][]*memimap.Mailbox{{junk}, {inbox}, {inbox, junk}} {
		for _, folder := range folders {
			folder.Renumber()
		}
		wantKept(t, before, h.names(server), 0, 0)
	}
}

// A name at the old server that the new one would give to another message is not
// given again: neither if the ledger knows it, nor if only the view does.
func TestNamesOfTheServerBefore(t *testing.T) {
	server, inbox := memory(t, posts(0, 6))
	format, _ := uidl.Parse(uidl.Default)
	var names []string // of UIDs 1 to 6 of the new server, for other messages
	for uid := range uint32(6) {
		names = append(names, format.Of(uidl.Message{UID: uid + 1, UIDValidity: inbox.UIDValidity()}))
	}
	box := pop3test.NewMemory(posts(10, 16)...)
	box.User, box.Password, box.UIDL = user, password, func(nth int) string { return names[nth-1] }
	old := &pop3.Server{Backend: box}
	pop, err := proxy.New(proxy.Options{Addresses: []string{serve(t, old.Serve, func() { _ = old.Shutdown(context.Background()) })}, Security: proxy.Plain})
	if err != nil {
		t.Fatal(err)
	}
	h := &house{t: t, state: stateFile(t), route: keepHiding}
	h.session(pop, func(c *pop3.Client) {
		retrieve(t, c, 1) // the ledger knows it
		retrieve(t, c, 2)
		dele(t, c, 2, 3) // of the third the ledger knows nothing
	})
	shown := h.names(server)
	if len(shown) != 6 {
		t.Errorf("%d messages are shown; want 6: nobody has deleted any of them", len(shown))
	}
	for text, name := range shown {
		if slices.Contains(names[:3], strings.TrimSpace(name)) {
			t.Errorf("%.70q is called %s, as another message was", text, name)
		}
	}
}

// The successor has the UIDVALIDITY of the server before, and that had messages
// that nobody has learned anything of.
func TestSuccessorWithTheSameUIDValidity(t *testing.T) {
	one, inbox := memory(t, posts(0, 6))
	two, other := memory(t, posts(20, 26))
	if inbox.UIDValidity() != other.UIDValidity() {
		t.Fatal("the servers have different UIDVALIDITYs, which proves nothing")
	}
	state := stateFile(t)
	h := &house{t: t, state: state, route: keepHiding}
	before := h.names(one)
	key := store.FolderKey{Maildrop: gateway.Maildrop("test", "alice"), Folder: "INBOX", UIDValidity: inbox.UIDValidity()}
	if err := state.Enter(t.Context(), key, store.LedgerChanges{Purge: []uint64{2, 3, 4, 5, 6}}); err != nil {
		t.Fatal(err)
	}
	h.route = func(r *gateway.Route) {
		r.Policy, r.Upstream, r.Before = preset("keep"), "new", gateway.Maildrop("test", "alice")
	}
	for range 2 {
		other.Append(post(30+len(other.Messages())), nil, time.Time{})
		after := h.names(two)
		for text, name := range after {
			if slices.Contains(slices.Collect(maps.Values(before)), name) {
				t.Errorf("%.70q is called %s, as another message was", text, name)
			}
		}
		wantKept(t, after, h.names(two), 0, 0)
	}
}

// entered counts what is written to the ledger.
type entered struct {
	*counting
	times atomic.Int64
}

func (e *entered) Enter(ctx context.Context, life store.FolderKey, c store.LedgerChanges) error {
	e.times.Add(1)
	return e.counting.Enter(ctx, life, c)
}

// TestLedgerOfWhatIsGone: of mail that a client fetches and deletes nothing has to
// be recognised later, so that such a session costs intent and outcome alone; what
// stays beside it is known.
func TestLedgerOfWhatIsGone(t *testing.T) {
	server, inbox := memory(t, posts(0, 3))
	state := &entered{counting: stateFile(t)}
	h := &house{t: t, state: state, route: func(r *gateway.Route) { r.Policy = preset("classic") }}
	fetch := func(stays int) {
		h.session(server, func(c *pop3.Client) {
			for i := range uidls(t, c) {
				if retrieve(t, c, i+1); i >= stays {
					dele(t, c, i+1)
				}
			}
		})
	}
	fetch(0)
	if n, left := state.times.Load(), len(inbox.Messages()); n != 0 || left != 0 {
		t.Errorf("the ledger was written %d times, and %d messages are left", n, left)
	}
	inbox.Append(post(3), nil, time.Time{})
	inbox.Append(post(4), nil, time.Time{})
	fetch(1)
	if n := state.times.Load(); n != 1 {
		t.Errorf("the ledger was written %d times; want once, for what stays", n)
	}
	before := h.names(server)
	inbox.Renumber()
	wantKept(t, before, h.names(server), 0, 0)
}
