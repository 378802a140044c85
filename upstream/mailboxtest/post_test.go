package mailboxtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/restante-mail/restante/secret"
	"github.com/restante-mail/restante/upstream"
)

// A post is the smallest thing that keeps the contract: folders in memory, and
// mailboxes that look at them. With a bug it breaks the contract in one way.
type post struct {
	mu       sync.Mutex
	accounts map[string]*account // by user and password
	bug      string
	plain    bool // as a POP3 server: one locked folder, no flags
	cannot   bool // as an IMAP server without UIDPLUS and MOVE: it only hides
	opened   int
}

type account struct {
	folders  map[string]*folder
	sessions int
}

type folder struct {
	validity, next uint32
	items          []*item
}

type item struct {
	uid uint32
	Stored
}

func newPost(bug string) *post { return &post{accounts: make(map[string]*account), bug: bug} }

func (p *post) has(bug string) bool { return p.bug == bug }

func (p *post) add(user, password string) *account {
	a := &account{folders: make(map[string]*folder)}
	for i, name := range []string{"INBOX", "Archive", "Bin"} {
		a.folders[name] = &folder{validity: uint32(i + 7), next: 1}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.accounts[user+"\x00"+password] = a
	return a
}

func (f *folder) append(stored Stored) uint32 {
	stored.Keywords = slices.Clone(stored.Keywords)
	f.items = append(f.items, &item{f.next, stored})
	f.next++
	return f.next - 1
}

func (f *folder) remove(uid uint32) {
	f.items = slices.DeleteFunc(f.items, func(i *item) bool { return i.uid == uid })
}

func (f *folder) find(uid uint32) *item {
	i := slices.IndexFunc(f.items, func(i *item) bool { return i.uid == uid })
	if i < 0 {
		return nil
	}
	return f.items[i]
}

func failed(kind upstream.Kind, doing string) error {
	return &upstream.Error{Kind: kind, Doing: doing, Err: errors.New("the post says no")}
}

func (p *post) Open(ctx context.Context, login upstream.Login) (upstream.Mailbox, error) {
	if err := ctx.Err(); err != nil && !p.has("opens when cancelled") {
		return nil, &upstream.Error{Doing: "sign in", Err: err}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	a := p.signIn(login.User, login.Secret.Reveal())
	if a == nil {
		if p.has("wrong kind of refusal") {
			return nil, failed(upstream.Denied, "sign in")
		}
		return nil, failed(upstream.Rejected, "sign in")
	}
	if p.plain && a.sessions > 0 {
		return nil, failed(upstream.InUse, "lock")
	}
	a.sessions++
	p.opened++
	b := &box{post: p, account: a, ctx: ctx, number: p.opened}
	b.look(login.Folders)
	return b, nil
}

func (p *post) signIn(user, password string) *account {
	switch p.bug {
	case "any password":
		for key, a := range p.accounts {
			if name, _, _ := strings.Cut(key, "\x00"); name == user {
				return a
			}
		}
	case "cuts credentials":
		user, password = line(user), line(password)
	case "unquotes names":
		user = strings.NewReplacer(`"`, "", `\`, "").Replace(user)
	case "trims passwords":
		password = strings.TrimRight(password, "=% ")
	}
	return p.accounts[user+"\x00"+password]
}

func line(s string) string {
	s, _, _ = strings.Cut(s, "\r")
	s, _, _ = strings.Cut(s, "\n")
	s, _, _ = strings.Cut(s, "\x00")
	return s
}

// A box is one session.
type box struct {
	*post
	account  *account
	ctx      context.Context
	number   int
	folders  []upstream.Folder
	messages []upstream.Message
	left     []byte // of a reader that was closed early
}

func (b *box) look(names []string) {
	if len(names) == 0 {
		names = []string{"INBOX"}
	}
	for i, name := range names {
		f := b.account.folders[name]
		validity := f.validity
		if b.plain {
			validity = 0
		}
		b.folders = append(b.folders, upstream.Folder{Name: name, UIDValidity: validity})
		for at, item := range f.items {
			if m, ok := b.describe(item, i, at); ok {
				b.messages = append(b.messages, m)
			}
		}
	}
	if b.has("newest first") {
		slices.Reverse(b.messages)
	}
}

func (b *box) describe(item *item, folder, at int) (upstream.Message, bool) {
	size, exact := int64(len(item.Raw)), b.plain
	if exact {
		size = int64(len(Canonical(item.Raw)))
	}
	m := upstream.Message{ID: upstream.ID{Folder: folder, UID: item.uid}, Size: size, Exact: exact}
	if item.Seen && !b.has("no seen in listings") && !b.plain {
		m.Flags |= upstream.Seen
	}
	if item.Deleted && !b.has("no marks in listings") {
		m.Flags |= upstream.Deleted
	}
	if b.plain {
		m.UIDL = fmt.Sprintf("%08x", item.uid)
	}
	switch b.bug {
	case "one ID twice":
		m.ID.UID = max(m.ID.UID, 2)
	case "a UIDL twice":
		m.UIDL = fmt.Sprint(item.uid / 2)
	case "a UIDL with a space":
		m.UIDL = fmt.Sprintf("no %d", item.uid)
	case "sizes off by two":
		m.Size += 2
	case "sizes said to be exact":
		m.Exact = true
	case "names by session":
		m.UIDL = fmt.Sprint(b.number, item.uid)
	case "UIDLs by position":
		m.UIDL = fmt.Sprintf("no-%d", at)
	case "hides what is marked":
		return m, !item.Deleted
	case "IDs without folders":
		m.ID.Folder = 0
	}
	return m, true
}

func (b *box) Folders() []upstream.Folder { return b.folders }

func (b *box) Messages(ctx context.Context) ([]upstream.Message, error) {
	if b.has("ends with the sign-in") && b.ctx.Err() != nil {
		return nil, b.ctx.Err()
	}
	if b.has("lists anew") {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.folders, b.messages = nil, nil
		b.look(nil)
	}
	return slices.Clone(b.messages), ctx.Err()
}

func (b *box) folder(id upstream.ID) *folder {
	if b.has("forgets the folder") {
		return b.account.folders["INBOX"]
	}
	return b.account.folders[b.folders[id.Folder].Name]
}

func (b *box) find(id upstream.ID) *item {
	f := b.folder(id)
	if b.has("addresses by position") {
		at := slices.IndexFunc(b.messages, func(m upstream.Message) bool { return m.ID == id })
		if at < 0 || at >= len(f.items) {
			return nil
		}
		return f.items[at]
	}
	return f.find(id.UID)
}

func (b *box) Open(ctx context.Context, id upstream.ID, part upstream.Part) (io.ReadCloser, error) {
	if err := ctx.Err(); err != nil && !b.has("empty when cancelled") {
		return nil, &upstream.Error{Doing: "fetch", Err: err}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	item := b.find(id)
	if item == nil {
		return b.gone()
	}
	if b.has("reading marks seen") {
		item.Seen = true
	}
	if b.has("reading marks deleted") {
		item.Deleted = true
	}
	octets := b.spoil(bytes.Clone(item.Raw), part)
	return &body{Reader: bytes.NewReader(octets), box: b, ctx: ctx}, nil
}

func (b *box) gone() (io.ReadCloser, error) {
	switch b.bug {
	case "gone is unavailable":
		return nil, failed(upstream.Unavailable, "fetch")
	case "gone is empty":
		return &body{Reader: bytes.NewReader(nil), box: b, ctx: context.Background()}, nil
	}
	return nil, failed(upstream.Gone, "fetch")
}

func (b *box) spoil(octets []byte, part upstream.Part) []byte {
	if part.Lines >= 0 {
		return b.cut(octets, part.Lines)
	}
	switch b.bug {
	case "cuts at 64 KiB":
		return octets[:min(len(octets), 64<<10)]
	case "cuts at 4 MiB":
		return octets[:min(len(octets), 4<<20)]
	case "cuts the last line":
		return octets[:bytes.LastIndexByte(bytes.TrimRight(octets, "\r\n"), '\n')+1]
	case "eats empty lines at the end":
		return bytes.TrimRight(octets, "\r\n")
	case "eats dots":
		return bytes.ReplaceAll(octets, []byte("\n.."), []byte("\n."))
	case "stuffs dots":
		return bytes.ReplaceAll(octets, []byte("\n."), []byte("\n.."))
	case "ends at a dot":
		before, _, _ := bytes.Cut(octets, []byte("\r\n.\r\n"))
		return before
	case "strips the eighth bit":
		for i := range octets {
			octets[i] &= 0x7F
		}
	case "strips NULs":
		return bytes.ReplaceAll(octets, []byte{0}, nil)
	case "eats CRs":
		return bytes.ReplaceAll(octets, []byte("\r"), nil)
	case "quotes From":
		if bytes.HasPrefix(octets, []byte("From ")) {
			return append([]byte(">"), octets...)
		}
	case "folds long lines":
		if i := bytes.Index(octets, bytes.Repeat([]byte("x"), 5000)); i >= 0 {
			return slices.Insert(octets, i+998, '\r', '\n')
		}
	case "adds an empty line":
		return append(octets, "\r\n\r\n"...)
	case "keeps what was left":
		rest := b.left
		b.left = nil
		return append(rest, octets...)
	case "the first of every hundred":
		if b.opened++; b.opened%100 == 0 {
			return letter(1)
		}
	}
	return octets
}

func (b *box) cut(octets []byte, lines int) []byte {
	switch b.bug {
	case "parts without a body":
		return top(octets, 0)
	case "parts with too much":
		return append(octets, "more\r\n"...)
	case "parts a line short":
		return top(octets, max(lines-1, 0))
	}
	return top(octets, lines)
}

// A body is a reader of one message.
type body struct {
	*bytes.Reader
	box *box
	ctx context.Context
}

func (r *body) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		if r.box.has("ends when cancelled") || r.box.has("empty when cancelled") {
			return 0, io.EOF
		}
		return 0, err
	}
	return r.Reader.Read(p)
}

func (r *body) Close() error {
	if r.box.has("keeps what was left") {
		rest, _ := io.ReadAll(r.Reader)
		r.box.left = rest[:min(len(rest), 100)]
	}
	return nil
}

func (b *box) Apply(ctx context.Context, changes []upstream.Change) []upstream.Result {
	b.mu.Lock()
	defer b.mu.Unlock()
	var results []upstream.Result
	for i, c := range changes {
		r := b.apply(ctx, c)
		if b.has("stops at a failure") && i > 0 && results[i-1].Err != nil {
			r = results[i-1]
		}
		if b.has("does a hundred") && i >= 100 {
			r = upstream.Result{}
		}
		results = append(results, r)
	}
	return b.report(results)
}

func (b *box) report(results []upstream.Result) []upstream.Result {
	switch b.bug {
	case "results the other way round":
		slices.Reverse(results)
	case "one result short":
		return results[:max(len(results)-1, 0)]
	case "says done":
		for i := range results {
			results[i].Err = nil
		}
	}
	return results
}

func (b *box) apply(ctx context.Context, c upstream.Change) upstream.Result {
	if err := ctx.Err(); err != nil {
		return b.applyLate(c, err)
	}
	item := b.find(c.ID)
	if item == nil {
		if b.has("gone is an error") {
			return upstream.Result{Err: failed(upstream.Gone, c.Do.String())}
		}
		return upstream.Result{}
	}
	if b.plain && c.Do != upstream.Expunge {
		return upstream.Result{Err: failed(upstream.Denied, c.Do.String())}
	}
	switch c.Do {
	case upstream.MarkSeen:
		return b.markSeen(item)
	case upstream.Flag:
		return b.flag(item, c.Target)
	case upstream.Move:
		return b.move(b.folder(c.ID), item, c.Target)
	default:
		return b.expunge(b.folder(c.ID), item)
	}
}

func (b *box) applyLate(c upstream.Change, err error) upstream.Result {
	switch b.bug {
	case "says done when cancelled":
		return upstream.Result{}
	case "clears all when cancelled":
		b.folder(c.ID).items = nil
	}
	return upstream.Result{Err: err}
}

func (b *box) markSeen(item *item) upstream.Result {
	switch b.bug {
	case "seen is not done":
	case "all are seen":
		for _, other := range b.account.folders["INBOX"].items {
			other.Seen = true
		}
	default:
		item.Seen = true
	}
	return upstream.Result{}
}

func (b *box) flag(item *item, keyword string) upstream.Result {
	if (keyword == "" || strings.ContainsAny(keyword, "\\\"(){}%* \r\n\x00")) && !b.has("takes any keyword") {
		return upstream.Result{Err: failed(upstream.Denied, "flag")}
	}
	if b.has("flags replace each other") {
		item.Keywords = nil
	}
	item.Keywords = append(item.Keywords, keyword)
	return upstream.Result{}
}

func (b *box) move(from *folder, item *item, target string) upstream.Result {
	if target == `\Trash` && !b.has("knows no special use") {
		target = "Bin"
	}
	to := b.account.folders[target]
	if to == nil && b.has("makes any folder") {
		to = &folder{validity: 99, next: 1}
		b.account.folders[target] = to
	}
	if to == nil {
		return upstream.Result{Err: failed(upstream.Denied, "move")}
	}
	stored := item.Stored
	stored.Deleted = stored.Deleted || b.has("moves what is marked")
	r := upstream.Result{UID: to.append(stored), UIDValidity: to.validity}
	if b.has("moves to one UID") {
		r.UID = 1
	}
	if b.has("forgets UIDVALIDITY") {
		r.UIDValidity = 0
	}
	switch {
	case b.has("copies"):
	case b.cannot:
		item.Deleted, r.Hidden = true, true
	default:
		from.remove(item.uid)
	}
	return r
}

func (b *box) expunge(f *folder, item *item) upstream.Result {
	at := slices.Index(f.items, item)
	switch b.bug {
	case "expunges the neighbour":
		f.remove(f.items[(at+1)%len(f.items)].uid)
	case "expunges the neighbour, too":
		if at > 0 {
			f.remove(f.items[at-1].uid)
		}
		f.remove(item.uid)
	case "expunges all that is marked":
		item.Deleted = true
		f.items = slices.DeleteFunc(f.items, isMarked)
	case "only marks":
		item.Deleted = true
	case "takes away marks":
		for _, other := range f.items {
			other.Deleted = false
		}
		f.remove(item.uid)
	case "hides without a mark":
		return upstream.Result{Hidden: true}
	case "does a hundred":
		if len(f.items) > 300 {
			f.remove(item.uid)
		}
	default:
		if b.cannot {
			item.Deleted = true
			return upstream.Result{Hidden: true}
		}
		f.remove(item.uid)
	}
	return upstream.Result{}
}

func isMarked(i *item) bool { return i.Deleted }

func (b *box) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.has("keeps the lock") {
		b.account.sessions--
	}
	if b.has("expunges at close") {
		inbox := b.account.folders["INBOX"]
		inbox.items = slices.DeleteFunc(inbox.items, isMarked)
	}
	if b.has("marks at close") {
		for _, item := range b.account.folders["INBOX"].items {
			item.Seen = true
		}
	}
	return nil
}

// fixture is an account of the post.
func (p *post) fixture() Fixture {
	a := p.add("alice", "secret word")
	inbox := a.folders["INBOX"]
	locked := func(do func()) {
		p.mu.Lock()
		defer p.mu.Unlock()
		do()
	}
	return Fixture{
		Server: p,
		Login:  upstream.Login{User: "alice", Secret: secret.New("secret word")},
		Append: func(_ testing.TB, raw []byte, seen bool) {
			locked(func() { inbox.append(Stored{Raw: bytes.Clone(raw), Seen: seen}) })
		},
		Contents: func(_ testing.TB, name string) []Stored {
			var list []Stored
			locked(func() {
				for _, item := range a.folders[name].items {
					stored := item.Stored
					stored.Keywords = slices.Clone(stored.Keywords)
					list = append(list, stored)
				}
			})
			return list
		},
		Remove:      func(_ testing.TB, i int) { locked(func() { inbox.remove(inbox.items[i].uid) }) },
		MarkDeleted: func(_ testing.TB, i int) { locked(func() { inbox.items[i].Deleted = true }) },
		AddAccount:  func(_ testing.TB, user, password string) { p.add(user, password) },
		Archive:     "Archive",
		Trash:       "Bin",
	}
}

// plainFixture is one of a post that does what a POP3 server does.
func (p *post) plainFixture() Fixture {
	p.plain = true
	f := p.fixture()
	f.Remove, f.MarkDeleted, f.AddAccount = nil, nil, nil
	const why = "POP3"
	f.Lacks = map[Ability]string{Seen: why, Keywords: why, Move: why, Folders: why, Shared: why, KeepsNUL: why, KeepsEmpty: why}
	return f
}

// waitFor bounds the tests of this package themselves.
const waitFor = time.Minute
