package mailboxtest

import (
	"bytes"
	"context"
	"slices"
	"strings"

	"github.com/restante-mail/restante/upstream"
)

var applyingCases = []testCase{
	{name: "close without changes", run: closeOnly},
	{name: "expunge", run: expunge},
	{name: "expunge spares what others marked", needs: []Ability{Marks}, run: expungeSparesMarked},
	{name: "expunge spares what others marked meanwhile", needs: []Ability{Marks, News}, run: expungeSparesMarkedMeanwhile},
	{name: "expunge what was marked before", needs: []Ability{Marks}, run: expungeMarked},
	{name: "mark seen", needs: []Ability{Seen}, run: markSeen},
	{name: "flag", needs: []Ability{Keywords}, run: flag},
	{name: "move", needs: []Ability{Move}, run: move},
	{name: "move to a special use", needs: []Ability{Move, SpecialUse}, run: moveToSpecialUse},
	{name: "all at once", needs: []Ability{Seen, Keywords, Move}, run: allAtOnce},
	{name: "seen, and then expunged", needs: []Ability{Seen}, run: twoChangesOfOne},
	{name: "what is gone is done", needs: []Ability{News}, run: goneIsDone},
	{name: "hundreds of changes", run: hundreds},
	{name: "hostile targets are data", run: hostileTargets},
	{name: "what the server cannot do is an error", run: cannot},
	{name: "apply with a cancelled context", run: applyCancelled},
}

func change(m upstream.Message, do upstream.Action, target string) upstream.Change {
	return upstream.Change{ID: m.ID, Do: do, Target: target}
}

// leftUnmarked is left, without the messages that a server which cannot
// expunge has only marked.
func (s *suite) leftUnmarked(want ...[]byte) {
	s.Helper()
	s.holdsUnmarked("INBOX", want...)
}

func (s *suite) holdsUnmarked(folder string, want ...[]byte) {
	s.Helper()
	var got [][]byte
	for _, stored := range s.f.Contents(s, folder) {
		if !stored.Deleted {
			got = append(got, stored.Raw)
		}
	}
	if len(got) != len(want) {
		s.Fatalf("%d messages in %s, want %d", len(got), folder, len(want))
	}
	for i, raw := range got {
		s.same(raw, want[i])
	}
}

// removed checks the promise of Result.Hidden after Expunge and Move: without
// it, INBOX does not have the message any more; with it, the message is still
// there, and marked.
func (s *suite) removed(r upstream.Result, raw []byte) {
	s.Helper()
	stored := s.f.Contents(s, "INBOX")
	i := slices.IndexFunc(stored, func(m Stored) bool { return bytes.Equal(Canonical(m.Raw), Canonical(raw)) })
	switch {
	case r.Err != nil:
		s.Errorf("not removed: %v", r.Err)
	case r.Hidden && (i < 0 || !stored[i].Deleted):
		s.Errorf("a message was only hidden, and is not there, or not marked: %.60q", raw)
	case !r.Hidden && i >= 0:
		s.Errorf("a message was removed, and is still there: %.60q", raw)
	}
}

func closeOnly(s *suite) {
	s.deliver(letters(3)...)
	if s.f.MarkDeleted != nil {
		s.f.MarkDeleted(s, 1)
	}
	m := s.open()
	m.whole(m.list(3)[0], letter(1))
	m.end()
	for i, stored := range s.left(letters(3)...) {
		if stored.Seen || len(stored.Keywords) > 0 || stored.Deleted != (i == 1 && s.f.MarkDeleted != nil) {
			s.Errorf("message %d is now %v %v %v", i+1, stored.Seen, stored.Deleted, stored.Keywords)
		}
	}
}

func expunge(s *suite) {
	s.deliver(letters(6)...)
	m := s.open()
	messages := m.list(6)
	m.whole(messages[1], letter(2))
	results := m.do(change(messages[4], upstream.Expunge, ""), change(messages[1], upstream.Expunge, ""))
	s.removed(results[0], letter(5))
	s.removed(results[1], letter(2))
	s.leftUnmarked(letter(1), letter(3), letter(4), letter(6))
	m.end()
	s.leftUnmarked(letter(1), letter(3), letter(4), letter(6))
}

