package proxy

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/restante-mail/restante/pop3"
	"github.com/restante-mail/restante/upstream"
)

// A listing is a maildrop's messages by rising number.
type listing struct {
	messages []upstream.Message
	// said has the server's own UIDL of the messages that had to be given
	// another, by number.
	said map[uint32]string
	// repeated: the server gave some messages the same name.
	repeated bool
}

// Messages lists the maildrop by LIST and UIDL, at the first call.
func (m *Mailbox) Messages(ctx context.Context) ([]upstream.Message, error) {
	if m.listing != nil {
		return m.listing.messages, nil
	}
	err := m.attempt(ctx, func() (err error) {
		m.listing, err = m.list(ctx)
		return err
	})
	if err != nil {
		return nil, &upstream.Error{Kind: kindOf(err, updating), Doing: "list the maildrop", Err: err}
	}
	m.compare()
	return m.listing.messages, nil
}

func (m *Mailbox) list(ctx context.Context) (*listing, error) {
	sizes, names, err := m.line.ListUIDL(ctx)
	known := m.upstream.caps.knows(m.line.address)
	var refused *pop3.ReplyError
	if errors.As(err, &refused) && refused.Command == "UIDL" && refused.Code == "" && !m.line.caps.Has("UIDL") && !known.uidl {
		return m.listByHeaders(ctx, sizes)
	}
	if err != nil {
		return nil, err
	}
	if names == nil {
		names = []pop3.Identified{}
	}
	if len(names) > 0 && !known.uidl {
		m.upstream.caps.learn(m.line.address, func(f *facts) { f.uidl = true })
	}
	return newListing(sizes, names, otherUIDL)
}

// newListing joins both lists by number. LIST says which messages there are;
// names is nil if the server has no UIDL, and otherwise must have them all, for
// a message without one would be fetched again each time. another renames what
// needs another name.
func newListing(sizes []pop3.Listed, names []pop3.Identified, another renamer) (*listing, error) {
	l := &listing{messages: make([]upstream.Message, len(sizes))}
	slices.SortFunc(sizes, func(a, b pop3.Listed) int { return cmp.Compare(a.Number, b.Number) })
	slices.SortFunc(names, func(a, b pop3.Identified) int { return cmp.Compare(a.Number, b.Number) })
	for i, listed := range sizes {
		l.messages[i] = upstream.Message{ID: upstream.ID{UID: uint32(listed.Number)}, Size: listed.Size}
		if names == nil {
			continue
		}
		for len(names) > 0 && names[0].Number < listed.Number {
			names = names[1:]
		}
		if len(names) == 0 || names[0].Number != listed.Number {
			return nil, fmt.Errorf("%w: UIDL leaves out message %d of LIST", pop3.ErrMalformed, listed.Number)
		}
		l.messages[i].UIDL = names[0].UIDL
	}
	l.rename(another)
	return l, nil
}

// A renamer makes another name of one that some other message has, or that no
// client could bear. It is asked with rising occurrences, from 1, until the name
// is free.
type renamer func(said string, occurrence int) string

// rename gives another UIDL to messages whose own a client could not bear or
// would take for another message's; it is as lasting as the server's own.
func (l *listing) rename(another renamer) {
	taken := make(map[string]bool, len(l.messages))
	for i := range l.messages {
		m := &l.messages[i]
		if m.UIDL == "" || validUIDL(m.UIDL) && !taken[m.UIDL] {
			taken[m.UIDL] = true
			continue
		}
		if l.said == nil {
			l.said = map[uint32]string{}
		}
		l.said[m.ID.UID] = m.UIDL
		l.repeated = l.repeated || taken[m.UIDL]
		taken[m.UIDL] = true
	}
	for i := range l.messages {
		m := &l.messages[i]
		said, ok := l.said[m.ID.UID]
		for occurrence := 1; ok && (m.UIDL == said || taken[m.UIDL]); occurrence++ {
			m.UIDL = another(said, occurrence)
		}
		taken[m.UIDL] = true
	}
}

// validUIDL: RFC 1939 section 7, "one to 70 characters in the range 0x21 to 0x7E".
func validUIDL(s string) bool {
	odd := strings.ContainsFunc(s, func(r rune) bool { return r < 0x21 || r > 0x7E })
	return len(s) > 0 && len(s) <= 70 && !odd
}

// otherUIDL is a hash of what the server said, and of the occurrence.
func otherUIDL(said string, occurrence int) string {
	sum := sha256.Sum256([]byte(said + "\x00" + strconv.Itoa(occurrence)))
	return hex.EncodeToString(sum[:])
}

func (l *listing) index(number uint32) (int, bool) {
	return slices.BinarySearchFunc(l.messages, number, func(m upstream.Message, n uint32) int {
		return cmp.Compare(m.ID.UID, n)
	})
}

func (l *listing) has(id upstream.ID) bool {
	_, ok := l.index(id.UID)
	return ok && id.Folder == 0
}

// size is what LIST said of a message that is listed.
func (l *listing) size(id upstream.ID) int64 {
	i, _ := l.index(id.UID)
	return l.messages[i].Size
}

// unprovable tells whether a later session could not prove of every message
// which one it is: there are no names, or repeated ones.
func (l *listing) unprovable() bool {
	return l == nil || l.repeated || len(l.messages) > 0 && l.messages[0].UIDL == ""
}

// uidl is what the server itself called a message.
func (l *listing) uidl(m upstream.Message) string {
	if said, ok := l.said[m.ID.UID]; ok {
		return said
	}
	return m.UIDL
}

// find looks for each message of l in the listing of a later session. A
// message that is not there has no place; one that cannot be told from others
// has an unproven one.
func (l *listing) find(now *listing) map[uint32]place {
	byUIDL := make(map[string]upstream.Message, len(now.messages))
	count := make(map[string]int, len(now.messages))
	for _, m := range now.messages {
		byUIDL[now.uidl(m)] = m
		count[now.uidl(m)]++
	}
	before := make(map[string]int, len(l.messages))
	for _, m := range l.messages {
		before[l.uidl(m)]++
	}
	places := make(map[uint32]place, len(l.messages))
	for _, m := range l.messages {
		uidl := l.uidl(m)
		if uidl != "" && count[uidl] == 0 {
			continue
		}
		at := byUIDL[uidl]
		proven := uidl != "" && count[uidl] == 1 && before[uidl] == 1 && at.Size == m.Size
		places[m.ID.UID] = place{int(at.ID.UID), proven}
	}
	return places
}
