package gateway_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/restante-mail/restante/gateway"
	"github.com/restante-mail/restante/memimap"
	"github.com/restante-mail/restante/peertest"
	"github.com/restante-mail/restante/policy"
	"github.com/restante-mail/restante/pop3"
	"github.com/restante-mail/restante/store"
	"github.com/restante-mail/restante/upstream"
)

// A history is what a client, other clients, an administrator and time do to a
// mailbox, at random. What must hold is checked after every step.
type history struct {
	t       *testing.T
	rand    *rand.Rand
	inbox   inbox
	state   *counting
	address string
	policy  *policy.Policy
	now     *time.Time

	names     map[uint32]string // the UIDL of each UID, once it was seen
	hidden    map[uint32]bool   // by a session that ended with QUIT
	condemned map[uint32]string // may be removed, and why
	retrieved map[uint32]time.Time
	deleted   map[uint32]time.Time
	arrived   map[uint32]time.Time // or first seen, whichever is later
	others    map[uint32]bool      // removed by other clients
	letters   int
	notices   map[string]string // the octets of each that was seen
	fill      int64             // percent, before the session
	fills     int               // how often that was known
}

// seedOf is a new seed, or the one that failed: RESTANTE_SEED says which.
func seedOf(t *testing.T) uint64 {
	if text := os.Getenv("RESTANTE_SEED"); text != "" {
		seed, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		return seed
	}
	return rand.Uint64()
}

func newHistory(t *testing.T, seed uint64, server upstream.Server, inbox inbox) *history {
	t.Logf("RESTANTE_SEED=%d", seed)
	now := time.Now()
	p := preset("keep")
	h := &history{t: t, rand: rand.New(rand.NewPCG(seed, 0)), inbox: inbox, state: stateFile(t), policy: &p, now: &now,
		names: map[uint32]string{}, hidden: map[uint32]bool{}, condemned: map[uint32]string{}, others: map[uint32]bool{},
		retrieved: map[uint32]time.Time{}, deleted: map[uint32]time.Time{}, arrived: map[uint32]time.Time{}, notices: map[string]string{}}
	g := over(server, func(r *gateway.Route) { r.Policy, r.PolicyName = *h.policy, "test" })
	g.Shared.Store, g.Now = h.state, func() time.Time { return *h.now }
	h.address = front(t, g)
	h.deliver(5)
	return h
}

func (h *history) deliver(n int) {
	for range n {
		h.letters++
		uid, arrived := h.inbox.deliver(fmt.Appendf(nil, "Subject: %d\r\n\r\nbody\r\n", h.letters), *h.now)
		h.arrived[uid] = arrived
	}
}

// policies that a history goes through. All of them may follow each other.
func (h *history) anyPolicy() policy.Policy {
	day := policy.Age(24 * time.Hour)
	expunge := policy.Act{Do: policy.Expunge}
	all := []policy.Policy{
		preset("keep"), preset("classic"), preset("recent"), preset("gmail-trash"), preset("read-only"), preset("keep-days"),
		preset("keep", func(p *policy.Policy) { p.OnRetrieve.Do = policy.Hide }),
		preset("keep", func(p *policy.Policy) { p.Newest = 4 }),
		preset("keep", func(p *policy.Policy) { p.FromNowOn = true }),
		preset("keep", func(p *policy.Policy) {
			p.Retain = []policy.Rule{{Since: policy.SinceRetrieved, After: 3 * day, Do: expunge}}
		}),
		preset("keep", func(p *policy.Policy) {
			p.Retain = []policy.Rule{{Since: policy.SinceArrived, After: 5 * day, Do: expunge}}
		}),
		preset("keep", func(p *policy.Policy) {
			p.Retain = []policy.Rule{{Since: policy.SinceArrived, After: 9 * day, Do: policy.Act{Do: policy.Trash}, Unretrieved: true}}
		}),
		preset("classic", func(p *policy.Policy) { p.DryRun = true }),
		preset("classic", func(p *policy.Policy) { p.OnRetrieve.Do = policy.Expunge }),
	}
	full := []policy.Policy{
		preset("keep", func(p *policy.Policy) { p.QuotaWarn = 50 }),
		preset("recent", func(p *policy.Policy) {
			p.QuotaWarn, p.QuotaReclaim = 60, policy.Reclaim{Above: 70, Do: expunge}
		}),
		preset("keep", func(p *policy.Policy) {
			p.QuotaReclaim = policy.Reclaim{Above: 50, Do: policy.Act{Do: policy.Trash}}
		}),
	}
	if _, fills := h.inbox.(nearlyFull); fills && h.rand.IntN(2) == 0 {
		return full[h.rand.IntN(len(full))]
	}
	all = append(all, full...)
	return all[h.rand.IntN(len(all))]
}

