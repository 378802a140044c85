package bridge

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/restante-mail/restante/upstream"
)

// opening is all that is asked of a folder, in one flight: SELECT and either
// everything, or the proof of what is remembered and what is new. Servers work
// in order and none of it depends on an answer; after a SELECT that fails the
// rest is refused.
type opening struct {
	l      *link
	folder int
	name   string
	// known is to be proved; nil: the folder is listed whole.
	known *remembered
	small bool // few messages: everything is asked each time, and nothing remembered
	seen  bool // \Seen is wanted of known messages too
	// noDates: nobody asks when messages came. Servers keep dates less at hand
	// than the rest: over Dovecot's mdbox they double what a listing costs.
	noDates bool
	quota   bool // it matters how full the account is
	probes  []uint32
	list    lister

	chosen          *injection     // SELECT
	listed          *injection     // everything, or what is new
	newest          *injection     // who is last; nil if not asked
	full            *quotaQuestion // nil if not asked
	proofs          []*injection
	deleted, unseen *search // nil if not asked
}

// search is a SEARCH of our own.
type search struct {
	*injection
	found uids
}

// search queues one. What it found is known when it is done.
func (l *link) search(keys string) *search {
	s := new(search)
	command := "UID SEARCH "
	if l.has("ESEARCH") {
		command += "RETURN (ALL) "
	}
	s.injection = l.f.queue(command+keys, injection{uids: &s.found})
	return s
}

// queue puts the commands together. They leave with the next flush.
func (o *opening) queue(l *link) {
	o.l = l
	o.list = lister{folder: o.folder, small: o.small || o.known != nil}
	o.newest, o.unseen = nil, nil
	o.chosen, o.full = l.queueSelect(o.name), nil
	if o.quota {
		o.full = l.queueQuota(o.name)
	}
	if o.known == nil {
		dates := !o.small || !o.noDates
		o.listed = l.f.queue(listCommand("1:*", l.uniqueAttribute(), dates), injection{list: &o.list})
		if !o.small {
			o.newest = l.f.queue(lastCommand, injection{list: &o.list})
		}
		return
	}
	o.probes = o.known.probes()
	o.proofs = nil
	for _, command := range probeCommands(o.probes) {
		o.proofs = append(o.proofs, l.f.queue(command, injection{list: &o.list}))
	}
	o.listed = l.f.queue(listCommand(fmt.Sprintf("%d:*", o.known.next), l.uniqueAttribute(), true), injection{list: &o.list})
	l.f.expectUIDs(len(o.known.messages))
	o.deleted = l.search("DELETED")
	if o.seen {
		o.unseen = l.search("UNSEEN")
	}
}

// lastCommand asks who is last, for the next session's proof.
const lastCommand = "UID FETCH * (UID BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)])"

// An opened folder.
type opened struct {
	selection
	messages []upstream.Message
	// listed: messages is the folder's listing. If not, why says what went wrong.
	listed bool
	how    upstream.Listing
	why    error
	// last is what the next session proves the listing by; nil if nothing is known.
	last *header
	// same: it is what was remembered, to the message.
	same bool
	// quota is what limits the folder; nil if nobody knows.
	quota *upstream.FolderQuota
}

// finish sends what is queued and waits for the answers. An error means that
// the folder is not selected.
func (o *opening) finish(ctx context.Context, timeout time.Duration) (opened, error) {
	var result opened
	err := o.l.run(ctx, selecting(o.name), timeout, func() error {
		if err := o.l.f.flush(); err != nil {
			return err
		}
		return o.chosen.wait()
	})
	if err == nil {
		result.selection, err = o.l.selected(o.name)
	}
	if err != nil {
		return opened{}, err
	}
	defer o.l.f.expectUIDs(0)
	result.why = o.l.run(ctx, "list", timeout, func() (err error) {
		if result.quota, err = o.full.wait(); err != nil {
			return err
		}
		return o.judge(&result)
	})
	result.listed = result.why == nil
	return result, nil
}

