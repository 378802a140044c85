package memimap

import (
	"io"
	"strings"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"
)

// A session is one client's connection. imapserver calls it from one goroutine,
// and checks the state (signed in, folder selected) before it does.
type session struct {
	server *Server
	user   *User // nil before sign-in
	view   *view // nil unless a folder is selected; set under user.mu, because of Idle
}

var _ imapserver.SessionMove = (*session)(nil)

func (s *session) Close() error {
	defer s.server.sessions.Done()
	return s.Unselect()
}

func (s *session) Login(name, password string) error {
	u := s.server.user(name)
	if u == nil || !u.accepts(password) {
		return imapserver.ErrAuthFailed
	}
	s.user = u
	return nil
}

func (s *session) Select(name string, options *imap.SelectOptions) (*imap.SelectData, error) {
	box, err := s.folder(name, imap.ResponseCodeNonExistent)
	if err != nil {
		return nil, err
	}
	s.user.mu.Lock()
	defer s.user.mu.Unlock()
	s.view = newView(box, options.ReadOnly)
	return box.selectData(), nil
}

func (s *session) Unselect() error {
	if s.view == nil {
		return nil
	}
	s.user.mu.Lock()
	defer s.user.mu.Unlock()
	s.view.tracker.Close()
	s.view = nil
	return nil
}

func (s *session) Poll(w *imapserver.UpdateWriter, allowExpunge bool) error {
	if s.view == nil {
		return nil
	}
	return s.view.tracker.Poll(w, allowExpunge)
}

// Idle runs beside the connection's own goroutine, and imapserver does not wait
// for it when the connection breaks.
func (s *session) Idle(w *imapserver.UpdateWriter, stop <-chan struct{}) error {
	s.user.mu.Lock()
	view := s.view
	s.user.mu.Unlock()
	if view == nil {
		<-stop
		return nil
	}
	return view.tracker.Idle(w, stop)
}

func (s *session) Append(name string, r imap.LiteralReader, options *imap.AppendOptions) (*imap.AppendData, error) {
	raw, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	box, err := s.folder(name, imap.ResponseCodeTryCreate)
	if err != nil {
		return nil, err
	}
	m := message{flags: withFlags(nil, options.Flags), date: options.Time, raw: raw}
	if m.date.IsZero() {
		m.date = s.server.now()
	}
	s.user.mu.Lock()
	defer s.user.mu.Unlock()
	uid := box.append(m)
	if !s.offers(imap.CapUIDPlus) {
		return nil, nil
	}
	return &imap.AppendData{UID: uid, UIDValidity: box.validity}, nil
}

// folder finds one by name, and otherwise fails with the given code.
func (s *session) folder(name string, code imap.ResponseCode) (*Mailbox, error) {
	box := s.user.find(name)
	if box == nil {
		return nil, refuse(code, "No such mailbox")
	}
	return box, nil
}

func (s *session) offers(c imap.Cap) bool {
	_, ok := s.server.caps[c]
	return ok
}

func (s *session) Create(name string, _ *imap.CreateOptions) error {
	name = strings.TrimRight(name, "/")
	if s.user.find(name) != nil {
		return refuse(imap.ResponseCodeAlreadyExists, "Mailbox already exists")
	}
	s.user.Mailbox(name)
	return nil
}

var errFixed = refuse(imap.ResponseCodeCannot, "Mailboxes cannot be deleted, renamed or unsubscribed here")

func (s *session) Delete(string) error { return errFixed }

func (s *session) Rename(string, string, *imap.RenameOptions) error { return errFixed }

// Subscribe has nothing to do: all folders are subscribed.
func (s *session) Subscribe(name string) error {
	_, err := s.folder(name, imap.ResponseCodeNonExistent)
	return err
}

func (s *session) Unsubscribe(string) error { return errFixed }

// refuse makes a NO answer.
func refuse(code imap.ResponseCode, text string) error {
	return &imap.Error{Type: imap.StatusResponseTypeNo, Code: code, Text: text}
}

// unknown makes the BAD answer to a command of a capability that is lacked.
func unknown(command string) error {
	return &imap.Error{Type: imap.StatusResponseTypeBad, Text: "Unknown command " + command}
}
