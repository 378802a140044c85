package bridge

import (
	"bytes"
	"context"
	"strings"

	"github.com/emersion/go-imap/v2"

	"github.com/restante-mail/restante/upstream"
)

const (
	// maxRoots and maxLimits bound what one answer may make us keep. Servers
	// have one root for a user, or one for each namespace.
	maxRoots, maxLimits = 16, 64
	// maxRootName is more than anybody calls a quota.
	maxRootName = 255
	// maxUnits bounds a quota's figures: 8 PiB, where they count KiB. A limit
	// above it is none.
	maxUnits = 1 << 43
)

// quotas are the answer to one GETQUOTAROOT (RFC 9208 section 4.2).
type quotas struct {
	answered bool // QUOTAROOT has come
	upstream.FolderQuota
}

// queueQuota asks what limits a folder, if the server can tell; nil if not.
func (l *link) queueQuota(name string) *quotaQuestion {
	if !l.has(imap.CapQuota) {
		return nil
	}
	q := new(quotaQuestion)
	q.injection = l.f.queue("GETQUOTAROOT "+folderName(name, l.has(imap.CapIMAP4rev2)), injection{quotas: &q.answer})
	return q
}

// quotaQuestion is a GETQUOTAROOT of our own.
type quotaQuestion struct {
	*injection
	answer quotas
}

// wait waits for the answer; nil if the server refuses to tell. An error is the
// end of the connection.
func (q *quotaQuestion) wait() (*upstream.FolderQuota, error) {
	if q == nil {
		return nil, nil
	}
	err := q.injection.wait()
	switch {
	case !isReply(err):
		return nil, err
	case err != nil || !q.answer.answered:
		return nil, nil
	}
	return &q.answer.FolderQuota, nil
}

// quota takes a QUOTA or QUOTAROOT response. f.mu is held. What nobody asked
// for, or what makes no sense, is dropped: a quota is worth no connection.
func (f *framing) quota(kind string, rest []byte) {
	var to *quotas
	for _, c := range f.own {
		if c.quotas != nil {
			to = c.quotas
			break
		}
	}
	switch {
	case to == nil:
		f.dropped++
	case kind == "QUOTAROOT":
		to.addRoots(rest)
	default:
		to.addLimits(rest)
	}
}

// addRoots reads INBOX "User quota" ...: the folder, and its roots.
func (q *quotas) addRoots(rest []byte) {
	rest = trimLineEnd(rest)
	if _, ok := cutString(&rest); !ok {
		return
	}
	q.answered = true
	for len(q.Roots) < maxRoots {
		root, ok := cutString(&rest)
		if !ok {
			return
		}
		q.Roots = append(q.Roots, root)
	}
}

// addLimits reads "User quota" (STORAGE 10 512 MESSAGE 3 100): a root, and of
// each resource what is used and the limit. STORAGE counts 1024 octets.
func (q *quotas) addLimits(rest []byte) {
	rest = trimLineEnd(rest)
	root, ok := cutString(&rest)
	if rest = skipSpaces(rest); !ok || len(rest) < 2 || rest[0] != '(' || rest[len(rest)-1] != ')' {
		return
	}
	words := bytes.Fields(rest[1 : len(rest)-1])
	for ; len(words) >= 3 && len(q.Limits) < maxLimits; words = words[3:] {
		limit := upstream.Quota{Root: root, Messages: bytes.EqualFold(words[0], []byte("MESSAGE"))}
		unit := int64(1)
		if bytes.EqualFold(words[0], []byte("STORAGE")) {
			unit = 1024
		} else if !limit.Messages {
			continue
		}
		used, err := number(words[1], maxUnits)
		most, err2 := number(words[2], maxUnits)
		if err != nil || err2 != nil || most == 0 {
			continue
		}
		limit.Used, limit.Limit = used*unit, most*unit
		q.Limits = append(q.Limits, limit)
	}
}

// cutString takes an atom, a quoted string or a literal off rest.
func cutString(rest *[]byte) (s string, ok bool) {
	b := skipSpaces(*rest)
	n, open := valueLength(b)
	if n == 0 || open || b[0] == '(' {
		return "", false
	}
	value := b[:n]
	*rest = b[n:]
	switch value[0] {
	case '"':
		var t arrival
		t.take(value)
		value = t.quoted
	case '{':
		value = value[bytes.IndexByte(value, '\n')+1:]
	}
	if len(value) > maxRootName {
		return "", false
	}
	return string(value), true
}

// Quota implements upstream.Inspector.
func (m *mailbox) Quota(ctx context.Context, name string) (*upstream.FolderQuota, error) {
	name, err := m.Resolve(ctx, name)
	if err != nil {
		return nil, err
	}
	if known, ok := m.quotas[name]; ok {
		return known, nil
	}
	var told *upstream.FolderQuota
	err = m.with(ctx, max(m.selected, 0), func(l *link) error {
		return l.run(ctx, "ask for the quota of "+printable([]byte(name)), l.u.o.ReplyTimeout, func() (err error) {
			question := l.queueQuota(name)
			if err = l.f.flush(); err == nil {
				told, err = question.wait()
			}
			return err
		})
	})
	if err == nil {
		m.quotas[name] = told
	}
	return told, err
}

// Abilities implements upstream.Inspector.
func (m *mailbox) Abilities() (a upstream.Abilities) {
	if m.link == nil {
		return a
	}
	return upstream.Abilities{
		Expunges: m.link.has(imap.CapUIDPlus) || m.link.has(gmail), Moves: m.link.has(imap.CapMove), Quotas: m.link.has(imap.CapQuota),
		ByTrash: m.link.has(gmail),
	}
}

// Keeps implements upstream.Inspector.
func (m *mailbox) Keeps(folder int, keyword string) bool {
	return folder >= 0 && folder < len(m.folders) && keeps(m.folders[folder].permanent, keyword)
}

// Resolve implements upstream.Inspector.
func (m *mailbox) Resolve(ctx context.Context, name string) (found string, err error) {
	if !strings.HasPrefix(name, `\`) {
		return name, checkFolder(name)
	}
	err = m.with(ctx, max(m.selected, 0), func(*link) (err error) {
		found, err = m.resolve(ctx, name)
		return err
	})
	return found, err
}
