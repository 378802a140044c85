package auth

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/restante-mail/restante/secret"
	"github.com/restante-mail/restante/store"
)

// A quick bcrypt hash of "bcrypted", of the least cost, from htpasswd -nbBC 4.
const bcrypted = "$2y$04$ltGGsF91s2bUFzxDpTXM3uzLblFaMkF5W9Qj7r.Vp5WYu.6hNqLta"

var (
	noon    = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	inside  = netip.MustParseAddr("10.1.2.3")
	outside = netip.MustParseAddr("192.0.2.1")
)

// counted is a Directory that counts the hashes it computes, and whose clock
// stands still.
type counted struct {
	*Directory
	mu                sync.Mutex
	argons, lineCount int
	argonWork         int
	clock             time.Time
}

func newCounted(t *testing.T, htpasswd string, accounts ...Account) *counted {
	t.Helper()
	c := &counted{Directory: NewDirectory(accounts), clock: noon}
	c.Keys = NewKeyring(filepath.Join(t.TempDir(), "key"))
	c.Now = func() time.Time { return c.clock }
	compute, compare := c.Memory.compute, c.Memory.compare
	c.Memory.compute = func(k cost, p secret.Text) []byte {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.argons++
		c.argonWork += k.work()
		return compute(k, p)
	}
	c.Memory.compare = func(l htpasswdLine, p secret.Text) bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.lineCount++
		return compare(l, p)
	}
	if htpasswd != "" {
		h, problems := ReadHtpasswd(htpasswd)
		if problems != nil {
			t.Fatal(problems)
		}
		c.Htpasswd = h
	}
	return c
}

// judge returns the label of the secret that opened, and what was computed.
func (c *counted) judge(t *testing.T, a Attempt) (label string, argons, lines int) {
	t.Helper()
	c.mu.Lock()
	c.argons, c.lineCount, c.argonWork = 0, 0, 0
	c.mu.Unlock()
	g, err := c.Judge(context.Background(), a)
	if err != nil && !errors.Is(err, ErrWrong) {
		t.Fatalf("Judge: %v", err)
	}
	return g.Secret.Label, c.argons, c.lineCount
}

func password(name, password string) Attempt {
	return Attempt{Name: name, Password: secret.New(password), Client: inside}
}

// household is an account with a secret of each kind.
func household(t *testing.T) (c *counted, generated string) {
	t.Helper()
	first := HashPassword(secret.New("first"), "")
	code, hash := Generate()
	a := Account{Name: "Alice", Secrets: []Secret{
		{Label: "first", Hash: first},
		{Label: "second", Hash: HashPassword(secret.New("second"), first), Networks: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}},
		{Label: "ended", Hash: HashPassword(secret.New("ended"), first), Expires: noon},
		{Label: "until", Hash: HashPassword(secret.New("until"), first), Expires: noon.Add(time.Second)},
		{Label: "code", Hash: hash},
	}}
	off := Account{Name: "off", Disabled: true, Secrets: a.Secrets}
	c = newCounted(t, "bob:"+bcrypted+"\nalice:"+bcrypted+"\n", a, off)
	sealed, err := c.Keys.Seal("alice", SecretPurpose("apop"), secret.New("recoverable"))
	if err != nil {
		t.Fatal(err)
	}
	a.Secrets = append(a.Secrets, Secret{Label: "apop", Sealed: sealed})
	c.configured["alice"] = a
	return c, code.Reveal()
}

