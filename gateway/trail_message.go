package gateway

import (
	"crypto/sha256"
	"hash"
	"slices"
	"time"

	"github.com/restante-mail/restante/audit"
	"github.com/restante-mail/restante/pop3"
)

// maxNames bounds how many Message-IDs a session remembers, so that a deletion
// can be told with the Message-ID that its retrieval had: about 100 octets each.
const maxNames = 1000

// message is what the trail says of a message of the listing.
func (s *session) message(i int) audit.Message {
	m := &s.listed[i]
	folder := s.folders[m.ID.Folder]
	e := audit.Message{UIDL: s.uidl(i), Upstream: s.route.Upstream, Host: s.route.Host, Folder: folder.Name, MessageID: s.names[i]}
	if folder.UIDValidity != 0 {
		e.UIDValidity, e.UID = folder.UIDValidity, m.ID.UID
	}
	if n, shown := slices.BinarySearch(s.index, i); shown {
		e.Number = n + 1
	}
	return e
}

// observed is a body whose passing is recorded: its hash and some fields of its
// header are taken from the octets that the client is sent.
type observed struct {
	*body
	lines   int // of TOP; negative for RETR
	began   time.Time
	seconds float64
	hash    hash.Hash // nil for TOP
	sum     []byte
	header  mailHeader
}

func observe(b *body, lines int, began time.Time) *observed {
	o := &observed{body: b, lines: lines, began: began}
	if b.whole {
		o.hash = sha256.New()
	}
	return o
}

// Sniff implements pop3.Sniffer.
func (o *observed) Sniff(p []byte) {
	if o.hash != nil {
		o.hash.Write(p)
	}
	o.header.read(p)
}

// Close implements pop3.Body. Nothing passes any more, but until the client has
// proven that it has the message there may be many others.
func (o *observed) Close() error {
	err := o.body.Close()
	o.seconds = time.Since(o.began).Seconds()
	if o.hash != nil {
		o.sum, o.hash = o.hash.Sum(nil), nil
	}
	o.header.end()
	return err
}

// Done implements pop3.Body.
func (o *observed) Done(d pop3.Delivery) {
	o.body.Done(d)
	s := o.session
	s.nameMessage(s.index[o.index], o.header.messageID)
	about := s.message(s.index[o.index])
	if !o.whole {
		s.gateway.Recorder.Record(&audit.Top{Header: s.header(), Message: about, Lines: o.lines, Octets: d.Octets, Seconds: o.seconds})
		return
	}
	e := &audit.Retrieval{Header: s.header(), Message: about, From: o.header.from, Subject: o.header.subject,
		Octets: d.Octets, Sent: d.Whole, Complete: d.Proven, Seconds: o.seconds}
	if d.Whole {
		e.SHA256 = o.sum
	}
	s.gateway.Recorder.Record(e)
}

func (s *session) nameMessage(i int, id string) {
	if id == "" || len(s.names) >= maxNames {
		return
	}
	if s.names == nil {
		s.names = map[int]string{}
	}
	s.names[i] = id
}

// recordUnopened: a client asked for a message and got none of it.
func (s *session) recordUnopened(i, lines int, began time.Time, err error) {
	if !s.recording() || lines >= 0 {
		return
	}
	s.gateway.Recorder.Record(&audit.Retrieval{Header: s.header(), Message: s.message(s.index[i]),
		Seconds: time.Since(began).Seconds(), Error: err.Error()})
}
