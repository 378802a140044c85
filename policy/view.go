package policy

import (
	"time"

	"github.com/restante-mail/restante/upstream"
)

// A Verdict says whether a message is shown, and if not, why.
type Verdict struct {
	Show bool
	Why  string
}

// View decides what the client sees, one Verdict per message.
func (p Policy) View(msgs []upstream.Message, s *State, now time.Time) []Verdict {
	verdicts := make([]Verdict, len(msgs))
	edges := p.Edges(msgs, s)
	var copies map[string]string // why a message is not shown again, by its name; only a name that the server vouches for makes a copy
	if severalFolders(msgs) {
		copies = hiddenCopies(msgs, s)
	}
	for i := range msgs {
		why := p.hides(&msgs[i], remembered(s.Of, i), s, edges, now)
		if name := msgs[i].Unique; why == "" && copies != nil && name != "" {
			if why = copies[name]; why == "" {
				copies[name] = "another folder shows the same message"
			}
		}
		verdicts[i] = Verdict{Show: why == "", Why: why}
	}
	return verdicts
}

// hiddenCopies finds the messages that are remembered as hidden in some folder:
// one that is copied or moved afterwards does not come back.
func hiddenCopies(msgs []upstream.Message, s *State) map[string]string {
	copies := make(map[string]string, len(msgs))
	for i := range msgs {
		if name := msgs[i].Unique; name != "" && remembered(s.Of, i).Hidden != 0 {
			copies[name] = "a copy of a message that is hidden"
		}
	}
	return copies
}

// hides returns why a message is not shown, or "". A message whose arrival the
// server did not tell is never too old: hiding mail needs a reason.
func (p *Policy) hides(m *upstream.Message, known *Memory, s *State, edges []uint32, now time.Time) string {
	switch {
	case known.Hidden != 0:
		return "hidden: this client deleted it, or has it, or somebody else still needs it"
	case m.Flags.Has(upstream.Deleted) && !p.ShowDeleted:
		return "flagged \\Deleted (show_deleted is off)"
	case p.FromNowOn && p.before(m, s):
		return "was there before this client's first sign-in (from_now_on)"
	case edges != nil && m.ID.UID < edges[m.ID.Folder]:
		return "not among the newest"
	case p.UnseenOnly && m.Flags.Has(upstream.Seen):
		return "already \\Seen (unseen_only)"
	case p.MaxSize > 0 && m.Size > int64(p.MaxSize):
		return "larger than max_size"
	case p.MaxAge > 0 && !m.Arrived.IsZero() && now.Sub(m.Arrived) > time.Duration(p.MaxAge):
		return "older than max_age"
	}
	return ""
}

// before tells whether a message was there before the view's first sign-in. In
// a folder that came to the view later, or that has other UIDs now, only the
// arrival tells.
func (p *Policy) before(m *upstream.Message, s *State) bool {
	first := s.folder(m).First
	switch {
	case s.Begun.IsZero():
		return true
	case first == 0:
		return !m.Arrived.IsZero() && m.Arrived.Before(s.Begun)
	}
	return m.ID.UID < first
}

// Edges are the lowest UIDs of each folder that "newest" shows, nil without that
// setting. An edge never moves back: what fell out of view stays out when newer
// mail is removed, or old mail would come as new.
func (p Policy) Edges(msgs []upstream.Message, s *State) []uint32 {
	if p.Newest == 0 {
		return nil
	}
	begins, ends := folderRanges(msgs)
	edges := make([]uint32, max(len(begins), len(s.Folders)))
	for f := range s.Folders {
		edges[f] = s.Folders[f].Edge
	}
	at := append([]int(nil), ends...)
	for range p.Newest {
		f := newestOf(msgs, begins, at)
		if f < 0 {
			return edges // all fit
		}
		at[f]--
	}
	for f := range begins {
		if at[f] > begins[f] { // something is left out
			edges[f] = max(edges[f], msgs[at[f]-1].ID.UID+1)
		}
	}
	return edges
}

// folderRanges says where each folder's messages begin and end in the list.
func folderRanges(msgs []upstream.Message) (begins, ends []int) {
	for i := range msgs {
		for len(begins) <= msgs[i].ID.Folder {
			begins, ends = append(begins, i), append(ends, i)
		}
		ends[msgs[i].ID.Folder] = i + 1
	}
	return begins, ends
}

// newestOf returns the folder whose last message that is not taken yet arrived
// last, or -1. Within a folder UIDs say what is newer.
func newestOf(msgs []upstream.Message, begins, at []int) int {
	best := -1
	for f := range begins {
		if at[f] > begins[f] && (best < 0 || msgs[at[f]-1].Arrived.After(msgs[at[best]-1].Arrived)) {
			best = f
		}
	}
	return best
}

// severalFolders tells whether there can be copies of a message at all.
func severalFolders(msgs []upstream.Message) bool {
	return len(msgs) > 0 && msgs[0].ID.Folder != msgs[len(msgs)-1].ID.Folder
}
