package gateway_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/restante-mail/restante/audit"
	"github.com/restante-mail/restante/gateway"
	"github.com/restante-mail/restante/policy"
	"github.com/restante-mail/restante/pop3"
	"github.com/restante-mail/restante/secret"
)

// notes is a Recorder that keeps what it was given.
type notes struct {
	mu  sync.Mutex
	all []audit.Event
	new chan struct{}
}

func (n *notes) Record(e audit.Event) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.all = append(n.all, e)
	select {
	case n.new <- struct{}{}:
	default:
	}
}

// upTo waits until some number of sessions have ended, and returns everything.
func (n *notes) upTo(t *testing.T, sessions int) []audit.Event {
	t.Helper()
	deadline := time.After(20 * time.Second)
	for {
		n.mu.Lock()
		all := slices.Clone(n.all)
		n.mu.Unlock()
		ended := 0
		for _, e := range all {
			if e.Kind() == audit.KindSessionEnded {
				ended++
			}
		}
		if ended >= sessions {
			return all
		}
		select {
		case <-n.new:
		case <-deadline:
			t.Fatalf("%d sessions ended, want %d; recorded is %s", ended, sessions, tell(all))
		}
	}
}

// recorded serves a gateway with its hooks, and notes what it records.
func recorded(t *testing.T, g *gateway.Gateway) (address string, n *notes) {
	t.Helper()
	n = &notes{new: make(chan struct{}, 1)}
	g.Recorder = n
	server := &pop3.Server{Backend: g, Name: "legacy", Hooks: g.Hooks()}
	return serve(t, server.Serve, func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_ = server.Shutdown(ctx)
	}), n
}

// tell is a trail in a few words for each event.
func tell(all []audit.Event) string {
	var b strings.Builder
	for _, e := range all {
		fmt.Fprintf(&b, "%s%s\n", e.Kind(), tellOne(e))
	}
	return b.String()
}

func tellOne(e audit.Event) string {
	switch e := e.(type) {
	case *audit.SignIn:
		return fmt.Sprintf(" %s %s by %s", e.User, e.Result, e.Method)
	case *audit.RouteChosen:
		return fmt.Sprintf(" %s as %s, %s", e.Upstream, e.Identity, e.Policy)
	case *audit.Listing:
		return fmt.Sprintf(" %d, %d hidden", e.Messages, e.Hidden)
	case *audit.Retrieval:
		return fmt.Sprintf(" %d sent %v complete %v", e.Number, e.Sent, e.Complete)
	case *audit.Top:
		return fmt.Sprintf(" %d %d", e.Number, e.Lines)
	case *audit.Deletion:
		return fmt.Sprintf(" %d", e.Number)
	case *audit.Decision:
		return fmt.Sprintf(" uid %d %s %s by %s, dry %v", e.UID, e.Do, e.Target, e.Cause, e.Dry)
	case *audit.Outcome:
		return fmt.Sprintf(" uid %d %s %s by %s: %s", e.UID, e.Do, e.Target, e.Cause, e.Result)
	case *audit.LimitHit:
		return " " + e.Limit
	case *audit.Return:
		return fmt.Sprintf(" %d from %s %v", e.Messages, e.Folder, e.OK)
	case *audit.SessionEnded:
		return " " + e.End
	}
	return ""
}

func wantTrail(t *testing.T, all []audit.Event, want ...string) {
	t.Helper()
	if got := strings.TrimSuffix(tell(all), "\n"); got != strings.Join(want, "\n") {
		t.Errorf("the trail is\n%s\nwant\n%s", got, strings.Join(want, "\n"))
	}
}

// find returns the first event of a kind.
func find[E audit.Event](t *testing.T, all []audit.Event) (found E) {
	t.Helper()
	for _, e := range all {
		if e, ok := e.(E); ok {
			return e
		}
	}
	t.Fatalf("the trail lacks a %T:\n%s", found, tell(all))
	return found
}

// letter has bare LFs, a dot at the beginning of a line and no final line end:
// what is hashed is none of that, but what the client has when it has undone the
// dots.
const letter = "From: =?utf-8?q?J=C3=B6rg?= <j@example.org>\nMessage-Id:\n <1@example.org>\nSubject: a\n b\n\n.dot\nend"