func TestJudge(t *testing.T) {
	c, code := household(t)
	for _, test := range []struct {
		attempt Attempt
		want    string
	}{
		{password("alice", "first"), "first"},
		{password("ALICE", "first"), "first"},
		{password("alice", "second"), "second"},
		{Attempt{Name: "alice", Password: secret.New("second"), Client: outside}, ""},
		{Attempt{Name: "alice", Password: secret.New("second")}, ""},
		{password("alice", "ended"), ""},
		{password("alice", "until"), "until"},
		{password("alice", code), "code"},
		{password("alice", code+"x"), ""},
		{password("alice", "recoverable"), "apop"},
		{password("alice", "bcrypted"), "htpasswd"},
		{password("bob", "bcrypted"), "htpasswd"},
		{password("Bob", "bcrypted"), "htpasswd"},
		{password("bob", "first"), ""},
		{password("alice", ""), ""},
		{password("alice", "wrong"), ""},
		{password("nobody", "first"), ""},
		{password("off", "first"), ""},
		{password("off", code), ""},
		{Attempt{Name: "alice", Digest: digest("<1@x>", secret.New("recoverable")), Challenge: "<1@x>"}, "apop"},
		{Attempt{Name: "alice", Digest: strings.ToUpper(digest("<1@x>", secret.New("recoverable"))), Challenge: "<1@x>"}, "apop"},
		{Attempt{Name: "alice", Digest: digest("<1@x>", secret.New("recoverable")), Challenge: "<2@x>"}, ""},
		{Attempt{Name: "alice", Digest: digest("<1@x>", secret.New("")), Challenge: "<1@x>"}, ""},
		{Attempt{Name: "alice", Digest: digest("<1@x>", secret.New("first")), Challenge: "<1@x>"}, ""},
		{Attempt{Name: "nobody", Digest: digest("<1@x>", secret.New("")), Challenge: "<1@x>"}, ""},
	} {
		if got, _, _ := c.judge(t, test.attempt); got != test.want {
			t.Errorf("%s, %s%s from %v: %q; want %q", test.attempt.Name, test.attempt.Password.Reveal(), test.attempt.Digest, test.attempt.Client, got, test.want)
		}
	}
}

// RFC 1939 section 7's own example.
func TestDigest(t *testing.T) {
	if got := digest("<1896.697170952@dbc.mtview.ca.us>", secret.New("tanstaaf")); got != "c4c9334bac560ecc979e58001b3e22fb" {
		t.Error(got)
	}
}

// A refusal takes the same work whoever it is about: somebody who has many
// passwords, one, none, a line of htpasswd, who is disabled or does not exist.
func TestRefusalsTakeTheSameWork(t *testing.T) {
	c, _ := household(t)
	a := c.configured["alice"]
	other := a
	other.Secrets = []Secret{{Label: "x", Hash: HashPassword(secret.New("x"), "")}, {Label: "y", Hash: HashPassword(secret.New("y"), "")}}
	_, hash := Generate()
	code := Account{Secrets: []Secret{{Label: "code", Hash: hash}}}
	d := NewDirectory([]Account{{Name: "alice", Secrets: a.Secrets}, {Name: "two", Secrets: other.Secrets},
		{Name: "code", Secrets: code.Secrets}, {Name: "off", Disabled: true, Secrets: a.Secrets}, {Name: "none"}})
	d.Memory, d.Htpasswd, d.Keys, d.Now = c.Memory, c.Htpasswd, c.Keys, c.Now
	c.Directory = d
	for _, name := range []string{"alice", "two", "code", "off", "none", "bob", "nobody"} {
		for range 2 { // a wrong password is not remembered
			label, argons, lines := c.judge(t, password(name, "wrong"))
			if label != "" || argons != 2 || lines != 1 {
				t.Errorf("%s: %q, %d of argon2id and %d of htpasswd; want none, 2 and 1", name, label, argons, lines)
			}
		}
	}
}

