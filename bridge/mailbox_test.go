package bridge

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/sirupsen/logrus"

	"github.com/restante-mail/restante/upstream"
)

// logged is a log and what it says.
func logged() (logrus.FieldLogger, func() string) {
	var mu sync.Mutex
	var text bytes.Buffer
	log := logrus.New()
	log.SetOutput(writer(func(p []byte) (int, error) {
		mu.Lock()
		defer mu.Unlock()
		return text.Write(p)
	}))
	return log, func() string {
		mu.Lock()
		defer mu.Unlock()
		return text.String()
	}
}

type writer func(p []byte) (int, error)

func (w writer) Write(p []byte) (int, error) { return w(p) }

// TestReconnects: a connection that ended between commands is replaced, and
// nobody notices.
func TestReconnects(t *testing.T) {
	for name, end := range map[string]string{"hung up": "", "BYE": "* BYE idle for too long\r\n", "garbage": "garbage\r\n", "half a line": "* OK"} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t, "one", "two")
			m, _ := f.opened()
			f.mu.Lock()
			fmt.Fprint(f.connections[0], end)
			f.mu.Unlock()
			f.hangUpAll()
			for i, want := range []string{"one", "two"} {
				if text, err := read(t, m, uint32(11+i), upstream.Whole); text != want || err != nil {
					t.Errorf("got %q, %v", text, err)
				}
			}
			if n := f.countSessions(); n != 2 {
				t.Errorf("%d sessions, want 2", n)
			}
		})
	}
}

// TestReconnectsOnce: an upstream that dies at every command is not dialed for
// ever.
func TestReconnectsOnce(t *testing.T) {
	for _, at := range []string{"UID FETCH 11", "UID FETCH 1:*"} {
		f := newFake(t, "one")
		f.instead = func(c *fakeConn, _ int, command string) bool {
			if strings.HasPrefix(command, at) {
				c.Close()
				return true
			}
			return false
		}
		m := f.open()
		_, err := m.Messages(t.Context())
		if err == nil {
			_, err = read(t, m, 11, upstream.Whole)
		}
		kindIs(t, err, upstream.Unavailable, "the server hung up")
		if n := f.countSessions(); n != 2 {
			t.Errorf("%s: %d sessions, want 2", at, n)
		}
	}
}

// TestThrottledIsLeftAlone: a server that asks for peace is not dialed at once.
func TestThrottledIsLeftAlone(t *testing.T) {
	f := newFake(t, "one")
	f.instead = func(c *fakeConn, _ int, command string) bool {
		if strings.HasPrefix(command, "UID FETCH 11") {
			c.send("* BYE Request is throttled. Suggested Backoff Time: 5000 milliseconds\r\n")
			c.Close()
			return true
		}
		return false
	}
	m, _ := f.opened()
	_, err := read(t, m, 11, upstream.Whole)
	kindIs(t, err, upstream.Throttled, "Backoff")
	if n := f.countSessions(); n != 1 {
		t.Errorf("%d sessions, want 1", n)
	}
}

// TestUIDValidityChanged: over a new connection, other UIDs mean other
// messages. Nothing is read or changed any more.
func TestUIDValidityChanged(t *testing.T) {
	f := newFake(t, "one", "two")
	m, messages := f.opened()
	f.mu.Lock()
	f.validity++
	f.messages[0].text = "another"
	f.mu.Unlock()
	f.hangUpAll()
	for range 2 {
		_, err := read(t, m, 11, upstream.Whole)
		kindIs(t, err, upstream.Unavailable, "UIDVALIDITY was 99 and is 100")
	}
	results := m.Apply(t.Context(), []upstream.Change{{ID: messages[0].ID, Do: upstream.Expunge}, {ID: messages[1].ID, Do: upstream.MarkSeen}})
	for _, r := range results {
		kindIs(t, r.Err, upstream.Unavailable, "UIDVALIDITY")
	}
	if said := append(f.heard("UID STORE"), f.heard("UID FETCH 11")...); len(said) > 0 {
		t.Errorf("said %q", said)
	}
	if n := f.countSessions(); n != 2 {
		t.Errorf("%d sessions, want 2", n)
	}
}

