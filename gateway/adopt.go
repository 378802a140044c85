package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/restante-mail/restante/pop3"
	"github.com/restante-mail/restante/store"
	"github.com/restante-mail/restante/uidl"
	"github.com/restante-mail/restante/upstream"
)

// An Adoption is what came of giving messages of a mailbox the names that they
// had at another server.
type Adoption struct {
	// Known are the messages of the other server that are known and not gone.
	Known int `json:"known"`
	// Matched of them have their names here, some perhaps from an adoption before.
	Matched int `json:"matched"`
	// Ambiguous ones resemble several, or are resembled by several: their names
	// are given to nobody.
	Ambiguous int `json:"ambiguous"`
	// Resized ones have a counterpart that differs in size alone.
	Resized int `json:"resized"`
	// Unreadable ones have nothing to be recognised by.
	Unreadable int `json:"unreadable"`
	// Missing ones have no counterpart.
	Missing int `json:"missing"`
	// Listed messages there are here, New of them have a name that nothing had.
	Listed int `json:"listed"`
	New    int `json:"new"`
	// Unmatched are the names of what was not matched, and why.
	Unmatched []Unmatched `json:"unmatched,omitempty"`
}

// Unmatched is a message of the other server whose name is given to nobody.
type Unmatched struct {
	UIDL string `json:"uidl"`
	Why  string `json:"why"`
}

// Adopt signs in for a user and gives messages the names that are known of
// another server, after learn has learned them for the maildrop. Messages that a
// client has been told the names of here keep them.
func (g *Gateway) Adopt(ctx context.Context, q Question, learn func(maildrop string) error) (*Adoption, error) {
	peer := pop3.Peer{ID: "import", Listener: q.Listener, Remote: &net.TCPAddr{IP: q.Client.AsSlice()}}
	route, login, err := g.lead(ctx, peer, q.Credentials)
	if err != nil {
		return nil, err
	}
	mailbox, err := route.Server.Open(ctx, login)
	if err != nil {
		return nil, err
	}
	defer mailbox.Close() // nothing was changed
	s := g.begin(route, login, peer, mailbox, nil)
	s.imports, s.adoption = true, new(Adoption)
	if s.folders[0].UIDValidity == 0 {
		return nil, fmt.Errorf("user %q is led to upstream %q, which speaks POP3: its names are passed on, and there is nothing to match", q.Credentials.User, route.Upstream)
	}
	if err := learn(s.maildropName()); err != nil {
		return nil, err
	}
	msgs, err := mailbox.Messages(ctx)
	if err == nil {
		err = s.openLedger(ctx, msgs)
	}
	s.adoption.Listed = len(msgs)
	return s.adoption, err
}

// tell counts what came of a recognition.
func (r *recognition) tell(matches []int) {
	a := r.s.adoption
	if a == nil {
		return
	}
	a.Known += len(r.old) + r.adopted
	a.Matched += r.adopted
	matched := make([]bool, len(r.old))
	for n, o := range matches {
		if o >= 0 {
			matched[o] = true
			a.Matched++
		} else if r.open(&r.msgs[r.at[n]]) {
			a.New++
		}
	}
	here, sized := map[uidl.Print]bool{}, map[string]bool{}
	for i := range r.now {
		here[r.now[i].Print] = true
		for _, size := range r.now[i].Sizes {
			sized[fmt.Sprint(r.now[i].Print, size)] = true
		}
	}
	for o := range r.old {
		if !matched[o] {
			a.unmatched(&r.old[o], here, sized)
		}
	}
}

func (a *Adoption) unmatched(old *uidl.Known, here map[uidl.Print]bool, sized map[string]bool) {
	why := "ambiguous: another message has the same Message-ID, Date and size"
	switch {
	case old.Print == (uidl.Print{}):
		a.Unreadable++
		why = "nothing to recognise it by was learned"
	case !here[old.Print]:
		a.Missing++
		why = "missing: no message has its Message-ID and Date"
	case !sized[fmt.Sprint(old.Print, old.Sizes[0])] && (old.Sizes[1] == 0 || !sized[fmt.Sprint(old.Print, old.Sizes[1])]):
		a.Resized++
		why = fmt.Sprintf("resized: the message with its Message-ID and Date does not have its %d octets", old.Sizes[0])
	default:
		a.Ambiguous++
	}
	a.Unmatched = append(a.Unmatched, Unmatched{old.Name, why})
}

// learnAtOnce is how many messages are learned between two writes: what is
// lost if the command is stopped.
const learnAtOnce = 200

