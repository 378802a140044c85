package gateway

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/restante-mail/restante/policy"
	"github.com/restante-mail/restante/pop3"
	"github.com/restante-mail/restante/store"
	"github.com/restante-mail/restante/upstream"
)

// memory is what a session knows of its view from earlier sessions, and what it
// will add to that. There is none without a state file, and then nothing is
// remembered.
type memory struct {
	store store.Store
	key   store.ViewKey
	view  store.View
	// before is the same view at the server before, and carried what was
	// brought along from other UIDs, by folder.
	before  store.View
	carried [][]store.Memory
	// undo is what the last session did, under the keys of now; nil if these
	// are the same.
	undo []store.Deed
	// others are when the views that a removal has to wait for made room.
	others []store.Reclaimed
	state  policy.State
	lives  []uint32 // of each listed message; nil if none was undeleted or reborn
	// reborn are listed messages under whose names others are remembered.
	reborn []int
	// readOnly: what cannot be remembered is not done.
	readOnly bool
	// dry: nothing is written (dry_run).
	dry bool
	// learned holds however the session ends: what the listing taught, and how
	// earlier sessions ended.
	learned store.Changes
	news    bool // learned has something that is worth a transaction by itself
}

var errNoMemory = errors.New("the policy needs a state file, and there is none")

// loadMemory reads what is remembered. A failure is no reason to show what a
// client deleted long ago, so it ends the sign-in.
func (s *session) loadMemory(ctx context.Context) error {
	db := s.gateway.Shared.Store
	if s.route.Forget {
		return nil
	}
	if db == nil {
		if s.route.needsState() {
			return &pop3.Error{Code: pop3.CodeSysPerm, Text: "This maildrop is not set up completely; ask your administrator", Err: errNoMemory}
		}
		return nil
	}
	m := &memory{store: db, key: store.ViewKey{Maildrop: s.maildropName(), View: s.route.View}, dry: s.route.Policy.DryRun}
	if err := m.read(ctx, s.route); err != nil {
		return err
	}
	s.memory = m
	s.suspectMarks()
	return s.checkState(ctx)
}

// read reads what is remembered, as it is now.
func (m *memory) read(ctx context.Context, r Route) (err error) {
	if m.view, err = m.store.View(ctx, m.key); err != nil {
		return stateError(err)
	}
	if m.state.Approved, err = approvals(ctx, m.store, r); err != nil {
		return stateError(err)
	}
	if m.before, err = readBefore(ctx, m.store, r); err != nil {
		return stateError(err)
	}
	m.state.Held = m.view.Held || m.before.Held
	m.state.Begun = moment(cmp.Or(m.view.Begun, m.before.Begun))
	return nil
}

// readBefore reads the view that this one goes on from, if there is one.
func readBefore(ctx context.Context, db store.Store, r Route) (store.View, error) {
	if r.Before == "" {
		return store.View{}, nil
	}
	return db.View(ctx, store.ViewKey{Maildrop: r.Before, View: r.View})
}

// readAgain reads what an administrator, or a session beside this one, may have
// changed since the sign-in: a hold, an undelete, an approval. A session that
// will decide nothing does without.
func (s *session) readAgain(ctx context.Context, deleted []int) error {
	if s.memory == nil || s.listed == nil || len(deleted)+len(s.retrieved)+len(s.route.Policy.Retain)+len(s.route.Others) == 0 &&
		!s.route.Policy.QuotaReclaim.On() {
		return nil
	}
	if err := s.memory.read(ctx, s.route); err != nil {
		return err
	}
	return s.alignMemory(ctx, s.listed)
}

// approvals tells of each rule of retention whether it may act.
func approvals(ctx context.Context, db store.Store, r Route) ([]bool, error) {
	if len(r.Policy.Retain) == 0 {
		return nil, nil
	}
	known, err := db.Approvals(ctx)
	approved := make([]bool, len(r.Policy.Retain))
	for i, rule := range r.Policy.Retain {
		_, approved[i] = known[rule.Hash(r.PolicyName)]
	}
	return approved, err
}

// checkState finds out, after a write has failed, whether writing is possible
// again; if not, the session is refused, or changes nothing.
func (s *session) checkState(ctx context.Context) error {
	if !s.gateway.Shared.ailing.Load() {
		return nil
	}
	err := s.memory.store.Probe(ctx)
	s.gateway.Shared.ailing.Store(err != nil)
	if err == nil || !s.strict() {
		return nil
	}
	if !s.gateway.ReadOnly {
		return stateError(err)
	}
	s.memory.readOnly = true
	s.log.WithError(err).Error("the state file cannot be written: this session changes nothing")
	return nil
}

// strict tells whether what is done has to be remembered. If only the wish to
// know is lost, mail goes on.
func (s *session) strict() bool { return s.route.needsState() }

func (r Route) needsState() bool {
	return r.Policy.NeedsState() || len(r.Others) > 0 || r.View != "" && !r.Forget
}

// stateError is what a client hears when the state file fails.
func stateError(err error) error {
	return &pop3.Error{Code: pop3.CodeSysTemp, Text: "The maildrop's state is not available; try again later", Err: err}
}

func (s *session) maildropName() string { return Maildrop(s.maildrop.upstream, s.maildrop.user) }

