package bridge

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/restante-mail/restante/secret"
	"github.com/restante-mail/restante/upstream"
	"github.com/restante-mail/restante/upstream/readahead"
)

// maxFolderName bounds what the configuration may send to a server as a name.
const maxFolderName = 1 << 10

// mailbox is one session's view of some folders. It keeps the credentials, to
// come back if the connection breaks, once for each thing that is to be done,
// and only if UIDVALIDITY is what it was.
type mailbox struct {
	u        *Upstream
	login    upstream.Login
	folders  []folder
	link     *link // may be dead; nil if it could not be replaced
	selected int   // index into folders, or -1
	lists    []listing
	messages []upstream.Message
	reader   *reader          // open, or nil
	course   readahead.Course // of the client
	asked    int              // the last that was asked for ahead, in the client's order
	wants    []want           // memory
	// beforeWait is called before the server is waited for; nil: nobody cares.
	beforeWait func()
	uses       map[string]string                // folders found by special use
	quotas     map[string]*upstream.FolderQuota // that were asked for, by folder
	place      *place                           // nil after Close
	warm       bool                             // the connection was there before the session
	tried      bool                             // listing was tried, and failed
	learned    []learned                        // what is to be remembered, by folder
	changed    error                            // UIDVALIDITY is another: nothing can be done any more
}

type folder struct {
	name string
	selection
}

// sameFolder knows that only INBOX may be written in any case.
func sameFolder(a, b string) bool {
	return a == b || strings.EqualFold(a, "INBOX") && strings.EqualFold(b, "INBOX")
}

// resolve returns the name that the server knows a folder by.
func (m *mailbox) resolve(ctx context.Context, name string) (string, error) {
	if !strings.HasPrefix(name, `\`) {
		return name, checkFolder(name)
	}
	if found, ok := m.uses[name]; ok {
		return found, nil
	}
	found, err := m.link.special(ctx, name, m.patience())
	if err == nil {
		m.uses[name] = found
	}
	return found, err
}

func checkFolder(name string) error {
	if name == "" || len(name) > maxFolderName || strings.ContainsAny(name, "\r\n\x00") {
		return &upstream.Error{Kind: upstream.Denied, Doing: "select a folder",
			Err: fmt.Errorf("%q is no name of a folder", printable([]byte(name)))}
	}
	return nil
}

// Folders are what was selected, by the names that the server has for them.
func (m *mailbox) Folders() []upstream.Folder {
	folders := make([]upstream.Folder, len(m.folders))
	for i, f := range m.folders {
		folders[i] = upstream.Folder{Name: f.name, UIDValidity: f.uidValidity}
	}
	return folders
}

// Messages lists all folders at the first call.
func (m *mailbox) Messages(ctx context.Context) ([]upstream.Message, error) {
	m.closeReader()
	for len(m.lists) < len(m.folders) {
		i := len(m.lists)
		var list listing
		do := m.with
		if m.tried { // once more is all that there is
			do, m.tried = m.once, false
		}
		if err := do(ctx, i, func(l *link) (err error) {
			list, err = l.list(ctx, i, m.folders[i].selection)
			return err
		}); err != nil {
			return nil, err
		}
		m.u.listed(upstream.ListedWhole)
		m.lists = append(m.lists, list)
		m.learned = append(m.learned, learned{})
		m.messages = list.messages
	}
	if len(m.lists) > 1 {
		m.messages = nil
		for _, list := range m.lists {
			m.messages = append(m.messages, list.messages...)
		}
	}
	return m.messages, nil
}

// find returns what was listed of a message.
func (m *mailbox) find(id upstream.ID) (upstream.Message, bool) {
	if id.Folder < 0 || id.Folder >= len(m.lists) {
		return upstream.Message{}, false
	}
	messages := m.lists[id.Folder].messages
	i, found := slices.BinarySearchFunc(messages, id.UID, func(m upstream.Message, uid uint32) int {
		return cmp.Compare(m.ID.UID, uid)
	})
	if !found {
		return upstream.Message{}, false
	}
	return messages[i], true
}

// with does something in a folder. If the connection breaks, also if it was
// found broken only now, it is replaced and everything tried again, once.
func (m *mailbox) with(ctx context.Context, folder int, do func(*link) error) error {
	err := m.once(ctx, folder, do)
	if m.broke(ctx, err) {
		err = m.once(ctx, folder, do)
	}
	return err
}

// broke tells whether it was the connection that failed, and another may not.
func (m *mailbox) broke(ctx context.Context, err error) bool {
	return err != nil && upstream.KindOf(err) == upstream.Unavailable && ctx.Err() == nil &&
		m.link != nil && m.link.dead()
}

// once does something in a folder, over a new connection if there is none.
func (m *mailbox) once(ctx context.Context, folder int, do func(*link) error) error {
	if err := m.ready(ctx, folder); err != nil {
		return err
	}
	return do(m.link)
}

func (m *mailbox) ready(ctx context.Context, folder int) error {
	if m.changed != nil {
		return m.changed
	}
	if m.link == nil || m.link.dead() {
		if err := m.reconnect(ctx); err != nil {
			return err
		}
	}
	if m.selected == folder {
		return nil
	}
	m.selected = -1
	s, err := m.link.selectFolder(ctx, m.folders[folder].name)
	if err != nil {
		return err
	}
	if was := m.folders[folder]; s.uidValidity != was.uidValidity {
		m.changed = &upstream.Error{Kind: upstream.Unavailable, Doing: "select " + printable([]byte(was.name)) + " again",
			Err: fmt.Errorf("UIDVALIDITY was %d and is %d: no message can be told from another any more", was.uidValidity, s.uidValidity)}
		return m.changed
	}
	m.folders[folder].selection = s
	m.selected = folder
	return nil
}

func (m *mailbox) reconnect(ctx context.Context) error {
	if m.link != nil {
		m.u.o.Log.WithError(m.link.f.cause()).WithField("session", m.login.Session).Info("the upstream connection broke; connecting again")
		m.link.drop()
	}
	m.link, m.selected = nil, -1
	err := m.freshen(ctx)
	if err == nil {
		m.link, err = m.u.link(ctx, m.login, nil)
	}
	return err
}

// freshen takes the token that is good now: a session may last longer than the
// one that it began with.
func (m *mailbox) freshen(ctx context.Context) error {
	if m.login.Tokens == nil {
		return nil
	}
	token, err := m.login.Tokens.Token(ctx, secret.Text{})
	if err != nil {
		return err
	}
	m.login.Secret, m.login.Expires = token.Secret, token.Expires
	m.place.reprove(m.login)
	return nil
}

// closeReader ends a reader that is still open: one is all that there can be.
func (m *mailbox) closeReader() {
	if m.reader != nil {
		_ = m.reader.Close()
	}
}
