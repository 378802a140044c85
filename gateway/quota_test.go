package gateway_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"mime"
	"net/mail"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/restante-mail/restante/auth"
	"github.com/restante-mail/restante/gateway"
	"github.com/restante-mail/restante/memimap"
	"github.com/restante-mail/restante/peertest"
	"github.com/restante-mail/restante/policy"
	"github.com/restante-mail/restante/pop3"
	"github.com/restante-mail/restante/secret"
	"github.com/restante-mail/restante/store"
	"github.com/restante-mail/restante/upstream"
)

// clock is a time that a test sets while sessions read it.
type clock struct{ seconds atomic.Int64 }

func newClock() *clock {
	c := new(clock)
	c.seconds.Store(time.Now().Unix())
	return c
}

func (c *clock) now() time.Time       { return time.Unix(c.seconds.Load(), 0) }
func (c *clock) pass(d time.Duration) { c.seconds.Add(int64(d / time.Second)) }

// limited is a server with QUOTA, and its user's account with messages of so
// many KiB, an hour apart.
func limited(t *testing.T, kib ...int) (upstream.Server, *memimap.User) {
	t.Helper()
	server := memimap.New()
	server.InsecureAuth, server.Has = true, []string{"QUOTA"}
	account := server.AddUser(user, secret.New(password))
	for i, n := range kib {
		weigh(account, n, time.Now().Add(time.Duration(i-1000)*time.Hour))
	}
	return bridgeTo(t, serve(t, server.Serve, func() { server.Close() })), account
}

// weigh delivers a message of so many KiB.
func weigh(account *memimap.User, kib int, at time.Time) {
	text := fmt.Sprintf("Subject: %d KiB\r\n\r\n", kib)
	account.Mailbox("INBOX").Append([]byte(text+strings.Repeat("x", kib<<10-len(text)-2)+"\r\n"), nil, at)
}

// warning is what a client sees of the notice: nothing, or its UIDL and octets.
func warning(t *testing.T, c *pop3.Client) (uidl, text string, number int) {
	t.Helper()
	sizes, err := c.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	names := uidls(t, c)
	count, total, err := c.Stat(t.Context())
	if err != nil || count != len(names) || count != len(sizes) {
		t.Fatalf("STAT says %d, %v; LIST %d, UIDL %d", count, err, len(sizes), len(names))
	}
	for i, m := range sizes {
		total -= m.Size
		if strings.HasPrefix(names[i], "quota-") {
			uidl, text, number = names[i], string(retrieve(t, c, i+1)), i+1
			if int64(len(text)) != m.Size || number != count {
				t.Errorf("message %d of %d has %d octets, and LIST says %d", number, count, len(text), m.Size)
			}
		}
	}
	if total != 0 {
		t.Errorf("STAT is %d off the sum of LIST", total)
	}
	return uidl, text, number
}

// TestNoticeLasts: from its first listing to the end of the episode the notice
// is the same to the octet, through drops, restarts and a fuller mailbox; once it
// is deleted and QUIT it is gone for the episode; the next one has another.
func TestNoticeLasts(t *testing.T) {
	server, account := limited(t, 10, 10)
	state, passing := stateFile(t), newClock()
	p := preset("read-only", func(p *policy.Policy) { p.QuotaWarn = 80 })
	restart := func() string {
		g := remembering(server, state, &p)
		g.Now = passing.now
		address, _ := recorded(t, g)
		return address
	}
	address := restart()
	see := func(end func(*pop3.Client, int)) string {
		t.Helper()
		passing.pass(time.Hour)
		c := signIn(t, address)
		name, text, number := warning(t, c)
		end(c, number)
		c.Close()
		quit(t, signIn(t, address)) // once it is let in, the first session is over
		return name + text
	}
	leave := func(c *pop3.Client, _ int) { quit(t, c) }
	drop := func(c *pop3.Client, n int) { dele(t, c, n) }
	dismiss := func(c *pop3.Client, n int) { dele(t, c, n); quit(t, c) }

	if got := see(leave); got != "" {
		t.Errorf("without a quota there is a notice:\n%s", got)
	}
	account.SetQuota("User quota", 26<<10) // 76 %
	if got := see(leave); got != "" {
		t.Errorf("at 76 %% there is a notice:\n%s", got)
	}
	account.SetQuota("User quota", 25<<10) // 80 %
	first := see(drop)
	if !strings.Contains(first, "Subject: Your mailbox is 80% full\r\n") || !strings.Contains(first, "\r\nAuto-Submitted: auto-generated\r\n") ||
		!strings.Contains(first, "\r\nContent-Type: text/plain; charset=us-ascii\r\n") || !strings.Contains(first, "makes no room") {
		t.Errorf("the notice is\n%s", first)
	}
	weigh(account, 3, passing.now()) // 92 %
	if got := see(leave); got != first {
		t.Errorf("the notice was\n%s\nand is\n%s", first, got)
	}
	address = restart()
	account.SetQuota("User quota", 0) // the server does not tell
	if got := see(leave); got != first {
		t.Errorf("after a restart the notice is\n%s", got)
	}
	account.SetQuota("User quota", 25<<10)
	if got := see(dismiss); got != first {
		t.Errorf("before it was deleted the notice is\n%s", got)
	}
	if got := see(leave); got != "" {
		t.Errorf("a deleted notice is there again:\n%s", got)
	}
	account.Mailbox("INBOX").Remove(1) // 52 %: the episode is over
	if got := see(leave); got != "" {
		t.Errorf("at 52 %% there is a notice:\n%s", got)
	}
	weigh(account, 10, passing.now())
	if got := see(leave); !strings.HasPrefix(got, "quota-") || got[:20] == first[:20] {
		t.Errorf("the next episode has the notice\n%s", got)
	}
	p.QuotaWarn = 0
	if got := see(leave); got != "" {
		t.Errorf("without quota_warn there is a notice:\n%s", got)
	}
	if n := len(account.Mailbox("INBOX").Messages()); n != 3 {
		t.Errorf("%d messages are left, want 3", n)
	}
}