// marked checks that a message is there, marked by somebody else.
func (s *suite) marked(raw []byte) {
	s.Helper()
	for _, stored := range s.f.Contents(s, "INBOX") {
		if bytes.Equal(Canonical(stored.Raw), Canonical(raw)) {
			if !stored.Deleted {
				s.Errorf("the mark of another client was taken away: %.60q", raw)
			}
			return
		}
	}
	s.Errorf("a message that another client marked was expunged: %.60q", raw)
}

func expungeSparesMarked(s *suite) {
	s.deliver(letters(5)...)
	s.f.MarkDeleted(s, 0)
	s.f.MarkDeleted(s, 3)
	m := s.open()
	results := m.do(change(m.list(5)[1], upstream.Expunge, ""))
	m.end()
	s.removed(results[0], letter(2))
	s.marked(letter(1))
	s.marked(letter(4))
	s.leftUnmarked(letter(3), letter(5))
}

func expungeSparesMarkedMeanwhile(s *suite) {
	s.deliver(letters(5)...)
	m := s.open()
	messages := m.list(5)
	s.f.MarkDeleted(s, 2)
	s.deliver(letter(6))
	s.f.MarkDeleted(s, 5)
	results := m.do(change(messages[1], upstream.Expunge, ""))
	m.end()
	s.removed(results[0], letter(2))
	s.marked(letter(3))
	s.marked(letter(6))
	s.leftUnmarked(letter(1), letter(4), letter(5))
}

func expungeMarked(s *suite) {
	s.deliver(letters(3)...)
	s.f.MarkDeleted(s, 1)
	m := s.open()
	results := m.do(change(m.list(3)[1], upstream.Expunge, ""))
	m.end()
	s.removed(results[0], letter(2))
	s.leftUnmarked(letter(1), letter(3))
}

func markSeen(s *suite) {
	s.deliver(letters(5)...)
	m := s.open()
	messages := m.list(5)
	m.do(change(messages[3], upstream.MarkSeen, ""), change(messages[0], upstream.MarkSeen, ""))
	for i, stored := range s.left(letters(5)...) {
		if want := i == 0 || i == 3; stored.Seen != want || stored.Deleted || len(stored.Keywords) > 0 {
			s.Errorf("message %d: seen %v, want %v; deleted %v, keywords %v", i+1, stored.Seen, want, stored.Deleted, stored.Keywords)
		}
	}
}

func hasKeyword(stored Stored, keyword string) bool {
	return slices.ContainsFunc(stored.Keywords, func(k string) bool { return strings.EqualFold(k, keyword) })
}

func flag(s *suite) {
	s.deliver(letters(4)...)
	m := s.open()
	messages := m.list(4)
	m.do(change(messages[2], upstream.Flag, "$Retrieved"), change(messages[0], upstream.Flag, "Fetched"), change(messages[2], upstream.Flag, "Fetched"))
	want := map[int][]string{0: {"Fetched"}, 2: {"$Retrieved", "Fetched"}}
	for i, stored := range s.left(letters(4)...) {
		if len(stored.Keywords) != len(want[i]) || stored.Seen || stored.Deleted {
			s.Errorf("message %d: seen %v, deleted %v, keywords %v, want %v", i+1, stored.Seen, stored.Deleted, stored.Keywords, want[i])
		}
		for _, keyword := range want[i] {
			if !hasKeyword(stored, keyword) {
				s.Errorf("message %d: keywords %v, want %v", i+1, stored.Keywords, want[i])
			}
		}
	}
}

func move(s *suite) {
	s.deliver(letters(4)...)
	s.f.Append(s, letter(5), true)
	if s.f.MarkDeleted != nil {
		s.f.MarkDeleted(s, 2)
	}
	m := s.open()
	messages := m.list(5)
	results := m.do(change(messages[1], upstream.Move, s.f.Archive), change(messages[4], upstream.Move, s.f.Archive))
	for i, r := range results {
		if (r.UID == 0) != (r.UIDValidity == 0) {
			s.Errorf("result %d: UID %d of UIDVALIDITY %d", i, r.UID, r.UIDValidity)
		}
	}
	if results[0].UID != 0 && results[0].UID == results[1].UID {
		s.Errorf("two messages moved to one UID, %d", results[0].UID)
	}
	s.removed(results[0], letter(2))
	s.removed(results[1], letter(5))
	if s.f.MarkDeleted != nil {
		s.marked(letter(3))
		s.leftUnmarked(letter(1), letter(4))
	} else {
		s.leftUnmarked(letter(1), letter(3), letter(4))
	}
	s.archived(letter(2), letter(5))
}

