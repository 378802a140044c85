package bridge

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/restante-mail/restante/upstream"
)

// TestRemembered: what a folder may honestly do between two sessions costs no
// second listing.
func TestRemembered(t *testing.T) {
	for _, c := range []struct {
		name     string
		change   func(b *box)
		searches int // for everything
	}{
		{"nothing", func(*box) {}, 0},
		{"new mail", func(b *box) { b.add(3) }, 0},
		{"flags", func(b *box) { b.letters[2].seen, b.letters[3].deleted = true, true }, 0},
		{"UIDNEXT grows alone", func(b *box) { b.next += 7 }, 0},
		{"UIDNEXT is understated", func(b *box) { b.next = b.letters[len(b.letters)-1].uid }, 0},
		{"an expunge in the middle", func(b *box) { b.letters = slices.Delete(b.letters, 40, 41) }, 1},
		{"an expunge that new mail makes up for", func(b *box) { b.letters = slices.Delete(b.letters, 40, 41); b.add(1) }, 1},
		{"new mail that is gone again", func(b *box) { b.add(2); b.letters = b.letters[:len(b.letters)-1] }, 0},
	} {
		for _, esearch := range []bool{true, false} {
			t.Run(c.name, func(t *testing.T) {
				b := newBox(100)
				b.esearch = esearch
				f := b.serve(t)
				u := f.remembering(nil)
				b.visit(t, u)
				before := nextUID(b.next, b.truth())
				b.change(func() { c.change(b) })
				shrunk := nextUID(b.next, b.truth()) < before
				b.visit(t, u)
				b.visit(t, u)
				listings, searches := len(f.heard("UID FETCH 1:*")), countSuffix(f.heard("UID SEARCH"), "ALL")
				if probed := listings > 1 && searches == 0; (listings > 1 || searches != c.searches) && !shrunk && !(c.searches > 0 && probed) {
					t.Errorf("%d listings and %d searches for all, want 1 and %d", listings, searches, c.searches)
				}
			})
		}
	}
}

func countSuffix(commands []string, suffix string) (n int) {
	for _, command := range commands {
		if strings.HasSuffix(command, suffix) {
			n++
		}
	}
	return n
}

// TestLies: whatever the numbers say, a wrong listing is never served.
func TestLies(t *testing.T) {
	last := func(b *box) *letter { return &b.letters[len(b.letters)-1] }
	for name, lie := range map[string]func(b *box){
		"restored: the last is another message of the same size and date": func(b *box) { last(b).subject = "other" },
		"restored: another size":       func(b *box) { last(b).size++ },
		"restored: another date":       func(b *box) { last(b).date = "18-Jul-2026 02:44:25 +0000" },
		"all sizes are others":         func(b *box) { b.each(func(l *letter) { l.size += 5 }) },
		"all dates are others":         func(b *box) { b.each(func(l *letter) { l.date = "18-Jul-2026 02:44:25 +0000" }) },
		"renumbered upwards":           func(b *box) { b.each(func(l *letter) { l.uid++ }); b.next += 2 },
		"renumbered from 1":            func(b *box) { b.renumber() },
		"another UIDVALIDITY":          func(b *box) { b.validity++; b.each(func(l *letter) { l.size++ }) },
		"another MAILBOXID":            func(b *box) { b.id = "F1"; b.each(func(l *letter) { l.size++ }) },
		"UIDNEXT has shrunk":           func(b *box) { b.letters = b.letters[:50]; b.next = last(b).uid + 1 },
		"UIDNEXT is gone":              func(b *box) { b.next = 0 },
		"the last is gone":             func(b *box) { b.letters = b.letters[:99] },
		"everything is gone":           func(b *box) { b.letters = nil },
		"all but one are gone":         func(b *box) { b.letters = b.letters[99:] },
		"an old message came back":     func(b *box) { b.letters = slices.Insert(b.letters, 1, letter{uid: 12, size: 5, date: last(b).date}) },
		"half gone, as many new":       func(b *box) { b.letters = slices.Delete(b.letters, 10, 60); b.add(50) },
		"swapped and the last is gone": func(b *box) { b.letters = b.letters[:99]; b.letters[1].uid = 12 },
	} {
		t.Run(name, func(t *testing.T) {
			b := newBox(100)
			u := b.serve(t).remembering(nil)
			b.visit(t, u)
			b.change(func() { lie(b) })
			b.visit(t, u)
			b.visit(t, u)
		})
	}
}

func (b *box) each(do func(*letter)) {
	for i := range b.letters {
		do(&b.letters[i])
	}
}

func (b *box) renumber() {
	for i := range b.letters {
		b.letters[i].uid = uint32(i + 1)
	}
}

// TestMailArrivesMeanwhile: mail that comes, and goes, while the folder is
// being opened is not missed the next time.
func TestMailArrivesMeanwhile(t *testing.T) {
	for range 20 {
		b := newBox(100)
		u := b.serve(t).remembering(nil)
		b.visit(t, u)
		once := rand.IntN(2)
		b.during = func() {
			if once--; once == -1 {
				b.add(1)
				b.letters = slices.Delete(b.letters, 30, 31)
			}
		}
		m, err := u.Open(t.Context(), alice)
		if err != nil {
			t.Fatal(err)
		}
		m.Close()
		b.visit(t, u)
	}
}

// diskMemory is a Memory that tests reach into.
type diskMemory struct {
	mu    sync.Mutex
	blobs map[string][]byte
	saves int
	err   error
}