// step is one thing that happens.
func (h *history) step() {
	switch h.rand.IntN(12) {
	case 0:
		h.deliver(1 + h.rand.IntN(3))
	case 1:
		h.otherClient()
	case 2:
		*h.now = h.now.Add(time.Duration(1+h.rand.IntN(72)) * time.Hour)
	case 3:
		*h.policy = h.anyPolicy()
		if h.rand.IntN(2) == 0 {
			h.approve()
		}
	default:
		h.session()
	}
}

func (h *history) approve() {
	var rules []string
	for _, r := range h.policy.Retain {
		rules = append(rules, r.Hash("test"))
	}
	info, err := h.state.Info(h.t.Context())
	if err == nil {
		err = store.Approve(h.t.Context(), info.Path, rules, h.now.Unix())
	}
	if err != nil {
		h.t.Fatal(err)
	}
}

// otherClient removes a message, or reads one.
func (h *history) otherClient() {
	uids := h.uids()
	if len(uids) == 0 {
		return
	}
	uid := uids[h.rand.IntN(len(uids))]
	if h.rand.IntN(2) == 0 {
		h.inbox.remove(uid)
		h.others[uid] = true
	} else {
		h.inbox.see(uid)
	}
}

func (h *history) uids() (all []uint32) {
	for _, m := range h.inbox.list() {
		all = append(all, m.UID)
	}
	return all
}

func (h *history) flags() (all []string) {
	for _, m := range h.inbox.list() {
		all = append(all, m.Flags)
	}
	return all
}

// session is a client's, ended by QUIT or by hanging up.
func (h *history) session() {
	before, flagsBefore := h.uids(), h.flags()
	if filled, ok := h.inbox.(interface{ percent() int64 }); ok {
		h.fill, h.fills = filled.percent(), h.fills+1
	}
	c := signIn(h.t, h.address)
	shown := h.look(c, before)
	var retrieved, deleted []uint32
	for n, uid := range shown {
		if h.rand.IntN(3) == 0 {
			retrieve(h.t, c, n+1)
			retrieved = append(retrieved, uid)
		}
		if h.rand.IntN(4) == 0 {
			if refused, err := c.Dele(h.t.Context(), n+1); err != nil {
				h.t.Fatal(err)
			} else if refused[0] == nil {
				deleted = append(deleted, uid)
			}
		}
	}
	switch h.rand.IntN(6) {
	case 0, 1:
		c.Close()
		quit(h.t, signInAndList(h.t, h.address)) // once it is let in, the first session is over; what it may do is checked below
		retrieved, deleted = nil, nil
		if len(h.policy.Retain) == 0 && !h.policy.QuotaReclaim.On() && (!slices.Equal(h.uids(), before) || !slices.Equal(h.flags(), flagsBefore)) {
			h.t.Fatalf("a dropped session left %v %q, before it was %v %q", h.uids(), h.flags(), before, flagsBefore)
		}
	case 2:
		h.fail(c, before, retrieved, deleted)
		return
	default:
		quit(h.t, c)
		quit(h.t, signInAndList(h.t, h.address))
	}
	h.judge(before, retrieved, deleted)
}

