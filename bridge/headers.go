package bridge

import (
	"bytes"
	"context"
	"fmt"
	"strings"

	"github.com/restante-mail/restante/upstream"
)

const (
	// telling are the fields that tell messages apart. Servers have them at hand.
	telling = "BODY.PEEK[HEADER.FIELDS (MESSAGE-ID DATE)]"
	// wholeHeader is asked for where these are missing; maxHeader of it.
	wholeHeader = "BODY.PEEK[HEADER]<0.65536>"
	maxHeader   = 64 << 10
	// maxWholeHeaders in one call: 64 MiB at the very worst.
	maxWholeHeaders = 1000
	// headersAtOnce is how many are asked for in one command.
	headersAtOnce = 500
)

var _ upstream.HeaderReader = (*mailbox)(nil)

// Headers implements upstream.HeaderReader. After Apply the connection is
// another session's, or will be: it is taken, or made, again.
func (m *mailbox) Headers(ctx context.Context, ids []upstream.ID, take func(upstream.ID, []byte, bool)) error {
	if m.place == nil {
		return m.headersAgain(ctx, ids, take)
	}
	m.closeReader()
	byFolder := make([][]uint32, len(m.folders))
	for _, id := range ids {
		if err := m.checkID(id); err != nil {
			return err
		}
		byFolder[id.Folder] = append(byFolder[id.Folder], id.UID)
	}
	for folder, uids := range byFolder {
		if len(uids) == 0 {
			continue
		}
		if err := m.folderHeaders(ctx, folder, uids, take); err != nil {
			return err
		}
	}
	return nil
}

func (m *mailbox) headersAgain(ctx context.Context, ids []upstream.ID, take func(upstream.ID, []byte, bool)) error {
	if err := m.freshen(ctx); err != nil {
		return err
	}
	opened, err := m.u.Open(ctx, m.login)
	if err != nil {
		return err
	}
	defer opened.Close() // nothing is changed through it
	again := opened.(*mailbox)
	for i, f := range m.folders {
		if now := again.folders[i]; now.name != f.name || now.uidValidity != f.uidValidity {
			return &upstream.Error{Kind: upstream.Unavailable, Doing: "read headers", Err: fmt.Errorf("folder %q has other UIDs now", printable([]byte(f.name)))}
		}
	}
	return again.Headers(ctx, ids, take)
}

// folderHeaders asks twice: for the fields of all, and for the headers of those
// that do not have them.
func (m *mailbox) folderHeaders(ctx context.Context, folder int, uids []uint32, take func(upstream.ID, []byte, bool)) error {
	taken, lacking := make(map[uint32]bool, len(uids)), []uint32(nil)
	wanted := make(map[uint32]bool, len(uids))
	for _, uid := range uids {
		wanted[uid] = true
	}
	err := m.fetchHeaders(ctx, folder, uids, telling, func(uid uint32, header []byte) {
		switch {
		case !wanted[uid] || taken[uid]:
			return
		case tells(header):
			take(upstream.ID{Folder: folder, UID: uid}, header, false)
		case len(lacking) < maxWholeHeaders:
			lacking = append(lacking, uid)
		}
		taken[uid] = true
	})
	if err != nil || lacking == nil {
		return err
	}
	clear(taken)
	return m.fetchHeaders(ctx, folder, lacking, wholeHeader, func(uid uint32, header []byte) {
		if wanted[uid] && !taken[uid] {
			taken[uid] = true
			take(upstream.ID{Folder: folder, UID: uid}, header, len(header) < maxHeader)
		}
	})
}

// tells whether both fields are there.
func tells(header []byte) bool {
	lower := bytes.ToLower(header)
	for _, name := range []string{"message-id:", "date:"} {
		if !bytes.HasPrefix(lower, []byte(name)) && !bytes.Contains(lower, []byte("\n"+name)) {
			return false
		}
	}
	return true
}

// fetchHeaders sends the commands of one folder, a few at a time.
func (m *mailbox) fetchHeaders(ctx context.Context, folder int, uids []uint32, attribute string, take func(uint32, []byte)) error {
	for len(uids) > 0 {
		n := min(len(uids), headersAtOnce)
		command := "UID FETCH " + sequenceSet(uids[:n]) + " (UID " + attribute + ")"
		if err := m.with(ctx, folder, func(l *link) error {
			return l.run(ctx, "read headers", m.u.o.ListTimeout, func() error {
				asked, err := l.f.inject(command, &lister{folder: folder, small: true, takes: take})
				if err == nil {
					err = asked.wait()
				}
				return err
			})
		}); err != nil {
			return err
		}
		uids = uids[n:]
	}
	return nil
}

// sequenceSet writes UIDs that ascend, runs of them as ranges.
func sequenceSet(uids []uint32) string {
	var set strings.Builder
	for begin := 0; begin < len(uids); {
		end := begin
		for end+1 < len(uids) && uids[end+1] == uids[end]+1 {
			end++
		}
		if begin > 0 {
			set.WriteByte(',')
		}
		fmt.Fprint(&set, uids[begin])
		if end > begin {
			fmt.Fprint(&set, ":", uids[end])
		}
		begin = end + 1
	}
	return set.String()
}

// content is what a value of a FETCH response says: the octets of a literal or of
// a quoted string.
func content(value []byte) []byte {
	line, rest, _ := bytes.Cut(value, []byte{'\n'})
	if n, ok := literalAt(line); ok && n == int64(len(rest)) {
		return rest
	}
	var quoted arrival
	quoted.take(value)
	return quoted.quoted
}
