package bridge

import (
	"bytes"
	"context"
	"crypto/tls"
	"slices"
	"strings"
	"time"

	"github.com/restante-mail/restante/upstream"
)

// maxSurveyed bounds the folders that a survey lists.
const maxSurveyed = 10_000

// Visit connects to each address, whether the ones before answer or not. It
// does not sign in.
func (u *Upstream) Visit(ctx context.Context) (all []upstream.Visit) {
	for _, address := range u.o.Addresses {
		all = append(all, upstream.Call(ctx, address, u.o.TLS, func(ctx context.Context, settings *tls.Config) (upstream.Report, error) {
			o := u.o
			o.Addresses, o.TLS = []string{address}, settings
			alone := &Upstream{o: o, addresses: addresses{all: o.Addresses, failed: map[string]time.Time{}}}
			return alone.Probe(ctx)
		}))
	}
	return all
}

// Survey implements upstream.Surveyor.
func (m *mailbox) Survey(ctx context.Context) (s upstream.Survey, err error) {
	s.ReadsLeaveNoTrace = true // BODY.PEEK
	err = m.with(ctx, max(m.selected, 0), func(l *link) error {
		s.Capabilities = strings.Fields(l.f.caps)
		slices.Sort(s.Capabilities)
		s.Folders, err = l.survey(ctx)
		return err
	})
	return s, err
}

// survey lists all folders.
func (l *link) survey(ctx context.Context) (folders []upstream.SurveyedFolder, err error) {
	command := `LIST "" "*"`
	if l.f.has("SPECIAL-USE") && l.f.has("LIST-EXTENDED") {
		command += " RETURN (SPECIAL-USE)"
	}
	err = l.run(ctx, "list the folders", l.u.o.ListTimeout, func() error {
		c := l.f.queue(command, injection{folders: &folders})
		if err := l.f.flush(); err != nil {
			return err
		}
		return c.wait()
	})
	return folders, err
}

// surveying returns who gets LIST responses, or nil. f.mu is held.
func (f *framing) surveying() *[]upstream.SurveyedFolder {
	for _, c := range f.own {
		if c.folders != nil {
			return c.folders
		}
	}
	return nil
}

// noUses are attributes of a folder that say nothing of what it is for.
var noUses = []string{`\haschildren`, `\hasnochildren`, `\noinferiors`, `\marked`, `\unmarked`, `\subscribed`, `\remote`, `\noselect`, `\nonexistent`}

// addFolder reads (\HasNoChildren \Trash) "/" "Deleted Items". What makes no
// sense is left out.
func addFolder(to *[]upstream.SurveyedFolder, rest []byte) {
	rest = skipSpaces(trimLineEnd(rest))
	end := bytes.IndexByte(rest, ')')
	if len(*to) >= maxSurveyed || end < 0 || rest[0] != '(' {
		return
	}
	var folder upstream.SurveyedFolder
	for _, attribute := range strings.Fields(string(rest[1:end])) {
		if !slices.Contains(noUses, strings.ToLower(attribute)) {
			folder.Uses = append(folder.Uses, attribute)
		}
	}
	rest = rest[end+1:]
	var ok bool
	if _, ok = cutString(&rest); ok { // the delimiter, or NIL
		folder.Name, ok = cutString(&rest)
	}
	if ok {
		*to = append(*to, folder)
	}
}