// fail ends a session whose first or second write fails, as after a crash
// before or after the changes upstream. The client is told so, and may find
// everything as it was, or removed what it deleted; nothing else, and nothing
// is hidden from it.
func (h *history) fail(c *pop3.Client, before, retrieved, deleted []uint32) {
	h.state.failIn.Store(int64(1 + h.rand.IntN(2)))
	failed := c.Quit(h.t.Context()) != nil
	h.state.failIn.Store(0)
	quit(h.t, signInAndList(h.t, h.address))
	if !failed {
		h.judge(before, retrieved, deleted)
		return
	}
	for _, uid := range before {
		if !slices.Contains(h.uids(), uid) && !h.mayGo(uid, retrieved, deleted) && !h.others[uid] {
			h.t.Fatalf("UID %d was removed by a session that failed, under %+v", uid, *h.policy)
		}
	}
	v, err := h.state.View(h.t.Context(), store.ViewKey{Maildrop: gateway.Maildrop("test", user)})
	if err != nil || len(v.Intents) != 0 {
		h.t.Fatalf("%d intents are open after the next session, %v", len(v.Intents), err)
	}
}

func signInAndList(t *testing.T, address string) *pop3.Client {
	c := signIn(t, address)
	uidls(t, c)
	return c
}

// look checks what is shown, and returns its UIDs.
func (h *history) look(c *pop3.Client, there []uint32) (shown []uint32) {
	seen := map[string]bool{}
	for _, name := range uidls(h.t, c) {
		if seen[name] {
			h.t.Fatalf("the UIDL %s is there twice", name)
		}
		seen[name] = true
		if strings.HasPrefix(name, "quota-") {
			h.notice(c, name, len(seen))
			continue
		}
		n, err := strconv.ParseUint(name[:8], 16, 32)
		uid := uint32(n)
		if err != nil || !slices.Contains(there, uid) {
			h.t.Fatalf("the UIDL %s is of no message: %v", name, there)
		}
		if known := h.names[uid]; known != "" && known != name {
			h.t.Fatalf("UID %d was %s and is %s", uid, known, name)
		}
		h.names[uid] = name
		if h.hidden[uid] {
			h.t.Fatalf("UID %d was hidden, and is shown under %+v", uid, *h.policy)
		}
		shown = append(shown, uid)
	}
	if !slices.IsSorted(shown) {
		h.t.Fatalf("the order is %v", shown)
	}
	return shown
}

// notice checks that it is the last message, and the same as ever to the octet;
// and deletes it at times.
func (h *history) notice(c *pop3.Client, name string, number int) {
	count, _, err := c.Stat(h.t.Context())
	text := string(retrieve(h.t, c, number))
	if known := h.notices[name]; err != nil || count != number || known != "" && known != text || h.policy.QuotaWarn == 0 {
		h.t.Fatalf("%v: the notice is message %d of %d, under %+v; it was\n%s\nand is\n%s", err, number, count, *h.policy, known, text)
	}
	if h.notices[name] = text; h.rand.IntN(4) == 0 {
		dele(h.t, c, number)
	}
}

// judge checks that whatever is gone was condemned by a policy in its own terms.
func (h *history) judge(before, retrieved, deleted []uint32) {
	if h.policy.DryRun {
		retrieved, deleted = nil, nil
	}
	for _, uid := range retrieved {
		if h.retrieved[uid].IsZero() {
			h.retrieved[uid] = *h.now
		}
		h.hidden[uid] = h.hidden[uid] || h.policy.OnRetrieve.Do == policy.Hide
	}
	for _, uid := range deleted {
		if h.deleted[uid].IsZero() {
			h.deleted[uid] = *h.now
		}
		h.hidden[uid] = h.hidden[uid] || h.policy.OnDelete.Do == policy.Hide
	}
	left := h.uids()
	for _, uid := range before {
		if !slices.Contains(left, uid) && !h.others[uid] && !h.mayGo(uid, retrieved, deleted) {
			h.t.Fatalf("UID %d was removed under %+v; retrieved %v, deleted %v, arrived %v, now %v", uid, *h.policy,
				h.retrieved[uid], h.deleted[uid], h.arrived[uid], *h.now)
		}
	}
}

func removes(a policy.Act) bool {
	return a.Do == policy.Expunge || a.Do == policy.Trash || a.Do == policy.Archive
}

