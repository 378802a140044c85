package bridge

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/restante-mail/restante/upstream"
)

func change(uid uint32, do upstream.Action, target string) upstream.Change {
	return upstream.Change{ID: upstream.ID{UID: uid}, Do: do, Target: target}
}

// TestApplyWords: what is said, for what the server can do.
func TestApplyWords(t *testing.T) {
	const (
		store  = `UID STORE 12 +FLAGS.SILENT (\Deleted)`
		search = "UID SEARCH UID 12"
	)
	for _, c := range []struct {
		name, caps string
		do         upstream.Action
		target     string
		want       []string
		hidden     bool
	}{
		{"seen", "", upstream.MarkSeen, "", []string{`UID STORE 12 +FLAGS.SILENT (\Seen)`}, false},
		{"flag", "", upstream.Flag, "$Popped", []string{"UID STORE 12 +FLAGS.SILENT ($Popped)"}, false},
		{"expunge", "UIDPLUS MOVE", upstream.Expunge, "", []string{store, "UID EXPUNGE 12", search}, false},
		{"expunge, no UIDPLUS", "MOVE", upstream.Expunge, "", []string{`LIST "" "*"`, `UID MOVE 12 "Bin"`}, false},
		{"expunge, nothing", "", upstream.Expunge, "", []string{store}, true},
		{"move", "MOVE", upstream.Move, "Old", []string{`UID MOVE 12 "Old"`}, false},
		{"move to a use", "MOVE SPECIAL-USE LIST-EXTENDED", upstream.Move, `\Trash`, []string{`LIST "" "*" RETURN (SPECIAL-USE)`, `UID MOVE 12 "Bin"`}, false},
		{"move, no MOVE", "UIDPLUS", upstream.Move, "Old", []string{`UID COPY 12 "Old"`, store, "UID EXPUNGE 12", search}, false},
		{"move, nothing", "", upstream.Move, "Old", []string{`UID COPY 12 "Old"`, store}, true},
		{"move to where it is", "MOVE", upstream.Move, "inbox", nil, false},
		{"IMAP4rev2 has both", "IMAP4rev2", upstream.Move, "Old", []string{`UID COPY 12 "Old"`, store}, true}, // behind IMAP4rev1 it counts for nothing
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFake(t, "one", "two", "three")
			f.caps = "IMAP4rev1 AUTH=PLAIN SASL-IR " + c.caps
			m, _ := f.opened()
			before := len(f.heard(""))
			r := m.Apply(t.Context(), []upstream.Change{change(12, c.do, c.target)})
			if len(r) != 1 || r[0].Err != nil || r[0].Hidden != c.hidden {
				t.Errorf("%+v", r)
			}
			if said := f.heard("")[before:]; !slices.Equal(said, c.want) {
				t.Errorf("said %q, want %q", said, c.want)
			}
		})
	}
}

