package mailboxtest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing/iotest"

	"github.com/restante-mail/restante/upstream"
)

var readingCases = []testCase{
	{name: "odd messages come back whole", run: oddWhole},
	{name: "part of a message", run: partial},
	{name: "read in any order, hundreds of times", run: manyReads},
	{name: "small reads", run: smallReads},
	{name: "a message of 10 MiB", run: tenMebibytes},
	{name: "reader closed early", run: closedEarly},
	{name: "a message that others removed", needs: []Ability{News}, run: removedByOthers},
	{name: "a message that is not there", run: notThere},
	{name: "read with a cancelled context", run: readCancelled},
	{name: "context cancelled while reading", run: cancelledMidway},
	{name: "reading changes nothing", run: readingIsHarmless},
}

// odd are the odd messages that the server keeps.
func (s *suite) odd() [][]byte {
	var list [][]byte
	for _, odd := range oddMessages {
		if reason, lacks := s.f.lacks(odd.keeps); lacks {
			s.Logf("left out %q: %s", odd.name, reason)
			continue
		}
		list = append(list, []byte(odd.raw))
	}
	return list
}

func oddWhole(s *suite) {
	odd := s.odd()
	s.deliver(odd...)
	m := s.open()
	for i, message := range m.list(len(odd)) {
		m.whole(message, odd[i])
	}
}

// partial: at least the lines that were asked for, and nothing that is not the
// message's own.
func partial(s *suite) {
	all := append(s.odd(), letter(7), heavy(8, 100_000))
	s.deliver(all...)
	m := s.open()
	messages := m.list(len(all))
	for _, lines := range []int{0, 1, 3, 99_999_999} {
		for i, message := range messages {
			got, whole := Canonical(m.read(message, upstream.Part{Lines: lines})), Canonical(all[i])
			if len(all[i]) == 0 { // there is nothing to give
				continue
			}
			if !bytes.HasPrefix(got, top(whole, lines)) {
				s.Errorf("message %d, %d lines: %.60q, want at least %.60q", i+1, lines, got, top(whole, lines))
			}
			if !bytes.HasPrefix(whole, bytes.TrimSuffix(got, []byte("\r\n"))) {
				s.Errorf("message %d, %d lines: %.60q is no beginning of it", i+1, lines, got)
			}
		}
	}
	m.whole(messages[0], all[0])
}

func manyReads(s *suite) {
	all := letters(5)
	s.deliver(all...)
	m := s.open()
	messages := m.list(5)
	for n := range 300 {
		i := []int{0, 1, 0, 4, n % 5, 2, 2, 3}[n%8]
		if n%7 == 0 {
			m.read(messages[i], upstream.Part{Lines: 0})
		}
		m.whole(messages[i], all[i])
		if s.Failed() {
			s.Fatalf("at the %dth reading", n+1)
		}
	}
}

func smallReads(s *suite) {
	raw := heavy(1, 20_000)
	s.deliver(raw, letter(2))
	m := s.open()
	messages := m.list(2)
	body, err := m.Open(s.ctx, messages[0].ID, upstream.Whole)
	if err != nil {
		s.Fatalf("Open: %v", err)
	}
	got, err := io.ReadAll(iotest.OneByteReader(body))
	if err != nil {
		s.Errorf("read: %v", err)
	}
	if n, err := body.Read(make([]byte, 10)); n != 0 || err != io.EOF {
		s.Errorf("read after the end: %d octets, %v", n, err)
	}
	if err := body.Close(); err != nil {
		s.Errorf("close reader: %v", err)
	}
	s.same(got, raw)
	m.whole(messages[1], letter(2))
}

func tenMebibytes(s *suite) {
	raw := heavy(1, 10<<20)
	s.deliver(raw, letter(2))
	m := s.open()
	messages := m.list(2)
	m.whole(messages[0], raw)
	m.whole(messages[1], letter(2))
}

