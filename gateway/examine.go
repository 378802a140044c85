package gateway

import (
	"context"
	"errors"
	"net"
	"slices"
	"time"

	"github.com/restante-mail/restante/auth"
	"github.com/restante-mail/restante/pop3"
	"github.com/restante-mail/restante/upstream"
)

// An Examination is what signing in to one mailbox found out.
type Examination struct {
	Tried
	// Token: one signs in upstream, and no password.
	Token bool
	// Opened is how long sign-in and opening took, Listed the listing after it.
	Opened, Listed time.Duration
	Count          []FolderCount
	Survey         upstream.Survey
	// Able is nil over POP3.
	Able *upstream.Abilities
	// Keywords: the first folder keeps any keyword. Always false over POP3.
	Keywords bool
	Quota    *upstream.FolderQuota
	Sampled  []Sample
	// Latest is when the latest message arrived, by the server's clock.
	Latest time.Time
	Unmet  []Unmet
	// Unnamed: the messages have no UIDLs, over POP3.
	Unnamed bool
}

// FolderCount is what a folder holds, as listed.
type FolderCount struct {
	Folder   string `json:"folder"`
	Messages int    `json:"messages"`
	Octets   int64  `json:"octets"`
}

// A Sample is a message that was read to be measured.
type Sample struct {
	Folder string `json:"folder"`
	UID    uint32 `json:"uid"`
	Listed int64  `json:"listed"`
	Octets int64  `json:"octets"` // what RETR sends, dots not stuffed
}

// Examine signs in and looks at all that a client may run into; with held, by
// what is kept for the account. It changes nothing. The Examination is what was
// found out until an error.
func (g *Gateway) Examine(ctx context.Context, q Question, held bool) (*Examination, error) {
	peer := pop3.Peer{ID: "doctor", Listener: q.Listener, Remote: &net.TCPAddr{IP: q.Client.AsSlice()}}
	e := new(Examination)
	route, login, err := g.leadEither(ctx, peer, q, held)
	e.Tried = tried(route, login)
	e.Token = login.Bearer
	if err != nil {
		return e, err
	}
	login.NoDates, login.NeedQuota = false, true
	c := &unmet{ctx: ctx, route: route, login: login}
	start := time.Now()
	mailbox, err := open(ctx, route.Server, login)
	e.Opened = time.Since(start)
	if c.noFirstFolder(err) {
		e.Unmet = c.all
		return e, nil
	}
	if err != nil {
		return e, err
	}
	defer mailbox.Close() // nothing was changed
	return e, e.look(ctx, mailbox, c)
}

// leadEither finds the way with the credentials of the question, or with those
// that are kept.
func (g *Gateway) leadEither(ctx context.Context, peer pop3.Peer, q Question, held bool) (Route, upstream.Login, error) {
	if held {
		return g.leadHeld(ctx, peer, q.Credentials.User, func(r Route, _ auth.Account) (Route, error) { return r, nil })
	}
	return g.lead(ctx, peer, q.Credentials)
}

// look asks one thing after the other.
func (e *Examination) look(ctx context.Context, mailbox upstream.Mailbox, c *unmet) error {
	for _, f := range mailbox.Folders() {
		e.Folders = append(e.Folders, f.Name)
	}
	start := time.Now()
	messages, err := mailbox.Messages(ctx)
	e.Listed = time.Since(start)
	if err != nil {
		return err
	}
	e.count(mailbox.Folders(), messages)
	if surveyor, ok := mailbox.(upstream.Surveyor); ok {
		if e.Survey, err = surveyor.Survey(ctx); err != nil {
			return err
		}
	}
	if inspector, ok := mailbox.(upstream.Inspector); ok {
		able := inspector.Abilities()
		e.Able, e.Keywords = &able, inspector.Keeps(0, "$Restante")
		if e.Quota, err = inspector.Quota(ctx, e.Folders[0]); err != nil {
			return err
		}
	}
	if e.Unmet, err = c.of(mailbox); err != nil {
		return err
	}
	return e.sample(ctx, mailbox, messages)
}

func (e *Examination) count(folders []upstream.Folder, messages []upstream.Message) {
	for _, f := range folders {
		e.Count = append(e.Count, FolderCount{Folder: f.Name})
	}
	for _, m := range messages {
		e.Count[m.ID.Folder].Messages++
		e.Count[m.ID.Folder].Octets += m.Size
		if m.Arrived.After(e.Latest) {
			e.Latest = m.Arrived
		}
		e.Unnamed = e.Unnamed || folders[m.ID.Folder].UIDValidity == 0 && m.UIDL == ""
	}
}

// How many messages are read to be measured, and how large they may be: enough
// to meet a server that is always wrong, and nobody waits for it.
const (
	samples      = 8
	sampleOctets = 2 << 20
)

// sample measures messages that are spread evenly over the mailbox, the newest
// among them.
func (e *Examination) sample(ctx context.Context, mailbox upstream.Mailbox, messages []upstream.Message) error {
	if !e.Survey.ReadsLeaveNoTrace {
		return nil
	}
	small := slices.DeleteFunc(slices.Clone(messages), func(m upstream.Message) bool { return m.Size > sampleOctets })
	n := min(samples, len(small))
	for i := range n {
		m := small[len(small)-1-i*len(small)/n]
		r, err := mailbox.Open(ctx, m.ID, upstream.Whole)
		if err != nil && upstream.KindOf(err) == upstream.Gone {
			continue
		}
		if err != nil {
			return err
		}
		octets, err := pop3.CountOctets(r)
		if err = errors.Join(err, r.Close()); err != nil {
			return err
		}
		e.Sampled = append(e.Sampled, Sample{e.Folders[m.ID.Folder], m.ID.UID, m.Size, octets})
	}
	return nil
}