func (d *diskMemory) Load(_ context.Context, key string) ([]byte, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.blobs[key], d.err
}

func (d *diskMemory) Save(_ context.Context, key string, blob []byte) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.blobs[key] = blob
	d.saves++
	return d.err
}

// TestMemoryOnDisk: another process begins where the first left, and damage is
// found.
func TestMemoryOnDisk(t *testing.T) {
	for name, c := range map[string]struct {
		damage func(blob []byte) []byte
		whole  int // listings
	}{
		"none":      {func(b []byte) []byte { return b }, 1},
		"truncated": {func(b []byte) []byte { return b[:len(b)-1] }, 2},
		"halved":    {func(b []byte) []byte { return b[:len(b)/2] }, 2},
		"empty":     {func([]byte) []byte { return []byte{} }, 2},
		"a bit":     {func(b []byte) []byte { b = slices.Clone(b); b[len(b)/2] ^= 4; return b }, 2},
		"version":   {func(b []byte) []byte { b = slices.Clone(b); b[2]++; return b }, 2},
		"longer":    {func(b []byte) []byte { return append(slices.Clone(b), 0) }, 2},
		"garbage":   {func([]byte) []byte { return []byte(strings.Repeat("RL\x01", 100)) }, 2},
		"another's": {func(b []byte) []byte { r, _ := decode("5:alice/INBOX", 0, b); return r.encode("5:alice/inbox") }, 2},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBox(100)
			f := b.serve(t)
			disk := &diskMemory{blobs: map[string][]byte{}}
			b.visit(t, f.remembering(disk))
			if len(disk.blobs) != 1 {
				t.Fatalf("%d blobs", len(disk.blobs))
			}
			for key, blob := range disk.blobs {
				disk.blobs[key] = c.damage(blob)
			}
			b.change(func() { b.add(1) })
			b.visit(t, f.remembering(disk))
			if n := len(f.heard("UID FETCH 1:*")); n != c.whole {
				t.Errorf("%d listings, want %d", n, c.whole)
			}
		})
	}
}

// TestBrokenMemory: a disk that fails costs a listing and nothing else, and
// one new message is no reason to write.
func TestBrokenMemory(t *testing.T) {
	b := newBox(100)
	f := b.serve(t)
	b.visit(t, f.remembering(&diskMemory{blobs: map[string][]byte{}, err: errors.New("disk on fire")}))
	disk := &diskMemory{blobs: map[string][]byte{}}
	u := f.remembering(disk)
	for range 3 {
		b.visit(t, u)
		b.change(func() { b.add(1) })
	}
	if disk.saves != 1 {
		t.Errorf("saved %d times", disk.saves)
	}
	now := u.listings.now().Add(saveInterval)
	u.listings.now = func() time.Time { return now }
	b.visit(t, u)
	if disk.saves != 2 {
		t.Errorf("later, saved %d times", disk.saves)
	}
}

// TestMoveToItself: a message that is moved to the folder that it is in is
// still there, also for the next session.
func TestMoveToItself(t *testing.T) {
	for _, c := range []struct{ folder, target string }{{"INBOX", "inbox"}, {`\Trash`, "Bin"}, {"Bin", `\Trash`}} {
		t.Run(c.folder+" to "+c.target, func(t *testing.T) {
			b := newBox(20)
			u := b.serve(t).remembering(nil)
			login := alice
			login.Folders = []string{c.folder}
			listed := func() []upstream.Message {
				m, err := u.Open(t.Context(), login)
				if err != nil {
					t.Fatal(err)
				}
				defer m.Close()
				messages, err := m.Messages(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				if len(messages) == 20 {
					r := m.Apply(t.Context(), []upstream.Change{{ID: messages[7].ID, Do: upstream.Move, Target: c.target}})
					if r[0].Err != nil {
						t.Fatal(r[0].Err)
					}
				}
				return messages
			}
			listed()
			b.change(func() { b.letters = slices.Delete(b.letters, 3, 4) })
			messages := listed()
			if want := b.truth(); !slices.Equal(messages, want) {
				t.Errorf("listed %v, want %v", messages, want)
			}
		})
	}
}

// TestUnprovenBound: what is unpacked for sign-ins that are not accepted yet
// has a bound, and is given back when they end.
func TestUnprovenBound(t *testing.T) {
	b := newBox(20)
	f := b.serve(t)
	var refuse atomic.Bool
	ordinary := f.instead
	f.instead = func(c *fakeConn, session int, command string) bool {
		if refuse.Load() && strings.HasPrefix(command, "AUTHENTICATE") {
			c.no("[AUTHENTICATIONFAILED] wrong")
			return true
		}
		return ordinary(c, session, command)
	}
	u := f.remembering(nil)
	u.pool.idleFor = -1
	b.visit(t, u)
	whole := func() int { return len(f.heard("UID FETCH 1:*")) }
	before := whole()
	u.listings.unproven = maxUnproven
	b.visit(t, u)
	if whole() == before {
		t.Error("the listing was unpacked beyond the bound")
	}
	u.listings.unproven = 0
	before = whole()
	b.visit(t, u)
	refuse.Store(true)
	_, err := u.Open(t.Context(), alice)
	kindIs(t, err, upstream.Rejected, "wrong")
	if whole() != before || u.listings.unproven != 0 {
		t.Errorf("%d octets are held when nobody signs in; listed whole %d times", u.listings.unproven, whole()-before)
	}
}