func (h *history) mayGo(uid uint32, retrieved, deleted []uint32) bool {
	if slices.Contains(deleted, uid) && removes(h.policy.OnDelete) || slices.Contains(retrieved, uid) && removes(h.policy.OnRetrieve) {
		return true
	}
	if above := int64(h.policy.QuotaReclaim.Above); above > 0 && h.fill > above && h.fills > 0 &&
		(!h.retrieved[uid].IsZero() || slices.Contains(retrieved, uid)) { // in the session itself, too: it has sent QUIT
		return true
	}
	for _, r := range h.policy.Retain {
		since := map[policy.Since]time.Time{policy.SinceRetrieved: h.retrieved[uid], policy.SinceDeleted: h.deleted[uid],
			policy.SinceArrived: h.arrived[uid]}[r.Since]
		if r.Since == policy.SinceArrived && !r.Unretrieved && h.retrieved[uid].IsZero() && h.deleted[uid].IsZero() {
			continue
		}
		if !since.IsZero() && h.now.Sub(since) >= time.Duration(r.After) {
			return true
		}
	}
	return false
}

func TestHistories(t *testing.T) {
	for range 6 {
		server, box := memory(t, nil)
		play(newHistory(t, seedOf(t), server, inMemory{box}), 40)
	}
}

// TestHistoriesNearlyFull: under a quota that all of them come near to, the
// trash under another.
func TestHistoriesNearlyFull(t *testing.T) {
	warned := 0
	for range 6 {
		server, account := limited(t)
		account.SetQuota("User quota", 10<<10)
		account.SetQuota("Trash", 1<<20, "Trash")
		h := newHistory(t, seedOf(t), server, nearlyFull{inMemory{account.Mailbox("INBOX")}})
		play(h, 60)
		warned += len(h.notices)
	}
	if warned == 0 {
		t.Error("there never was a notice")
	}
}

// nearlyFull is an inbox of messages of 1 KiB, under a quota of 10.
type nearlyFull struct{ inMemory }

func (b nearlyFull) deliver(text []byte, now time.Time) (uint32, time.Time) {
	return b.inMemory.deliver(append(text, strings.Repeat("x", 1022-len(text))+"\r\n"...), now)
}

func (b nearlyFull) percent() int64 { return int64(len(b.Messages())) * 10 }

func TestHistoriesOverDovecot(t *testing.T) {
	d := peertest.Dovecot(t, peertest.WithUsers(map[string]string{user: password}))
	play(newHistory(t, seedOf(t), bridgeTo(t, d.IMAPAddr()), inDovecot{d}), 40)
}

func play(h *history, steps int) {
	for range steps {
		h.step()
	}
}

// inbox is the mailbox of a history as other clients and deliveries know it.
type inbox interface {
	list() []peertest.Message
	deliver(text []byte, now time.Time) (uid uint32, arrived time.Time)
	remove(uid uint32)
	see(uid uint32)
}

type inMemory struct{ *memimap.Mailbox }

func (b inMemory) list() (all []peertest.Message) {
	for _, m := range b.Messages() {
		slices.Sort(m.Flags)
		all = append(all, peertest.Message{UID: m.UID, Flags: strings.Join(m.Flags, " ")})
	}
	return all
}

func (b inMemory) deliver(text []byte, now time.Time) (uint32, time.Time) {
	return b.Append(text, nil, now), now
}

func (b inMemory) remove(uid uint32) { b.Remove(uid) }
func (b inMemory) see(uid uint32)    { b.SetFlags(uid, `\Seen`) }

type inDovecot struct{ *peertest.DovecotServer }

func (d inDovecot) list() []peertest.Message { return d.Messages(user, "INBOX") }

// deliver cannot choose when a message arrives: it is now.
func (d inDovecot) deliver(text []byte, _ time.Time) (uint32, time.Time) {
	d.Deliver(user, "INBOX", text)
	all := d.list()
	last := all[len(all)-1]
	return last.UID, last.Arrived
}

func (d inDovecot) remove(uid uint32) {
	d.Doveadm("expunge", "-u", user, "mailbox", "INBOX", "uid", fmt.Sprint(uid))
}

func (d inDovecot) see(uid uint32) {
	d.Doveadm("flags", "add", "-u", user, `\Seen`, "mailbox", "INBOX", "uid", fmt.Sprint(uid))
}
