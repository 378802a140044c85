package bridge

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/restante-mail/restante/upstream"
)

// SELECT's numbers alone prove nothing: after a restore from backup
// UIDVALIDITY, UIDNEXT, EXISTS and HIGHESTMODSEQ were all seen equal over a
// different message. So the server is asked for three messages that it should
// have: the last, with its Message-ID, and two at random.

// maxHeaders is how many Message-IDs are asked for: of the last message that is
// known, and of the newest.
const maxHeaders = 2

// probes are the UIDs that are asked for, ascending; the last message's is the
// last.
func (r *remembered) probes() []uint32 {
	last := len(r.messages) - 1
	uids := []uint32{
		r.messages[rand.IntN(last+1)].ID.UID,
		r.messages[rand.IntN(last+1)].ID.UID,
		r.messages[last].ID.UID,
	}
	slices.Sort(uids)
	return slices.Compact(uids)
}

// probeCommands ask for the probes, and for the Message-IDs of the last and of
// what is last by now. Not for those of the others: a server that has a size at
// hand must open a message for its header.
func probeCommands(probes []uint32) (commands []string) {
	const attributes = "UID INTERNALDATE RFC822.SIZE"
	set, last := "", len(probes)-1
	for _, uid := range probes[:last] {
		set += fmt.Sprint(",", uid)
	}
	if set != "" {
		commands = append(commands, "UID FETCH "+set[1:]+" ("+attributes+")")
	}
	return append(commands, fmt.Sprintf("UID FETCH %d,* (%s BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)])", probes[last], attributes))
}

// A doubt is why what was remembered is not believed; "" is none.
type doubt string

// against compares what was remembered with what the server said now: now is
// the selection, answers are by UID.
func (r *remembered) against(now selection, probes []uint32, answers []upstream.Message, headers []header) doubt {
	switch {
	case now.uidValidity != r.uidValidity:
		return "another UIDVALIDITY"
	case now.mailboxID != r.mailboxID:
		return "another MAILBOXID"
	case now.uidNext == 0:
		return "no UIDNEXT"
	case nextUID(now.uidNext, answers) < r.next:
		return "UIDNEXT has shrunk"
	}
	for _, uid := range probes {
		if _, found := findUID(answers, uid); !found {
			return "a message is gone, or has another UID"
		}
	}
	for i := range answers {
		if d := r.doubts(&answers[i]); d != "" {
			return d
		}
	}
	last := r.messages[len(r.messages)-1].ID.UID
	if !slices.Contains(headers, header{last, r.last}) {
		return "another Message-ID"
	}
	return ""
}

// doubts compares one message. What is new is of no use as a proof.
func (r *remembered) doubts(m *upstream.Message) doubt {
	if m.ID.UID >= r.next {
		return ""
	}
	i, found := findUID(r.messages, m.ID.UID)
	switch {
	case !found:
		return "a message that was not there, below UIDNEXT"
	case r.messages[i].Size != m.Size || !r.messages[i].Arrived.Equal(m.Arrived):
		return "another size or date"
	}
	return ""
}

// nextUID is the larger of UIDNEXT and the highest UID + 1, for some servers
// understate it.
func nextUID(uidNext uint32, messages []upstream.Message) uint32 {
	if n := len(messages); n > 0 && messages[n-1].ID.UID >= uidNext {
		return messages[n-1].ID.UID + 1 // 0 after the very last UID: nothing is remembered then
	}
	return uidNext
}

func findUID(messages []upstream.Message, uid uint32) (int, bool) {
	return slices.BinarySearchFunc(messages, uid, func(m upstream.Message, uid uint32) int {
		return cmp.Compare(m.ID.UID, uid)
	})
}

// withNew is what was remembered and what has come since.
func (r *remembered) withNew(answers []upstream.Message) []upstream.Message {
	at, _ := findUID(answers, r.next)
	return append(r.messages, answers[at:]...)
}

// explain takes out what the server does not have any more, if that is all
// that is wrong: all is everything it has, exists how many that are.
func (r *remembered) explain(messages []upstream.Message, all *uids, exists uint32) ([]upstream.Message, doubt) {
	known, place := uint64(0), 0
	kept := slices.DeleteFunc(messages, func(m upstream.Message) bool {
		has := all.has(m.ID.UID, &place)
		if has && m.ID.UID < r.next {
			known++
		}
		return !has
	})
	below, above := all.count(r.next)
	if below != known || below+above != uint64(exists) {
		return nil, "messages that nobody has heard of"
	}
	return kept, ""
}
