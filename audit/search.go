package audit

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// A Query says which lines somebody looks for. What is empty does not matter;
// what is given must all hold.
type Query struct {
	// User is whose maildrop it is (base), no regard to the case of ASCII letters.
	User string
	// View is the view's name, if AnyView is not set.
	View    string
	AnyView bool
	// Client is where the client was.
	Client netip.Prefix
	// MessageID with or without its angle brackets.
	MessageID string
	UIDL      string
	UID       uint32
	// Events are the kinds that are looked for; none: all of them.
	Events  []string
	Session string
	// Since and Until are the first and the last moment.
	Since, Until time.Time
	// Privacy knows how names look in the trail that are hashed there.
	Privacy Privacy
}

// A Hit is a line that was looked for.
type Hit struct {
	Fields
	// Line is the line as it was written. It is not kept for whoever gets it.
	Line []byte
}

// Search gives each line of the files that fits to each, in the order of the
// files. Nothing is kept of what does not fit. It returns how many lines could
// not be read. A damaged file is read as far as it can be, and the others all
// the same; that it is damaged is in err.
func (q *Query) Search(ctx context.Context, files []string, each func(Hit) error) (unread int, err error) {
	m := q.matcher()
	var bad error
	for _, path := range files {
		err := readFile(path, func(line []byte, number int) error {
			if number%1024 == 0 && ctx.Err() != nil {
				return ctx.Err()
			}
			ok, err := m.give(line, each)
			if !ok {
				unread++
			}
			return err
		})
		switch {
		case damaged(err):
			bad = errors.Join(bad, err)
		case err != nil:
			return unread, errors.Join(bad, err)
		}
	}
	return unread, bad
}

// Fits gives a line to each if it fits; ok is false if it cannot be read.
func (q *Query) Fits(line []byte, each func(Hit) error) (ok bool, err error) {
	m := q.matcher()
	return m.give(line, each)
}

// A matcher is a query made ready for many lines.
type matcher struct {
	*Query
	users   []string // as the trail may write the user
	clients []string // as it may write the client, if there is only one
	// needles are in every line that fits; most lines are passed over by them.
	needles [][]byte
}

func (q *Query) matcher() *matcher {
	m := &matcher{Query: q}
	if q.User != "" {
		m.users = []string{q.User}
	}
	if q.Client.IsValid() && q.Client.IsSingleIP() {
		m.clients = []string{q.Client.Addr().String()}
	}
	if len(q.Privacy.Key) > 0 {
		for _, name := range m.users {
			m.users = append(m.users, q.Privacy.HashName(name))
		}
		for _, address := range m.clients {
			m.clients = append(m.clients, q.Privacy.HashClient(address))
		}
	}
	for _, text := range []string{q.UIDL, q.Session, strings.Trim(q.MessageID, "<>")} {
		if text != "" && plainPrefix(text) == len(text) {
			m.needles = append(m.needles, []byte(text))
		}
	}
	return m
}

func (m *matcher) give(line []byte, each func(Hit) error) (ok bool, err error) {
	for _, needle := range m.needles {
		if !bytes.Contains(line, needle) {
			return true, nil
		}
	}
	if len(m.Events) > 0 && !slices.Contains(m.Events, kindOf(line)) {
		return true, nil
	}
	h := Hit{Line: line}
	if err := json.Unmarshal(line, &h.Fields); err != nil {
		return len(line) == 0, nil
	}
	if !m.fits(&h.Fields) {
		return true, nil
	}
	return true, each(h)
}

func (m *matcher) fits(f *Fields) bool {
	switch {
	case m.users != nil && !slices.ContainsFunc(m.users, func(u string) bool { return strings.EqualFold(u, f.account()) }):
	case !m.AnyView && m.View != f.View:
	case m.Client.IsValid() && !m.from(f.Client):
	case m.MessageID != "" && strings.Trim(m.MessageID, "<>") != strings.Trim(f.MessageID, "<>"):
	case m.UIDL != "" && m.UIDL != f.UIDL:
	case m.UID != 0 && m.UID != f.UID:
	case m.Session != "" && m.Session != f.Session:
	case !m.Since.IsZero() && f.Time.Before(m.Since):
	case !m.Until.IsZero() && f.Time.After(m.Until):
	default:
		return true
	}
	return false
}

func (m *matcher) from(client string) bool {
	if slices.Contains(m.clients, client) {
		return true
	}
	a, err := netip.ParseAddr(client)
	return err == nil && m.Client.Contains(a.Unmap())
}
