package bridge

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/emersion/go-imap/v2"

	"github.com/restante-mail/restante/upstream"
)

const (
	// maxSet bounds the octets of one UID set. Dovecot's line limit is 64 KiB,
	// RFC 7162 section 4 speaks of 8192 octets.
	maxSet = 8000
	// maxUIDs bounds how many UIDs are in it, and so the answers.
	maxUIDs = 5000
)

// application is one call of Apply. The connection may be replaced once.
type application struct {
	m           *mailbox
	ctx         context.Context
	results     []upstream.Result
	reconnected bool
	ended       error // the connection broke again; nothing more is tried
}

// batch is changes of one kind in one folder.
type batch struct {
	folder int
	do     upstream.Action
	target string
	places map[uint32][]int // UID to indexes of changes
	again  map[uint32]bool  // may have been copied by an earlier session
}

// Apply makes the changes, batch by batch, flags first.
func (m *mailbox) Apply(ctx context.Context, changes []upstream.Change) []upstream.Result {
	m.closeReader()
	m.settle(ctx)
	a := &application{m: m, ctx: ctx, results: make([]upstream.Result, len(changes))}
	for _, b := range a.batches(changes) {
		for _, uids := range chunks(b.places) {
			a.chunk(b, uids)
		}
	}
	m.noteRemoved(changes, a.results)
	m.release() // a client may come again as soon as it has the answer
	return a.results
}

// batches sorts the changes; those that cannot be are refused here.
func (a *application) batches(changes []upstream.Change) []*batch {
	type key struct {
		folder int
		do     upstream.Action
		target string
	}
	byKey := map[key]*batch{}
	var all []*batch
	for i, c := range changes {
		if err := a.check(c); err != nil {
			a.results[i].Err = err
			continue
		}
		k := key{c.ID.Folder, c.Do, c.Target}
		b := byKey[k]
		if b == nil {
			b = &batch{k.folder, k.do, k.target, map[uint32][]int{}, map[uint32]bool{}}
			byKey[k] = b
			all = append(all, b)
		}
		b.places[c.ID.UID] = append(b.places[c.ID.UID], i)
		if c.Again {
			b.again[c.ID.UID] = true
		}
	}
	slices.SortStableFunc(all, func(a, b *batch) int {
		return cmp.Or(cmp.Compare(a.folder, b.folder), cmp.Compare(a.do, b.do))
	})
	return all
}