// LearnPOP3 learns what the messages of a POP3 mailbox are called and recognised
// by, for the account that maildrop names. What is known already is not read
// again. It returns how many messages there are.
func LearnPOP3(ctx context.Context, db store.Ledger, maildrop string, mailbox upstream.Mailbox, now int64, progress func(done, of int)) (int, error) {
	life := store.FolderKey{Maildrop: maildrop, Folder: "INBOX"}
	msgs, err := mailbox.Messages(ctx)
	if err != nil {
		return 0, err
	}
	if len(msgs) > 0 && msgs[0].UIDL == "" {
		return 0, errors.New("the POP3 server has no UIDL, so that clients cannot have remembered any")
	}
	known, err := db.Entries(ctx, life)
	if err != nil {
		return 0, err
	}
	unknown, gone := unlearned(msgs, known)
	if mailbox, ok := mailbox.(upstream.Predictor); ok {
		mailbox.Expect(unknown)
	}
	c := store.LedgerChanges{At: now}
	for i := range unknown {
		e, err := learnOne(ctx, mailbox, &unknown[i])
		if err != nil {
			return 0, fmt.Errorf("message %d of %d: %w", unknown[i].ID.UID, len(msgs), err)
		}
		if c.Entries = append(c.Entries, e); len(c.Entries) == learnAtOnce {
			if err := db.Enter(ctx, life, c); err != nil {
				return 0, err
			}
			c.Entries = nil
		}
		progress(len(msgs)-len(unknown)+i+1, len(msgs))
	}
	for _, key := range gone {
		c.Entries = append(c.Entries, store.Entry{Key: key, Absent: now})
	}
	c.Tidied = true
	return len(msgs), db.Enter(ctx, life, c)
}

// unlearned are the messages of which too little is known, and the keys of those
// that are not there any more.
func unlearned(msgs []upstream.Message, known []store.Entry) (unknown []upstream.Message, gone []uint64) {
	learned, listed := map[uint64]int64{}, map[uint64]bool{} // sizes of what is known
	for _, e := range known {
		if e.Print != ([12]byte{}) && e.Absent == 0 {
			learned[e.Key] = e.Listed
		}
	}
	for _, m := range msgs {
		key := NameKey(m.UIDL)
		listed[key] = true
		if size, ok := learned[key]; !ok || size != m.Size { // another server's, of the same name
			unknown = append(unknown, m)
		}
	}
	for _, e := range known {
		if !listed[e.Key] && e.Absent == 0 {
			gone = append(gone, e.Key)
		}
	}
	return unknown, gone
}

// learnOne reads a message's header.
func learnOne(ctx context.Context, mailbox upstream.Mailbox, m *upstream.Message) (store.Entry, error) {
	e := store.Entry{Key: NameKey(m.UIDL), UIDL: m.UIDL, Listed: m.Size}
	r, err := mailbox.Open(ctx, m.ID, upstream.Part{})
	if upstream.KindOf(err) == upstream.Gone && err != nil {
		return e, nil
	}
	if err != nil {
		return e, err
	}
	defer r.Close()
	t := &tapped{ReadCloser: r}
	_, err = io.Copy(io.Discard, t)
	e.Print = t.tap.Print(t.ended)
	return e, err
}

// KnownNames are the names that clients of a maildrop have been told, or were
// told by the server that it succeeds.
func KnownNames(ctx context.Context, db store.Ledger, maildrops ...string) (map[string]bool, error) {
	names := map[string]bool{}
	for _, maildrop := range maildrops {
		lives, err := db.Lives(ctx, maildrop)
		if err != nil {
			return nil, err
		}
		for _, life := range lives {
			if life.UIDValidity != 0 && life.Settled == 0 {
				continue // no client has been there
			}
			other := otherLife{life, store.FolderKey{Maildrop: maildrop, Folder: life.Folder, UIDValidity: life.UIDValidity}}
			entries, err := db.Entries(ctx, other.key)
			if err != nil {
				return nil, err
			}
			formats := other.formats()
			for _, e := range entries {
				for place := range 2 { // the folder may have been the first, or not
					names[other.called(place, formats, e)] = true
				}
			}
		}
	}
	return names, nil
}

// WithNames are entries of a life with the names that their messages have.
func WithNames(life store.Life, entries []store.Entry) []store.Entry {
	other := otherLife{Life: life}
	place, formats := 0, other.formats()
	if !sameName(life.Folder, "INBOX") {
		place = 1 // an export cannot tell; INBOX comes first nearly always
	}
	for i := range entries {
		entries[i].UIDL = other.called(place, formats, entries[i])
	}
	return entries
}
