package bridge

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/restante-mail/restante/secret"
	"github.com/restante-mail/restante/upstream"
)

// warmPatience is how long a connection that was idle may be silent before a
// new one is tried: some networks forget connections and tell nobody.
const warmPatience = 10 * time.Second

// Open signs in, selects the folders and lists them, so that what it returns
// is a mailbox that was there a moment ago. If a listing fails the mailbox is
// good all the same; it is listed again when that is needed.
func (u *Upstream) Open(ctx context.Context, login upstream.Login) (upstream.Mailbox, error) {
	start := time.Now()
	m, err := u.open(ctx, login)
	if u.o.Hooks.Opened != nil {
		u.o.Hooks.Opened(err == nil && m.warm, time.Since(start), err)
	}
	if err != nil {
		return nil, err
	}
	return m, nil
}

func (u *Upstream) open(ctx context.Context, login upstream.Login) (*mailbox, error) {
	if err := checkLogin(login); err != nil {
		return nil, err
	}
	k, err := u.pool.begin(ctx, login)
	if err != nil {
		return nil, err
	}
	m := &mailbox{u: u, login: login, place: k}
	if err := m.begin(ctx); err != nil {
		k.leave(nil)
		if m.link != nil {
			m.link.logout()
		}
		return nil, err
	}
	return m, nil
}

// begin opens over a warm connection if there is one. Whatever goes wrong with
// that, a new one tells for certain.
func (m *mailbox) begin(ctx context.Context) error {
	if l := m.place.warm; l != nil {
		m.place.warm, m.warm = nil, true
		m.startOver(l)
		err := m.openFolders(ctx)
		if err == nil || ctx.Err() != nil {
			return err
		}
		m.link.logout()
		m.warm = false
	}
	err := m.beginCold(ctx)
	if errors.Is(err, errNoPlace) {
		m.link.logout()
		m.link = nil
		if err = m.place.take(ctx); err == nil { // by now the credentials are known to be good
			return m.begin(ctx)
		}
	}
	return err
}

func (m *mailbox) startOver(l *link) {
	m.link, m.selected = l, -1
	m.folders, m.lists, m.learned, m.tried, m.uses = nil, nil, nil, false, map[string]string{}
	m.quotas = map[string]*upstream.FolderQuota{}
}

// errNoPlace: the identity has all the connections that it may have.
var errNoPlace = errors.New("no place")

// beginCold signs in and opens the first folder, in one flight if that can be.
func (m *mailbox) beginCold(ctx context.Context) (err error) {
	m.startOver(nil)
	var first *opening
	var ask func(*link)
	var held int
	if name := m.names()[0]; !strings.HasPrefix(name, `\`) && checkFolder(name) == nil {
		first = m.newOpening(name)
		first.known, first.small, held = m.u.listings.recallUnproven(ctx, m.listingKey(name), 0)
		ask = first.queue
	}
	m.link, err = m.u.link(ctx, m.login, ask)
	m.u.listings.proved(held)
	if err != nil {
		return err
	}
	if !m.place.takeNow() {
		return errNoPlace
	}
	if first != nil {
		err = m.finish(ctx, first)
	}
	if err != nil {
		return err
	}
	return m.openFolders(ctx)
}

// names are the folders to open.
func (m *mailbox) names() []string {
	if len(m.login.Folders) == 0 {
		return []string{"INBOX"}
	}
	return m.login.Folders
}

// opening is how to open the folder, with what is remembered of it.
func (m *mailbox) opening(ctx context.Context, name string) *opening {
	o := m.newOpening(name)
	o.known, o.small = m.u.listings.recall(ctx, m.listingKey(name), o.folder)
	return o
}

func (m *mailbox) newOpening(name string) *opening {
	return &opening{folder: len(m.folders), name: name, seen: m.login.NeedSeen, noDates: m.login.NoDates, quota: m.login.NeedQuota}
}

// openFolders opens those that are not open yet, each in one flight. One that
// stands for a special use and does not exist holds no mail: the maildrop is
// made of the others. But the first must be there, for it is by it that messages
// are named.
func (m *mailbox) openFolders(ctx context.Context) error {
	for _, name := range m.names() {
		use := name
		name, err := m.resolve(ctx, name)
		if errors.Is(err, upstream.ErrNoFolder) && len(m.folders) > 0 {
			m.u.o.Log.WithField("session", m.login.Session).WithField("use", use).Warn("the account has no folder of that use: the maildrop is made of the others")
			continue
		}
		if err != nil {
			return err
		}
		if slices.ContainsFunc(m.folders, func(f folder) bool { return sameFolder(f.name, name) }) {
			continue
		}
		o := m.opening(ctx, name)
		o.queue(m.link)
		if err := m.finish(ctx, o); err != nil {
			return err
		}
	}
	return nil
}

// finish takes in a folder. A warm connection that cannot list it is not worth
// keeping. Listings come in the order of the folders, so after one that failed
// the others are of no use.
func (m *mailbox) finish(ctx context.Context, o *opening) error {
	result, err := o.finish(ctx, m.patience())
	if err == nil && m.warm {
		err = result.why
	}
	if err != nil {
		return err
	}
	m.folders = append(m.folders, folder{o.name, result.selection})
	m.selected = len(m.folders) - 1
	if result.why == nil && m.login.NeedQuota {
		m.quotas[o.name] = result.quota
	}
	switch {
	case result.why != nil:
		m.tried = true
	case len(m.lists) == m.selected:
		m.u.listed(result.how)
		m.lists = append(m.lists, listing{result.selection, result.messages})
		m.messages = result.messages
		m.learned = append(m.learned, learned{last: result.last, same: result.same})
	}
	return nil
}

// patience is how long the server may be silent: not for long before a
// warm connection has shown that it is still one.
func (m *mailbox) patience() time.Duration {
	if m.warm && len(m.folders) == 0 {
		return min(m.u.o.ListTimeout, m.u.pool.patience)
	}
	return m.u.o.ListTimeout
}

// release gives the connection back, for the next session with the same
// credentials. Nothing can be done after it: it would be done over a connection
// that nobody counts.
func (m *mailbox) release() {
	if m.place == nil {
		return
	}
	m.remember()
	m.place.leave(m.link)
	m.link, m.place = nil, nil
	m.changed = &upstream.Error{Kind: upstream.Unavailable, Doing: "use the mailbox", Err: errors.New("it was closed")}
}

// Close lets go of everything. A body that is still being read is not waited
// for.
func (m *mailbox) Close() error {
	if m.reader != nil {
		m.reader.abandon()
	}
	m.release()
	m.save()
	m.login.Secret, m.login.Tokens, m.beforeWait = secret.Text{}, nil, nil
	return nil
}

// Warm tells whether the session began over a connection that was there.
func (m *mailbox) Warm() bool { return m.warm }
