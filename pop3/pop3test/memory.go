package pop3test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"
	"sync"
	"testing"

	"github.com/restante-mail/restante/pop3"
)

// Memory is a backend with one maildrop in memory. The On fields make it fail
// or wait; they are set before it is used. It also watches that the connection
// keeps its side of the contract.
type Memory struct {
	User, Password string
	// OnLogin is called for right credentials and for wrong ones, and decides
	// if it returns an error.
	OnLogin    func(context.Context, pop3.Peer, pop3.Credentials) error
	OnMessages func(context.Context) error
	OnOpen     func(ctx context.Context, i, lines int) error
	// OnRead puts a reader of its own before a message.
	OnRead func(ctx context.Context, i int, r io.Reader) io.Reader
	// OnClose is called when a body is closed, with the context of its Open.
	OnClose  func(ctx context.Context, i int)
	OnUpdate func(ctx context.Context, deleted []int) error
	OnSniff  func(i int, p []byte)
	// OnDone is given what became of a message, if there is room; nil: nobody is.
	OnDone chan Delivered
	// Size tells what a Body says of its size; nil is the truth, exactly.
	Size func(i int, octets int64) (int64, bool)
	// UIDL names the message that was added as the nth, from 1; nil gives
	// each a name of its own.
	UIDL func(nth int) string
	// LastBefore is what Last returns.
	LastBefore int
	// Capable lines are added to CAPA after sign-in.
	Capable []string

	mu         sync.Mutex
	mail       []stored
	nextUID    int
	open       int
	deliveries []Delivered
	broken     []string
}

type stored struct {
	uid    int
	octets []byte
	size   int64 // in canonical form
}

// Delivered is what Done was told of message I.
type Delivered struct {
	I int
	pop3.Delivery
}

// NewMemory makes a maildrop of user "alice" with password "wonder land".
func NewMemory(messages ...[]byte) *Memory {
	m := &Memory{User: "alice", Password: "wonder land"}
	m.Add(messages...)
	return m
}

// Fixture is the maildrop for Run.
func (m *Memory) Fixture() Fixture {
	return Fixture{
		Backend: m, User: m.User, Password: m.Password,
		Remaining: func(testing.TB) [][]byte { return m.Mail() },
	}
}

// Add appends messages; sessions that are open do not see them.
func (m *Memory) Add(messages ...[]byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, octets := range messages {
		m.nextUID++
		m.mail = append(m.mail, stored{m.nextUID, octets, int64(len(Canonical(octets)))})
	}
}

// Mail returns the messages that are there now.
func (m *Memory) Mail() (mail [][]byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range m.mail {
		mail = append(mail, s.octets)
	}
	return mail
}

// Deliveries returns what became of the messages, in the order of Done.
func (m *Memory) Deliveries() []Delivered {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.deliveries)
}

// Broken returns how the connection broke the contract of pop3.Session and
// pop3.Body; nothing if it did not. It is asked when all sessions are over.
func (m *Memory) Broken() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.open > 0 {
		return append(m.broken, fmt.Sprintf("%d sessions or bodies not closed", m.open))
	}
	return m.broken
}

func (m *Memory) breach(format string, args ...any) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.broken = append(m.broken, fmt.Sprintf(format, args...))
}

func (m *Memory) opened(n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.open += n
}

// Login implements pop3.Backend.
func (m *Memory) Login(ctx context.Context, peer pop3.Peer, cred pop3.Credentials) (pop3.Session, error) {
	if m.OnLogin != nil {
		if err := m.OnLogin(ctx, peer, cred); err != nil {
			return nil, err
		}
	}
	if cred.User != m.User || cred.Secret.Reveal() != m.Password {
		return nil, &pop3.Error{Code: pop3.CodeAuth, Text: "wrong name or password"}
	}
	m.opened(1)
	m.mu.Lock()
	defer m.mu.Unlock()
	return &session{m: m, mail: slices.Clone(m.mail)}, nil
}