// TestMoveHidden: without UIDPLUS and MOVE a copy arrives, and the original is
// hidden.
func TestMoveHidden(t *testing.T) {
	_, user, o := memory(t, "UIDPLUS", "MOVE")
	for i := range 3 {
		user.Mailbox("INBOX").Append(fmt.Appendf(nil, "a: %d\r\n\r\n", i), nil, fixedTime)
	}
	m, err := open(t, o).Open(t.Context(), alice)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	messages, err := m.Messages(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	r := m.Apply(t.Context(), []upstream.Change{{ID: messages[1].ID, Do: upstream.Move, Target: "Archive"}})
	if r[0].Err != nil || !r[0].Hidden {
		t.Errorf("%+v", r)
	}
	for i, s := range stored(user.Mailbox("INBOX")) {
		if s.Deleted != (i == 1) {
			t.Errorf("message %d: %+v", i+1, s)
		}
	}
	if archived := stored(user.Mailbox("Archive")); len(archived) != 1 || string(archived[0].Raw) != "a: 1\r\n\r\n" {
		t.Errorf("archived %+v", archived)
	}
}

// TestCopyUID records where messages went, and believes no nonsense.
func TestCopyUID(t *testing.T) {
	for code, want := range map[string][]uint32{
		"[COPYUID 5 11:12 101:102]":               {101, 102},
		"[COPYUID 5 12,11 7,9]":                   {0, 0}, // the library would mix them up
		"[COPYUID 5 11,12 9,7]":                   {0, 0},
		"[COPYUID 5 11 7]":                        {7, 0},
		"[COPYUID 5 11:12 7]":                     {0, 0},
		"[COPYUID 0 11:12 7:8]":                   {0, 0},
		"[COPYUID 5 1:4294967295 1:4294967295]":   {0, 0},
		"[COPYUID 5 11:12 4294967295:4294967296]": {0, 0},
		"[COPYUID x]":                             {0, 0},
		"":                                        {0, 0},
	} {
		f := newFake(t, "one", "two")
		f.instead = func(c *fakeConn, _ int, command string) bool {
			if strings.HasPrefix(command, "UID MOVE") {
				c.ok(code + " moved")
				return true
			}
			return false
		}
		m, _ := f.opened()
		for i, r := range m.Apply(t.Context(), []upstream.Change{change(11, upstream.Move, "Old"), change(12, upstream.Move, "Old")}) {
			if r.Err != nil || r.UID != want[i] || (r.UIDValidity == 5) != (r.UID != 0) {
				t.Errorf("%s: %+v", code, r)
			}
		}
	}
}

// TestGmail: expunging goes by way of the trash.
func TestGmail(t *testing.T) {
	const caps = "IMAP4rev1 AUTH=PLAIN SASL-IR UIDPLUS MOVE X-GM-EXT-1"
	gmail := func(t *testing.T, instead func(c *fakeConn, command string) bool) (*fake, upstream.Result) {
		f := newFake(t, "one", "two")
		f.caps = caps
		f.instead = func(c *fakeConn, _ int, command string) bool {
			if instead(c, command) {
				return true
			}
			switch {
			case strings.HasPrefix(command, "UID MOVE"):
				c.ok("[COPYUID 77 12 501] moved")
			case strings.HasPrefix(command, "SELECT") && strings.Contains(command, "Bin"):
				c.send("* 1 EXISTS\r\n* OK [UIDVALIDITY 77] x\r\n")
				c.ok("done")
			default:
				return false
			}
			return true
		}
		m, _ := f.opened()
		before := len(f.heard(""))
		r := m.Apply(t.Context(), []upstream.Change{change(12, upstream.Expunge, "")})
		f.mu.Lock()
		f.said = f.said[before:]
		f.mu.Unlock()
		return f, r[0]
	}
	never := func(*fakeConn, string) bool { return false }
	f, r := gmail(t, never)
	want := []string{`LIST "" "*"`, `UID MOVE 12 "Bin"`, `SELECT "Bin"`, `UID STORE 501 +FLAGS.SILENT (\Deleted)`, "UID EXPUNGE 501", "UID SEARCH UID 501"}
	if r.Err != nil || !slices.Equal(f.heard(""), want) {
		t.Errorf("%+v, said %q", r, f.heard(""))
	}
	_, r = gmail(t, func(c *fakeConn, command string) bool {
		if strings.HasPrefix(command, "LIST") {
			c.ok("none")
			return true
		}
		return false
	})
	kindIs(t, r.Err, upstream.Denied, "Trash")
	f, r = gmail(t, func(c *fakeConn, command string) bool {
		if strings.HasPrefix(command, "SELECT") && strings.Contains(command, "Bin") {
			c.send("* OK [UIDVALIDITY 78] x\r\n")
			c.ok("done")
			return true
		}
		return false
	})
	kindIs(t, r.Err, upstream.Unavailable, "UIDVALIDITY changed")
	var moves atomic.Int32
	_, r = gmail(t, func(c *fakeConn, command string) bool {
		if !strings.HasPrefix(command, "UID MOVE") {
			return false
		}
		if moves.Add(1) == 1 { // it is done, and nobody hears of it
			c.Close()
		} else {
			c.ok("nothing to move")
		}
		return true
	})
	kindIs(t, r.Err, upstream.Unavailable, "they may be there still")
	if said := f.heard("UID EXPUNGE"); len(said) > 0 {
		t.Errorf("said %q", said)
	}
	var died atomic.Bool
	f, r = gmail(t, func(c *fakeConn, command string) bool {
		if command == "UID EXPUNGE 501" && died.CompareAndSwap(false, true) {
			c.Close()
			return true
		}
		return false
	})
	if r.Err != nil || len(f.heard("UID MOVE")) != 1 || len(f.heard("UID EXPUNGE 501")) != 2 {
		t.Errorf("%+v, said %q", r, f.heard(""))
	}
}

// TestExpungeFails: what could not be expunged is not left marked, except what
// somebody else had marked.
func TestExpungeFails(t *testing.T) {
	for _, c := range []struct{ answer, words string }{
		{"%s NO [NOPERM] no\r\n", "no"},
		{"%s BAD no\r\n", "no"},
		{"%s OK done\r\n", "still has 2 of the messages"},
	} {
		f := newFake(t, "one", "two", "three")
		f.instead = func(conn *fakeConn, _ int, command string) bool {
			switch {
			case strings.HasPrefix(command, "UID EXPUNGE"):
				conn.send("%s", strings.ReplaceAll(c.answer, "%s", conn.tag))
			case strings.HasPrefix(command, "UID FETCH 1:*"):
				conn.send("* 1 FETCH (UID 11 RFC822.SIZE 3)\r\n* 2 FETCH (UID 12 RFC822.SIZE 3 FLAGS (\\Deleted))\r\n* 3 FETCH (UID 13 RFC822.SIZE 3)\r\n")
				conn.ok("done")
			default:
				return false
			}
			return true
		}
		m, _ := f.opened()
		for _, r := range m.Apply(t.Context(), []upstream.Change{change(11, upstream.Expunge, ""), change(12, upstream.Expunge, "")}) {
			if r.Err == nil || !strings.Contains(r.Err.Error(), c.words) || r.Hidden {
				t.Errorf("%q: %+v", c.answer, r)
			}
		}
		if said := f.heard("UID STORE 11 -FLAGS"); !slices.Equal(said, []string{`UID STORE 11 -FLAGS.SILENT (\Deleted)`}) {
			t.Errorf("%q: said %q", c.answer, f.heard("UID STORE"))
		}
	}
}

// TestEachOutcome: one failure does not keep the rest from being tried.
func TestEachOutcome(t *testing.T) {
	f := newFake(t, "one", "two", "three", "four")
	f.instead = func(c *fakeConn, _ int, command string) bool {
		switch {
		case strings.HasPrefix(command, "UID MOVE"):
			c.no("[TRYCREATE] no such folder")
		case strings.HasPrefix(command, "SELECT"):
			c.send("* OK [PERMANENTFLAGS (\\Deleted \\Seen $Known)] so\r\n")
			return false
		default:
			return false
		}
		return true
	}
	m, _ := f.opened()
	changes := []upstream.Change{
		change(14, upstream.Expunge, ""),
		change(11, upstream.Move, "None"),
		change(12, upstream.Flag, "$Unknown"),
		change(12, upstream.Flag, "$KNOWN"),
		change(12, upstream.MarkSeen, ""),
		change(0, upstream.MarkSeen, ""),
		{ID: upstream.ID{Folder: 3, UID: 12}, Do: upstream.Expunge},
		change(12, upstream.Flag, "x) (y"),
		change(12, upstream.Move, "a\r\nb"),
		change(12, upstream.Move, `\Junk`),
		change(12, upstream.Action(9), ""),
		change(14, upstream.MarkSeen, ""),
	}
	words := []string{"", "no such folder", "no keywords", "", "", "no message", "no message", "no IMAP keyword", "no name", "no folder of that use", "no such change", ""}
	for i, r := range m.Apply(t.Context(), changes) {
		if (r.Err != nil) != (words[i] != "") || r.Err != nil && !strings.Contains(r.Err.Error(), words[i]) {
			t.Errorf("%v: %v, want %q", changes[i], r.Err, words[i])
		}
	}
}

// TestApplyDies: an upstream that dies in the middle is come back to once.
// What is then not known to be done is an error. A copy is made a second time
// only if the first is not found.
func TestApplyDies(t *testing.T) {
	for _, c := range []struct {
		name, caps, at string
		times          int
		do             upstream.Action
		words          string // "" if it is done in the end
		copies         int
	}{
		{"in STORE", "UIDPLUS", "UID STORE", 1, upstream.Expunge, "", 0},
		{"in EXPUNGE", "UIDPLUS", "UID EXPUNGE", 1, upstream.Expunge, "", 0},
		{"in SEARCH", "UIDPLUS", "UID SEARCH", 1, upstream.Expunge, "", 0},
		{"in MOVE", "MOVE", "UID MOVE", 1, upstream.Move, "", 0},
		{"in COPY", "UIDPLUS", "UID COPY", 1, upstream.Move, "", 2},
		{"behind COPY", "UIDPLUS", "UID STORE", 1, upstream.Move, "", 1},
		{"always in STORE", "UIDPLUS", "UID STORE", 9, upstream.Expunge, "hung up", 0},
		{"always in EXPUNGE", "UIDPLUS", "UID EXPUNGE", 9, upstream.Expunge, "hung up", 0},
		{"always in MOVE", "MOVE", "UID MOVE", 9, upstream.Move, "hung up", 0},
		{"at the new sign-in", "UIDPLUS", "AUTHENTICATE", 9, upstream.Expunge, "hung up", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFake(t, "one", "two")
			f.caps = "IMAP4rev1 AUTH=PLAIN SASL-IR " + c.caps
			died := make(chan struct{}, c.times)
			f.instead = func(conn *fakeConn, session int, command string) bool {
				if !strings.HasPrefix(command, c.at) || c.at == "AUTHENTICATE" && session == 1 {
					return false
				}
				select {
				case died <- struct{}{}:
					conn.Close()
					return true
				default:
					return false
				}
			}
			m, _ := f.opened()
			if c.at == "AUTHENTICATE" {
				f.hangUpAll()
			}
			for _, r := range m.Apply(t.Context(), []upstream.Change{change(11, c.do, "Old"), change(12, c.do, "Old")}) {
				if c.words == "" && r.Err != nil {
					t.Errorf("%+v", r)
				}
				if c.words != "" {
					kindIs(t, r.Err, upstream.Unavailable, c.words)
				}
			}
			if n := len(f.heard("UID COPY")); n != c.copies {
				t.Errorf("%d copies, want %d", n, c.copies)
			}
			if n := f.countSessions(); n != 2 {
				t.Errorf("%d sessions, want 2", n)
			}
		})
	}
}