// TestPasswordChangedMeanwhile: coming back is signing in.
func TestPasswordChangedMeanwhile(t *testing.T) {
	f := newFake(t, "one")
	f.instead = func(c *fakeConn, session int, command string) bool {
		if session > 1 && strings.HasPrefix(command, "AUTH") {
			c.no("[AUTHENTICATIONFAILED] no")
			return true
		}
		return false
	}
	m, _ := f.opened()
	f.hangUpAll()
	_, err := read(t, m, 11, upstream.Whole)
	kindIs(t, err, upstream.Rejected, "no")
}

// TestListingFaults: a listing that breaks is done again once, and one that
// makes no sense is never half of a maildrop.
func TestListingFaults(t *testing.T) {
	const first = "* 1 FETCH (UID 11 RFC822.SIZE 3)\r\n"
	for _, c := range []struct {
		name, answer, words string
		always              bool
	}{
		{"dies in the middle", first + "* 2 FETCH (UI", "", false},
		{"always dies in the middle", first + "* 2 FETCH (UI", "unexpected EOF", true},
		{"always dies between lines", first, "hung up", true},
		{"NO", first + "%s NO [SERVERBUG] hm\r\n", "hm", true},
		{"BAD", "%s BAD hm\r\n", "hm", true},
		{"BYE", first + "* BYE now\r\n", "now", true},
		{"garbage", first + "* 2 FETCH ((((\r\n%s OK done\r\n", "no sense", true},
		{"no UID", first + "* 2 FETCH (RFC822.SIZE 4)\r\n%s OK done\r\n", "without its UID", true},
		{"giant line", "* 2 FETCH (UID 12 X \"" + strings.Repeat("x", 2*maxUnit) + "\"", "more than", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFake(t, "one", "two")
			f.instead = func(conn *fakeConn, session int, command string) bool {
				if !strings.HasPrefix(command, "UID FETCH 1:*") || (session > 1 && !c.always) {
					return false
				}
				conn.send("%s", strings.ReplaceAll(c.answer, "%s", conn.tag))
				conn.Close()
				return true
			}
			m := f.open()
			messages, err := m.Messages(t.Context())
			if c.words != "" {
				kindIs(t, err, upstream.Unavailable, c.words)
				return
			}
			if err != nil || len(messages) != 2 {
				t.Errorf("%d messages, %v", len(messages), err)
			}
		})
	}
}

// TestFewerListed: a listing that leaves out what exists is none; an EXISTS that
// counts what is gone is no reason to doubt.
func TestFewerListed(t *testing.T) {
	for name, test := range map[string]struct {
		expunged, found string
		whole           bool
	}{
		"left out":            {found: "11 12"},
		"expunged meanwhile":  {expunged: "* 2 EXPUNGE\r\n", whole: true},
		"counted and not had": {found: "11", whole: true},
	} {
		f := newFake(t, "one", "two")
		f.instead = func(c *fakeConn, _ int, command string) bool {
			switch {
			case strings.HasPrefix(command, "UID FETCH 1:*"):
				c.send("* 1 FETCH (UID 11 RFC822.SIZE 3)\r\n%s", test.expunged)
			case command == "UID SEARCH ALL":
				c.send("* SEARCH %s\r\n", test.found)
			default:
				return false
			}
			c.ok("done")
			return true
		}
		m, err := open(t, f.options()).Open(t.Context(), alice)
		if err != nil {
			t.Fatal(err)
		}
		messages, err := m.Messages(t.Context())
		if (err == nil) != test.whole || test.whole && len(messages) != 1 {
			t.Errorf("%s: %v, %v", name, messages, err)
		}
		m.Close()
	}
}

func TestListCommandAsksForUnique(t *testing.T) {
	for caps, want := range map[string]string{
		"IMAP4rev1 AUTH=PLAIN":                          "UID FETCH 1:* (UID RFC822.SIZE FLAGS INTERNALDATE)",
		"IMAP4rev1 AUTH=PLAIN OBJECTID":                 "UID FETCH 1:* (UID RFC822.SIZE FLAGS INTERNALDATE EMAILID)",
		"IMAP4rev1 AUTH=PLAIN X-GM-EXT-1":               "UID FETCH 1:* (UID RFC822.SIZE FLAGS INTERNALDATE X-GM-MSGID)",
		"IMAP4rev1 AUTH=PLAIN X-GM-EXT-1 OBJECTID MOVE": "UID FETCH 1:* (UID RFC822.SIZE FLAGS INTERNALDATE EMAILID)",
	} {
		f := newFake(t, "one")
		f.caps = caps
		f.opened()
		if said := f.heard("UID FETCH 1:*"); !slices.Equal(said, []string{want}) {
			t.Errorf("%s: said %q", caps, said)
		}
	}
}