// alignMemory puts what is remembered beside the messages of the listing, which
// are folder by folder and within a folder by UID.
func (s *session) alignMemory(ctx context.Context, msgs []upstream.Message) error {
	m := s.memory
	if m == nil {
		return nil
	}
	if err := s.carry(ctx, msgs); err != nil {
		return err
	}
	m.state.Folders = make([]policy.Folder, len(s.folders))
	for i, folder := range s.folders {
		if known := m.folder(folder); known != nil {
			m.state.Folders[i] = policy.Folder{First: known.First, Edge: known.Edge}
		}
	}
	if s.route.needsState() && !s.named(msgs) {
		return &pop3.Error{Code: pop3.CodeSysPerm, Text: "The mail server cannot tell messages apart, which this maildrop needs; ask your administrator",
			Err: errors.New("the upstream has no UIDL, and the policy or its views need it")}
	}
	known, err := s.align(m.view, msgs)
	m.state.Of, m.lives, m.reborn = known.of, known.lives, known.reborn
	return err
}

// folder returns what is remembered of a folder in its present life.
func (m *memory) folder(f upstream.Folder) *store.ViewFolder { return folderOf(&m.view, f) }

func folderOf(v *store.View, f upstream.Folder) *store.ViewFolder {
	for i := range v.Folders {
		if known := &v.Folders[i]; known.Name == f.Name && known.UIDValidity == f.UIDValidity {
			return known
		}
	}
	return nil
}

// named tells whether every message has a name that outlives the session.
func (s *session) named(msgs []upstream.Message) bool {
	for i := range msgs {
		if s.keyOf(&msgs[i]) == 0 {
			return false
		}
	}
	return true
}

// keyOf names a message in its folder; 0 if it has no name.
func (s *session) keyOf(m *upstream.Message) uint64 {
	if s.folders[m.ID.Folder].UIDValidity != 0 {
		return uint64(m.ID.UID)
	}
	if m.UIDL == "" {
		return 0
	}
	return NameKey(m.UIDL)
}

// NameKey is the key of a message whose UIDL is all that names it.
func NameKey(uidl string) uint64 {
	sum := sha256.Sum256([]byte(uidl))
	return binary.BigEndian.Uint64(sum[:]) | 1
}

// An alignment is what is remembered, beside the messages of a listing.
type alignment struct {
	of     []*policy.Memory
	lives  []uint32
	reborn []int
}

// align finds the memory of each message in a view.
func (s *session) align(v store.View, msgs []upstream.Message) (a alignment, err error) {
	known := make([]indexed, len(s.folders))
	count := 0
	for i, folder := range s.folders {
		if f := folderOf(&v, folder); f != nil {
			known[i] = newIndexed(f)
			count += len(f.Memories)
		}
	}
	if count == 0 {
		return a, nil
	}
	a.of = make([]*policy.Memory, len(msgs))
	room := make([]policy.Memory, 0, count)
	for i := range msgs {
		found := known[msgs[i].ID.Folder].find(s.keyOf(&msgs[i]))
		if found == nil {
			continue
		}
		if s.another(&msgs[i], found) {
			a.live(i, found.Lives+1, len(msgs))
			a.reborn = append(a.reborn, i)
			continue
		}
		a.live(i, found.Lives, len(msgs))
		m, err := policyMemory(found)
		if err != nil {
			return alignment{}, err
		}
		room = append(room, m)
		a.of[i] = &room[len(room)-1]
	}
	return a, nil
}

// live notes which life of a message it is.
func (a *alignment) live(i int, life uint32, of int) {
	if life > 0 && a.lives == nil {
		a.lives = make([]uint32, of)
	}
	if life > 0 {
		a.lives[i] = life
	}
}

func policyMemory(m *store.Memory) (policy.Memory, error) {
	p := policy.Memory{Seen: m.Seen, First: m.First, Last: m.Last, Deleted: m.Deleted, Hidden: m.Hidden}
	if m.Removed != 0 {
		p = unretired(p)
	}
	if m.Wish == "" {
		return p, nil
	}
	if err := p.Wish.UnmarshalText([]byte(m.Wish)); err != nil {
		return p, stateError(fmt.Errorf("what is remembered to be done to a message: %w", err))
	}
	return p, nil
}

// An indexed finds memories. UIDs are asked for in order, and so are they kept.
type indexed struct {
	ordered []store.Memory
	hashed  map[uint64]*store.Memory
}

func newIndexed(f *store.ViewFolder) indexed {
	if f.UIDValidity != 0 {
		return indexed{ordered: f.Memories}
	}
	l := indexed{hashed: make(map[uint64]*store.Memory, len(f.Memories))}
	for i := range f.Memories {
		l.hashed[f.Memories[i].Key] = &f.Memories[i]
	}
	return l
}

func (l *indexed) find(key uint64) *store.Memory {
	if l.hashed != nil {
		return l.hashed[key]
	}
	for len(l.ordered) > 0 && l.ordered[0].Key < key {
		l.ordered = l.ordered[1:]
	}
	if len(l.ordered) == 0 || l.ordered[0].Key != key {
		return nil
	}
	return &l.ordered[0]
}

// fresh are the messages that no earlier session of this view has retrieved: a
// client that leaves mail on the server does not ask for the others.
func (s *session) fresh() []upstream.Message {
	if s.memory == nil || s.memory.state.Of == nil {
		return s.shown
	}
	var fresh []upstream.Message
	for i := range s.shown {
		if m := s.memory.state.Of[s.index[i]]; m == nil || m.Last == 0 {
			fresh = append(fresh, s.shown[i])
		}
	}
	return fresh
}

// Last implements pop3.LastKnower: the highest number that an earlier session
// retrieved.
func (s *session) Last(ctx context.Context) (int, error) {
	if s.memory == nil || s.memory.state.Of == nil {
		return 0, nil
	}
	for n := len(s.index); n > 0; n-- {
		if m := s.memory.state.Of[s.index[n-1]]; m != nil && m.Last != 0 {
			return n, nil
		}
	}
	return 0, nil
}
