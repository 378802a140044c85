package gateway_test

import (
	"context"
	"errors"
	"io"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/restante-mail/restante/gateway"
	"github.com/restante-mail/restante/memimap"
	"github.com/restante-mail/restante/policy"
	"github.com/restante-mail/restante/pop3"
	"github.com/restante-mail/restante/secret"
	"github.com/restante-mail/restante/store"
	"github.com/restante-mail/restante/upstream"
)

// letters are messages that can be told apart.
func letters(n int) (all [][]byte) {
	for i := range n {
		all = append(all, []byte("Subject: "+strings.Repeat("x", i)+"\r\n\r\nbody\r\n"))
	}
	return all
}

// front runs a POP3 server with the backend, and returns how to reach it.
func front(t *testing.T, backend pop3.Backend) (address string) {
	t.Helper()
	server := &pop3.Server{Backend: backend}
	return serve(t, server.Serve, func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel() // what is still open is closed
		_ = server.Shutdown(ctx)
	})
}

// signIn returns a client that has signed in.
func signIn(t *testing.T, address string) *pop3.Client {
	t.Helper()
	c := connect(t, address)
	if err := c.Login(t.Context(), user, secret.New(password)); err != nil {
		t.Fatal(err)
	}
	return c
}

func connect(t *testing.T, address string) *pop3.Client {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	c, err := pop3.NewClient(t.Context(), conn, pop3.ClientOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func retrieve(t *testing.T, c *pop3.Client, n int) []byte {
	t.Helper()
	body, err := c.Retr(t.Context(), n)
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	text, err := io.ReadAll(body)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func quit(t *testing.T, c *pop3.Client) {
	t.Helper()
	if err := c.Quit(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// flags of each message of the folder, sorted and joined.
func flags(box *memimap.Mailbox) (all []string) {
	for _, m := range box.Messages() {
		slices.Sort(m.Flags)
		all = append(all, strings.Join(m.Flags, " "))
	}
	return all
}

func withPolicy(name string) func(*gateway.Route) {
	return func(r *gateway.Route) { r.Policy, _ = policy.Preset(name) }
}

func TestSeenAfterQuitOnly(t *testing.T) {
	server, inbox := memory(t, letters(3))
	address := front(t, over(server, nil))
	read := func(c *pop3.Client) {
		retrieve(t, c, 1)
		top, err := c.Top(t.Context(), 2, 0)
		if err != nil {
			t.Fatal(err)
		}
		io.Copy(io.Discard, top)
		top.Close()
	}

	dropped := signIn(t, address)
	read(dropped)
	dropped.Close()

	c := signIn(t, address) // waits for the lock, so the first is over
	if got := flags(inbox); !slices.Equal(got, []string{"", "", ""}) {
		t.Errorf("a dropped session left the flags %q", got)
	}
	read(c)
	quit(t, c)
	if got := flags(inbox); !slices.Equal(got, []string{`\Seen`, "", ""}) {
		t.Errorf("flags are %q, want the first message alone seen: TOP is no retrieval", got)
	}
}

func TestOthersDeletedMarksAreHiddenAndKept(t *testing.T) {
	server, inbox := memory(t, letters(3))
	inbox.SetFlags(inbox.Messages()[1].UID, `\Deleted`)
	c := signIn(t, front(t, over(server, nil)))
	if n, _, err := c.Stat(t.Context()); n != 2 || err != nil {
		t.Errorf("%d messages, %v; want 2", n, err)
	}
	if _, err := c.Dele(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	quit(t, c)
	if left := inbox.Messages(); len(left) != 2 || left[1].UID != 2 {
		t.Errorf("left are %v, want UIDs 1 and 2", left)
	}
}

func TestDeletePolicies(t *testing.T) {
	tests := []struct {
		preset        string
		inbox, folder int
		name          string
		refuses       bool
	}{
		{preset: "classic", inbox: 1, name: "Trash", folder: 0},
		{preset: "gmail-trash", inbox: 1, name: "Trash", folder: 1},
		{preset: "gmail-archive", inbox: 1, name: "Archive", folder: 1},
		{preset: "recent", inbox: 2, name: "Trash", folder: 0},
		{preset: "read-only", inbox: 2, name: "Trash", folder: 0, refuses: true},
	}
	for _, test := range tests {
		t.Run(test.preset, func(t *testing.T) {
			imap := memimap.New()
			imap.InsecureAuth = true
			account := imap.AddUser(user, secret.New(password))
			for _, m := range letters(2) {
				account.Mailbox("INBOX").Append(m, nil, time.Now())
			}
			address := serve(t, imap.Serve, func() { imap.Close() })
			c := signIn(t, front(t, over(bridgeTo(t, address), withPolicy(test.preset))))
			refused, err := c.Dele(t.Context(), 1)
			if err != nil || (refused[0] != nil) != test.refuses {
				t.Errorf("DELE: %v, %v; want refused: %v", refused, err, test.refuses)
			}
			quit(t, c)
			if n := len(account.Mailbox("INBOX").Messages()); n != test.inbox {
				t.Errorf("%d messages are left, want %d", n, test.inbox)
			}
			if n := len(account.Mailbox(test.name).Messages()); n != test.folder {
				t.Errorf("%d messages are in %s, want %d", n, test.name, test.folder)
			}
		})
	}
}

// TestSizesAreLearned: an upstream's figure for a message with bare LFs is too
// small; the true one is listed from the next session on, and never changes
// within one.
func TestSizesAreLearned(t *testing.T) {
	message := []byte("Subject: lines\n\none\ntwo\n") // 24 octets; 28 on the wire
	sizes := func(c *pop3.Client) int64 {
		t.Helper()
		list, err := c.List(t.Context())
		if err != nil || len(list) != 1 {
			t.Fatal(list, err)
		}
		return list[0].Size
	}
	for _, exact := range []bool{false, true} {
		server, _ := memory(t, [][]byte{message})
		address := front(t, over(server, func(r *gateway.Route) { r.ExactSizes = exact }))
		first := signIn(t, address)
		want := int64(24)
		if exact {
			want = 28
		}
		if got := sizes(first); got != want {
			t.Errorf("exact %v: the first session lists %d, want %d", exact, got, want)
		}
		if got := len(retrieve(t, first, 1)); got != 28 {
			t.Errorf("RETR sent %d octets, want 28", got)
		}
		if got := sizes(first); got != want {
			t.Errorf("exact %v: the listed size changed to %d within a session", exact, got)
		}
		quit(t, first)
		second := signIn(t, address)
		if got := sizes(second); got != 28 {
			t.Errorf("exact %v: the second session lists %d, want 28", exact, got)
		}
		quit(t, second)
	}
}

// TestLearnedSizesSurviveARestart: what a session learned is in the state file.
func TestLearnedSizesSurviveARestart(t *testing.T) {
	state, err := store.Open(filepath.Join(t.TempDir(), "state.db"), true)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { state.Close() })
	server, _ := memory(t, [][]byte{[]byte("Subject: lines\n\none\ntwo\n"), []byte("Subject: true\r\n\r\n")})
	for run, want := range []int64{24 + 17, 28 + 17} {
		backend := over(server, nil)
		backend.Shared.Store = state // a new process knows nothing else
		address := front(t, backend)
		c := signIn(t, address)
		if _, total, err := c.Stat(t.Context()); total != want || err != nil {
			t.Errorf("run %d: STAT says %d, %v; want %d", run, total, err, want)
		}
		retrieve(t, c, 1)
		retrieve(t, c, 2)
		quit(t, c)
		connect(t, address).Login(t.Context(), user, secret.New(password)) // once it is let in, the first session is over
	}
	if info, err := state.Info(t.Context()); err != nil || info.Folders != 1 {
		t.Errorf("%+v, %v; want the sizes of one folder", info, err)
	}
}

// failing is an upstream that fails to open.
type failing struct{ err error }

func (f failing) Open(context.Context, upstream.Login) (upstream.Mailbox, error) { return nil, f.err }

func TestWhatAClientHears(t *testing.T) {
	const words = "the upstream's own words"
	tests := map[upstream.Kind]string{
		upstream.Unavailable: pop3.CodeSysTemp, upstream.Rejected: pop3.CodeAuth, upstream.Denied: pop3.CodeSysPerm,
		upstream.InUse: pop3.CodeInUse, upstream.Throttled: pop3.CodeSysTemp,
	}
	for kind, code := range tests {
		address := front(t, over(failing{&upstream.Error{Kind: kind, Doing: "sign in", Err: errors.New(words)}}, nil))
		err := connect(t, address).Login(t.Context(), user, secret.New(password))
		if err == nil || !strings.Contains(err.Error(), "["+code+"]") {
			t.Errorf("%v: the client hears %v, want %s", kind, err, code)
		}
		if strings.Contains(err.Error(), words) {
			t.Errorf("%v: the client hears the upstream's words: %v", kind, err)
		}
	}
}

// halfway is an upstream that marks what it should remove, and is then lost.
type halfway struct {
	upstream.Server
	inbox *memimap.Mailbox
	fails atomic.Bool
}

func (h *halfway) Open(ctx context.Context, login upstream.Login) (upstream.Mailbox, error) {
	m, err := h.Server.Open(ctx, login)
	return &halfwayMailbox{m, h}, err
}

type halfwayMailbox struct {
	upstream.Mailbox
	h *halfway
}

func (m *halfwayMailbox) Apply(ctx context.Context, changes []upstream.Change) []upstream.Result {
	if !m.h.fails.Load() {
		return m.Mailbox.Apply(ctx, changes)
	}
	results := make([]upstream.Result, len(changes))
	for i, c := range changes {
		m.h.inbox.SetFlags(c.ID.UID, `\Deleted`)
		results[i].Err = &upstream.Error{Doing: "expunge", Err: errors.New("the connection broke")}
	}
	return results
}

// TestFailedQuitHidesNothing: a QUIT that failed between marking and removing
// leaves the messages where their owner can see them and delete them again.
func TestFailedQuitHidesNothing(t *testing.T) {
	server, inbox := memory(t, letters(3))
	inbox.SetFlags(inbox.Messages()[0].UID, `\Deleted`) // somebody else's: stays hidden
	h := &halfway{Server: server, inbox: inbox}
	address := front(t, over(h, nil))
	h.fails.Store(true)
	c := signIn(t, address)
	if _, err := c.Dele(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	if err := c.Quit(t.Context()); err == nil {
		t.Error("QUIT claims to have removed a message")
	}
	h.fails.Store(false)
	for _, want := range []int{2, 1, 1} {
		c := signIn(t, address)
		if n, _, err := c.Stat(t.Context()); n != want || err != nil {
			t.Errorf("%d messages, %v; want %d", n, err, want)
		}
		if want == 2 {
			if _, err := c.Dele(t.Context(), 1); err != nil {
				t.Fatal(err)
			}
		}
		quit(t, c)
	}
	if left := inbox.Messages(); len(left) != 2 {
		t.Errorf("%d messages are left, want the one that was not deleted and the one that somebody else marked", len(left))
	}
}