func TestTrailOfASession(t *testing.T) {
	server, _ := memory(t, [][]byte{[]byte(letter), letters(1)[0]})
	address, n := recorded(t, over(server, func(r *gateway.Route) {
		r.Host, r.Base, r.PolicyName = "imap.example.com", "alice", "classic"
	}))
	c := signIn(t, address)
	retrieve(t, c, 1)
	top, err := c.Top(t.Context(), 2, 5)
	if err != nil {
		t.Fatal(err)
	}
	io.Copy(io.Discard, top)
	top.Close()
	dele(t, c, 1)
	quit(t, c)
	all := n.upTo(t, 1)
	wantTrail(t, all, "session_start", "route test as alice, classic", "sign_in alice ok by USER", "listing 2, 0 hidden",
		"retrieval 1 sent true complete true", "top 2 5", "delete 1",
		"decision uid 1 expunge  by delete, dry false", "outcome uid 1 expunge  by delete: done", "session_end quit")
	for _, e := range all[1:] {
		h := e.Head()
		if h.Session == "" || h.Listener != "legacy" || h.Client != netip.MustParseAddr("127.0.0.1") ||
			h.User != user || h.Base != "alice" || h.Time.IsZero() {
			t.Errorf("%s has the header %+v", e.Kind(), h)
		}
	}
	r := find[*audit.Retrieval](t, all)
	sent := strings.ReplaceAll(letter, "\n", "\r\n") + "\r\n"
	sum := sha256.Sum256([]byte(sent))
	if !bytes.Equal(r.SHA256, sum[:]) || r.Octets != int64(len(sent)) {
		t.Errorf("the retrieval has %x over %d octets, want %x over %d", r.SHA256, r.Octets, sum, len(sent))
	}
	about := r.Message
	if about.MessageID != "<1@example.org>" || r.From != "Jörg <j@example.org>" || r.Subject != "a b" ||
		about.Folder != "INBOX" || about.UIDValidity == 0 || about.UIDL == "" || about.Host != "imap.example.com" {
		t.Errorf("the retrieval is of %+v from %q about %q", about, r.From, r.Subject)
	}
	if d := find[*audit.Deletion](t, all); d.Message != about {
		t.Errorf("deleted is %+v, want %+v", d.Message, about)
	}
	if e := find[*audit.SessionEnded](t, all); e.Retrieved != 1 || e.Tops != 1 || e.Deleted != 1 || e.Changed == 0 {
		t.Errorf("the session ended with %+v", e)
	}
}

