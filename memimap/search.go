package memimap

import (
	"bytes"
	"strings"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"
)

var (
	errNoSent    = refuse(imap.ResponseCodeCannot, "SENTBEFORE, SENTON and SENTSINCE are not supported here")
	errNoESearch = &imap.Error{Type: imap.StatusResponseTypeBad, Text: "Unknown search key RETURN"}
)

func (s *session) Search(kind imapserver.NumKind, criteria *imap.SearchCriteria, options *imap.SearchOptions) (*imap.SearchData, error) {
	if options.ReturnMin || options.ReturnMax || options.ReturnCount {
		if !s.offers(imap.CapESearch) {
			return nil, errNoESearch
		}
	}
	if asksSent(criteria) {
		return nil, errNoSent
	}
	s.user.mu.Lock()
	all := s.view.visible()
	for i, c := range all {
		m := *c.message
		all[i].message = &m
	}
	s.user.mu.Unlock()

	match := compile(criteria, all)
	var found []choice
	for _, c := range all {
		if match(c) {
			found = append(found, c)
		}
	}
	return searchData(kind, found), nil
}

func searchData(kind imapserver.NumKind, found []choice) *imap.SearchData {
	data := &imap.SearchData{Count: uint32(len(found))}
	var seqs imap.SeqSet
	var uids imap.UIDSet
	for i, c := range found {
		n := c.seq
		if kind == imapserver.NumKindUID {
			n = uint32(c.uid)
		}
		if i == 0 {
			data.Min = n
		}
		data.Max = n
		seqs.AddNum(c.seq)
		uids.AddNum(c.uid)
	}
	data.All = seqs
	if kind == imapserver.NumKindUID {
		data.All = uids
	}
	return data
}

func asksSent(c *imap.SearchCriteria) bool {
	asks := !c.SentSince.IsZero() || !c.SentBefore.IsZero()
	for i := range c.Not {
		asks = asks || asksSent(&c.Not[i])
	}
	for i := range c.Or {
		asks = asks || asksSent(&c.Or[i][0]) || asksSent(&c.Or[i][1])
	}
	return asks
}

// A test tells whether a message meets one search key.
type test func(choice) bool

// compile turns criteria into one test that all of them must pass.
func compile(c *imap.SearchCriteria, all []choice) test {
	tests := append(numberTests(c, all), flagTests(c)...)
	tests = append(tests, propertyTests(c)...)
	for i := range c.Not {
		not := compile(&c.Not[i], all)
		tests = append(tests, func(m choice) bool { return !not(m) })
	}
	for i := range c.Or {
		left, right := compile(&c.Or[i][0], all), compile(&c.Or[i][1], all)
		tests = append(tests, func(m choice) bool { return left(m) || right(m) })
	}
	return func(m choice) bool {
		for _, t := range tests {
			if !t(m) {
				return false
			}
		}
		return true
	}
}

func numberTests(c *imap.SearchCriteria, all []choice) []test {
	var tests []test
	for _, set := range c.SeqNum {
		tests = append(tests, within(set, all))
	}
	for _, set := range c.UID {
		tests = append(tests, within(set, all))
	}
	return tests
}

func flagTests(c *imap.SearchCriteria) []test {
	var tests []test
	for _, flag := range c.Flag {
		tests = append(tests, func(m choice) bool { return hasFlag(m.flags, flag) })
	}
	for _, flag := range c.NotFlag {
		tests = append(tests, func(m choice) bool { return !hasFlag(m.flags, flag) })
	}
	return tests
}

// propertyTests are those of dates, sizes and text. go-imap's zero values mean
// that nothing was asked.
func propertyTests(c *imap.SearchCriteria) []test {
	tests := []test{func(m choice) bool {
		day, size := dayOf(m.date), int64(len(m.raw))
		return (c.Since.IsZero() || !day.Before(c.Since)) && (c.Before.IsZero() || day.Before(c.Before)) &&
			(c.Larger == 0 || size > c.Larger) && (c.Smaller == 0 || size < c.Smaller)
	}}
	for _, field := range c.Header {
		tests = append(tests, func(m choice) bool { return headerHas(m.raw, field.Key, field.Value) })
	}
	for _, text := range c.Text {
		tests = append(tests, func(m choice) bool { return holds(m.raw, text) })
	}
	for _, text := range c.Body {
		tests = append(tests, func(m choice) bool { return holds(m.raw[headerEnd(m.raw):], text) })
	}
	return tests
}

// dayOf drops the time and its zone, as RFC 3501 section 6.4.4 demands.
func dayOf(t time.Time) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, time.UTC)
}

// unfold joins the lines of one header field.
var unfold = strings.NewReplacer("\r\n ", " ", "\r\n\t", "\t", "\n ", " ", "\n\t", "\t")

// headerHas looks for text in the values of a field; every present field holds
// an empty text.
func headerHas(raw []byte, name, text string) bool {
	found := fields(raw[:headerEnd(raw)], []string{name}, true)
	for field := range strings.Lines(unfold.Replace(string(found))) {
		if _, value, ok := strings.Cut(field, ":"); ok && holds([]byte(value), text) {
			return true
		}
	}
	return false
}

func holds(octets []byte, text string) bool {
	return bytes.Contains(bytes.ToLower(octets), bytes.ToLower([]byte(text)))
}