// TestDearHashesTellNobody: it is the work that is the same, not the number of
// computations; accounts of the state file count too, from the first time that they
// are asked for.
func TestDearHashesTellNobody(t *testing.T) {
	dear := "$argon2id$v=19$m=4096,t=3,p=1$c2FsdHNhbHRzYWx0$c3Vtc3Vtc3Vtc3Vtc3Vtc3Vt"
	dearer := "$argon2id$v=19$m=40960,t=3,p=1$c2FsdHNhbHRzYWx0$c3Vtc3Vtc3Vtc3Vtc3Vtc3Vt"
	usually := HashPassword(secret.New("x"), "")
	c := newCounted(t, "", Account{Name: "cheap", Secrets: []Secret{{Label: "x", Hash: dear}}}, Account{Name: "usual", Secrets: []Secret{{Label: "x", Hash: usually}}})
	same := func(want int, names ...string) {
		t.Helper()
		for _, name := range names {
			if label, _, _ := c.judge(t, password(name, "wrong")); label != "" || c.argonWork != want {
				t.Errorf("%s: %q after work of %d; want none after %d", name, label, c.argonWork, want)
			}
		}
	}
	same(usual("").work(), "cheap", "usual", "nobody")
	s, err := store.Open(filepath.Join(t.TempDir(), "restante.db"), true)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	c.Store = s
	kept := Account{Name: "dear", Secrets: []Secret{{Label: "x", Hash: dearer}}}
	settings, err := kept.Encode()
	if err == nil {
		err = s.PutAccount(t.Context(), store.Account{Name: "dear", Settings: settings})
	}
	if err != nil {
		t.Fatal(err)
	}
	same(3*40960, "dear", "nobody", "cheap", "usual", "dear")
}

// TestHtpasswdTellsNobody: a file may have lines of every cost. Who is not in it is
// compared with one of them, always the same, so that each cost is as likely.
func TestHtpasswdTellsNobody(t *testing.T) {
	c := newCounted(t, "bob:"+bcrypted+"\nsha:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=\n")
	seen := map[string]int{}
	var last string
	c.Memory.compare = func(l htpasswdLine, _ secret.Text) bool { last = l.encoded; return true }
	for i := range 60 {
		name := fmt.Sprint("nobody", i)
		if label, _, _ := c.judge(t, password(name, "x")); label != "" {
			t.Errorf("%s is let in by the line of somebody else", name)
		}
		first := last
		if c.judge(t, password(name, "y")); last != first {
			t.Errorf("%s is compared with another line each time", name)
		}
		seen[last]++
	}
	if len(seen) != 2 || seen[bcrypted] < 10 || seen[bcrypted] > 50 {
		t.Errorf("compared with %v", seen)
	}
}

// A success need not be computed again for ten minutes, as long as the secret
// is there and may be used.
func TestSuccessIsRemembered(t *testing.T) {
	c, _ := household(t)
	want := func(a Attempt, label string, argons int) {
		t.Helper()
		if got, n, _ := c.judge(t, a); got != label || n != argons {
			t.Errorf("%s: %q after %d computations; want %q after %d", a.Password.Reveal(), got, n, label, argons)
		}
	}
	want(password("alice", "second"), "second", 1)
	want(password("alice", "second"), "second", 0)
	want(password("Alice", "second"), "second", 0)
	want(password("bob", "second"), "", 1)
	elsewhere := password("alice", "second")
	elsewhere.Client = outside
	want(elsewhere, "", 1)
	c.clock = c.clock.Add(remembered + time.Second)
	want(password("alice", "second"), "second", 1)
	want(password("alice", "bcrypted"), "htpasswd", 1)
	want(password("alice", "bcrypted"), "htpasswd", 0)

	a := c.configured["alice"]
	a.Secrets = []Secret{a.Secrets[0]} // the others are removed
	c.configured["alice"] = a
	want(password("alice", "second"), "", 1)
	c.Htpasswd, _ = ReadHtpasswd("alice:" + strings.Replace(bcrypted, "Lta", "Lt.", 1)) // changed
	want(password("alice", "bcrypted"), "", 1)
}