func (a *application) check(c upstream.Change) error {
	if err := a.m.checkID(c.ID); err != nil {
		return err
	}
	switch c.Do {
	case upstream.MarkSeen, upstream.Expunge, upstream.Unmark:
		return nil
	case upstream.Flag:
		return checkKeyword(c.Target)
	case upstream.Move:
		if strings.HasPrefix(c.Target, `\`) {
			return nil // never sent
		}
		return checkFolder(c.Target)
	}
	return &upstream.Error{Kind: upstream.Denied, Doing: "change a message", Err: fmt.Errorf("no such change: %d", c.Do)}
}

// checkKeyword lets only atoms pass, which is what a keyword is.
func checkKeyword(keyword string) error {
	valid := keyword != "" && len(keyword) <= 255
	for _, c := range []byte(keyword) {
		valid = valid && isAtom(c)
	}
	if valid {
		return nil
	}
	return &upstream.Error{Kind: upstream.Denied, Doing: "set a keyword",
		Err: fmt.Errorf("%q is no IMAP keyword", printable([]byte(keyword)))}
}

// chunks splits UIDs so that each part makes a set of bounded length.
func chunks(places map[uint32][]int) [][]uint32 {
	uids := make([]uint32, 0, len(places))
	for uid := range places {
		uids = append(uids, uid)
	}
	slices.Sort(uids)
	var all [][]uint32
	begin, octets, run := 0, 0, false
	for i, uid := range uids {
		const longest = len(",4294967295")
		cost := longest
		if extends := i > begin && uid == uids[i-1]+1; extends && run {
			cost = 0
		} else {
			run = extends
		}
		if octets+cost > maxSet || i-begin == maxUIDs {
			all = append(all, uids[begin:i])
			begin, octets, cost, run = i, 0, longest, false
		}
		octets += cost
	}
	if begin < len(uids) {
		all = append(all, uids[begin:])
	}
	return all
}

// chunk does one part of a batch, and notes the outcome of each message. What
// failed is done again if the connection was replaced: all steps but COPY can
// be repeated, and step remembers that one.
func (a *application) chunk(b *batch, uids []uint32) {
	s := newStep(a, b, uids)
	err := a.attempt(s)
	if a.m.broke(a.ctx, err) && !a.reconnected {
		err = a.attempt(s)
	}
	if err != nil && a.m.link != nil && !a.m.link.dead() {
		err = s.settle(err)
	}
	for _, uid := range uids {
		result := s.results[uid]
		if result.Err == nil {
			result.Err = err
			if s.done[uid] {
				result.Err = nil
			}
		}
		for _, i := range b.places[uid] {
			a.results[i] = result
		}
	}
}

// attempt counts new connections: there is one for the whole of an Apply. That
// in place of one that we gave up ourselves is not counted.
func (a *application) attempt(s *step) error {
	if a.ended != nil {
		return a.ended
	}
	if a.m.link == nil || a.m.link.dead() && !errors.Is(a.m.link.f.cause(), errDropped) {
		if a.reconnected {
			a.ended = &upstream.Error{Kind: upstream.Unavailable, Doing: "change messages",
				Err: errors.New("the connection broke again")}
			return a.ended
		}
		a.reconnected = true
	}
	err := a.m.once(a.ctx, s.batch.folder, s.perform)
	if err != nil && a.m.link == nil {
		a.ended = err
	}
	return err
}

// step is a chunk under way.
type step struct {
	a       *application
	m       *mailbox
	ctx     context.Context
	batch   *batch
	uids    []uint32
	results map[uint32]upstream.Result
	done    map[uint32]bool // has happened, whatever comes next
	copied  copying
	moved   bool // to the trash of Gmail
	moving  bool // was tried
	lost    bool // an earlier try may have moved them, and nobody said where to
}

// copying remembers COPY, which must not be repeated without looking: it would
// make a second copy.
type copying uint8

const (
	notCopied copying = iota
	maybeCopied
	wasCopied
)

func newStep(a *application, b *batch, uids []uint32) *step {
	return &step{a: a, m: a.m, ctx: a.ctx, batch: b, uids: uids,
		results: map[uint32]upstream.Result{}, done: map[uint32]bool{}}
}

func (s *step) perform(l *link) error {
	set := uidSet(s.uids)
	switch s.batch.do {
	case upstream.MarkSeen:
		return l.store(s.ctx, set, imap.StoreFlagsAdd, imap.FlagSeen)
	case upstream.Flag:
		if !l.f.keeps(s.batch.target) {
			return &upstream.Error{Kind: upstream.Denied, Doing: "set a keyword",
				Err: errors.New("the server keeps no keywords in this folder")}
		}
		return l.store(s.ctx, set, imap.StoreFlagsAdd, imap.Flag(s.batch.target))
	case upstream.Unmark:
		return l.store(s.ctx, set, imap.StoreFlagsDel, imap.FlagDeleted)
	case upstream.Move:
		return s.move(l, s.batch.target)
	default:
		return s.expunge(l)
	}
}

// settle asks which messages of a failed step still exist. The others are gone
// already, which is no failure.
func (s *step) settle(failure error) error {
	if upstream.KindOf(failure) == upstream.Denied || s.ctx.Err() != nil || s.m.selected != s.batch.folder {
		return failure
	}
	there, err := s.m.link.present(s.ctx, uidSet(s.uids))
	if err != nil {
		return failure
	}
	for _, uid := range s.uids {
		if !there.Contains(imap.UID(uid)) {
			s.done[uid] = true
		}
	}
	return failure
}

func uidSet(uids []uint32) imap.UIDSet {
	var set imap.UIDSet
	for _, uid := range uids {
		set.AddNum(imap.UID(uid))
	}
	return set
}

// store sets or clears a flag. Messages that are gone are passed over.
func (l *link) store(ctx context.Context, set imap.UIDSet, op imap.StoreFlagsOp, flag imap.Flag) error {
	return l.run(ctx, "set "+string(flag), l.u.o.ListTimeout, func() error {
		return l.client().Store(set, &imap.StoreFlags{Op: op, Silent: true, Flags: []imap.Flag{flag}}, nil).Close()
	})
}