// closedEarly: what is left of one message must not become another's.
func closedEarly(s *suite) {
	all := [][]byte{heavy(1, 2<<20), letter(2), heavy(3, 300_000)}
	s.deliver(all...)
	m := s.open()
	messages := m.list(3)
	for _, octets := range []int64{0, 1, 1000, 100_000} {
		for _, part := range []upstream.Part{upstream.Whole, {Lines: 99_999_999}, {Lines: 0}} {
			for _, i := range []int{0, 2} {
				body, err := m.Open(s.ctx, messages[i].ID, part)
				if err != nil {
					s.Fatalf("Open: %v", err)
				}
				if _, err := io.CopyN(io.Discard, body, octets); err != nil && !errors.Is(err, io.EOF) {
					s.Errorf("read: %v", err)
				}
				if err := body.Close(); err != nil {
					s.Errorf("close after %d octets: %v", octets, err)
				}
				m.whole(messages[1], all[1])
			}
		}
	}
	m.whole(messages[0], all[0])
}

func (m *session) gone(id upstream.ID) {
	m.s.Helper()
	body, err := m.Open(m.s.ctx, id, upstream.Whole)
	if err == nil {
		octets, _ := io.ReadAll(body)
		m.s.Errorf("message %v is gone, and opens as %.80q", id, octets)
		if err := body.Close(); err != nil {
			m.s.Errorf("close reader: %v", err)
		}
		return
	}
	if kind := upstream.KindOf(err); kind != upstream.Gone {
		m.s.Errorf("message %v: kind %v, want %v (%v)", id, kind, upstream.Gone, err)
	}
}

func removedByOthers(s *suite) {
	all := letters(6)
	s.deliver(all...)
	m := s.open()
	messages := m.list(6)
	m.whole(messages[2], all[2])
	s.f.Remove(s, 2) // in the middle
	m.gone(messages[2].ID)
	m.whole(messages[3], all[3])
	s.f.Remove(s, 0) // the first
	s.f.Remove(s, 3) // the last
	for _, i := range []int{5, 0, 2} {
		m.gone(messages[i].ID)
	}
	for _, i := range []int{1, 3, 4, 1} {
		m.whole(messages[i], all[i])
	}
	m.list(6)
}

func notThere(s *suite) {
	s.deliver(letters(2)...)
	m := s.open()
	messages := m.list(2)
	m.gone(upstream.ID{UID: messages[1].ID.UID + 1000})
	m.whole(messages[1], letter(2))
}

// neverShort reads a message that may fail to come, but must not look complete
// when it is not.
func (s *suite) neverShort(body io.Reader, begun, want []byte) {
	s.Helper()
	rest, err := io.ReadAll(body)
	if err == nil {
		s.same(append(begun, rest...), want)
	}
}

func readCancelled(s *suite) {
	raw := heavy(1, 1<<20)
	s.deliver(raw)
	m := s.open()
	message := m.list(1)[0]
	ctx, cancel := context.WithCancel(s.ctx)
	cancel()
	body, err := m.Open(ctx, message.ID, upstream.Whole)
	if err != nil {
		if upstream.KindOf(err) == upstream.Gone {
			s.Errorf("a cancelled context makes a message %v: %v", upstream.Gone, err)
		}
		return
	}
	s.neverShort(body, nil, raw)
	body.Close() // the connection may be lost by now
}

func cancelledMidway(s *suite) {
	raw := heavy(1, 10<<20)
	s.deliver(raw, letter(2))
	m := s.open()
	message := m.list(2)[0]
	ctx, cancel := context.WithCancel(s.ctx)
	defer cancel()
	body, err := m.Open(ctx, message.ID, upstream.Whole)
	if err != nil {
		s.Fatalf("Open: %v", err)
	}
	begun := make([]byte, 1000)
	if _, err := io.ReadFull(body, begun); err != nil {
		s.Fatalf("read: %v", err)
	}
	cancel()
	s.neverShort(body, begun, raw)
	body.Close() // the connection may be lost by now
	m.closed = true
	m.Close()
	s.left(raw, letter(2))
}

func readingIsHarmless(s *suite) {
	s.deliver(letters(3)...)
	s.f.Append(s, letter(4), true)
	m := s.open()
	for i, message := range m.list(4) {
		m.whole(message, letter(i+1))
		m.read(message, upstream.Part{Lines: 1})
	}
	m.end()
	_, noSeen := s.f.lacks(Seen)
	for i, stored := range s.left(letters(4)...) {
		if !noSeen && stored.Seen != (i == 3) {
			s.Errorf("message %d: seen %v after it was only read", i+1, stored.Seen)
		}
		if stored.Deleted || len(stored.Keywords) > 0 {
			s.Errorf("message %d: flags %+v after it was only read", i+1, stored.Keywords)
		}
	}
}