// What the state file says counts from the next sign-in on.
func TestStoredAccounts(t *testing.T) {
	s, err := store.Open(filepath.Join(t.TempDir(), "restante.db"), true)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ctx := context.Background()
	c := newCounted(t, "")
	c.Store = s
	put := func(label, plain string) {
		t.Helper()
		a := Account{Name: "carol", Secrets: []Secret{{Label: label, Hash: HashPassword(secret.New(plain), "")}}}
		settings, err := a.Encode()
		if err == nil {
			err = s.PutAccount(ctx, store.Account{Name: "carol", Settings: settings})
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	want := func(plain, label string) {
		t.Helper()
		if got, _, _ := c.judge(t, password("Carol", plain)); got != label {
			t.Errorf("%s opens %q; want %q", plain, got, label)
		}
	}
	want("one", "")
	put("a", "one")
	want("one", "a")
	want("one", "a")
	put("b", "two")
	want("one", "")
	want("two", "b")
	if _, err := s.RemoveAccount(ctx, "carol"); err != nil {
		t.Fatal(err)
	}
	want("two", "")
	if err := s.PutAccount(ctx, store.Account{Name: "carol", Settings: []byte("{")}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Judge(ctx, password("carol", "two")); err == nil || errors.Is(err, ErrWrong) {
		t.Errorf("an account that cannot be read: %v", err)
	}
}

// More passwords at once than can be checked wait, a bounded number of them,
// and nobody for longer than they want to.
func TestWorkIsBounded(t *testing.T) {
	w := newWork(2, 1)
	release := make(chan struct{})
	running := make(chan struct{}, 4)
	var all sync.WaitGroup
	for range 4 { // 2 run and 2 wait
		all.Go(func() {
			if err := w.do(context.Background(), func() { running <- struct{}{}; <-release }); err != nil {
				t.Error(err)
			}
		})
	}
	<-running
	<-running
	for len(w.places) < 4 {
		runtime.Gosched() // until all have come
	}
	if err := w.do(context.Background(), func() { t.Error("it ran") }); !errors.Is(err, ErrTryLater) {
		t.Errorf("a fifth: %v; want ErrTryLater", err)
	}
	close(release)
	all.Wait()
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	w.running <- struct{}{}
	w.running <- struct{}{}
	if err := w.do(ended, func() { t.Error("it ran") }); !errors.Is(err, ErrTryLater) {
		t.Errorf("somebody who left: %v; want ErrTryLater", err)
	}
	if len(w.places) != 0 {
		t.Errorf("%d places are not given back", len(w.places))
	}
}

func TestProofsAreBounded(t *testing.T) {
	m := NewMemory()
	for i := range maxProofs {
		m.proofs[proof{byte(i), byte(i >> 8), byte(i >> 16), 1}] = success{until: noon.Add(time.Duration(i%2) * time.Hour)}
	}
	m.remember("alice", secret.New("x"), "h", noon.Add(time.Minute))
	if n := len(m.proofs); n != maxProofs/2+1 {
		t.Errorf("%d are remembered; want those that are not over, and the new one", n)
	}
	if s := m.opened("alice", secret.New("x"), []Secret{{Label: "l", Hash: "h"}}, noon.Add(time.Minute)); s == nil {
		t.Error("the new one is not")
	}
}

func TestHtpasswd(t *testing.T) {
	h, problems := ReadHtpasswd(strings.Join([]string{
		"# comment", "", "bob:" + bcrypted, "Bob:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=",
		"sha:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=", "apr:$apr1$JI4wh3am$dlsc0Twuwup.sFIQpvKY50",
		"plain:password", "des:rqXexS6ZhobKA", "nocolon", ":x", "dear:" + strings.Replace(bcrypted, "$04$", "$31$", 1),
		"rounds:$5$rounds=999999999$saltstring$x", "cut:$2y$04$x",
	}, "\n"))
	want := []string{"line 4: ", "line 7: ", "line 8: ", "line 9: ", "line 10: ", "line 11: ", "line 12: ", "line 13: "}
	for i, problem := range problems {
		if i >= len(want) || !strings.HasPrefix(problem, want[i]) || strings.Contains(problem, "$2y$") {
			t.Errorf("problem %q", problem)
		}
	}
	if len(problems) != len(want) || len(h.users) != 3 {
		t.Errorf("%d problems, %d users", len(problems), len(h.users))
	}
	for name, plain := range map[string]string{"bob": "bcrypted", "sha": "password", "apr": "testpassword"} {
		l, found := h.line(name)
		if !found || l.match(secret.New(plain+"x")) {
			t.Errorf("%s: %v", name, found)
		}
		if !l.match(secret.New(plain)) {
			t.Errorf("%s: %s is not its password", name, plain)
		}
	}
}
