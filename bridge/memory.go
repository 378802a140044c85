package bridge

import (
	"container/list"
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/sirupsen/logrus"
)

// A Memory keeps listings when the process ends: package store's does. What it
// returns is checked, and proved by the server, before it is believed.
type Memory interface {
	// Load returns what was saved under the key; nil if nothing is.
	Load(ctx context.Context, key string) ([]byte, error)
	Save(ctx context.Context, key string, blob []byte) error
}

const (
	// defaultMemory is the bound of remembered listings in octets: some 8
	// million messages.
	defaultMemory = 64 << 20
	// memoryPatience bounds waiting for the disk: listing anew takes no longer.
	memoryPatience = 2 * time.Second
	// saveInterval spares the disk: one new message in 100,000 is no reason to
	// write them all. An old listing on disk is still a good one: the server is
	// asked what came after.
	saveInterval = 10 * time.Minute
	// entryCost is what an entry takes besides its key and listing.
	entryCost = 200
	// maxUnproven bounds the octets of listings that are unpacked, to some
	// twelve times as many, for sign-ins that the server has not accepted yet:
	// strangers who only know names must not fill the memory. Beyond it the
	// folder is listed anew.
	maxUnproven = 4 << 20
)

// listings are the remembered listings, the longest unused of which go first
// when there are too many octets of them.
type listings struct {
	disk Memory // or nil
	log  logrus.FieldLogger
	now  func() time.Time

	mu          sync.Mutex
	limit, held int
	unproven    int
	order       *list.List // of *entry, the last used first
	entries     map[string]*list.Element
}

// entry is one folder's listing. Without a blob it says that the folder is so
// small that it is not worth remembering.
type entry struct {
	key   string
	blob  []byte
	saved time.Time // on disk, the last time
	// unsaved: it is newer than what is on disk.
	unsaved bool
}

func (e *entry) cost() int { return entryCost + len(e.key) + len(e.blob) }

func newListings(limit int, disk Memory, log logrus.FieldLogger) *listings {
	return &listings{disk: disk, log: log, now: time.Now, limit: limit, order: list.New(), entries: map[string]*list.Element{}}
}

// listingKey names a folder of somebody's mailbox. The length keeps two names
// apart.
func listingKey(identity, folder string) string {
	return fmt.Sprintf("%d:%s/%s", len(identity), identity, folder)
}

// recallUnproven is recall for who has yet to sign in. Then held is to be given
// to proved.
func (l *listings) recallUnproven(ctx context.Context, key string, folder int) (r *remembered, small bool, held int) {
	e, ok := l.look(key)
	if !ok {
		e = l.load(ctx, key)
	}
	l.mu.Lock()
	held = len(e.blob)
	if held > 0 && l.unproven > 0 && l.unproven+held > maxUnproven { // one may be as large as it likes
		l.mu.Unlock()
		return nil, false, 0
	}
	l.unproven += held
	l.mu.Unlock()
	r, small = l.unpack(e, folder, ok)
	return r, small, held
}

// proved ends a sign-in, however.
func (l *listings) proved(held int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.unproven -= held
}

// recall returns the listing, or nil; small says that there is none because
// the folder is small.
func (l *listings) recall(ctx context.Context, key string, folder int) (r *remembered, small bool) {
	e, ok := l.look(key)
	if !ok {
		e = l.load(ctx, key)
	}
	return l.unpack(e, folder, ok)
}

func (l *listings) unpack(e entry, folder int, known bool) (r *remembered, small bool) {
	if e.blob == nil {
		return nil, known
	}
	r, err := decode(e.key, folder, e.blob)
	if err != nil {
		l.log.WithError(err).Warn("the folder is listed anew")
		return nil, false
	}
	if len(r.messages) == 0 {
		return nil, false
	}
	return r, false
}

func (l *listings) look(key string) (entry, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	at, ok := l.entries[key]
	if !ok {
		return entry{}, false
	}
	l.order.MoveToFront(at)
	return *at.Value.(*entry), true
}

func (l *listings) load(ctx context.Context, key string) entry {
	if l.disk == nil {
		return entry{}
	}
	ctx, cancel := context.WithTimeout(ctx, memoryPatience)
	defer cancel()
	blob, err := l.disk.Load(ctx, key)
	if err != nil {
		l.log.WithError(err).Warn("a remembered listing could not be read; the folder is listed anew")
		return entry{}
	}
	if blob == nil {
		return entry{}
	}
	e := entry{key: key, blob: blob, saved: l.now()}
	l.put(e)
	return e
}

// keep remembers a listing.
func (l *listings) keep(key string, r *remembered) {
	e := entry{key: key, blob: r.encode(key), unsaved: true}
	if before, ok := l.look(key); ok {
		e.saved = before.saved
	}
	l.put(e)
}

// save writes a listing to disk, if that is due.
func (l *listings) save(ctx context.Context, key string) {
	e, ok := l.look(key)
	if now := l.now(); !ok || l.disk == nil || !e.unsaved || now.Sub(e.saved) < saveInterval {
		return
	}
	e.saved, e.unsaved = l.now(), false
	l.put(e)
	ctx, cancel := context.WithTimeout(ctx, memoryPatience)
	defer cancel()
	if err := l.disk.Save(ctx, e.key, e.blob); err != nil {
		l.log.WithError(err).Warn("a listing could not be saved")
	}
}

// keepSmall remembers that the folder is small.
func (l *listings) keepSmall(key string) {
	if e, ok := l.look(key); !ok || e.blob != nil {
		l.put(entry{key: key})
	}
}

// forget is for what is not true any more.
func (l *listings) forget(key string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.remove(l.entries[key])
}

func (l *listings) put(e entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.remove(l.entries[e.key])
	if e.cost() > l.limit {
		return
	}
	l.entries[e.key] = l.order.PushFront(&e)
	l.held += e.cost()
	for l.held > l.limit {
		l.remove(l.order.Back())
	}
}

// remove may be given nil. l.mu is held.
func (l *listings) remove(at *list.Element) {
	if at == nil {
		return
	}
	e := l.order.Remove(at).(*entry)
	delete(l.entries, e.key)
	l.held -= e.cost()
}