// TestApplyReconnectsOnce: not once for each change.
func TestApplyReconnectsOnce(t *testing.T) {
	f := newFake(t, "one", "two", "three", "four")
	f.instead = func(c *fakeConn, _ int, command string) bool {
		if strings.HasPrefix(command, "UID STORE") {
			c.Close()
			return true
		}
		return false
	}
	m, _ := f.opened()
	for _, r := range m.Apply(t.Context(), []upstream.Change{
		change(11, upstream.MarkSeen, ""), change(12, upstream.Flag, "$A"), change(13, upstream.Flag, "$B"), change(14, upstream.Expunge, ""),
	}) {
		kindIs(t, r.Err, upstream.Unavailable, "")
	}
	if n := f.countSessions(); n != 2 {
		t.Errorf("%d sessions, want 2", n)
	}
}

// TestApplyStalls: silence at QUIT is an error in time.
func TestApplyStalls(t *testing.T) {
	f := newFake(t, "one")
	ctx, cancel := context.WithCancel(t.Context())
	f.instead = func(c *fakeConn, _ int, command string) bool {
		if strings.HasPrefix(command, "UID EXPUNGE") {
			cancel()
			c.stall()
		}
		return false
	}
	m, _ := f.opened()
	r := m.Apply(ctx, []upstream.Change{change(11, upstream.Expunge, ""), change(11, upstream.MarkSeen, "")})
	kindIs(t, r[0].Err, upstream.Unavailable, "canceled")
	if r[1].Err != nil { // flags go first
		t.Error(r[1].Err)
	}
}