// archived checks the archive, in which moved messages may lie in any order.
func (s *suite) archived(want ...[]byte) []Stored {
	s.Helper()
	stored := s.f.Contents(s, s.f.Archive)
	slices.SortFunc(stored, func(a, b Stored) int { return len(a.Raw) - len(b.Raw) })
	if len(stored) != len(want) {
		s.Fatalf("%d messages in %s, want %d", len(stored), s.f.Archive, len(want))
	}
	for i, message := range stored {
		s.same(message.Raw, want[i])
		if message.Deleted {
			s.Errorf("a moved message arrived marked for deletion: %.60q", message.Raw)
		}
	}
	return stored
}

func moveToSpecialUse(s *suite) {
	s.deliver(letters(3)...)
	m := s.open()
	results := m.do(change(m.list(3)[1], upstream.Move, `\Trash`))
	s.removed(results[0], letter(2))
	s.leftUnmarked(letter(1), letter(3))
	s.holds(s.f.Trash, letter(2))
}

// allAtOnce: one failure among them, and everything else is done all the same.
func allAtOnce(s *suite) {
	s.deliver(letters(7)...)
	m := s.open()
	messages := m.list(7)
	results := m.apply(
		change(messages[6], upstream.MarkSeen, ""),
		change(messages[0], upstream.Flag, "bad keyword)"),
		change(messages[5], upstream.Expunge, ""),
		change(messages[1], upstream.Move, s.f.Archive),
		change(messages[3], upstream.Flag, "Fetched"),
		change(messages[2], upstream.Expunge, ""),
	)
	for i, r := range results {
		if (r.Err != nil) != (i == 1) {
			s.Errorf("result %d: %v", i, r.Err)
		}
	}
	s.removed(results[2], letter(6))
	s.removed(results[3], letter(2))
	s.removed(results[5], letter(3))
	s.archived(letter(2))
	s.leftUnmarked(letter(1), letter(4), letter(5), letter(7))
	for _, stored := range s.f.Contents(s, "INBOX") {
		if stored.Deleted {
			continue
		}
		if want := bytes.Equal(Canonical(stored.Raw), letter(7)); stored.Seen != want {
			s.Errorf("seen %v: %.60q", stored.Seen, stored.Raw)
		}
		if want := bytes.Equal(Canonical(stored.Raw), letter(4)); hasKeyword(stored, "Fetched") != want || !want && len(stored.Keywords) > 0 {
			s.Errorf("keywords %v: %.60q", stored.Keywords, stored.Raw)
		}
	}
}

// twoChangesOfOne: a session that retrieved and deleted asks for both.
func twoChangesOfOne(s *suite) {
	s.deliver(letters(3)...)
	m := s.open()
	messages := m.list(3)
	results := m.do(change(messages[1], upstream.MarkSeen, ""), change(messages[1], upstream.Expunge, ""))
	s.removed(results[1], letter(2))
	s.leftUnmarked(letter(1), letter(3))
}

func goneIsDone(s *suite) {
	s.deliver(letters(7)...)
	m := s.open()
	messages := m.list(7)
	for range 4 {
		s.f.Remove(s, 1) // messages 2 to 5
	}
	var changes []upstream.Change
	if _, lacks := s.f.lacks(Seen); !lacks {
		changes = append(changes, change(messages[2], upstream.MarkSeen, ""))
	}
	if _, lacks := s.f.lacks(Keywords); !lacks {
		changes = append(changes, change(messages[3], upstream.Flag, "Fetched"))
	}
	if _, lacks := s.f.lacks(Move); !lacks {
		changes = append(changes, change(messages[4], upstream.Move, s.f.Archive))
	}
	changes = append(changes, change(messages[1], upstream.Expunge, ""), change(messages[5], upstream.Expunge, ""))
	results := m.do(changes...)
	s.removed(results[len(results)-1], letter(6))
	s.leftUnmarked(letter(1), letter(7))
	if _, lacks := s.f.lacks(Move); !lacks {
		s.holds(s.f.Archive)
	}
	for i, stored := range s.f.Contents(s, "INBOX") {
		if !stored.Deleted && (stored.Seen || len(stored.Keywords) > 0) {
			s.Errorf("message %d got what was meant for another: seen %v, keywords %v", i+1, stored.Seen, stored.Keywords)
		}
	}
}