// judge makes the listing of the answers.
func (o *opening) judge(result *opened) error {
	if o.known == nil {
		return o.whole(result, o.listed)
	}
	d, err := o.prove(result)
	if err != nil || d == "" {
		result.how = upstream.ListedRemembered
		return err
	}
	result.how = upstream.ListedAnew
	o.l.u.o.Log.WithField("why", string(d)).Info("what was remembered of the folder is not true any more; listing it anew")
	o.list = lister{folder: o.folder, headers: o.list.headers}
	listed, err := o.l.f.inject(listCommand("1:*", o.l.uniqueAttribute(), true), &o.list)
	if err != nil {
		return err
	}
	return o.whole(result, listed)
}

// whole waits for a listing of everything. An empty folder may refuse it.
func (o *opening) whole(result *opened, listed *injection) error {
	err := listed.wait()
	if o.newest != nil {
		if ended := o.newest.wait(); !isReply(ended) { // who is last is not worth a session
			err = errors.Join(err, ended)
		}
	}
	result.selection, _ = o.l.selected(o.name)
	if result.exists == 0 && isReply(err) {
		err = nil
	}
	if err != nil {
		return err
	}
	result.messages = o.list.finish()
	result.last = o.lastHeader(result.messages)
	return o.l.checkWhole(len(result.messages))
}

// isReply tells whether the server has refused, and is well. nil counts.
func isReply(err error) bool {
	var said *reply
	return err == nil || (errors.As(err, &said) && said.kind != "BYE")
}

// prove waits for the proof. An error ends the connection; a doubt asks for
// everything.
func (o *opening) prove(result *opened) (doubt, error) {
	refused, err := o.answers()
	if err != nil || refused {
		return "the server refuses to say", err
	}
	result.selection, _ = o.l.selected(o.name)
	answers := o.list.finish()
	if d := o.known.against(result.selection, o.probes, answers, o.list.headers); d != "" {
		return d, nil
	}
	before := len(o.known.messages)
	messages := o.known.withNew(answers)
	result.same = len(messages) == before && uint32(before) == result.exists
	if len(messages) != int(result.exists) {
		d, err := o.explained(result, &messages)
		if d != "" || err != nil {
			return d, err
		}
	}
	o.mark(messages)
	result.messages, result.last = messages, o.lastHeader(messages)
	return "", nil
}

// answers waits for all of them.
func (o *opening) answers() (refused bool, err error) {
	all := append(o.proofs, o.listed, o.deleted.injection)
	if o.unseen != nil {
		all = append(all, o.unseen.injection)
	}
	for _, c := range all {
		err := c.wait()
		if !isReply(err) {
			return false, err
		}
		refused = refused || err != nil
	}
	return refused, nil
}

// explained asks what there is, once, where the count does not fit.
func (o *opening) explained(result *opened, messages *[]upstream.Message) (d doubt, err error) {
	o.l.f.expectUIDs(max(len(*messages), int(result.exists)))
	all := o.l.search("ALL")
	if err = o.l.f.flush(); err != nil {
		return "", err
	}
	if err = all.wait(); err != nil {
		if isReply(err) {
			return "the server refuses to search", nil
		}
		return "", err
	}
	result.selection, _ = o.l.selected(o.name)
	*messages, d = o.known.explain(*messages, &all.found, result.exists)
	return d, nil
}

// mark sets the flags of known messages; new ones came with theirs.
func (o *opening) mark(messages []upstream.Message) {
	deleted, unseen := 0, 0
	for i := range messages {
		m := &messages[i]
		if m.ID.UID >= o.known.next {
			return
		}
		m.Flags = 0
		if o.deleted.found.has(m.ID.UID, &deleted) {
			m.Flags |= upstream.Deleted
		}
		if o.unseen != nil && !o.unseen.found.has(m.ID.UID, &unseen) {
			m.Flags |= upstream.Seen
		}
	}
}

// lastHeader is the Message-ID of the last message, if it came.
func (o *opening) lastHeader(messages []upstream.Message) *header {
	n := len(messages)
	if n == 0 {
		return nil
	}
	i := slices.IndexFunc(o.list.headers, func(h header) bool { return h.uid == messages[n-1].ID.UID })
	if i < 0 {
		return nil
	}
	return &o.list.headers[i]
}