// TestNoticeCosts two transactions: one when it begins, one when it is deleted.
func TestNoticeCosts(t *testing.T) {
	server, account := limited(t, 10)
	account.SetQuota("User quota", 11<<10)
	state := stateFile(t)
	p := preset("recent", func(p *policy.Policy) { p.QuotaWarn = 90 })
	address := front(t, remembering(server, state, &p))
	for _, wants := range []int32{1, 1, 2, 2} {
		c := signIn(t, address)
		if _, _, n := warning(t, c); n > 0 && wants == 2 {
			dele(t, c, n)
		}
		quit(t, c)
		quit(t, signIn(t, address))
		if got := int32(state.writes.Load()); got != wants {
			t.Errorf("%d transactions, want %d", got, wants)
		}
	}
}

// TestNoticeInThai decodes to text that a person can read, and comes to the view
// without a name alone.
func TestNoticeInThai(t *testing.T) {
	server, account := limited(t, 10)
	account.SetQuota("User quota", 11<<10)
	p := preset("keep", func(p *policy.Policy) {
		p.QuotaWarn, p.Language, p.QuotaReclaim = 50, "th", policy.Reclaim{Above: 95, Do: policy.Act{Do: policy.Move, Target: "เก่า"}}
	})
	address := front(t, viewed(server, stateFile(t), true, map[string]policy.Policy{"": p, "printer": p}))
	c := signInAs(t, address, "printer")
	if _, text, _ := warning(t, c); text != "" {
		t.Errorf("the printer sees\n%s", text)
	}
	quit(t, c)
	c = signInAs(t, address, "")
	_, text, _ := warning(t, c)
	if long := slices.ContainsFunc(strings.Split(text, "\r\n"), func(line string) bool { return len(line) > 78 }); long || strings.ContainsFunc(text, func(r rune) bool { return r > '~' }) {
		t.Errorf("not for old clients:\n%s", text)
	}
	m, err := mail.ReadMessage(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	subject, err := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
	if err != nil || !strings.Contains(subject, "90%") || !strings.Contains(subject, "กล่องจดหมาย") {
		t.Errorf("the subject is %q, %v", subject, err)
	}
	body, err := io.ReadAll(base64.NewDecoder(base64.StdEncoding, m.Body))
	if err != nil || !strings.Contains(string(body), "ย้ายไปยังโฟลเดอร์ \"เก่า\"") || !strings.Contains(string(body), "10 kB จาก 11 kB") {
		t.Errorf("the text is\n%s\n%v", body, err)
	}
}

// TestReclaim: the oldest that was retrieved goes at QUIT, as much as is needed,
// and only to where it makes room.
func TestReclaim(t *testing.T) {
	expunge := policy.Act{Do: policy.Expunge}
	move := policy.Act{Do: policy.Move, Target: "Old"}
	for _, test := range []struct {
		name   string
		change func(*policy.Policy, *memimap.User, store.Info)
		drop   bool
		left   []uint32
		says   string
	}{
		{name: "expunge", left: []uint32{1, 4, 5}, says: "quota_reclaim above 80 %"},
		{name: "a drop removes nothing", drop: true, left: []uint32{1, 2, 3, 4, 5}},
		{name: "room enough", change: func(p *policy.Policy, u *memimap.User, _ store.Info) { u.SetQuota("User quota", 63<<10) }, left: []uint32{1, 2, 3, 4, 5}},
		{name: "held", change: func(_ *policy.Policy, _ *memimap.User, i store.Info) {
			if err := store.Hold(t.Context(), i.Path, "test\n"+user, true); err != nil {
				t.Fatal(err)
			}
		}, left: []uint32{1, 2, 3, 4, 5}, says: "the account is held"},
		{name: "too many", change: func(p *policy.Policy, _ *memimap.User, _ store.Info) { p.MaxRemovals = 1 }, left: []uint32{1, 2, 3, 4, 5}, says: "max_removals is 1"},
		{name: "dry", change: func(p *policy.Policy, _ *memimap.User, _ store.Info) { p.DryRun = true }, left: []uint32{1, 2, 3, 4, 5}, says: "dry_run"},
		{name: "to where the same quota counts", change: func(p *policy.Policy, u *memimap.User, _ store.Info) {
			u.Mailbox("Old")
			p.QuotaReclaim.Do = move
		}, left: []uint32{1, 2, 3, 4, 5}, says: "its target comes under the same quota"},
		{name: "to nowhere", change: func(p *policy.Policy, _ *memimap.User, _ store.Info) { p.QuotaReclaim.Do = move },
			left: []uint32{1, 2, 3, 4, 5}, says: "does not tell which quota"},
		{name: "to another quota", change: func(p *policy.Policy, u *memimap.User, _ store.Info) {
			u.Mailbox("Old")
			u.SetQuota("Archive", 1<<20, "Old")
			p.QuotaReclaim.Do = move
		}, left: []uint32{1, 4, 5}},
	} {
		t.Run(test.name, func(t *testing.T) {
			server, account := limited(t, 10, 10, 10, 10, 10)
			account.SetQuota("User quota", 40<<10) // of which 32 may be in use
			state := stateFile(t)
			info, err := state.Info(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			p := preset("keep", func(p *policy.Policy) { p.QuotaReclaim = policy.Reclaim{Above: 80, Do: expunge} })
			if test.change != nil {
				test.change(&p, account, info)
			}
			g := remembering(server, state, &p)
			var log bytes.Buffer
			logger := logrus.New()
			logger.SetOutput(&log)
			g.Log = logger
			address := front(t, g)
			c := signIn(t, address)
			for _, n := range []int{5, 3, 2} {
				retrieve(t, c, n)
			}
			if test.drop {
				c.Close()
			} else {
				quit(t, c)
			}
			quit(t, signInAndList(t, address))
			var left []uint32
			for _, m := range account.Mailbox("INBOX").Messages() {
				left = append(left, m.UID)
			}
			if !slices.Equal(left, test.left) || !strings.Contains(log.String(), test.says) {
				t.Errorf("left are %v, want %v; want %q in the log\n%s", left, test.left, test.says, log.String())
			}
		})
	}
}

// TestReclaimWaitsForTheServer: one that goes on telling what was in use before
// condemns nothing more until a day has passed; once it has told less, what fills
// the mailbox again is other mail.
func TestReclaimWaitsForTheServer(t *testing.T) {
	server, account := limited(t, 10, 10, 10, 10)
	state := stateFile(t)
	p := preset("keep", func(p *policy.Policy) {
		p.QuotaReclaim = policy.Reclaim{Above: 80, Do: policy.Act{Do: policy.Expunge}}
	})
	g, passing := remembering(server, state, &p), newClock()
	g.Now = passing.now
	address := front(t, g)
	account.SetQuota("User quota", 42<<10)
	c := signIn(t, address)
	for n := range 4 {
		retrieve(t, c, n+1)
	}
	quit(t, c)
	for _, step := range []struct {
		wait time.Duration
		left int
	}{{time.Hour, 3}, {22 * time.Hour, 3}, {time.Hour, 2}, {time.Hour, 2}, {0, 2}, {time.Hour, 1}} {
		passing.pass(step.wait)
		if lags := step.wait > 0; lags {
			heavy(account)
		} else {
			empty(account.Mailbox("Trash")) // less is in use
		}
		quit(t, signInAndList(t, address))
		quit(t, signIn(t, address))
		if n := len(account.Mailbox("INBOX").Messages()); n != step.left {
			t.Errorf("after %v more %d are left, want %d", step.wait, n, step.left)
		}
	}
}

func empty(box *memimap.Mailbox) {
	for _, m := range box.Messages() {
		box.Remove(m.UID)
	}
}

// heavy makes the account as full as if nothing had been removed.
func heavy(account *memimap.User) {
	trash := account.Mailbox("Trash")
	empty(trash)
	missing := 40
	for _, m := range account.Mailbox("INBOX").Messages() {
		missing -= len(m.Raw) >> 10
	}
	trash.Append(make([]byte, missing<<10), nil, time.Now())
}

// TestReclaimNeedsUIDPLUS: where a message can only be moved to the trash, or
// marked, removing makes no room.
func TestReclaimNeedsUIDPLUS(t *testing.T) {
	for _, lacks := range [][]string{{"UIDPLUS"}, {"UIDPLUS", "MOVE"}} {
		server := memimap.New()
		server.InsecureAuth, server.Has, server.Lacks = true, []string{"QUOTA"}, lacks
		account := server.AddUser(user, secret.New(password))
		weigh(account, 10, time.Now())
		account.SetQuota("User quota", 5<<10)
		p := preset("keep", func(p *policy.Policy) {
			p.QuotaReclaim = policy.Reclaim{Above: 80, Do: policy.Act{Do: policy.Expunge}}
		})
		address := front(t, remembering(bridgeTo(t, serve(t, server.Serve, func() { server.Close() })), stateFile(t), &p))
		c := signIn(t, address)
		retrieve(t, c, 1)
		quit(t, c)
		if got := flags(account.Mailbox("INBOX")); !slices.Equal(got, []string{`\Seen`}) {
			t.Errorf("without %v flags are %q, want the message left alone", lacks, got)
		}
	}
}

// TestQuotaOfDovecot: the notice comes and goes with what a real server says,
// and room is made in a namespace of its own.
func TestQuotaOfDovecot(t *testing.T) {
	d := peertest.Dovecot(t, peertest.WithUsers(map[string]string{user: password}), peertest.WithConfig(quotaPlugin))
	for i := range 4 {
		d.Deliver(user, "INBOX", fmt.Appendf(nil, "Subject: %d\r\n\r\n%s", i, strings.Repeat(strings.Repeat("x", 70)+"\r\n", 140)))
	}
	state := stateFile(t)
	p := preset("classic", func(p *policy.Policy) { p.QuotaWarn = 80 })
	g := remembering(bridgeTo(t, d.IMAPAddr()), state, &p)
	address := front(t, g)
	c := signIn(t, address)
	_, text, number := warning(t, c)
	if number != 5 || !strings.Contains(text, "Your mailbox is 97% full") && !strings.Contains(text, "Your mailbox is 98% full") {
		t.Errorf("message %d is\n%s", number, text)
	}
	dele(t, c, 1)
	quit(t, c)
	c = signIn(t, address)
	if _, text, _ := warning(t, c); text != "" {
		t.Errorf("with room again there is\n%s", text)
	}
	quit(t, c)

	p.QuotaReclaim = policy.Reclaim{Above: 50, Do: policy.Act{Do: policy.Move, Target: "Trash"}}
	for _, step := range []struct {
		target      string
		inbox, kept int
	}{{"Trash", 3, 0}, {"Old/Mail", 2, 1}} {
		p.QuotaReclaim.Do.Target = step.target
		c = signIn(t, address)
		for n := range 3 {
			retrieve(t, c, n+1)
		}
		quit(t, c)
		quit(t, signIn(t, address))
		if n, kept := len(d.Messages(user, "INBOX")), len(d.Messages(user, step.target)); n != step.inbox || kept != step.kept {
			t.Errorf("to %s: %d are left and %d there, want %d and %d", step.target, n, kept, step.inbox, step.kept)
		}
	}
}

// quotaPlugin has 40 KiB for the namespace of INBOX, and 10 MiB for another.
const quotaPlugin = `
mail_plugins = $mail_plugins quota
protocol imap {
  mail_plugins = $mail_plugins imap_quota
}
namespace old {
  prefix = Old/
  separator = /
  location = maildir:~/Old
  mailbox Mail {
    auto = create
  }
}
namespace inbox {
  separator = /
}
plugin {
  quota = count:User quota:ns=
  quota_rule = *:storage=41K
  quota_grace = 0
  quota_vsizes = yes
  quota2 = count:Old mail:ns=Old/
  quota2_rule = *:storage=10M
}
`

// TestNoticeInTheAccountsLanguage, whatever the policy says.
func TestNoticeInTheAccountsLanguage(t *testing.T) {
	server, account := limited(t, 10)
	account.SetQuota("User quota", 11<<10)
	keys := auth.NewKeyring(filepath.Join(t.TempDir(), "key"))
	held, err := keys.Seal(user, auth.UpstreamPurpose, secret.New(password))
	if err != nil {
		t.Fatal(err)
	}
	p := preset("keep", func(p *policy.Policy) { p.QuotaWarn, p.Language = 50, "en" })
	g := remembering(server, stateFile(t), &p)
	g.Accounts = auth.NewDirectory([]auth.Account{{Name: user, Language: "th", Secrets: []auth.Secret{{Label: "main", Hash: auth.HashPassword(secret.New("own"), "")}},
		Upstream: auth.Identity{Method: auth.ByPassword, User: user, Sealed: held}}})
	g.Accounts.Keys = keys
	route := g.Route
	g.Route = func(name string, client netip.Addr, listener string) (gateway.Route, error) {
		r, err := route(name, client, listener)
		r.Base, r.Accounts = name, auth.UseOnly
		return r, err
	}
	c := connect(t, front(t, g))
	if err := c.Login(t.Context(), user, secret.New("own")); err != nil {
		t.Fatal(err)
	}
	if _, text, _ := warning(t, c); !strings.Contains(text, "Content-Language: th\r\n") {
		t.Errorf("the notice is\n%s", text)
	}
	quit(t, c)
}

// TestDryRunWritesNothing, neither upstream nor in the state, and says what it
// would do.
func TestDryRunWritesNothing(t *testing.T) {
	server, account := limited(t, 10, 10)
	account.SetQuota("User quota", 20<<10)
	state := stateFile(t)
	p := preset("keep", func(p *policy.Policy) {
		p.DryRun, p.QuotaWarn, p.Newest, p.FromNowOn = true, 50, 1, true
		p.Retain = []policy.Rule{{Since: policy.SinceArrived, After: policy.Age(time.Hour), Do: policy.Act{Do: policy.Expunge}, Unretrieved: true}}
	})
	g := remembering(server, state, &p)
	var log bytes.Buffer
	logger := logrus.New()
	logger.SetOutput(&log)
	g.Log = logger
	address := front(t, g)
	for range 2 {
		c := signIn(t, address)
		if got := uidls(t, c); len(got) != 0 {
			t.Errorf("%v are shown; each sign-in is the first", got)
		}
		quit(t, c)
		p.FromNowOn = false
		c = signIn(t, address)
		if got := uidls(t, c); len(got) != 1 {
			t.Errorf("%v are shown, want the newest, and no notice", got)
		}
		retrieve(t, c, 1)
		dele(t, c, 1)
		quit(t, c)
		p.FromNowOn = true
	}
	quit(t, signIn(t, address))
	if n := state.writes.Load(); n != 0 {
		t.Errorf("%d transactions", n)
	}
	if got := flags(account.Mailbox("INBOX")); !slices.Equal(got, []string{"", ""}) {
		t.Errorf("flags are %q", got)
	}
	for _, want := range []string{"dry_run: nothing is changed upstream, and nothing is remembered", "would_hide=1", "not done: dry_run"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("%q is not in\n%s", want, log.String())
		}
	}
}

// TestReclaimBesides: of sessions side by side, or of views one after the other
// while the server goes on counting what is gone, one makes room.
func TestReclaimBesides(t *testing.T) {
	reclaim := preset("keep", func(p *policy.Policy) {
		p.QuotaReclaim, p.Lock = policy.Reclaim{Above: 80, Do: policy.Act{Do: policy.Expunge}}, policy.LockShared
	})
	for _, test := range []struct {
		name, second string
		beside       bool // they are signed in at the same time
	}{{"sessions", "", true}, {"views at once", "printer", true}, {"views", "printer", false}} {
		t.Run(test.name, func(t *testing.T) {
			server, account := limited(t, 10, 10, 10, 10)
			g := viewed(server, stateFile(t), true, map[string]policy.Policy{"": reclaim, "printer": reclaim})
			address := front(t, g)
			for _, view := range []string{"", "printer"} {
				c := signInAs(t, address, view)
				for n := range 4 {
					retrieve(t, c, n+1)
				}
				quit(t, c)
			}
			account.SetQuota("User quota", 42<<10)
			first := signInAs(t, address, "")
			uidls(t, first)
			var second *pop3.Client
			if test.beside {
				second = signInAs(t, address, test.second)
				uidls(t, second)
			}
			quit(t, first)
			if !test.beside {
				heavy(account)
				second = signInAs(t, address, test.second)
				uidls(t, second)
			}
			quit(t, second)
			if n := len(account.Mailbox("INBOX").Messages()); n != 3 {
				t.Errorf("%d are left, want 3", n)
			}
		})
	}
}