// hundreds: sets of UIDs grow longer than one command line may be.
func hundreds(s *suite) {
	const n = 400
	s.deliver(letters(n)...)
	m := s.open()
	var changes []upstream.Change
	var kept [][]byte
	for i, message := range m.list(n) {
		if i%2 == 0 {
			changes = append(changes, change(message, upstream.Expunge, ""))
		} else {
			kept = append(kept, letter(i+1))
		}
	}
	m.do(changes...)
	s.leftUnmarked(kept...)
}

func hostileTargets(s *suite) {
	s.deliver(letters(3)...)
	m := s.open()
	messages := m.list(3)
	var changes []upstream.Change
	for _, target := range []string{"", "a\r\nX EXPUNGE", "a\nb", "\x00", "(x", "two words", `\Deleted`, "x) UID 1:* (y", "*", "%", `"`, "{3}"} {
		changes = append(changes, change(messages[1], upstream.Flag, target))
	}
	for _, target := range []string{"", "a\r\nX EXPUNGE", "a\nb", "\x00", `\NoSuchUse`} {
		changes = append(changes, change(messages[2], upstream.Move, target))
	}
	for i, r := range m.apply(changes...) {
		if r.Err == nil {
			s.Errorf("%v to %q was done", changes[i].Do, changes[i].Target)
		}
	}
	m.end()
	for i, stored := range s.left(letters(3)...) {
		if stored.Seen || stored.Deleted || len(stored.Keywords) > 0 {
			s.Errorf("message %d: seen %v, deleted %v, keywords %v", i+1, stored.Seen, stored.Deleted, stored.Keywords)
		}
	}
}

// cannot: what is not done must not be reported done. Expunge is the one thing
// that every server can do; and where there is no \Seen, a message that was
// retrieved needs no mark, so that doing nothing is right, too.
func cannot(s *suite) {
	var changes []upstream.Change
	s.deliver(letters(4)...)
	m := s.open()
	messages := m.list(4)
	for a, c := range map[Ability]upstream.Change{
		Keywords: change(messages[0], upstream.Flag, "Fetched"),
		Move:     change(messages[2], upstream.Move, "Archive"),
	} {
		if _, lacks := s.f.lacks(a); lacks {
			changes = append(changes, c)
		}
	}
	changes = append(changes, change(messages[3], upstream.Expunge, ""))
	results := m.apply(changes...)
	kept := letters(3)
	for i, r := range results[:len(results)-1] {
		switch {
		case r.Hidden && changes[i].Do == upstream.Move: // as far as it goes, and said so
			s.removed(r, letter(3))
			kept = kept[:2]
		case r.Err == nil:
			s.Errorf("%v is said to be done", changes[i].Do)
		}
	}
	s.removed(results[len(results)-1], letter(4))
	s.leftUnmarked(kept...)
}

// applyCancelled: whatever is done or not, the results say so.
func applyCancelled(s *suite) {
	s.deliver(letters(3)...)
	m := s.open()
	messages := m.list(3)
	ctx, cancel := context.WithCancel(s.ctx)
	cancel()
	results := m.Apply(ctx, []upstream.Change{change(messages[0], upstream.Expunge, ""), change(messages[2], upstream.Expunge, "")})
	m.closed = true
	m.Close() // the connection may be lost by now
	if len(results) != 2 {
		s.Fatalf("%d results of 2 changes", len(results))
	}
	for i, raw := range map[int][]byte{0: letter(1), 1: letter(3)} {
		if results[i].Err == nil {
			s.removed(results[i], raw)
		}
	}
	stored := s.f.Contents(s, "INBOX")
	if !slices.ContainsFunc(stored, func(m Stored) bool { return !m.Deleted && bytes.Equal(Canonical(m.Raw), letter(2)) }) {
		s.Error("a message was removed that nobody asked to remove")
	}
}