func TestChunks(t *testing.T) {
	places := func(uids ...uint32) map[uint32][]int {
		m := map[uint32][]int{}
		for _, uid := range uids {
			m[uid] = nil
		}
		return m
	}
	var dense, sparse, pairs []uint32
	for i := range uint32(12_000) {
		dense = append(dense, 1_000_000+i)
		sparse = append(sparse, 4_294_967_295-2*i)
		pairs = append(pairs, 4_000_000_000+3*(i/2)+i%2)
	}
	for name, c := range map[string]struct {
		uids []uint32
		most int
	}{
		"none": {nil, 0}, "one": {[]uint32{7}, 1}, "dense": {dense, 3}, "sparse": {sparse, 17}, "pairs": {pairs, 17},
		"the last ones": {[]uint32{4294967294, 4294967295}, 1},
	} {
		parts := chunks(places(c.uids...))
		if len(parts) > c.most {
			t.Errorf("%s: %d parts", name, len(parts))
		}
		var all []uint32
		for _, part := range parts {
			if set := uidSet(part).String(); len(set) > maxSet || len(part) > maxUIDs || len(part) == 0 {
				t.Errorf("%s: a set of %d octets, %d UIDs", name, len(set), len(part))
			}
			all = append(all, part...)
		}
		slices.Sort(c.uids)
		if !slices.Equal(all, c.uids) {
			t.Errorf("%s: %d UIDs became %d", name, len(c.uids), len(all))
		}
	}
}

// TestApplyAfterMuchAhead: a connection that is given up for what is under way
// is not the one that an Apply may lose.
func TestApplyAfterMuchAhead(t *testing.T) {
	all := someTexts(20, 100<<10)
	f := newFake(t, all...)
	f.instead = func(c *fakeConn, session int, command string) bool {
		if session == 2 && strings.HasPrefix(command, "UID STORE") {
			c.Close()
			return true
		}
		return false
	}
	m := f.expecting()
	for i, want := range all[:6] {
		reads(t, m, 11+i, want)
	}
	for _, r := range m.Apply(t.Context(), []upstream.Change{change(11, upstream.Expunge, "")}) {
		if r.Err != nil {
			t.Error(r.Err)
		}
	}
	if n := f.countSessions(); n != 3 {
		t.Errorf("%d sessions, want 3", n)
	}
}