// TestTrailOfADroppedClient: what it did not get is not complete, has no hash,
// and nothing was asked for that QUIT did not say.
func TestTrailOfADroppedClient(t *testing.T) {
	big := append([]byte("Message-ID: <big@example.org>\r\n\r\n"), bytes.Repeat([]byte(strings.Repeat("x", 78)+"\r\n"), 400_000)...)
	server, _ := memory(t, [][]byte{big})
	address, n := recorded(t, over(server, nil))
	c := signIn(t, address)
	body, err := c.Retr(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	io.CopyN(io.Discard, body, 1<<20)
	c.Close()
	all := n.upTo(t, 1)
	r := find[*audit.Retrieval](t, all)
	if r.Sent || r.Complete || r.SHA256 != nil || r.Octets < 1<<20 || r.Octets >= int64(len(big)) || r.MessageID != "<big@example.org>" {
		t.Errorf("a retrieval that was broken off is recorded as %+v", r)
	}
	for _, e := range all {
		if k := e.Kind(); k == audit.KindDelete || k == audit.KindDecision {
			t.Errorf("a dropped session has a %s", k)
		}
	}
}

func TestTrailOfRefusedSignIns(t *testing.T) {
	server, _ := memory(t, letters(1))
	g := over(server, nil)
	lead := g.Route
	g.Route = func(name string, a netip.Addr, l string) (gateway.Route, error) {
		if name == "nobody" {
			return gateway.Route{}, errors.New("no route")
		}
		return lead(name, a, l)
	}
	address, n := recorded(t, g)
	c := connect(t, address)
	for _, cred := range [][2]string{{"nobody", "x"}, {user, "wrong 1"}, {user, "wrong 2"}, {user, "wrong 3"}} {
		if err := c.Login(t.Context(), cred[0], secret.New(cred[1])); err == nil {
			t.Fatalf("%v was let in", cred)
		}
	}
	wantTrail(t, n.upTo(t, 1), "session_start", "sign_in nobody no route by USER", "sign_in alice rejected by USER",
		"sign_in alice rejected by USER", "sign_in alice rejected by USER", "limit sign_ins", "session_end failed sign-ins")

	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprint(conn, "USER alice\r\nPASS \r\nQUIT\r\n")
	io.Copy(io.Discard, conn)
	wantTrail(t, n.upTo(t, 2)[7:], "session_start", "sign_in alice malformed by USER", "session_end quit")
}

func TestTrailOfPolicies(t *testing.T) {
	for _, test := range []struct {
		name   string
		policy policy.Policy
		want   []string // after the deletion and before the end
	}{
		{"hide", preset("keep"), []string{"decision uid 1 hide  by delete, dry false", "outcome uid 1 hide  by delete: done"}},
		{"keep", preset("recent"), []string{"decision uid 1 keep  by delete, dry false"}},
		{"trash", preset("gmail-trash"), []string{`decision uid 1 move \Trash by delete, dry false`, `outcome uid 1 move \Trash by delete: done`}},
		{"dry run", preset("classic", func(p *policy.Policy) { p.DryRun = true }), []string{"decision uid 1 expunge  by delete, dry true"}},
		{"a flag", preset("classic", func(p *policy.Policy) { p.OnDelete = policy.Act{Do: policy.Flag, Target: "$Gone"} }),
			[]string{"decision uid 1 flag $Gone by delete, dry false", "outcome uid 1 flag $Gone by delete: done"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			server, _ := memory(t, letters(2))
			address, n := recorded(t, remembering(server, stateFile(t), &test.policy))
			c := signIn(t, address)
			dele(t, c, 1)
			quit(t, c)
			all := n.upTo(t, 1)
			if len(all) < 6 {
				t.Fatalf("the trail is\n%s", tell(all))
			}
			wantTrail(t, all[4:len(all)-1], append([]string{"delete 1"}, test.want...)...)
		})
	}
}

// TestTrailOfRetention: a rule that waits for its approval is told as such, and
// what a rule removes has its cause.
func TestTrailOfRetention(t *testing.T) {
	server, _ := memory(t, letters(1))
	state := stateFile(t)
	p, began := preset("keep-days"), time.Now()
	g := remembering(server, state, &p)
	var days atomic.Int64
	g.Now = func() time.Time { return began.AddDate(0, 0, int(days.Load())) }
	address, n := recorded(t, g)
	poll := func(deletes bool) {
		c := signIn(t, address)
		if uidls(t, c); deletes {
			dele(t, c, 1)
		}
		quit(t, c)
	}
	poll(true)
	n.upTo(t, 1)
	days.Store(20)
	poll(false)
	var dry *audit.Decision
	for _, e := range n.upTo(t, 2) {
		if d, ok := e.(*audit.Decision); ok {
			dry = d
		}
	}
	if dry == nil || !dry.Dry || dry.Cause != audit.CauseRetention || dry.Do != "expunge" || !strings.Contains(dry.Why, "approve") {
		t.Errorf("retention that waits is recorded as %+v", dry)
	}
}

// TestNothingRecordedCostsNothing: without a Recorder no body is looked into.
func TestNothingRecordedCostsNothing(t *testing.T) {
	server, _ := memory(t, letters(1))
	for _, n := range []*notes{nil, {new: make(chan struct{}, 1)}} {
		g := over(server, nil)
		if n != nil {
			g.Recorder = n
		}
		s, err := g.Login(t.Context(), pop3.Peer{ID: "x", Remote: &net.TCPAddr{}}, pop3.Credentials{User: user, Secret: secret.New(password)})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Messages(t.Context()); err != nil {
			t.Fatal(err)
		}
		body, err := s.Open(t.Context(), 0, -1)
		if err != nil {
			t.Fatal(err)
		}
		if _, sniffs := body.(pop3.Sniffer); sniffs != (n != nil) {
			t.Errorf("recorded %v, and the body sniffs: %v", n != nil, sniffs)
		}
		body.Close()
		s.Close()
	}
}