// TestEmptyFolder: a listing of nothing may be refused.
func TestEmptyFolder(t *testing.T) {
	for _, refusal := range []string{"OK", "NO nothing there", "BAD Invalid messageset"} {
		f := newFake(t)
		f.instead = func(c *fakeConn, _ int, command string) bool {
			if strings.HasPrefix(command, "UID FETCH") {
				c.send("%s %s\r\n", c.tag, refusal)
				return true
			}
			return false
		}
		if m, messages := f.opened(); len(messages) != 0 || m.tried {
			t.Errorf("%s: %v, tried %v", refusal, messages, m.tried)
		}
	}
}

func TestFolders(t *testing.T) {
	f := newFake(t, "one")
	login := alice
	login.Folders = []string{"INBOX", `\trash`, "inbox", "Bin", "Über & \"x\\"}
	m, err := f.upstream().Open(t.Context(), login)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	var names []string
	for _, folder := range m.Folders() {
		names = append(names, folder.Name)
		if folder.UIDValidity != 99 {
			t.Errorf("%+v", folder)
		}
	}
	if want := []string{"INBOX", "Bin", "Über & \"x\\"}; !slices.Equal(names, want) {
		t.Errorf("folders %q, want %q", names, want)
	}
	want := []string{"SELECT INBOX", `SELECT "Bin"`, `SELECT "&ANw-ber &- \"x\\"`}
	if said := f.heard("SELECT"); !slices.Equal(said, want) {
		t.Errorf("said %q, want %q", said, want)
	}
	if said := f.heard("LIST"); !slices.Equal(said, []string{`LIST "" "*" RETURN (SPECIAL-USE)`}) {
		t.Errorf("said %q", said)
	}
}

func TestFoldersRefused(t *testing.T) {
	for folder, words := range map[string]string{
		"": "no name", "a\r\nb": "no name", "\x00": "no name", strings.Repeat("x", maxFolderName+1): "no name",
		`\Junk`: "no folder of that use", `\`: "no folder of that use", `\*`: "no folder of that use",
	} {
		f := newFake(t)
		login := alice
		login.Folders = []string{folder}
		_, err := f.upstream().Open(t.Context(), login)
		kindIs(t, err, upstream.Denied, words)
	}
}

// TestSpecialUse finds the folder among names that the library could not read,
// and without the extension.
func TestSpecialUse(t *testing.T) {
	f := newFake(t)
	f.caps = "IMAP4rev1 AUTH=PLAIN"
	f.instead = func(c *fakeConn, _ int, command string) bool {
		if !strings.HasPrefix(command, "LIST") {
			return false
		}
		c.send("* LIST () \"/\" \"&&&\"\r\n* LIST (\\Noselect \\Trash) \"/\" Old\r\n* LIST (\\NonExistent \\Trash) \"/\" Older\r\n" +
			"* LIST (\\HasNoChildren \\TRASH) \"/\" {9}\r\n[X]/&ANw-\r\n* LIST (\\Trash) \"/\" Second\r\n")
		c.ok("done")
		return true
	}
	login := alice
	login.Folders = []string{`\Trash`}
	m, err := f.upstream().Open(t.Context(), login)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if name := m.Folders()[0].Name; name != "[X]/Ü" {
		t.Errorf("found %q", name)
	}
	if said := f.heard("LIST"); !slices.Equal(said, []string{`LIST "" "*"`}) {
		t.Errorf("said %q", said)
	}
}

// TestCloseIsPolite: LOGOUT is said, and nobody waits for the answer.
func TestCloseIsPolite(t *testing.T) {
	f := newFake(t, "one")
	heard := make(chan struct{})
	f.instead = func(c *fakeConn, _ int, command string) bool {
		if command == "LOGOUT" {
			close(heard)
			c.stall()
		}
		return false
	}
	o := f.options()
	o.WarmIdle = -1
	m, err := open(t, o).Open(t.Context(), alice)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Close(); err != nil {
		t.Error(err)
	}
	<-heard
	_, err = m.Open(t.Context(), upstream.ID{UID: 11}, upstream.Whole)
	kindIs(t, err, upstream.Unavailable, "closed")
	if n := f.countSessions(); n != 1 {
		t.Errorf("%d sessions, want 1", n)
	}
}