// session is a view of the maildrop as it was at sign-in.
type session struct {
	m                       *Memory
	mail                    []stored
	listed, updated, closed bool
	body                    *body // the last one opened
}

func (s *session) Messages(ctx context.Context) ([]pop3.Message, error) {
	if s.listed {
		s.m.breach("Messages called again")
	}
	if s.m.OnMessages != nil {
		if err := s.m.OnMessages(ctx); err != nil {
			return nil, err
		}
	}
	s.listed = true
	messages := make([]pop3.Message, len(s.mail))
	for i, one := range s.mail {
		messages[i].Size = one.size
		messages[i].UIDL = fmt.Sprintf("memory-%d", one.uid)
		if s.m.UIDL != nil {
			messages[i].UIDL = s.m.UIDL(one.uid)
		}
	}
	return messages, nil
}

func (s *session) Open(ctx context.Context, i, lines int) (pop3.Body, error) {
	if s.body != nil && !s.body.closed {
		s.m.breach("Open with a body still open")
	}
	if s.m.OnOpen != nil {
		if err := s.m.OnOpen(ctx, i, lines); err != nil {
			return nil, err
		}
	}
	s.body = &body{m: s.m, ctx: ctx, i: i, Reader: bytes.NewReader(s.mail[i].octets)}
	if s.m.OnRead != nil {
		s.body.Reader = s.m.OnRead(ctx, i, s.body.Reader)
	}
	s.body.size, s.body.exact = s.mail[i].size, true
	if s.m.Size != nil {
		s.body.size, s.body.exact = s.m.Size(i, s.body.size)
	}
	s.m.opened(1)
	return s.body, nil
}

func (s *session) Update(ctx context.Context, deleted []int) error {
	if s.updated || s.closed {
		s.m.breach("Update called again, or after Close")
	}
	s.updated = true
	if s.body != nil && !s.body.done {
		s.m.breach("Update before Done")
	}
	if s.m.OnUpdate != nil {
		if err := s.m.OnUpdate(ctx, deleted); err != nil {
			return err
		}
	}
	gone := make(map[int]bool)
	for _, i := range deleted {
		gone[s.mail[i].uid] = true
	}
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	s.m.mail = slices.DeleteFunc(s.m.mail, func(one stored) bool { return gone[one.uid] })
	return nil
}

func (s *session) Close() error {
	if s.closed {
		s.m.breach("session closed twice")
	}
	if s.body != nil && !s.body.done {
		s.m.breach("session closed before Done")
	}
	s.closed = true
	s.m.opened(-1)
	return nil
}

// Last implements pop3.LastKnower.
func (s *session) Last(context.Context) (int, error) { return s.m.LastBefore, nil }

// Capabilities implements pop3.Capable.
func (s *session) Capabilities() []string { return s.m.Capable }

// body is a message being read.
type body struct {
	io.Reader
	m            *Memory
	ctx          context.Context
	i            int
	size         int64
	exact        bool
	closed, done bool
}

func (b *body) Size() (int64, bool) { return b.size, b.exact }

func (b *body) Sniff(p []byte) {
	if b.m.OnSniff != nil {
		b.m.OnSniff(b.i, p)
	}
}

func (b *body) Close() error {
	if b.closed {
		b.m.breach("body %d closed twice", b.i)
	}
	b.closed = true
	b.m.opened(-1)
	if b.m.OnClose != nil {
		b.m.OnClose(b.ctx, b.i)
	}
	return nil
}

func (b *body) Done(d pop3.Delivery) {
	if b.done || !b.closed {
		b.m.breach("Done of body %d called twice, or before Close", b.i)
	}
	b.done = true
	b.m.mu.Lock()
	defer b.m.mu.Unlock()
	b.m.deliveries = append(b.m.deliveries, Delivered{b.i, d})
	select {
	case b.m.OnDone <- Delivered{b.i, d}:
	default:
	}
}
